"""The few facts that jobs are compared by."""

import math
from datetime import timedelta
from typing import Final

import attrs

from dashscope_ftlogs.metrics.columns import cell
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.forms.stamps import milliseconds

_LOSS: Final = "loss"


@attrs.frozen
class Loss:
    """A training loss, and where it is from."""

    value: float
    step: int | None
    offset: int
    """The number of its line."""


@attrs.frozen
class Summary:
    """What is known of one job; what is not is None."""

    duration: timedelta | None
    """From its creation to its end, so with the time that it waited."""
    tokens: int | None
    """As the service bills them, else as the log counts them."""
    final: Loss | None
    """The last one, which may be NaN."""
    best: Loss | None
    """The lowest finite one, the first of equals."""


def summary(job: Job | None, points: PointColumns, tokens: int | None) -> Summary:
    """Summarise a job, given the points of its log, and the tokens that it counted.

    >>> from dashscope_ftlogs.metrics.points import LogPoints
    >>> log = LogPoints()
    >>> log.read_all(["{'loss': 2.0, 'step': 1}", "{'loss': 1.5, 'step': 2}", "{'loss': nan}"], 0)
    >>> found = summary(None, log.columns(), None)
    >>> found.final.value, found.best.value, found.best.step
    (nan, 1.5, 2)
    """
    final, best = _final_and_best(points)
    used = None if job is None else job.usage
    return Summary(
        None if job is None else _duration(job),
        tokens if used is None else used,
        None if final is None else loss_at(points, *final),
        None if best is None else loss_at(points, *best),
    )


def _final_and_best(points: PointColumns) -> "tuple[_Found | None, _Found | None]":
    """Return the last loss of training and the lowest, each with its row."""
    losses = points.numbers(_LOSS)
    final = best = None
    for begin, kind, count in points.kind.runs(0, len(points)):
        for row, place, length in losses.runs(begin, begin + count if kind == "train" else begin):
            values = losses.values[place : place + length]
            final = row + length - 1, values[-1]
            lowest = min(filter(math.isfinite, values), default=math.inf)
            if lowest < (math.inf if best is None else best[1]):
                best = row + values.index(lowest), lowest
    return final, best


_Found = tuple[int, float]


def loss_at(points: PointColumns, row: int, value: float) -> Loss:
    """Return a loss of a point as what it is compared by."""
    return Loss(value, cell(points.step, row), cell(points.offset, row))


def _duration(job: Job) -> timedelta | None:
    begin, end = milliseconds(job.create_time), milliseconds(job.end_time)
    if begin is None or end is None or end < begin:
        return None
    return timedelta(milliseconds=end - begin)
