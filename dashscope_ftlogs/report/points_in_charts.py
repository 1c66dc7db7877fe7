"""What a report keeps of the points of a log: as many as charts can show, and what all of them say."""

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from dashscope_ftlogs.metrics.curves import LEADING, X, first_axis, leads_on, metric_names
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.step_count import StepCount, step_count
from dashscope_ftlogs.reading.forms.names import loss_first

POINTS: Final = 100_000
"""In one report; more can't be told apart on any screen, and would make charts slow."""
METRICS: Final = 200
"""In one report."""


@attrs.frozen
class ChartPoints:
    """The points of one log."""

    count: int
    """How many the log has."""
    shown: PointColumns
    """Every so many of them, as `fewer` says."""
    metrics: tuple[str, ...]
    """The names of all that it measures, the loss first."""
    axes: Mapping[str, frozenset[X]]
    """For each of the first metrics, what all its points have; see `shared_axis`."""
    steps: StepCount
    """What the steps of all of them count."""

    def fewer(self, most: int) -> PointColumns:
        """Return every so many of those that are there, `most` at most."""
        return self.shown.every(max(1, -(-len(self.shown) // max(1, most))))


def chart_points(points: PointColumns) -> ChartPoints:
    """Return what a report keeps of these."""
    names = loss_first(metric_names([points]))
    steps = step_count(points)
    axes: dict[str, frozenset[X]] = {
        name: frozenset(x for x in LEADING if leads_on(points, name, x, steps))
        for name in names[:METRICS]
    }
    every = max(1, -(-len(points) // POINTS))
    shown = points if every == 1 else points.every(every)
    return ChartPoints(len(points), shown, tuple(names), axes, steps)


def shared_axis(logs: Iterable[tuple[ChartPoints, str]]) -> X | None:
    """Return what these metrics of logs can be drawn over, as `curves.shared_axis` does, or None."""
    axes = [points.axes.get(metric, LEADING) for points, metric in logs]
    return first_axis(lambda x: all(x in own for own in axes))
