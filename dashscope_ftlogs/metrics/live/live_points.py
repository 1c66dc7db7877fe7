"""The points of a log that is still being written, each as soon as its line was read."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import attrs

from dashscope_ftlogs.metrics.live.metrics_in_records import MetricsReader
from dashscope_ftlogs.metrics.segments import Segments
from dashscope_ftlogs.metrics.told_again import in_other_words, is_redrawn
from dashscope_ftlogs.reading.forms.progress_bars import begins_anew
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import (
    Metrics,
    MetricsKind,
    ProgressBar,
    Record,
    said_beside,
    whole,
)
from dashscope_ftlogs.reading.tracebacks import RecordReader


class LineReader(Protocol):
    """Takes the lines of one log in turn, and tells what they say as soon as that is complete."""

    def read(self, number: int, line: str) -> Iterable[tuple[int, Record]]:
        """Return what is complete with this line."""
        ...


@attrs.frozen
class LivePoint:
    """A point, as far as the lines up to its own tell it."""

    values: MetricValues = attrs.field(hash=False)
    kind: MetricsKind = "train"
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    segment: int = 0
    """Counts from 0; a restart that sets step or epoch back begins another."""
    again: bool = False
    """Whether it takes the place of the point before it, which told the same, or less."""


class LivePoints:
    """Takes the lines of one log in turn, and tells the points of each.

    A step that no point tells itself is that of the progress bar straight before it, as long as every
    training point had such a bar, each at another step, or in a run that began again. A log that is read
    as a whole is known better.
    """

    def __init__(self, reader: LineReader | None = None) -> None:
        self._reader = reader or RecordReader()
        self._segments = Segments()
        self._metrics = MetricsReader()
        self._last: Metrics | None = None
        self._told = False
        """Whether there was a point but in a history."""
        self._twice = False
        """Whether the last point was told twice: what follows is another one."""
        self._bars_tell = True
        self._counted: ProgressBar | None = None
        """The bar that told the step of the last training point."""

    def read(self, number: int, line: str) -> Iterator[LivePoint]:
        """Yield the points that are complete with the line of that number."""
        for at, record in self._reader.read(number, line):
            for metrics, bar in self._metrics.read(at, record):
                again = said_beside(metrics).again
                # A history repeats what was told, unless nothing was.
                if not (again and self._told):
                    self._told = self._told or not again
                    yield from self._point(metrics, bar)

    def _point(self, metrics: Metrics, bar: ProgressBar | None) -> Iterator[LivePoint]:
        again = self._last is not None and self._is_again(self._last, metrics)
        if again and said_beside(metrics).logged:  # rounded, or less
            return
        self._last = metrics
        kind, step, total = metrics.kind, metrics.own_step, metrics.total_steps
        if step is None:
            told = self._counted if again else self._told_by_bar(kind, bar)
            step = None if told is None else told.step
            total = total if told is None else whole(told.total)
        segment = self._segments.number(kind, step, metrics.epoch)
        yield LivePoint(metrics.values, kind, step, total, metrics.epoch, segment, again)

    def _is_again(self, last: Metrics, metrics: Metrics) -> bool:
        """Whether it is the last point once more: by logger and trainer, or behind a bar drawn again."""
        if (beside := said_beside(metrics)).drawn:
            return is_redrawn(metrics.values, beside, last.values, said_beside(last))
        self._twice = (
            not self._twice
            and said_beside(last).logged != said_beside(metrics).logged
            and last.epoch == metrics.epoch
            and in_other_words(*_logged_first(last, metrics))
        )
        return self._twice

    def _told_by_bar(self, kind: MetricsKind, bar: ProgressBar | None) -> ProgressBar | None:
        """Return the bar before a point if it tells its step."""
        before = self._counted
        if kind == "train":
            if bar is None or bar.step is None or (before is not None and self._is_same(bar, before)):
                self._bars_tell = False
            self._counted = bar if self._bars_tell else None
            self._metrics.begun = None
            return self._counted
        # Evaluation has bars of its own, which count something else.
        if bar is None or before is None or kind == "final" or bar.total != before.total:
            return None
        return bar

    def _is_same(self, bar: ProgressBar, before: ProgressBar) -> bool:
        """Whether a bar stands still, and no run that began again has come to the same step."""
        begun = self._metrics.begun
        anew = begun is not None and begins_anew(begun, before)
        earlier = (bar.elapsed or 0) < (before.elapsed or 0) and bar.total == before.total
        return bar.step == before.step and not anew and not earlier


def _logged_first(last: Metrics, metrics: Metrics) -> tuple[MetricValues, MetricValues]:
    logged_last = said_beside(last).logged
    return (last.values, metrics.values) if logged_last else (metrics.values, last.values)
