"""Which metrics get a column of their own where each row has a cell in each column.

A log may name a new metric in each of its lines: a hundred thousand of them would make ten billion
cells. There the rarest share one column.
"""

from collections.abc import Mapping
from typing import Final

from dashscope_ftlogs.metrics.arrow import Column
from dashscope_ftlogs.metrics.columns import Metric, Texts, rows
from dashscope_ftlogs.text import json_bytes

OTHERS: Final = "other_metrics"
"""The column that the rarest share, each cell a JSON object. No metric has its name in a table."""

_ALWAYS: Final = 10_000_000
_FOR_EACH_VALUE: Final = 20
"""So many cells, at most, of which all but one may be empty."""


def apart(metrics: Mapping[str, Column], count: int) -> dict[str, Column]:
    """Return the columns of `count` rows that have one each, and if those are not all, `OTHERS`."""
    sizes = {name: _size(column) for name, column in metrics.items()}
    most = (_ALWAYS + _FOR_EACH_VALUE * sum(sizes.values())) // max(1, count)
    if len(metrics) <= most:
        return dict(metrics)
    common = set(sorted(sizes, key=lambda name: -sizes[name])[:most])
    found = {name: column for name, column in metrics.items() if name in common}
    rare = {name: column.data for name, column in metrics.items() if name not in common}
    texts = Texts()
    for row, cells in enumerate(rows(rare, count)):
        if cells:
            texts.add(row, json_bytes(cells).decode())
    return {**found, OTHERS: Column("text", texts)}


def _size(column: Column) -> int:
    return len(column.data) if isinstance(column.data, Metric) else 0
