"""One point of a curve."""

import attrs

from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import MetricsKind


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
