"""Where an axis has its marks, and what is written there."""

import math
from datetime import datetime, timedelta
from typing import Final

from dashscope_ftlogs.metrics.curves import AXES, X

Tick = tuple[float, str]

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  (nobody knows the zone of a log's clock)
_DAY: Final = 86_400
_CLOCK: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200),
)
"""Seconds between two marks on an axis of time."""


def round_ticks(low: float, high: float, count: int) -> list[Tick]:
    """Return about `count` round numbers from `low` to `high`, and how to write them.

    >>> round_ticks(0.0, 1.1, 3)
    [(0.0, '0.0'), (0.5, '0.5'), (1.0, '1.0')]
    """
    step = _round_step(low, high, count)
    if step is None:
        return [(value, f"{value:.6g}") for value in sorted({low, high})]
    digits = -math.floor(math.log10(step) + 1e-9)
    largest = max(abs(low), abs(high))
    form = f",.{max(0, digits)}f"
    if not 1e-4 <= largest < 1e9:
        form = f".{max(1, math.floor(math.log10(largest)) + digits + 1)}g"
    return [(value, f"{value:{form}}") for value in _multiples(step, low, high)]


def _round_step(low: float, high: float, count: int) -> float | None:
    wanted = (high / 2 - low / 2) / count * 2
    if not 1e-300 < wanted < 1e300:
        return None
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= wanted)


def _multiples(step: float, low: float, high: float) -> list[float]:
    between = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [number * step for number in between] or [low]


def clock_ticks(low: float, high: float, count: int) -> list[Tick]:
    """Return about `count` times from `low` to `high`, in seconds since 1970, and how to write them.

    >>> clock_ticks(1765010000, 1765020000, 3)
    [(1765011600, '09:00'), (1765015200, '10:00'), (1765018800, '11:00')]
    """
    wanted = (high - low) / count
    step = next((step for step in _CLOCK if step >= wanted), None)
    step = step or math.ceil(wanted / _DAY) * _DAY
    form = "%Y-%m-%d" if step >= _DAY else "%H:%M" if step >= 60 else "%H:%M:%S"
    if _moment(low).date() != _moment(high).date() and step < _DAY:
        form = f"%m-%d {form}"
    return [(place, _moment(place).strftime(form)) for place in _multiples(step, low, high)]


def _moment(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def axis_title(x: X, low: float, high: float) -> str:
    """Return what to write at an axis that goes from `low` to `high`."""
    if x != "time":
        return AXES[x]
    first, last = _moment(low).date(), _moment(high).date()
    return f"{AXES[x]}, {first}" if first == last else f"{AXES[x]}, {first} to {last}"
