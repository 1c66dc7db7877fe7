"""JSON inside an HTML page: data for a script, which can't end the element that holds it."""

import json
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec

from dashscope_ftlogs.metrics.curves import AXES, metric_names, place, shared_axis
from dashscope_ftlogs.metrics.points import Point
from dashscope_ftlogs.report.kept_lines import KeptLines, fair_room
from dashscope_ftlogs.report.log_digest import ReadLog

_POINTS: Final = 100_000
"""In one report; more can't be told apart on any screen, and would make charts slow."""
_METRICS: Final = 200
_ACTIVE: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029\x7f"})


def embedded(value: Any) -> str:
    r"""Return JSON that HTML takes for mere text, and that any encoding can hold.

    >>> embedded({"line": "</script>\ud800"})
    '{"line": "\\u003c/script\\u003e\\ud800"}'
    """
    try:
        found = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate: only the ASCII form can hold it
        found = json.dumps(value)
    return found.translate(_ACTIVE)


def chart_data(logs: Sequence[ReadLog]) -> dict[str, Any]:
    """Return what the charts of a report are drawn from; `data.js` reads it."""
    room = fair_room([len(log.points) for log in logs], _POINTS)
    names = metric_names(point for log in logs for point in log.points)
    measured = {str(number): log.points for number, log in enumerate(logs)}
    return {
        "metrics": [[name, shared_axis(measured, name)] for name in names[:_METRICS]],
        "metrics_left_out": len(names[_METRICS:]),
        "logs": [_log_points(log, frozenset(names[:_METRICS]), room) for log in logs],
    }


def _log_points(log: ReadLog, names: Collection[str], room: int) -> dict[str, Any]:
    points = log.points[:: max(1, -(-len(log.points) // max(1, room)))]
    axes = {x: [place(point, x) for point in points] for x in AXES}
    return {
        "name": log.name,
        "lines": log.lines.seen,
        "points": len(log.points),
        "offsets": [point.offset for point in points],
        "segments": [point.segment for point in points],
        "x": {x: places for x, places in axes.items() if places.count(None) < len(places)},
        "y": _columns(points, names),
    }


def _columns(
    points: Sequence[Point], names: Collection[str]
) -> dict[str, tuple[list[int], list[float | str]]]:
    """Return which points have a metric, and its values; those that JSON has no word for are text.

    Not a cell for each point and metric: a log can name a new metric in each of its lines.
    """
    columns: dict[str, tuple[list[int], list[float | str]]] = {}
    for number, point in enumerate(points):
        for name, value in point.values.items():
            if isinstance(value, float) and name in names:
                which, values = columns.setdefault(name, ([], []))
                which.append(number)
                values.append(value if math.isfinite(value) else str(value))
    return columns


def log_data(lines: KeptLines) -> dict[str, Any]:
    """Return the lines of a log, and `[number of the first, how many]` for each run of consecutive ones.

    >>> kept = KeptLines(room=1000)
    >>> for number in (0, 1, 7):
    ...     kept.add(number, "x")
    >>> log_data(kept)
    {'runs': [[0, 2], [7, 1]], 'lines': ['x', 'x', 'x']}
    """
    return {"runs": _runs(number for number, _ in lines), "lines": [line for _, line in lines]}


def _runs(numbers: Iterable[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][0] + runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs
