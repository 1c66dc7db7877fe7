"""Points that a log tells twice: by a logger and by the trainer, in a history, in a summary."""

import math
from collections.abc import Sequence
from typing import Final, Protocol

from dashscope_ftlogs.metrics.segments import EPOCH_ROUNDING
from dashscope_ftlogs.reading.forms.names import is_loss_or_reward
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import Beside

_ROUNDED: Final = 0.5e-4
"""Loggers print four decimals."""
_DIGITS: Final = 6e-4
"""Trainers print four digits."""
NEAR: Final = 64
"""Points that are looked at for the same."""


class Told(Protocol):
    """What has to be known of a point that was told to find it again."""

    @property
    def kind(self) -> str:
        """`train`, `eval` or `final`."""
        ...

    @property
    def own_step(self) -> int | None:
        """As it says itself."""
        ...

    @property
    def epoch(self) -> float | None:
        """As printed."""
        ...

    def value(self, name: str) -> float | str | None:
        """Return one of its values, as the log has it; None if it has no such."""
        ...


class Entry(Told, Protocol):
    """A point that may have been told."""

    @property
    def values(self) -> MetricValues:
        """As the log has them."""
        ...


class AllTold(Protocol):
    """All points that were told, in order."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, at: int) -> Told:
        """Return one of them."""
        ...


def in_other_words(logged: MetricValues, own: MetricValues) -> bool:
    """Whether a logger's values are those of the trainer, but for rounding.

    >>> in_other_words({"loss": 0.5, "epoch": 0.1}, {"loss": 0.50004, "grad_norm": 1.0, "epoch": 0.1})
    True
    """
    if not logged.keys() <= own.keys() and own.keys() <= logged.keys():
        return False
    loss, exact = logged.get("loss"), own.get("loss")
    if not (isinstance(loss, float) and isinstance(exact, float) and _close(loss, exact, 0.0)):
        return False
    shared = logged.keys() & own.keys()
    return all(_alike(logged[name], own[name]) for name in shared)


def _alike(one: float | str, other: float | str) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        # A rate of 1e-05 is not one of 2e-05.
        apart = abs(one - other) > abs(other) / 100 and abs(other) < 0.01
        return _close(one, other, 1e-3) and not apart
    return True  # durations and texts are printed in many ways


def _close(one: float, other: float, share: float) -> bool:
    return abs(one - other) <= _ROUNDED + share * abs(other) or (math.isnan(one) and math.isnan(other))


def the_same(one: Entry, other: Told) -> bool:
    """Whether two points are one, as far as both tell of it."""
    if one.kind != other.kind:
        return False
    if None not in {one.own_step, other.own_step} and one.own_step != other.own_step:
        return False
    if (
        one.epoch is not None
        and other.epoch is not None
        and abs(one.epoch - other.epoch) > EPOCH_ROUNDING
    ):
        return False
    both = {name: (value, other.value(name)) for name, value in one.values.items() if name != "epoch"}
    shared = [name for name, (_, told) in both.items() if told is not None]
    telling = [name for name in shared if is_loss_or_reward(name)] or shared
    pairs = [both[name] for name in telling]
    numbers = [(a, b) for a, b in pairs if isinstance(a, float) and isinstance(b, float)]
    return bool(numbers) and all(_close(a, b, _DIGITS) for a, b in numbers)


def is_redrawn(values: MetricValues, beside: Beside, last_values: MetricValues, last: Beside) -> bool:
    """Whether a point is the last one once more, drawn anew: a line says then what it said before."""
    at, before = ((one.drawn, one.step, one.total_steps, one.kind, one.epoch) for one in (beside, last))
    if not beside.drawn or at != before or (beside.done or 0) < (last.done or 0):
        return False
    return beside.drawn != "line" or last_values.items() <= values.items()


class History:
    """Tells which entries of a history, as trainers keep one, were told before."""

    def __init__(self) -> None:
        self._at = 0
        self._indexed = 0
        self._by_step: dict[tuple[str, int], int] = {}
        self._by_epoch: dict[tuple[str, float], int] = {}

    def has(self, entry: Entry, told: AllTold) -> bool:
        """Whether an entry is among those that were told, which only grow."""
        self._learn(told)
        near = range(self._at, min(self._at + NEAR, len(told)))
        for at in (*self._likely(entry), *near):
            if the_same(entry, told[at]):
                self._at = at + 1
                return True
        return False

    def _learn(self, told: AllTold) -> None:
        for at in range(self._indexed, len(told)):
            one = told[at]
            if one.own_step is not None:
                self._by_step[one.kind, one.own_step] = at
            elif one.epoch is not None:
                self._by_epoch[one.kind, round(one.epoch, 2)] = at
        self._indexed = len(told)

    def _likely(self, entry: Told) -> list[int]:
        found: list[int | None] = []
        if entry.own_step is not None:
            found.append(self._by_step.get((entry.kind, entry.own_step)))
        if entry.epoch is not None:
            found.append(self._by_epoch.get((entry.kind, round(entry.epoch, 2))))
        return [at for at in found if at is not None]


def in_summary(summary: Entry, told: Sequence[Told]) -> bool:
    """Whether one of the last points tells what a summary does."""
    return any(the_same(summary, one) for one in told[: -NEAR - 1 : -1])
