"""Which failures are worth another try, and after how long."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.doubt import LAG
from dashscope_ftlogs.errors import (
    APIError,
    FTLogsError,
    IncompleteLogError,
    InternalServerError,
    MalformedResponseError,
    ThrottlingError,
    TransportError,
)

_WAIT = r"\+?([0-9]+(?:\.[0-9]*)?)[ \t]*(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?)?"
_WAITS: Final = re.compile(rf"[ \t]*{_WAIT}(?:,[ \t]+{_WAIT})*[ \t]*", re.ASCII | re.IGNORECASE)
"""More than one is what becomes of a header that is sent twice."""
_ONE_WAIT: Final = re.compile(_WAIT, re.ASCII | re.IGNORECASE)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_PASSING_STATUSES: Final = frozenset({408, 421, 425, 502, 503, 504, *range(520, 530)})
"""Whatever the code. 520 to 529 are those of gateways that found the service down, or overloaded."""
_PASSING_CODES: Final = re.compile(
    r"internal(server|service|system)?(error|failure)|(server|system)(error|busy)|(server)?overload"
    r"|(request|gateway)?timed?out|service(temporarily)?unavailable"
)
"""How codes begin, in lower case, letters only, that say nothing but that it did not work now."""


@attrs.frozen
class RetryDecision:
    """What to do after a failure: wait for `delay` seconds and try again, or (None) give up."""

    delay: float | None
    reason: str = ""
    """Why a failure that is worth a retry gets none."""


def _positive(_instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    checks.seconds(attribute.name, value)


def _at_least_one(_instance: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    checks.whole_number(attribute.name, value, 1)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often and how patiently a failed request is sent again. All times are in seconds.

    Retried are 429 `Throttling*`; 500 `InternalError*` and what else only says that the service failed
    (`InternalServerError`, `SystemError`, `RequestTimeOut`, `server_error`, no code at all); 408, 421,
    425, 502, 503, 504 and 520 to 529 whatever the code; answers that are not JSON; connections refused,
    reset, timed out or cut short; and an empty page where lines should be. Everything else is raised at
    once, a 500 with any other code too.

    Waits are drawn evenly from 0 to `base_delay * 2**(tries - 1)`, at most `max_delay` ("full jitter"),
    and are never shorter than the server's `Retry-After`.

    >>> RetryPolicy(max_tries=3).decide(TransportError("reset"), tries=1, lasted=0, draw=0.5)
    RetryDecision(delay=0.25, reason='')
    """

    max_tries: int = attrs.field(default=8, validator=_at_least_one)
    """Requests sent for one answer, the first included; 1 means no retry."""
    base_delay: float = attrs.field(default=0.5, validator=_positive)
    max_delay: float = attrs.field(default=30.0, validator=_positive)
    max_retry_after: float = attrs.field(default=120.0, validator=_positive)
    """A server that asks for a longer wait is not waited for."""
    deadline: float = attrs.field(default=600.0, validator=_positive)
    """How long after its first failure a request may be tried again, however late its turn comes."""
    lag: float = attrs.field(default=LAG, validator=_positive)
    """How far behind a machine of the service may be: what contradicts earlier answers is asked for
    again for so long before it is believed."""

    def __attrs_post_init__(self) -> None:
        if self.max_delay < self.base_delay:
            raise checks.refused(
                "max_delay", self.max_delay, f"at least base_delay, {self.base_delay!r}"
            )

    def decide(self, error: FTLogsError, *, tries: int, lasted: float, draw: float) -> RetryDecision:
        """Decide what follows failure number `tries`.

        Args:
            error: The failure.
            tries: Requests sent so far, this one included.
            lasted: Seconds since this request's first failure.
            draw: A number from 0 to 1, drawn at random: the jitter.
        """
        if not worth_a_retry(error):
            return RetryDecision(None)
        asked = error.retry_after if isinstance(error, APIError) else None
        if asked is not None and asked > self.max_retry_after:
            return RetryDecision(
                None,
                f"The server asked for a wait of {asked:g} s; the policy waits at most "
                f"{self.max_retry_after:g} s.",
            )
        if tries >= self.max_tries:
            return RetryDecision(None)
        # The exponent is bounded, since 2.0**1024 overflows.
        ceiling = min(self.max_delay, self.base_delay * 2.0 ** min(tries - 1, 64))
        delay = max(draw * ceiling, asked or 0.0)
        if lasted + delay > self.deadline:
            wish = f" The server asked for a wait of {asked:g} s." if asked else ""
            return RetryDecision(None, f"The policy's deadline is {self.deadline:g} s.{wish}")
        return RetryDecision(delay)


def worth_a_retry(error: FTLogsError) -> bool:
    """Whether the same GET, sent again, may well succeed."""
    match error:
        case TransportError():
            return error.passing
        case MalformedResponseError():
            return error.damaged
        case ThrottlingError() | IncompleteLogError():
            return True
        case InternalServerError():
            # A gateway's 500 has no code; a 500 with any other code says what is really wrong.
            return not error.code or error.status in _PASSING_STATUSES or may_pass(error.code)
        case APIError():
            return error.status in _PASSING_STATUSES
        case _:
            return False


def may_pass(code: str) -> bool:
    """Whether a code says that the service failed just now, in whatever spelling.

    >>> [may_pass(code) for code in ("InternalError.Algo", "internal_error", "DataBroken")]
    [True, True, False]
    """
    return _PASSING_CODES.match(re.sub("[^a-z]", "", code.lower())) is not None


def _now() -> datetime:
    return datetime.now(UTC)


def retry_after(headers: Mapping[str, str], now: Callable[[], datetime] = _now) -> float | None:
    """Return how many seconds the server asked to wait, or None if it said nothing usable.

    Of several waits the longest counts, `retry-after-ms` among them. A date is measured against the
    answer's own `Date`, so a wrong clock on either side does no harm; without `Date`, against ours. A
    moment in the past means 0.

    >>> retry_after({"retry-after": "2.5"}), retry_after({"retry-after": "30s"})
    (2.5, 30.0)
    >>> retry_after({"retry-after": "soon"})
    """
    said = headers.get("retry-after", "")
    waits = _waits(said, "s")
    if not waits and (asked := moment(said)) is not None:
        waits = [(asked - (moment(headers.get("date", "")) or now())).total_seconds()]
    waits += _waits(headers.get("retry-after-ms", ""), "ms")
    return min(max(0.0, *waits), checks.MOST) if waits else None


def _waits(value: str, unit: str) -> list[float]:
    if not _WAITS.fullmatch(value):
        return []
    return [
        float(number) * _SECONDS[given if given == "ms" else given[0]]
        for number, said in _ONE_WAIT.findall(value)
        if (given := said.lower() or unit)
    ]


def moment(value: str) -> datetime | None:
    """Return the time that a header tells, if it does, as HTTP or as ISO 8601 has it."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError, OverflowError, TypeError, IndexError):
            moment = read(value)
            # "-0000" means that the zone is unknown; HTTP dates are UTC.
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None
