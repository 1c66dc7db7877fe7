"""What the steps of a log count: the whole run, or each epoch anew."""

import math
from collections.abc import Iterator
from typing import Final

import attrs

from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.segments import EPOCH_ROUNDING

_FIRST: Final = (0.0, 1.0)
"""What the first epoch of a run may be called."""
_AT_ONCE: Final = 4096
"""Points whose cells are held at the same time."""


@attrs.frozen
class StepCount:
    """Where steps begin again, and how to count on over the epochs, if that is sure."""

    restarts: bool = False
    """Whether training steps begin again, or stay the same, while the epoch grows."""
    first_epoch: float = 0
    """What the first epoch of the log is called."""
    epoch_steps: int | None = None
    """How many steps each epoch has; None if that is not sure, or not needed."""

    def global_steps(self, points: PointColumns, begin: int, end: int) -> "list[float | None]":
        """Return the steps of these rows, counted on; None where the log does not tell how."""
        columns = (points.step, points.total_steps, points.epoch)
        told = zip(*(column.cells(begin, end) for column in columns), strict=True)
        return [
            None
            if step is None
            or total is None
            or total != self.epoch_steps
            or epoch is None
            or epoch % 1 != 0
            else (epoch - self.first_epoch) * total + step
            for step, total, epoch in told
        ]


def step_count(points: PointColumns) -> StepCount:
    """Return what the steps of a log count.

    How to count on is sure where each step of training comes with its epoch, a whole number from the
    first one on, and with how many steps that has: as many as all others. Else epochs may differ in
    length, and counting on would make places up.

    >>> from dashscope_ftlogs.metrics.points import LogPoints
    >>> log = LogPoints()
    >>> lines = [f"Epoch [{n}/2], Step [{step}/9], Loss: 1.5" for n in (1, 2) for step in (4, 8)]
    >>> log.read_all(lines, 0)
    >>> step_count(log.columns()).global_steps(log.columns(), 0, 4)
    [4.0, 8.0, 13.0, 17.0]
    """
    if not points.epoch or not any(_begins_again(points, *run) for run in _segments(points)):
        return StepCount()
    not_sure = StepCount(restarts=True)
    first, most = math.inf, 0
    totals: set[int] = set()
    for step, total, epoch in _training(points, 0, len(points)):
        if epoch is None or epoch % 1 != 0 or total is None or len(totals | {total}) > 1:
            return not_sure
        first, most = min(first, epoch), max(most, step)
        totals.add(total)
    (total,) = totals
    # Where the total is that of a run of several epochs, no step of an epoch gets so far.
    sure = first in _FIRST and most <= total < 2 * most
    return StepCount(True, first, total) if sure else not_sure


def _segments(points: PointColumns) -> Iterator[tuple[int, int]]:
    return ((begin, begin + count) for begin, _, count in points.segment.runs(0, len(points)))


def _training(
    points: PointColumns, begin: int, end: int
) -> Iterator[tuple[int, int | None, float | None]]:
    """Yield step, total and epoch of what training tells with a step."""
    for first, kind, count in points.kind.runs(begin, end):
        for row in range(first, first + count, _AT_ONCE) if kind == "train" else ():
            rows = row, min(row + _AT_ONCE, first + count)
            columns = (points.step, points.total_steps, points.epoch)
            for step, total, epoch in zip(*(column.cells(*rows) for column in columns), strict=True):
                if step is not None:
                    yield step, total, epoch


def _begins_again(points: PointColumns, begin: int, end: int) -> bool:
    last_step, last_epoch = -1, math.inf
    for step, _, epoch in _training(points, begin, end):
        if epoch is None:
            continue
        if step <= last_step and epoch > last_epoch + (EPOCH_ROUNDING if step == last_step else 0):
            return True
        last_step, last_epoch = step, epoch
    return False
