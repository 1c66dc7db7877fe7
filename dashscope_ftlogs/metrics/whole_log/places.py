"""Where the points of a log are from, once all of it is known: segment, step, and time."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Final

import attrs
import msgspec

from dashscope_ftlogs.metrics.columns import Numbers, Repeated, cell
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.segments import Segments
from dashscope_ftlogs.metrics.told_again import NEAR, Told
from dashscope_ftlogs.metrics.whole_log.steps_and_times import interval, is_one_step
from dashscope_ftlogs.reading.forms.progress_bars import Count
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import Beside, MetricsKind, whole

_AT_ONCE: Final = 1000
"""Points that become columns at once, and points of columns that are objects at once."""


# One is made for every point, so it is a Struct: an attrs class takes three times as long. Nothing that
# it holds can hold it, so the garbage collector need not look at it.
class Place(msgspec.Struct, gc=False):
    """A point of which not everything is known before the log has ended."""

    offset: int
    values: MetricValues
    kind: MetricsKind
    own_step: int | None
    total: int | None
    epoch: float | None
    bar: Count | None
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

    def value(self, name: str) -> float | str | None:
        """Return one of its values; None if it has no such."""
        return self.values.get(name)


@attrs.frozen
class _Row:
    """A point that is in the columns already."""

    _columns: PointColumns
    _row: int

    @property
    def kind(self) -> str:
        return cell(self._columns.kind, self._row) or ""

    @property
    def own_step(self) -> int | None:
        step: int | None = cell(self._columns.step, self._row)
        return step

    @property
    def epoch(self) -> float | None:
        epoch: float | None = cell(self._columns.epoch, self._row)
        return epoch

    def value(self, name: str) -> float | str | None:
        return self._columns.value(name, self._row)


class Places:
    """The points of a log in turn: the last ones as they are, and all before as columns."""

    def __init__(self) -> None:
        self.last: list[Place] = []
        """The last ones, which what comes next may still change: as many as are looked at again."""
        self.bars_matter = True
        """Whether the bar before a point without a step may still tell anything."""
        self._columns = PointColumns()
        """Of the others what they say themselves: no segment, and no step that anything else tells."""
        self._bars = _Bars()
        self._start = Repeated[int]()
        self._elapsed = Numbers("d")

    def __len__(self) -> int:
        return len(self._columns) + len(self.last)

    def __getitem__(self, at: int) -> Told:
        rows = len(self._columns)
        return _Row(self._columns, at) if at < rows else self.last[at - rows]

    def append(self, place: Place) -> None:
        """Take the next point."""
        self.last.append(place)
        if len(self.last) >= _AT_ONCE + NEAR:
            self._settle(_AT_ONCE)

    def _settle(self, count: int) -> None:
        """Make columns of the first of the last ones."""
        places = self.last[:count]
        del self.last[:count]
        if self.bars_matter:
            self._bars.add(len(self._columns), places)
            self.bars_matter = self._bars.matter
        self._start.add([place.start for place in places])
        self._elapsed.add_cells(len(self._columns), [place.elapsed for place in places])
        self._columns.add(
            [place.values for place in places],
            offset=[place.offset for place in places],
            kind=[place.kind for place in places],
            step=[place.own_step for place in places],
            total_steps=[place.total for place in places],
            epoch=[place.epoch for place in places],
            time=[place.time for place in places],
            tokens=[place.tokens for place in places],
        )

    def columns(self, steps: int | None) -> PointColumns:
        """Return the points of a log that has ended.

        A step that no line tells is taken from progress bars only if each training point of the log
        comes straight after a bar of its own: where the trainer's output is buffered, a bar says
        nothing. A bar that shows the same step again is another one if training began again between.
        But where the bars came to their end, and points come at one interval that fits their total
        exactly, that tells it. Evaluations are from the step of the training point just before them, if
        that has the same epoch and no other step has.

        Args:
            steps: How many its only run had, if its bars came to their end.
        """
        self._settle(len(self.last))
        placed = copy(self._columns)
        counted = self._bars.that_count()
        if counted:
            self._bars.tell_steps(placed, counted)
        placed.segment = _segments(placed)
        if not counted and steps is not None:
            _tell_steps_by_interval(placed, steps)
        _tell_steps_of_evaluations(placed)
        starts = self._starts(placed)
        if starts or any(start is not None for start in self._start.values):
            placed.time = self._times(placed, starts)
        return placed

    def _times(self, placed: PointColumns, starts: Mapping[int, int]) -> Numbers:
        """Return when each point was logged, by what had passed since training began."""
        times = Numbers("q")
        bars = self._bars
        for begin, end in _parts(len(placed)):
            if all(_is_empty(column, begin, end) for column in (self._elapsed, bars.elapsed)):
                times.add_cells(begin, placed.time.cells(begin, end))
                continue
            columns = (placed.time, placed.segment, placed.step, self._start, self._elapsed)
            told = (column.cells(begin, end) for column in (*columns, bars.step, bars.elapsed))
            found = [
                _time(
                    time,
                    starts.get(segment, start),
                    elapsed,
                    bar if step is not None and own == step else None,
                )
                for time, segment, step, start, elapsed, own, bar in zip(*told, strict=True)
            ]
            times.add_cells(begin, found)
        return times

    def _starts(self, placed: PointColumns) -> dict[int, int]:
        """Return when each segment began, where one of its points tells both times."""
        starts: dict[int, int] = {}
        for begin, end in _parts(len(placed) if placed.time and self._elapsed else 0):
            columns = (placed.segment, placed.time, self._elapsed)
            told = (column.cells(begin, end) for column in columns)
            for segment, time, elapsed in zip(*told, strict=True):
                if time is not None and elapsed is not None:
                    starts.setdefault(segment, time - round(elapsed * 1000))
        return starts


def _time(time: int | None, start: int | None, *elapsed: float | None) -> int | None:
    """Return when a point was logged: as it says, or what it or its bar says had passed."""
    passed = next((seconds for seconds in elapsed if seconds is not None), None)
    if time is not None or start is None or passed is None:
        return time
    return start + round(passed * 1000)


class _Bars:
    """The progress bars just before points, and whether they tell the steps of these.

    Evaluation has bars of its own, which count something else.
    """

    def __init__(self) -> None:
        self.step = Numbers("q")
        self.elapsed = Numbers("d")
        self._total = Repeated[float]()
        self._there = Repeated[int]()
        self._totals: set[float | None] = set()
        """Of those that come before training points without a step."""
        self._tell = True
        self._steps_told = False
        """Whether a training point tells its own step: then no interval tells that of others."""
        self._last: Count | None = None

    @property
    def matter(self) -> bool:
        """Whether any of them may still tell a step, or the time of one."""
        return self._tell or not self._steps_told

    def add(self, row: int, places: Sequence[Place]) -> None:
        """Take those of the next points."""
        bars = [None if place.kind == "final" else place.bar for place in places]
        self.step.add_cells(row, [None if bar is None else bar.step for bar in bars])
        self.elapsed.add_cells(row, [None if bar is None else bar.elapsed for bar in bars])
        self._total.add([None if bar is None else bar.total for bar in bars])
        self._there.add([bar is not None for bar in bars])
        training = [place for place in places if place.kind == "train"]
        self._steps_told |= any(place.own_step is not None for place in training)
        for place in training if self._tell else ():
            if place.own_step is None:
                bar, before, self._last = place.bar, self._last, place.bar
                if bar is None or (before and before.step == bar.step and not bar.anew):
                    self._tell = False
                else:
                    self._totals.add(bar.total)

    def that_count(self) -> set[float | None]:
        """Return the totals of those bars that tell the steps of points."""
        return self._totals if self._tell else set()

    def tell_steps(self, columns: PointColumns, counted: set[float | None]) -> None:
        """Give a step to points that have none of their own."""
        step, total_steps = Numbers("q"), Repeated[int]()
        for begin, end in _parts(len(columns)):
            own = (columns.step.cells(begin, end), columns.total_steps.cells(begin, end))
            bars = (column.cells(begin, end) for column in (self._there, self.step, self._total))
            found = [
                (bar, whole(of)) if step is None and there and of in counted else (step, total)
                for step, total, there, bar, of in zip(*own, *bars, strict=True)
            ]
            step.add_cells(begin, [one for one, _ in found])
            total_steps.add([total for _, total in found])
        columns.step, columns.total_steps = step, total_steps


def _tell_steps_by_interval(columns: PointColumns, total: int) -> None:
    """Give training points the steps that the interval between them tells, if it does."""
    epochs: list[float | None] = []
    for begin, kind, count in columns.kind.runs(0, len(columns)):
        if kind == "train":
            if columns.step.row_from(begin) in range(begin, begin + count):
                return
            epochs += columns.epoch.cells(begin, begin + count)
    if any(columns.segment.values):
        return
    finals = (row for row, kind, _ in columns.kind.runs(0, len(columns)) if kind == "final")
    final = next(finals, None)
    last = None if final is None else cell(columns.epoch, final)
    every = interval(epochs, total, last)
    if every is None:
        return
    steps = itertools.count(every, every)
    step, total_steps = Numbers("q"), Repeated[int]()
    for begin, kind, count in columns.kind.runs(0, len(columns)):
        if kind == "train":
            step.add(begin, list(itertools.islice(steps, count)))
            total_steps.repeat(total, count)
        else:
            step.add_cells(begin, columns.step.cells(begin, begin + count))
            total_steps.add(columns.total_steps.cells(begin, begin + count))
    columns.step, columns.total_steps = step, total_steps


def _tell_steps_of_evaluations(columns: PointColumns) -> None:
    """Give a step to evaluations that only their epoch tells."""
    evaluations = ((row, kind) for row, kind, _ in columns.kind.runs(0, len(columns)))
    if not any(kind == "eval" and columns.step.row_from(row) != row for row, kind in evaluations):
        return
    step, total_steps = Numbers("q"), Repeated[int]()
    of_training: tuple[int | None, int | None, float | None] = (None, None, None)
    for begin, end in _parts(len(columns)):
        told = (columns.kind, columns.step, columns.total_steps, columns.epoch)
        found: list[tuple[int | None, int | None]] = []
        for kind, own, total, epoch in zip(*(one.cells(begin, end) for one in told), strict=True):
            if kind != "eval" or own is not None:
                of_training = (own, total, epoch) if kind == "train" else (None, None, None)
                found.append((own, total))
            elif epoch == of_training[2] and is_one_step(epoch, of_training[0]):
                found.append(of_training[:2])
            else:
                found.append((own, total))
        step.add_cells(begin, [one for one, _ in found])
        total_steps.add([total for _, total in found])
    columns.step, columns.total_steps = step, total_steps


def _segments(columns: PointColumns) -> "Repeated[int]":
    segments, found = Segments(), Repeated[int]()
    for begin, end in _parts(len(columns)):
        told = (column.cells(begin, end) for column in (columns.kind, columns.step, columns.epoch))
        found.add(list(itertools.starmap(segments.number, zip(*told, strict=True))))
    return found


def _is_empty(column: Numbers, begin: int, end: int) -> bool:
    return next(column.runs(begin, end), None) is None


def _parts(rows: int) -> Iterator[tuple[int, int]]:
    return ((begin, min(begin + _AT_ONCE, rows)) for begin in range(0, rows, _AT_ONCE))
