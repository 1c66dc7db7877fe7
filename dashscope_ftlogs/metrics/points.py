"""The metrics of a log as points of curves: where each is from, and in which run."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.metrics.steps_and_times import interval, lasting
from dashscope_ftlogs.metrics.told_again import History, in_other_words, in_summary
from dashscope_ftlogs.reading.forms.json_in_json import time_told
from dashscope_ftlogs.reading.forms.over_lines import OverLines, Summaries, Tables, WrappedDicts
from dashscope_ftlogs.reading.forms.stamps import milliseconds
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import (
    Beside,
    Message,
    Metrics,
    MetricsKind,
    ProgressBar,
    Record,
    Text,
    Tokens,
    whole,
)
from dashscope_ftlogs.reading.tracebacks import RecordReader

_ROUNDED: Final = 0.011
"""An epoch that is this much smaller than the one before may just be rounded otherwise."""
_BEGINS: Final = ("Running training", "start to fine-tune")
"""What a logger says when training begins."""
_FORGOTTEN: Final = 1000
"""Lines after which a dict or a table that has not ended is given up."""


@attrs.frozen
class Point:
    """One metric dict, or what else tells metrics, and what is known of it from the lines around it."""

    offset: int
    """The number of its line."""
    segment: int
    """Counts from 0; a restart that sets step or epoch back begins another."""
    kind: MetricsKind
    step: int | None
    total_steps: int | None
    epoch: float | None
    time: int | None
    """When it was logged: milliseconds since 1970 on the clock of the log, whose zone is not known. From
    a stamp on its line, or from the beginning of training and the time that had passed since; None if
    neither is told."""
    tokens: int | None
    """How many had been consumed, as last said before it."""
    values: MetricValues = attrs.field(hash=False)


@attrs.define
class _Place:
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


class PointReader:
    """Takes the records of one log in turn, and makes points of them in the end.

    A step that no line tells is taken from progress bars only if each training point of the log comes
    straight after a bar of its own: where the trainer's output is buffered, a bar says nothing. But
    where the bars came to their end, and points come at one interval that fits their total exactly, that
    tells it.
    """

    def __init__(self) -> None:
        self.tokens: int | None = None
        """How many were consumed so far."""
        self._places: list[_Place] = []
        self._bar: ProgressBar | None = None
        self._start: int | None = None
        self._run = _Run()
        self._dicts, self._tables, self._summaries = WrappedDicts(), Tables(), Summaries()
        self._begun_at = 0
        self._history = History()

    def read(self, number: int, record: Record) -> None:
        """Take a record, which began in line `number`."""
        bar, self._bar = self._bar, None
        if isinstance(record, Metrics):
            self._end_summary()
            self._add(number, record, bar)
        elif isinstance(record, ProgressBar):
            if record.is_training:
                self._bar = record
                self._run.see(record)
        elif isinstance(record, Text):
            self._read_text(number, record.raw)
        elif isinstance(record, Message):
            if record.time is not None and any(words in record.text for words in _BEGINS):
                self._start = milliseconds(record.time) or self._start
            self._read_text(number, record.raw)
        elif isinstance(record, Tokens):
            self.tokens = max(record.count, self.tokens or 0)

    def _read_text(self, number: int, text: str) -> None:
        """Take what may be a part of something that goes on over lines."""
        if number > self._begun_at + _FORGOTTEN:
            self._dicts.forget()
            self._tables.forget()
        for form in (self._summaries, self._tables, self._dicts):
            for one in form.read(text):
                self._add_lines(number, one)
        if not (self._dicts.idle and self._tables.idle):
            self._begun_at = number

    def _end_summary(self) -> None:
        for one in self._summaries.end():
            self._add_lines(self._begun_at, one)

    def _add_lines(self, number: int, one: OverLines) -> None:
        beside = Beside(one.step, None, one.epoch, one.kind, one.time, again=one.again)
        self._add(number, Metrics(one.values, "", None, beside), None)

    def _add(self, number: int, metrics: Metrics, bar: ProgressBar | None) -> None:
        values, beside = metrics.values, metrics.beside
        tokens = values.get("consumed_train_tokens")
        if isinstance(tokens, float) and tokens.is_integer() and (count := whole(tokens)) is not None:
            self.tokens = count
        own = metrics.own_step
        elapsed = metrics.bar.elapsed if beside.drawn and metrics.bar else _elapsed(values)
        place = _Place(
            number,
            values,
            metrics.kind,
            own,
            metrics.total_steps if own is not None or bar is None else None,
            metrics.epoch,
            bar if own is None else None,
            time_told(values) if beside.time is None else beside.time,
            self._start,
            elapsed,
            self.tokens,
            beside,
        )
        if not self._is_told(place):
            self._places.append(place)

    def _is_told(self, place: _Place) -> bool:
        """Whether a point was told before; of two in a row the poorer one is let go."""
        beside, places = place.beside, self._places
        if beside.again:
            if beside.again == "history":
                return self._history.has(place, places)
            return in_summary(place, places)
        if not places:
            return False
        last = places[-1]
        if beside.drawn:
            if last.beside.drawn and (last.own_step, last.total, last.kind) == (
                place.own_step,
                place.total,
                place.kind,
            ):
                places.pop()
        elif beside.logged != last.beside.logged and not last.twice and last.epoch == place.epoch:
            logged, own = (last, place) if last.beside.logged else (place, last)
            if in_other_words(logged.values, own.values):
                own.twice = True
                own.time = logged.time if own.time is None else own.time
                if own is last:
                    return True
                places.pop()
        return False

    def points(self) -> list[Point]:
        """Return the points of what was read."""
        self._end_summary()
        counted = self._bars_that_count()
        segments = Segments()
        told = [_told(place, counted, segments) for place in self._places]
        if not counted:
            told = self._by_interval(told)
        starts = _starts(self._places, told)
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
            for place, (segment, step, total) in zip(self._places, told, strict=True)
        ]

    def _bars_that_count(self) -> set[float | None]:
        """Return the totals of those progress bars that tell the steps of points.

        Evaluation has bars of its own, which count something else.
        """
        places = [place for place in self._places if place.own_step is None and place.kind == "train"]
        bars = [place.bar for place in places if place.bar is not None]
        moving = all(one.step != other.step for one, other in pairwise(bars))
        return {bar.total for bar in bars} if moving and len(bars) == len(places) else set()

    def _by_interval(self, told: "list[_Told]") -> "list[_Told]":
        """Return the same with the steps that the interval between points tells, if it does."""
        train = [place for place in self._places if place.kind == "train"]
        total = self._run.ended
        if total is None or any(place.own_step is not None for place in train):
            return told
        if any(segment for segment, _, _ in told):
            return told
        last = next((place.epoch for place in self._places if place.kind == "final"), None)
        every = interval([place.epoch for place in train], total, last)
        if every is None:
            return told
        steps = iter(range(every, total + 1, every))
        return [
            (segment, next(steps), total) if place.kind == "train" else (segment, step, of)
            for place, (segment, step, of) in zip(self._places, told, strict=True)
        ]


_Told = tuple[int, int | None, int | None]
"""Of a point: its segment, its step, and how many steps there will be."""


@attrs.define
class _Run:
    """What the bars of a log say of its only run."""

    _total: int | None = None
    _known: bool = False
    ended: int | None = None
    """How many steps it had, if it began at the first and came to the last."""

    def see(self, bar: ProgressBar) -> None:
        """Take a bar of training."""
        if not self._known:
            self._known = True
            self._total = whole(bar.total) if bar.done in {0, 1} else None
        if self._total and bar.done == bar.total == self._total:
            self.ended = self._total


def _told(place: _Place, counted: set[float | None], segments: "Segments") -> _Told:
    step, total, bar = place.own_step, place.total, place.bar
    if step is None and bar is not None and bar.total in counted and place.kind != "final":
        step, total = bar.step, whole(bar.total)
    return segments.number(place.kind, step, place.epoch), step, total


def _elapsed(values: MetricValues) -> float | None:
    told = values.get("elapsed_time")
    return lasting(values.get("elapsed time") if told is None else told)


def _starts(places: Sequence[_Place], told: Sequence[_Told]) -> dict[int, int]:
    """Return when each segment began, where one of its points tells both times."""
    starts: dict[int, int] = {}
    for place, (segment, _, _) in zip(places, told, strict=True):
        if place.time is not None and place.elapsed is not None:
            starts.setdefault(segment, place.time - round(place.elapsed * 1000))
    return starts


def _time(place: _Place, start: int | None, step: int | None) -> int | None:
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
