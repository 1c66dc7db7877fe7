"""From the lines of one log to all that a report shows of it, in one pass."""

from collections.abc import Iterable
from typing import Final

import attrs

from dashscope_ftlogs.metrics.points import PointReader
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.failure_causes import ErrorReader, Failure, failure
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern, OwnRecords
from dashscope_ftlogs.reading.records import Metrics, Record
from dashscope_ftlogs.reading.tracebacks import RecordReader
from dashscope_ftlogs.report.kept_lines import KeptLines, fair_room
from dashscope_ftlogs.report.loss_and_duration import (
    Loss,
    Summary,
    best_evaluation,
    last_evaluation,
    summary,
)
from dashscope_ftlogs.report.points_in_charts import ChartPoints, chart_points

ROOM: Final = 48 * 2**20
"""Characters of all logs in one report. A browser reads a file of that size within seconds."""


@attrs.frozen
class ReadLog:
    """One log that was read to its end."""

    name: str
    job: Job | None
    lines: KeptLines
    points: ChartPoints
    facts: Summary
    eval_loss: Loss | None
    """The last one."""
    best_eval_loss: Loss | None
    failure: Failure | None
    fits: Fits = frozenset()
    """What of the user's own patterns fitted."""


class LogReader:
    """Takes the lines of one log in turn."""

    def __init__(
        self, name: str, job: Job | None, room: int = ROOM, pattern: OwnPattern | None = None
    ) -> None:
        """Begin a log; not much more than `room` characters of it are held at any time."""
        self._name, self._job = name, job
        self._own = None if pattern is None else OwnRecords(pattern)
        self._records = self._own or RecordReader()
        self._points, self._errors = PointReader(), ErrorReader()
        self._kept = KeptLines(room)

    def read(self, lines: Iterable[tuple[int, str]]) -> None:
        """Take the next lines, each with its number."""
        for number, line in lines:
            self._kept.add(number, line)
            for at, record in self._records.read(number, line):
                self._take(at, record)

    def _take(self, number: int, record: Record) -> None:
        self._points.read(number, record)
        if self._errors.read(number, record) or isinstance(record, Metrics):
            self._kept.mark(number)

    def end(self) -> ReadLog:
        """Return what was read, once it is all."""
        for number, record in self._records.end():
            self._take(number, record)
        points = self._points.columns()
        return ReadLog(
            self._name,
            self._job,
            self._kept,
            chart_points(points),
            summary(self._job, points, self._points.tokens),
            last_evaluation(points),
            best_evaluation(points),
            failure(self._name, self._job, self._errors),
            frozenset() if self._own is None else self._own.fits,
        )


def fit(logs: list[ReadLog], room: int = ROOM) -> None:
    """Let go of lines until all logs together fit."""
    fair = fair_room([log.lines.size for log in logs], room)
    for log in logs:
        log.lines.shrink(fair)
