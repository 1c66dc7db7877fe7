"""Which requests a fault hits: rules, and the choice among them."""

import math
from collections.abc import Collection, Sequence
from random import Random
from typing import Literal, get_args

import attrs

from dashscope_ftlogs.emulator.argument_ranges import is_share, several
from dashscope_ftlogs.emulator.faulty_answers import (
    BadJson,
    Close,
    CutBody,
    EmptyPage,
    Html,
    OkWithCode,
    Refuse,
    Reply,
    Reset,
)

Endpoint = Literal["logs", "list", "job", "checkpoints", "any"]
_ENDPOINTS = get_args(Endpoint)


def _numbers(value: Collection[int] | None) -> frozenset[int] | None:
    if value is None:
        return None
    numbers = tuple(several("on", value, "request numbers of 1 or more"))
    if any(type(number) is not int or number < 1 for number in numbers):
        raise ValueError(f"on must hold request numbers of 1 or more, not {sorted(numbers, key=repr)!r}")
    return frozenset(numbers)


@attrs.frozen
class Fault:
    """One rule: which requests get `reply`. Without `probability` and `on`, all of them.

    Attributes:
        probability: 0 to 1, drawn anew for each request that the rule looks at.
        on: request numbers from 1, counted over the requests to `endpoint` (and `job_id`, if
            given) since the rule was put in place, whatever other rules did to them.
        endpoint: "logs", "list", "job", "checkpoints" or "any" (any path at all).
        job_id: only requests for this job.
        times: at most so many hits.

    Raises:
        ValueError: names the value and the range.
    """

    reply: Reply = attrs.field()
    probability: float | None = attrs.field(default=None, kw_only=True)
    on: frozenset[int] | None = attrs.field(default=None, kw_only=True, converter=_numbers)
    endpoint: Endpoint = attrs.field(default="logs", kw_only=True)
    job_id: str | None = attrs.field(default=None, kw_only=True)
    times: int | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check what can be checked before the first request."""
        # Reset for Reset() is easily written, and not everyone has a type checker.
        if not isinstance(self.reply, Reply):  # pyright: ignore[reportUnnecessaryIsInstance]
            # All that is wrong with a fault is a ValueError.
            raise ValueError(f"reply must be one such as Reset(), not {self.reply!r}")  # noqa: TRY004
        if self.probability is not None and self.on is not None:
            raise ValueError(
                f"give probability or on, not both: {self.probability!r} and {sorted(self.on)!r}"
            )
        if self.probability is not None and not is_share(self.probability):
            raise ValueError(f"probability must be from 0 to 1, not {self.probability!r}")
        if self.endpoint not in _ENDPOINTS:
            raise ValueError(f"endpoint must be one of {_ENDPOINTS}, not {self.endpoint!r}")
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise ValueError(f"times must be 1 or more, not {self.times!r}")

    def concerns(self, endpoint: str, job_id: str | None) -> bool:
        """Whether the rule looks at such a request."""
        return self.endpoint in ("any", endpoint) and self.job_id in (None, job_id)


class FaultChooser:
    """Tries rules in turn, in order of arrival; the first that hits wins."""

    def __init__(self, rules: Sequence[Fault], rng: Random) -> None:
        self._rng = rng
        self._tries = [_Tries(rule) for rule in rules]

    def choose(self, endpoint: str, job_id: str | None) -> Reply | None:
        """What happens to the request that just arrived; None is nothing special."""
        chosen: Reply | None = None
        for tried in self._tries:
            if not tried.rule.concerns(endpoint, job_id):
                continue
            tried.seen += 1
            if chosen is None and self._hits(tried):
                tried.hits += 1
                chosen = tried.rule.reply
        return chosen

    def _hits(self, tried: "_Tries") -> bool:
        rule = tried.rule
        if tried.hits >= (math.inf if rule.times is None else rule.times):
            return False
        if rule.on is not None:
            return tried.seen in rule.on
        return rule.probability is None or self._rng.random() < rule.probability


@attrs.define
class _Tries:
    rule: Fault
    seen: int = 0
    hits: int = 0


def ten_ways_to_fail(probability: float) -> tuple[Fault, ...]:
    """Rules that together hit that share of all logs requests.

    Ten ways, of which throttling comes with and without a `Retry-After`, make eleven equal parts:
    429 (twice), 500, 502 with a web page, 503, reset, closed, cut in mid-body, broken JSON, 200 with
    an error inside, and an empty page.

    Raises:
        ValueError: `probability` is not from 0 to 1.
    """
    return _in_shares(
        probability,
        (
            (1.0, Refuse(429)),
            (0.5, Refuse(429, retry_after="0")),
            (0.5, Refuse(429, "Throttling.RateQuota", retry_after_ms="20")),
            (1.0, Refuse(500)),
            (1.0, Html(502)),
            (1.0, Refuse(503)),
            (1.0, Reset()),
            (1.0, Close()),
            (1.0, CutBody()),
            (1.0, BadJson()),
            (0.5, OkWithCode("InternalError")),
            (0.5, OkWithCode("Throttling")),
            (1.0, EmptyPage()),
        ),
    )


def _in_shares(probability: float, parts: Sequence[tuple[float, Reply]]) -> tuple[Fault, ...]:
    """Rules are tried in turn, so each must hit its share of what those before it let pass."""
    if not is_share(probability):
        raise ValueError(f"probability must be from 0 to 1, not {probability!r}")
    whole = math.fsum(weight for weight, _ in parts)
    rules: list[Fault] = []
    left = 1.0
    for weight, reply in parts:
        share = probability * weight / whole
        rules.append(Fault(reply, probability=min(1.0, share / left)))
        left -= share
    return tuple(rules)
