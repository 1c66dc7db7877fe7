"""What chance decides about a request: how long it waits, whether it fails, how much it brings."""

import math
from random import Random

import attrs

from dashscope_ftlogs.emulator.argument_ranges import is_number
from dashscope_ftlogs.emulator.faulty_answers import Reply
from dashscope_ftlogs.emulator.rate_limit import RateLimit

Latency = float | tuple[float, float]


@attrs.frozen
class Fate:
    """All of it, drawn as the request arrives so that runs repeat."""

    request_id: str
    reply: Reply | None
    beyond: RateLimit | None  # the limit that forbids it
    wait: float
    keep: float | None  # the share of its lines that a ragged page keeps


def lowest_and_highest(latency: Latency) -> tuple[float, float]:
    """Return between how many seconds an answer waits.

    Raises:
        ValueError: not `0 <= lowest <= highest`, or not finite.
    """
    low, high = latency if isinstance(latency, tuple) and len(latency) == 2 else (latency, latency)
    if not is_number(low) or not is_number(high) or not 0 <= low <= high < math.inf:
        raise ValueError(f"latency must be seconds or (lowest, highest), not {latency!r}")
    return low, high


def sources(seed: int, *names: str) -> list[Random]:
    """Return a source of chance for each, so that adding one leaves the others' draws as they were."""
    return [Random(f"{seed}:{name}") for name in names]  # noqa: S311  (repeatable on purpose)
