"""The metrics among the records of a log, those that go on over lines as well."""

from collections.abc import Iterator

import attrs

from dashscope_ftlogs.reading.forms.over_lines import (
    FORGOTTEN,
    OverLines,
    Summaries,
    Tables,
    WrappedDicts,
)
from dashscope_ftlogs.reading.records import Beside, Message, Metrics, ProgressBar, Record, Text


@attrs.frozen
class Found:
    """Metrics, and where they were found."""

    number: int
    """Of the line."""
    metrics: Metrics
    bar: ProgressBar | None = None
    """The one of training straight before them."""


class MetricsReader:
    """Takes the records of one log in turn, and tells the metrics in them as they are complete."""

    def __init__(self) -> None:
        self._bar: ProgressBar | None = None
        self._dicts, self._tables, self._summaries = WrappedDicts(), Tables(), Summaries()
        self._begun_at = 0

    def read(self, number: int, record: Record) -> Iterator[Found]:
        """Yield what is complete with a record, which began in line `number`."""
        bar, self._bar = self._bar, None
        if isinstance(record, Metrics):
            yield from self.end()
            yield Found(number, record, bar)
        elif isinstance(record, ProgressBar):
            if record.is_training:
                self._bar = record
        elif isinstance(record, Text | Message):
            yield from self._read_text(number, record.raw)

    def end(self) -> Iterator[Found]:
        """Yield the summary that was begun, since something else follows."""
        for one in self._summaries.end():
            yield _found(self._begun_at, one)

    def _read_text(self, number: int, text: str) -> Iterator[Found]:
        """Take what may be a part of something that goes on over lines."""
        if number > self._begun_at + FORGOTTEN:
            self._dicts.forget()
            self._tables.forget()
        for form in (self._summaries, self._tables, self._dicts):
            for one in form.read(text):
                yield _found(number, one)
        if not (self._dicts.idle and self._tables.idle):
            self._begun_at = number


def _found(number: int, one: OverLines) -> Found:
    beside = Beside(one.step, None, one.epoch, one.kind, one.time, again=one.again)
    return Found(number, Metrics(one.values, "", None, beside))
