"""What the names of a metric dict tell of it, asked once: most dicts of a log have the same."""

from collections.abc import Callable
from typing import Final

import attrs

from dashscope_ftlogs.reading.forms.entries import is_point
from dashscope_ftlogs.reading.forms.names import (
    EPOCH_NAMES,
    OF_TRACKERS,
    STEP_NAMES,
    STEP_OF_ALL,
    TOTAL_NAMES,
)
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.records import (
    Metrics,
    MetricsKind,
    step_of_all,
    whole,
)

_MORE: Final = frozenset(
    (
        *("consumed_train_tokens", "elapsed_time", "elapsed time", "time", "timestamp", "@timestamp"),
        *("ts", "asctime", "receiveTimestamp", *OF_TRACKERS),
    )
)
_MOST: Final = 1000
"""Shapes that are remembered. A log that names a new metric in each line has no shape."""

Counts = Callable[[MetricValues], tuple[int | None, int | None]]


@attrs.frozen
class Shape:
    """Of dicts with the same names, in the same order, and with texts at the same of them."""

    kind: MetricsKind
    step: str | None
    total: str | None
    of_all: bool
    """Step and total stand in one text, such as `3/9`."""
    tells_step: bool
    """Step or total stand in it anywhere."""
    epoch: str | None
    plain: bool
    """Nothing else has to be asked of it."""

    def counts(self, values: MetricValues) -> tuple[int | None, int | None]:
        """Return the step of a dict, and how many there will be."""
        if self.of_all:
            return step_of_all(str(values[STEP_OF_ALL]))
        step_told = None if self.step is None else whole(values[self.step])
        return step_told, None if self.total is None else whole(values[self.total])


class Shapes:
    """Remembers the shapes of one log's dicts."""

    def __init__(self) -> None:
        self._known: dict[object, Shape | None] = {}

    def of(self, values: MetricValues) -> Shape | None:
        """Return the shape of a dict; None if each has to be looked at as a whole."""
        key: tuple[object, ...] = tuple(values)
        try:
            sum(values.values())  # type: ignore[arg-type]  # the shortest way to find a text
        except TypeError:
            key = (*key, *map(type, values.values()))
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= _MOST:
                return None
            shape = self._known[key] = _shape(values)
            return shape


def _shape(values: MetricValues) -> Shape | None:
    if any(type(value) is str and name != STEP_OF_ALL for name, value in values.items()):
        return None
    of_all = STEP_OF_ALL in values
    step = next((name for name in STEP_NAMES if name in values), None)
    if not is_point(values) or (of_all and type(values[STEP_OF_ALL]) is not str):
        return None
    total = next((name for name in TOTAL_NAMES if name in values), None)
    return Shape(
        Metrics(values, "").kind,
        step,
        total,
        of_all,
        of_all or step is not None or total is not None,
        next((name for name in EPOCH_NAMES if name in values), None),
        _MORE.isdisjoint(values),
    )
