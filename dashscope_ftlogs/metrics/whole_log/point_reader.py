"""From records to points: which of them tell a point, and what stands around it."""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.told_again import History, in_other_words, in_summary, is_redrawn
from dashscope_ftlogs.metrics.whole_log.places import Place, Places
from dashscope_ftlogs.metrics.whole_log.shapes import Shapes
from dashscope_ftlogs.metrics.whole_log.steps_and_times import lasting
from dashscope_ftlogs.reading.forms.json_in_json import time_told
from dashscope_ftlogs.reading.forms.names import OF_TRACKERS
from dashscope_ftlogs.reading.forms.progress_bars import PLAIN_RATES, Count, begins_anew, plain_count
from dashscope_ftlogs.reading.forms.stamps import milliseconds
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.metrics_over_lines import MetricsOverLines
from dashscope_ftlogs.reading.records import (
    Beside,
    Message,
    Metrics,
    MetricsKind,
    ProgressBar,
    Record,
    Text,
    Tokens,
    last_record,
    records,
    said_beside,
    whole,
)
from dashscope_ftlogs.reading.redrawn_lines import without_escapes

_BEGINS: Final = ("Running training", "start to fine-tune")
"""What a logger says when training begins."""
_NOTHING: Final = Beside()


class PointReader:
    """Takes the records of one log in turn, and makes points of them in the end."""

    def __init__(self) -> None:
        self.tokens: int | None = None
        """How many were consumed so far."""
        self._places = Places()
        self._shapes = Shapes()
        self._before = _Before()
        self._start: int | None = None
        self._run = _Run()
        self.over_lines = MetricsOverLines()
        self._history = History()

    @property
    def needs_bars(self) -> bool:
        """Whether bars matter that no point comes after: until the first one of training is known."""
        return not self._run.known

    @property
    def last_bar(self) -> str:
        """What the bar holds that the run will end with, as long as that matters; else nothing."""
        return self._run.last

    def read(self, number: int, record: Record) -> None:
        """Take a record, which began in line `number`."""
        over_lines = self.over_lines
        self._add_all(over_lines.forget_before(number))
        if isinstance(record, Metrics):
            self._add_all(over_lines.end_summary())
            if (placed := over_lines.placed(record)) is not None:
                self._add(number, placed)
        elif isinstance(record, Text):
            self._add_all(over_lines.read(number, record.raw))
        elif isinstance(record, Message):
            if record.time is not None and any(words in record.text for words in _BEGINS):
                self._start = milliseconds(record.time) or self._start
            self._add_all(over_lines.read(number, record.raw))
        elif isinstance(record, Tokens):
            self.tokens = max(record.count, self.tokens or 0)
        self._before.forget()
        if isinstance(record, ProgressBar) and record.is_training:
            self._before.see(record)
            self._before.bar = Count(record.step, record.total, record.elapsed)
            if record.total is not None:
                self._run.see(record)

    def read_values(self, number: int, values: MetricValues, line: str) -> bool:
        """Take a line that is nothing but a dict, in the shortest time; return False if it is no point.

        The same as `read` does, where nothing has begun that goes on over lines.
        """
        shape = self._shapes.of(values)
        if shape is None:
            return False
        before, places = self._before, self._places
        if not shape.plain:
            self._add(number, Metrics(values, line))
        else:
            step, total = shape.counts(values) if shape.tells_step else (None, None)
            epoch = None if shape.epoch is None else values[shape.epoch]
            place = Place(
                number,
                values,
                shape.kind,
                step,
                total,
                epoch if type(epoch) is float else None,
                before.bar_of(shape.kind) if step is None and places.bars_matter else None,
                None,
                self._start,
                None,
                self.tokens,
                _NOTHING,
            )
            last = places.last
            if last and last[-1].beside is not _NOTHING:
                self._is_told(place)  # a logger may have told the poorer half of it just before
            places.append(place)
        if places.bars_matter:
            before.forget()
        return True

    def passed_over(self, lines: Sequence[str], begin: int, end: int) -> None:
        """Take note that these lines were not read, which begin nothing and hold no metrics."""
        if self._places.bars_matter:
            self._before.pass_over(lines, begin, end)

    def page_ends(self) -> None:
        """Keep of the lines that were passed over what may be asked for later."""
        self._before.page_ends()

    def _add_all(self, found: Iterable[tuple[int, Metrics]]) -> None:
        for number, metrics in found:
            self._before.forget()
            self._add(number, metrics)

    def _add(self, number: int, metrics: Metrics) -> None:
        values, beside = metrics.values, said_beside(metrics)
        tokens = values.get("consumed_train_tokens")
        if isinstance(tokens, float) and tokens.is_integer() and (count := whole(tokens)) is not None:
            self.tokens = count
        own = metrics.own_step
        told = time_told(values) if beside.time is None else beside.time
        if not OF_TRACKERS.isdisjoint(values):
            values = {name: value for name, value in values.items() if name not in OF_TRACKERS}
        if own is None and metrics.bar is not None and metrics.bar.is_training:
            self._before.bar = Count(metrics.bar.step, metrics.bar.total, metrics.bar.elapsed)
        place = Place(
            number,
            values,
            metrics.kind,
            own,
            metrics.total_steps if own is not None or metrics.bar is None else None,
            metrics.epoch,
            self._before.bar_of(metrics.kind) if own is None and self._places.bars_matter else None,
            told,
            self._start,
            metrics.bar.elapsed if beside.drawn and metrics.bar else _elapsed(values),
            self.tokens,
            beside,
        )
        if not self._is_told(place):
            self._places.append(place)

    def _is_told(self, place: Place) -> bool:
        """Whether a point was told before; of two in a row the poorer one is let go."""
        beside, places = place.beside, self._places.last
        if beside.again:
            if beside.again == "history":
                return self._history.has(place, self._places)
            return in_summary(place, places)
        if not places:
            return False
        last = places[-1]
        if beside.drawn:
            if is_redrawn(place.values, beside, last.values, last.beside):
                places.pop()
        elif beside.logged != last.beside.logged and not last.twice and last.epoch == place.epoch:
            logged, own = (last, place) if last.beside.logged else (place, last)
            if in_other_words(logged.values, own.values):
                own.twice, own.bar = True, own.bar or logged.bar
                own.time = logged.time if own.time is None else own.time
                if own is last:
                    return True
                places.pop()
        return False

    def columns(self) -> PointColumns:
        """Return the points of what was read, once it is all."""
        self._add_all(self.over_lines.end_summary())
        return self._places.columns(self._run.ended)


