"""One job at a glance: what is known of it, how far it came, and why it failed."""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final

import attrs

from dashscope_ftlogs.metrics.point import Point, point_at
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.metrics.step_count import step_count
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.failure_causes import Failure, failure
from dashscope_ftlogs.reading.forms.stamps import milliseconds
from dashscope_ftlogs.reading.log_errors import LogErrors
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern
from dashscope_ftlogs.reading.records import ProgressBar, records
from dashscope_ftlogs.report.loss_and_duration import (
    Loss,
    NotFinite,
    Summary,
    best_evaluation,
    last_evaluation,
    not_finite,
    summary,
)

_STAMP: Final = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[,.]\d{3})?|\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"
)
_HEAD: Final = 100
"""Characters of a line in which a logger's time stands."""
_NEAR: Final = 1000
"""Lines from the begin and the end of a log among which a time is looked for."""


@attrs.frozen
class Glance:
    """What is known of one job."""

    name: str
    job: Job | None
    lines: int
    first_time: str | None
    """The first that its log tells, as printed."""
    last_time: str | None
    last: Point | None
    """The last point of its training."""
    last_bar: ProgressBar | None
    """The last one of training, if there is no point at all."""
    summary: Summary
    eval_loss: Loss | None
    """The last one."""
    best_eval_loss: Loss | None
    failure: Failure | None
    restarts: Sequence[Point] = ()
    """The first point after each."""
    steps_begin_again: bool = False
    """Whether they do so in each epoch: a step alone says no place then."""
    not_finite: Sequence[NotFinite] = ()
    fits: Fits = frozenset()
    """What of the user's own patterns fitted."""


class GlanceReader:
    """Takes the lines of one log in turn."""

    def __init__(self, name: str, job: Job | None, pattern: OwnPattern | None = None) -> None:
        """Begin a log, some of whose lines a pattern of the user's own may fit."""
        self._name, self._job = name, job
        self._points, self._errors = LogPoints(pattern), LogErrors()
        self._lines = 0
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=_NEAR)

    def read(self, lines: Sequence[tuple[int, str]]) -> None:
        """Take the next lines, with their numbers."""
        self._lines += len(lines)
        self._errors.read(lines)
        self._points.read_numbered(lines)
        texts = [line for _, line in lines]
        self._head += texts[: _NEAR - len(self._head)]
        self._tail.extend(texts)

    def end(self) -> Glance:
        """Return what was read, once it is all."""
        points = self._points.columns()
        return Glance(
            self._name,
            self._job,
            self._lines,
            _first_time(self._head),
            _first_time(reversed(self._tail)),
            _last_of_training(points),
            None if len(points) else _last_bar(reversed(self._tail)),
            summary(self._job, points, None),
            last_evaluation(points),
            best_evaluation(points),
            failure(self._name, self._job, self._errors.end()),
            _restarts(points),
            step_count(points).restarts,
            not_finite(points),
            self._points.fits,
        )


def _last_of_training(points: PointColumns) -> Point | None:
    kinds = points.kind.runs(0, len(points))
    ranges = [range(begin, begin + count) for begin, kind, count in kinds if kind != "final"]
    if not ranges:
        return None
    end = ranges[-1].stop
    # An evaluation need not tell where training has come to.
    rows = islice(chain.from_iterable(map(reversed, reversed(ranges))), _NEAR)
    near = (point_at(points, row) for row in rows)
    last = next((one for one in near if (one.step, one.epoch) != (None, None)), None)
    if last is None:
        return point_at(points, end - 1)
    if last.total_steps is None and last.step is not None:
        *_, (begin, _, _) = points.segment.runs(0, end)
        totals = [total for _, total in points.total_steps.items(begin, end)]
        if totals and totals[-1] >= last.step:  # an evaluation need not repeat it
            return attrs.evolve(last, total_steps=totals[-1])
    return last


def _last_bar(lines: Iterable[str]) -> ProgressBar | None:
    bars = (
        record
        for line in lines
        if "%" in line
        for record in reversed(list(records(line)))
        if isinstance(record, ProgressBar) and record.is_training and record.step is not None
    )
    return next(bars, None)


def _restarts(points: PointColumns) -> list[Point]:
    begins = [begin for begin, _, _ in points.segment.runs(0, len(points))]
    return [point_at(points, begin) for begin in begins[1:]]


def _first_time(lines: Iterable[str]) -> str | None:
    stamps = (found[0] for line in lines if (found := _STAMP.search(line, 0, _HEAD)) is not None)
    return next((stamp for stamp in stamps if milliseconds(stamp) is not None), None)
