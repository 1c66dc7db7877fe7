"""One point of a curve, and how it gets into columns and out of them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from dashscope_ftlogs.metrics.columns import cell
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import MetricsKind

_AT_ONCE: Final = 1000
"""Points that are objects at the same time."""
_ABOUT: Final = ("offset", "segment", "kind", "step", "total_steps", "epoch", "time", "tokens")


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


def points_of(columns: PointColumns) -> Iterator[Point]:
    """Yield the points that columns hold."""
    values = columns.values()
    for begin in range(0, len(columns), _AT_ONCE):
        end = min(begin + _AT_ONCE, len(columns))
        about = (getattr(columns, name).cells(begin, end) for name in _ABOUT)
        for told, own in zip(zip(*about, strict=True), values, strict=False):
            offset, segment, kind, step, total_steps, epoch, time, tokens = told
            yield Point(offset, segment, kind, step, total_steps, epoch, time, tokens, own)


def point_at(columns: PointColumns, row: int) -> Point:
    """Return one of the points that columns hold."""
    about: dict[str, Any] = {name: cell(getattr(columns, name), row) for name in _ABOUT}
    return Point(**about, values=columns.values_at(row))
