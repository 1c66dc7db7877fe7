"""Which failures are worth another try, and after how long."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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

_PLAIN_NUMBER = re.compile(r"[ \t]*[0-9]{1,15}(?:\.[0-9]{0,15})?[ \t]*")
_PASSING_STATUSES = frozenset({408, 502, 503, 504})
_PASSING_CODES = ("InternalError", "ServiceUnavailable", "GatewayTimeout")


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

    Retried are 429 `Throttling*`, 500 `InternalError*`, 408, 502, 503, 504, answers that are not JSON,
    connections refused, reset, timed out or cut short, and an empty page where lines should be.
    Everything else is raised at once.

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
    """How long after its first failure a request may still be tried again."""
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
        case InternalServerError() if error.status not in _PASSING_STATUSES:
            # A gateway's 500 has no code; a 500 with any other code says what is really wrong.
            return not error.code or error.code.startswith(_PASSING_CODES)
        case APIError():
            return error.status in _PASSING_STATUSES
        case _:
            return False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the server asked to wait, or None if it said nothing usable.

    `retry-after-ms` is finer, so it goes first. A date is measured against the answer's own `Date`, so
    a wrong clock on either side does no harm; without `Date` it can't be used. A moment in the past
    means 0.

    >>> retry_after({"retry-after": "2.5"}), retry_after({"retry-after": "soon"})
    (2.5, None)
    """
    milliseconds = headers.get("retry-after-ms", "")
    if _PLAIN_NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "")
    if _PLAIN_NUMBER.fullmatch(value):
        return float(value)
    asked, sent = moment(value), moment(headers.get("date", ""))
    if asked is None or sent is None:
        return None
    return max(0.0, (asked - sent).total_seconds())


def moment(value: str) -> datetime | None:
    """Return the time that a header tells, if it does."""
    try:
        moment = parsedate_to_datetime(value)
        # "-0000" means that the zone is unknown; HTTP dates are UTC.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
