"""JSON inside an HTML page: data for a script, which can't end the element that holds it."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from dashscope_ftlogs.metrics.columns import Numbers
from dashscope_ftlogs.metrics.curves import AXES, X, places, titles
from dashscope_ftlogs.metrics.hyper_parameters import brief_value
from dashscope_ftlogs.reading.forms.names import (
    evaluation_of,
    is_better_higher,
    loss_first,
    standing_for,
)
from dashscope_ftlogs.report.kept_lines import KeptLines, fair_room
from dashscope_ftlogs.report.log_digest import ReadLog
from dashscope_ftlogs.report.points_in_charts import METRICS, POINTS, shared_axis
from dashscope_ftlogs.text import excerpt, json_bytes

_ACTIVE: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029\x7f"})


def embedded(value: Any) -> str:
    r"""Return JSON that HTML takes for mere text, and that any encoding can hold.

    >>> embedded({"line": "</script>\ud800"})
    '{"line": "\\u003c/script\\u003e\\ud800"}'
    """
    return json_bytes(value).decode().translate(_ACTIVE)


def chart_data(logs: Sequence[ReadLog], apart: Mapping[str, Sequence[object]]) -> dict[str, Any]:
    """Return what the charts of a report are drawn from; `data.js` reads it.

    What the jobs differ in is in `apart`, as `few_differing` has it.
    """
    room = fair_room([len(log.points.shown) for log in logs], POINTS)
    names = loss_first(dict.fromkeys(name for log in logs for name in log.points.metrics))
    metrics = names[:METRICS]
    evaluations = {name: evaluation_of(name, metrics) for name in metrics}
    # Only of what is drawn first: a log without the mean of a whole training has nothing like it.
    stand_ins = [{name: standing_for(name, log.points.axes) for name in metrics[:1]} for log in logs]
    own_evaluations = [
        {name: _own_evaluation(log, name, called[name]) for name in called}
        for log, called in zip(logs, stand_ins, strict=True)
    ]
    if metrics and (found := evaluations[metrics[0]]) is not None:
        for log, called, evaluated in zip(logs, stand_ins, own_evaluations, strict=True):
            called[found] = found if found in log.points.axes else evaluated[metrics[0]]
    # It is the step, unless that begins again with each epoch of some log.
    named = titles({log.name: log.job for log in logs})
    counted_on = any(log.points.steps.epoch_steps is not None for log in logs)
    axes: list[X] = [x for x in AXES if x != "global_step" or counted_on]
    return {
        "metrics": [
            [name, _axis(name, evaluations[name], logs, stand_ins, own_evaluations)] for name in metrics
        ],
        "metrics_left_out": len(names[METRICS:]),
        "evaluations": {name: found for name, found in evaluations.items() if found is not None},
        "logs": [
            {
                "name": named[log.name],
                **_log_points(log, frozenset(metrics), room, axes),
                "stand_ins": called,
                "evaluations": evaluated,
                "given": _given({name: values[number] for name, values in apart.items()}),
            }
            for number, (log, called, evaluated) in enumerate(
                zip(logs, stand_ins, own_evaluations, strict=True)
            )
        ],
    }


def _own_evaluation(log: ReadLog, metric: str, called: str | None) -> str | None:
    """Return what a log calls the evaluation of a metric, which it calls otherwise, or not at all."""
    found = evaluation_of(called or metric, log.points.axes)
    if found is not None or log.eval_loss is None:
        return found
    own = log.eval_loss.metric
    return own if own != called and is_better_higher(own) == is_better_higher(metric) else None


def _given(values: Mapping[str, object]) -> str:
    told = {name: brief_value(value) for name, value in values.items()}
    return ", ".join(f"{excerpt(name, 30)} {value}" for name, value in told.items() if value)


def _axis(
    name: str,
    evaluation: str | None,
    logs: Sequence[ReadLog],
    stand_ins: Sequence[Mapping[str, str | None]],
    own_evaluations: Sequence[Mapping[str, str | None]],
) -> X:
    """Return what a metric can be drawn over, with what evaluations tell of it."""
    own = [(log.points, called.get(name) or name) for log, called in zip(logs, stand_ins, strict=True)]
    evaluated = [called.get(name) or evaluation or name for called in own_evaluations]
    both = [*own, *zip((log.points for log in logs), evaluated, strict=True)]
    # Where a bar is drawn anew many times in one line, that tells its points apart for nobody.
    return shared_axis(both) or shared_axis(own) or "line"


def _log_points(log: ReadLog, names: Collection[str], room: int, axes: Iterable[X]) -> dict[str, Any]:
    points = log.points.fewer(room)
    told = {x: places(points, x, log.points.steps) for x in axes}
    return {
        "lines": log.lines.seen,
        "points": log.points.count,
        "offsets": points.offset.cells(0, len(points)),
        "segments": points.segment.cells(0, len(points)),
        "x": {x: known for x, known in told.items() if known.count(None) < len(known)},
        "y": {name: _column(points.numbers(name)) for name in points.names() if name in names},
    }


def _column(numbers: Numbers) -> tuple[list[int], list[float | str]]:
    """Return which points have a metric, and its values; those that JSON has no word for are text.

    Not a cell for each point and metric: a log can name a new metric in each of its lines.
    """
    which = [row for row, _ in numbers.items(0, numbers.end)]
    return which, [value if math.isfinite(value) else str(value) for value in numbers.values]


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
