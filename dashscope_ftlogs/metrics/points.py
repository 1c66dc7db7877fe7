"""The metrics of a log as points of curves: where each is from, and in which run."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import (
    Message,
    Metrics,
    MetricsKind,
    ProgressBar,
    Record,
    Tokens,
    whole,
)
from dashscope_ftlogs.reading.tracebacks import RecordReader

_STAMP: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[,.](\d{3}))?")
_US_STAMP: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d):(\d\d)")
_ROUNDED: Final = 0.011
"""An epoch that is this much smaller than the one before may just be rounded otherwise."""


@attrs.frozen
class Point:
    """One metric dict, and what is known of it from the lines around it."""

    offset: int
    """The number of its line."""
    segment: int
    """Counts from 0; a restart that sets step or epoch back begins another."""
    kind: MetricsKind
    step: int | None
    total_steps: int | None
    epoch: float | None
    time: int | None
    """Of the last line before that had one: milliseconds since 1970 on the clock of the log, whose zone
    is not known."""
    tokens: int | None
    """How many had been consumed, as last said before it."""
    values: MetricValues = attrs.field(hash=False)


@attrs.define
class _Place:
    """A point whose step may be that of the progress bar just before it."""

    offset: int
    metrics: Metrics
    kind: MetricsKind
    own_step: int | None
    bar: ProgressBar | None
    time: int | None
    tokens: int | None
    logged: bool
    """It stood in the message of a logger."""


def added(columns: PointColumns, points: Sequence[Point]) -> PointColumns:
    """Return these columns with further points."""
    columns.add(
        [point.values for point in points],
        offset=[point.offset for point in points],
        segment=[point.segment for point in points],
        kind=[point.kind for point in points],
        step=[point.step for point in points],
        total_steps=[point.total_steps for point in points],
        epoch=[point.epoch for point in points],
        time=[point.time for point in points],
        tokens=[point.tokens for point in points],
    )
    return columns


def read_points(lines: Iterable[str], offset: int = 0) -> list[Point]:
    """Return the points of a log, in the order of its lines, of which the first has number `offset`.

    >>> points = read_points(["{'loss': 2.5, 'epoch': 0.1}", "{'loss': 1.5, 'epoch': 0.2}"])
    >>> [(point.offset, point.step, point.epoch) for point in points]
    [(0, None, 0.1), (1, None, 0.2)]
    """
    log = LogPoints()
    checks.whole_number("offset", offset, 0)
    log.read_all(checks.many("lines", lines), offset)
    return log.points()


class LogPoints:
    """Takes the lines of one log in turn, and makes points of what they say in the end."""

    def __init__(self) -> None:
        self._records = RecordReader()
        self._points = PointReader()

    def read(self, number: int, line: str) -> None:
        """Take the next line."""
        for at, record in self._records.read(number, line):
            self._points.read(at, record)

    def read_all(self, lines: Iterable[str], offset: int) -> None:
        """Take the next lines, of which the first has number `offset`."""
        for number, line in enumerate(lines, offset):
            self.read(number, line)

    def points(self) -> list[Point]:
        """Return the points of what was read."""
        return self._points.points()

    def columns(self) -> PointColumns:
        """Return the points of what was read as columns."""
        return self._points.columns()


class PointReader:
    """Takes the records of one log in turn, and makes points of them in the end.

    A step that no dict tells is taken from progress bars only if each training point of the log comes
    straight after a bar of its own: where the trainer's output is buffered, a bar says nothing.
    """

    def __init__(self) -> None:
        self.tokens: int | None = None
        """How many were consumed so far."""
        self._places: list[_Place] = []
        self._time: int | None = None
        self._bar: ProgressBar | None = None
        self._message_at = -1

    def read(self, number: int, record: Record) -> None:
        """Take a record, which began in line `number`."""
        bar, self._bar = self._bar, None
        if isinstance(record, Metrics):
            self._add(number, record, bar)
        elif isinstance(record, ProgressBar) and record.is_training:
            self._bar = record
        elif isinstance(record, Message):
            self._time = milliseconds(record.time) or self._time
            self._message_at = number
        elif isinstance(record, Tokens):
            self.tokens = max(record.count, self.tokens or 0)

    def _add(self, number: int, metrics: Metrics, bar: ProgressBar | None) -> None:
        tokens = metrics.values.get("consumed_train_tokens")
        if isinstance(tokens, float) and tokens.is_integer() and (count := whole(tokens)) is not None:
            self.tokens = count
        place = _Place(
            number,
            metrics,
            metrics.kind,
            metrics.own_step,
            bar,
            self._time,
            self.tokens,
            self._message_at == number,
        )
        if self._places and _same(self._places[-1], place):
            self._places.pop()
        self._places.append(place)

    def points(self) -> list[Point]:
        """Return the points of what was read."""
        counted = self._bars_that_count()
        segments = _Segments()
        return [_point(place, counted, segments) for place in self._places]

    def columns(self) -> PointColumns:
        """Return the points of what was read as columns."""
        return added(PointColumns(), self.points())

    def _bars_that_count(self) -> set[float | None]:
        """Return the totals of those progress bars that tell the steps of points.

        Evaluation has bars of its own, which count something else.
        """
        places = [place for place in self._places if place.own_step is None and place.kind == "train"]
        bars = [place.bar for place in places if place.bar is not None]
        moving = all(one.step != other.step for one, other in pairwise(bars))
        return {bar.total for bar in bars} if moving and len(bars) == len(places) else set()


def _point(place: _Place, counted: set[float | None], segments: "_Segments") -> Point:
    metrics, bar = place.metrics, place.bar
    step, total, epoch = place.own_step, metrics.total_steps, metrics.epoch
    if step is None:
        counts = bar is not None and bar.total in counted and place.kind != "final"
        step = bar.step if bar is not None and counts else None
        total = whole(bar.total) if bar is not None and counts else None
    return Point(
        place.offset,
        segments.number(place.kind, step, epoch),
        place.kind,
        step,
        total,
        epoch,
        place.time,
        place.tokens,
        metrics.values,
    )


def _same(before: _Place, after: _Place) -> bool:
    """Whether a point was logged twice in a row: by a logger, rounded, and by the trainer itself."""
    mine, other = before.metrics.values, after.metrics.values
    if not before.logged or after.logged or not mine.keys() <= other.keys():
        return False
    loss, exact = mine.get("loss"), other.get("loss")
    return (
        isinstance(loss, float)
        and isinstance(exact, float)
        and abs(loss - exact) <= 0.5e-4
        and before.metrics.epoch == after.metrics.epoch
    )


@attrs.define
class _Segments:
    """Counts the runs of a log: one is over when step or epoch go back."""

    _number: int = 0
    _step: int = -1
    _epoch: float = -1.0

    def number(self, kind: MetricsKind, step: int | None, epoch: float | None) -> int:
        if kind == "final":  # its epoch is rounded in another way, if at all
            return self._number
        back = epoch is not None and epoch < self._epoch - _ROUNDED
        if step is not None:  # which is exact
            back = step < self._step
        if back:
            self._number, self._step, self._epoch = self._number + 1, -1, -1.0
        self._step = self._step if step is None else step
        self._epoch = self._epoch if epoch is None else epoch
        return self._number


def milliseconds(stamp: str | None) -> int | None:
    """Return a time as printed by a logger as milliseconds since 1970 on the clock that it shows.

    >>> milliseconds("1970-01-01 00:00:01,500"), milliseconds("yesterday")
    (1500, None)
    """
    if found := _STAMP.match(stamp or ""):
        year, month, day, *clock = (int(part or 0) for part in found.groups())
    elif found := _US_STAMP.match(stamp or ""):
        month, day, year, *clock = (*map(int, found.groups()), 0)
    else:
        return None
    hour, minute, second, fraction = clock
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + fraction
