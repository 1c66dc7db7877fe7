"""Where the points of a log are from, once all of it is known: segment, step, and time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import attrs

from dashscope_ftlogs.metrics.point import Point
from dashscope_ftlogs.metrics.steps_and_times import interval
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import Beside, MetricsKind, ProgressBar, whole

_ROUNDED: Final = 0.011
"""An epoch that is this much smaller than the one before may just be rounded otherwise."""
_Told = tuple[int, int | None, int | None]
"""Of a point: its segment, its step, and how many steps there will be."""


@attrs.define
class Place:
    """A point of which not everything is known before the log has ended."""

    offset: int
    values: MetricValues
    kind: MetricsKind
    own_step: int | None
    total: int | None
    epoch: float | None
    bar: ProgressBar | None
    """The one just before it, which may tell its step."""
    time: int | None
    start: int | None
    """When training began, as last said before it."""
    elapsed: float | None
    """Seconds since then."""
    tokens: int | None
    beside: Beside
    twice: bool = False
    """A logger has told it as well."""


def placed(places: Sequence[Place], steps: int | None) -> list[Point]:
    """Return the points of a log that has ended.

    A step that no line tells is taken from progress bars only if each training point of the log comes
    straight after a bar of its own: where the trainer's output is buffered, a bar says nothing. But
    where the bars came to their end, and points come at one interval that fits their total exactly,
    that tells it.

    Args:
        places: In the order of the log.
        steps: How many its only run had, if its bars came to their end.
    """
    counted = _bars_that_count(places)
    segments = Segments()
    told = [_told(place, counted, segments) for place in places]
    if not counted and steps is not None:
        told = _by_interval(places, told, steps)
    starts = _starts(places, told)
    return [
        Point(
            place.offset,
            segment,
            place.kind,
            step,
            total,
            place.epoch,
            _time(place, starts.get(segment, place.start), step),
            place.tokens,
            place.values,
        )
        for place, (segment, step, total) in zip(places, told, strict=True)
    ]


def _bars_that_count(places: Sequence[Place]) -> set[float | None]:
    """Return the totals of those progress bars that tell the steps of points.

    Evaluation has bars of its own, which count something else.
    """
    without = [place for place in places if place.own_step is None and place.kind == "train"]
    bars = [place.bar for place in without if place.bar is not None]
    moving = all(one.step != other.step for one, other in pairwise(bars))
    return {bar.total for bar in bars} if moving and len(bars) == len(without) else set()


def _by_interval(places: Sequence[Place], told: list[_Told], total: int) -> list[_Told]:
    """Return the same with the steps that the interval between points tells, if it does."""
    train = [place for place in places if place.kind == "train"]
    if any(place.own_step is not None for place in train) or any(segment for segment, _, _ in told):
        return told
    last = next((place.epoch for place in places if place.kind == "final"), None)
    every = interval([place.epoch for place in train], total, last)
    if every is None:
        return told
    steps = iter(range(every, total + 1, every))
    return [
        (segment, next(steps), total) if place.kind == "train" else (segment, step, of)
        for place, (segment, step, of) in zip(places, told, strict=True)
    ]


def _told(place: Place, counted: set[float | None], segments: "Segments") -> _Told:
    step, total, bar = place.own_step, place.total, place.bar
    if step is None and bar is not None and bar.total in counted and place.kind != "final":
        step, total = bar.step, whole(bar.total)
    return segments.number(place.kind, step, place.epoch), step, total


def _starts(places: Sequence[Place], told: Sequence[_Told]) -> dict[int, int]:
    """Return when each segment began, where one of its points tells both times."""
    starts: dict[int, int] = {}
    for place, (segment, _, _) in zip(places, told, strict=True):
        if place.time is not None and place.elapsed is not None:
            starts.setdefault(segment, place.time - round(place.elapsed * 1000))
    return starts


def _time(place: Place, start: int | None, step: int | None) -> int | None:
    if place.time is not None:
        return place.time
    elapsed, bar = place.elapsed, place.bar
    if elapsed is None and bar is not None and step is not None and bar.step == step:
        elapsed = bar.elapsed
    return None if start is None or elapsed is None else start + round(elapsed * 1000)


@attrs.define
class Segments:
    """Counts the runs of a log: one is over when step or epoch go back."""

    _number: int = 0
    _step: int = -1
    _epoch: float = -1.0

    def number(self, kind: MetricsKind, step: int | None, epoch: float | None) -> int:
        """Return in which run the next point is."""
        if kind == "final":  # its epoch is rounded in another way, if at all
            return self._number
        back = epoch is not None and epoch < self._epoch - _ROUNDED
        if step is not None:  # which is exact, but may count from each epoch's beginning
            back = step < self._step and not (epoch is not None and epoch > self._epoch)
        if back:
            self._number, self._step, self._epoch = self._number + 1, -1, -1.0
        self._step = self._step if step is None else step
        self._epoch = self._epoch if epoch is None else epoch
        return self._number