@attrs.define
class _Before:
    """What stands straight before the next record: a bar of training, or anything else."""

    bar: Count | None = None
    _line: str | None = None
    """Whose last record it is, if that line was passed over."""
    _passed: tuple[Sequence[str], int, int] | None = None
    _counted: Count | None = None
    """What stood before the last point of training."""
    _since: list[tuple[Sequence[str], int, int]] = attrs.field(
        factory=list[tuple[Sequence[str], int, int]]
    )
    """The lines that were passed over since."""
    _anew: bool = False
    """Training began again since."""

    def forget(self) -> None:
        """Something else stands there."""
        self.bar = self._line = self._passed = None

    def pass_over(self, lines: Sequence[str], begin: int, end: int) -> None:
        """Some lines stand there that were not read."""
        if self._passed is not None:
            self.settle()
        self._passed = lines, begin, end
        self._since.append(self._passed)

    def see(self, bar: ProgressBar) -> None:
        """Take note of a bar of training."""
        self._anew |= self._counted is not None and begins_anew(bar, self._counted)

    def bar_of(self, kind: MetricsKind) -> Count | None:
        """Return what the bar before a point counts, if it is one of training."""
        if self._passed is not None:
            self.settle()
        if self._line is not None:
            self.bar = plain_count(self._line) or _last_count(self._line)
            self._line = None
        bar = self.bar
        if kind == "train" and bar is not None:
            before = self._counted
            if before is not None and bar.step == before.step:
                self._look_back()
                earlier = (bar.elapsed or 0) < (before.elapsed or 0) and bar.total == before.total
                bar.anew = self._anew or earlier
            self._counted, self._anew = bar, False
            self._since.clear()
        return bar

    def page_ends(self) -> None:
        """Keep of the lines that were passed over what may be asked for later."""
        self.settle()
        self._look_back()

    def _look_back(self) -> None:
        """Find out whether training began again in a line that was passed over."""
        for lines, begin, end in self._since if self._counted is not None else ():
            for line in lines[begin:end]:
                if "?" in line and "%" in line:  # so are bars that have just begun
                    for record in records(line):
                        if isinstance(record, ProgressBar) and record.is_training:
                            self.see(record)
        self._since.clear()

    def settle(self) -> None:
        """Find the last of them that is not blank."""
        if self._passed is not None:
            lines, begin, end = self._passed
            self._passed = None
            for index in range(end - 1, begin - 1, -1):
                line = lines[index]
                if line.endswith(PLAIN_RATES) or (line and not line.isspace() and _says_something(line)):
                    self._line = line
                    break


def _last_count(line: str) -> Count | None:
    last = last_record(line)
    if not isinstance(last, ProgressBar) or not last.is_training:
        return None
    return Count(last.step, last.total, last.elapsed)


def _says_something(text: str) -> bool:
    text = without_escapes(text).strip()
    # JSON may hold a line that is blank.
    return text[:1] not in {"", '"', "{"} or next(iter(records(text)), None) is not None


@attrs.define
class _Run:
    """What the bars of a log say of its only run."""

    known: bool = False
    last: str = ""
    """What its last bar will hold, if it began with its first step, until it has come."""
    ended: int | None = None
    """How many steps it had, if it began at the first and came to the last."""
    _total: int = 0

    def see(self, bar: ProgressBar) -> None:
        """Take a bar of training."""
        if not self.known:
            self.known = True
            total = whole(bar.total)
            if bar.done in {0, 1} and total:
                self._total, self.last = total, f"{total}/{total} ["
        if self.last and self.last in bar.raw:
            self.ended, self.last = self._total, ""


def _elapsed(values: MetricValues) -> float | None:
    told = values.get("elapsed_time")
    return lasting(values.get("elapsed time") if told is None else told)
