"""The metrics of a log as points of curves: where each is from, and in which run."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.metrics.columns import Numbers, Repeated
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
_AT_ONCE: Final = 1000
"""Points that are objects at the same time."""
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
        self._columns = PointColumns()
        self._bars = _Bars()
        self._places: list[_Place] = []
        """The last ones, which are no columns yet."""
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
        elif len(self._places) >= _AT_ONCE:
            self._settle()
        self._places.append(place)

    def _settle(self) -> None:
        """Make columns of the last places."""
        places, self._places = self._places, []
        self._columns.add(
            [place.metrics.values for place in places],
            offset=[place.offset for place in places],
            kind=[place.kind for place in places],
            step=[place.own_step for place in places],
            total_steps=[
                None if place.own_step is None else place.metrics.total_steps for place in places
            ],
            epoch=[place.metrics.epoch for place in places],
            time=[place.time for place in places],
            tokens=[place.tokens for place in places],
        )
        self._bars.add(places)

    def columns(self) -> PointColumns:
        """Return the points of what was read as columns."""
        self._settle()
        self._bars.tell_steps(self._columns)
        self._columns.segment = _segments(self._columns)
        return self._columns

    def points(self) -> list[Point]:
        """Return the points of what was read."""
        return list(_points(self.columns()))


class _Bars:
    """The progress bars just before points, and whether they tell the steps of these.

    Evaluation has bars of its own, which count something else.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._step = Numbers("q")
        self._total = Repeated[float]()
        self._there = Repeated[int]()
        self._totals: set[float | None] = set()
        """Of those bars that come before training points without a step."""
        self._tell = True
        self._last: ProgressBar | None = None

    def add(self, places: Sequence[_Place]) -> None:
        bars = [None if place.kind == "final" else place.bar for place in places]
        self._step.add_cells(self._rows, [None if bar is None else bar.step for bar in bars])
        self._total.add(None if bar is None else bar.total for bar in bars)
        self._there.add(bar is not None for bar in bars)
        self._rows += len(places)
        for place in places:
            if place.own_step is None and place.kind == "train":
                bar, before, self._last = place.bar, self._last, place.bar
                if bar is None or (before is not None and before.step == bar.step):
                    self._tell = False
                else:
                    self._totals.add(bar.total)

    def tell_steps(self, columns: PointColumns) -> None:
        """Give a step to points that have none of their own."""
        if not (self._tell and self._totals):
            return
        step, total_steps = Numbers("q"), Repeated[int]()
        for begin in range(0, self._rows, _AT_ONCE):
            end = min(begin + _AT_ONCE, self._rows)
            told = zip(
                columns.step.cells(begin, end),
                columns.total_steps.cells(begin, end),
                self._there.cells(begin, end),
                self._step.cells(begin, end),
                self._total.cells(begin, end),
                strict=True,
            )
            found = [
                (bar, whole(of)) if own is None and there and of in self._totals else (own, total)
                for own, total, there, bar, of in told
            ]
            step.add_cells(begin, [one for one, _ in found])
            total_steps.add(total for _, total in found)
        columns.step, columns.total_steps = step, total_steps


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

    def number(self, kind: str, step: int | None, epoch: float | None) -> int:
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


def _segments(columns: PointColumns) -> "Repeated[int]":
    segments, found = _Segments(), Repeated[int]()
    for begin in range(0, len(columns), _AT_ONCE):
        end = min(begin + _AT_ONCE, len(columns))
        told = (column.cells(begin, end) for column in (columns.kind, columns.step, columns.epoch))
        found.add(itertools.starmap(segments.number, zip(*told, strict=True)))
    return found


def _points(columns: PointColumns) -> Iterator[Point]:
    """Yield the points that columns hold."""
    values = columns.values()
    names = ("offset", "segment", "kind", "step", "total_steps", "epoch", "time", "tokens")
    for begin in range(0, len(columns), _AT_ONCE):
        end = min(begin + _AT_ONCE, len(columns))
        about = (getattr(columns, name).cells(begin, end) for name in names)
        for told, own in zip(zip(*about, strict=True), values, strict=False):
            offset, segment, kind, step, total_steps, epoch, time, tokens = told
            yield Point(offset, segment, kind, step, total_steps, epoch, time, tokens, own)


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
