"""The few facts that jobs are compared by."""

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import attrs

from dashscope_ftlogs.metrics.points import Point
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


def summary(job: Job | None, points: Iterable[Point], tokens: int | None) -> Summary:
    """Summarise a job, given the points of its log, and the tokens that it counted.

    >>> from dashscope_ftlogs.metrics.points import read_points
    >>> points = read_points(["{'loss': 2.0, 'step': 1}", "{'loss': 1.5, 'step': 2}", "{'loss': nan}"])
    >>> found = summary(None, points, None)
    >>> found.final.value, found.best.value, found.best.step
    (nan, 1.5, 2)
    """
    losses = list(_losses(points))
    finite = (loss for loss in losses if math.isfinite(loss.value))
    used = None if job is None else job.usage
    return Summary(
        None if job is None else _duration(job),
        tokens if used is None else used,
        losses[-1] if losses else None,
        min(finite, key=lambda loss: loss.value, default=None),
    )


def _losses(points: Iterable[Point]) -> Iterable[Loss]:
    for point in points:
        value = point.values.get(_LOSS)
        if point.kind == "train" and isinstance(value, float):
            yield Loss(value, point.step, point.offset)


def _duration(job: Job) -> timedelta | None:
    begin, end = milliseconds(job.create_time), milliseconds(job.end_time)
    if begin is None or end is None or end < begin:
        return None
    return timedelta(milliseconds=end - begin)
