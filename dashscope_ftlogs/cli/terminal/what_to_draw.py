"""Which charts `ftlogs plot` draws of logs: metrics, axes, curves, and in what the jobs differ."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import attrs

from dashscope_ftlogs import InvalidArgumentError, Job
from dashscope_ftlogs.metrics.curves import (
    AXES,
    Curve,
    Panel,
    X,
    curves,
    metric_names,
    shared_axis,
    titles,
)
from dashscope_ftlogs.metrics.hyper_parameters import brief_value, differing
from dashscope_ftlogs.metrics.point_columns import PointColumns, called, evaluation_metric
from dashscope_ftlogs.metrics.step_count import step_count
from dashscope_ftlogs.reading.forms.names import (
    WHATEVER_ITS_NAME,
    is_better_higher,
    main_metric,
    standing_for,
)
from dashscope_ftlogs.text import counted, distinct, excerpt, shown

_MOST: Final = 20
"""How many names or hyper-parameters are shown; a log or a job may hold any number."""

Say = Callable[[str], None]
"""Takes what there is to say besides."""


@attrs.frozen
class DrawnLog:
    """A log of which something may be drawn."""

    name: str
    job: Job | None
    points: PointColumns


@attrs.frozen
class Charts:
    """What is drawn."""

    panels: Sequence[Panel]
    """At least one, all of the same logs: of those of which any has a curve."""
    parameters: Mapping[str, Sequence[str | None]]
    """The hyper-parameters in which those differ: of each, a value for each log."""


def charts(logs: Sequence[DrawnLog], metrics: Iterable[str], x: X | None, say: Say) -> Charts:
    """Return a chart for each metric, or one of the loss; over this axis, or over what all points have.

    Raises:
        InvalidArgumentError: no log has such a metric, or no point such a place.
    """
    named = titles({log.name: log.job for log in logs})
    logs = [attrs.evolve(log, name=named[log.name]) for log in logs]
    panels = _panels(list(metrics) or [None], x, logs, say)
    if x is None:
        _tell_axis(panels, logs, say)
    drawn = {log.name: log.job for log in logs if any(panel.logs[log.name] for panel in panels)}
    panels = [attrs.evolve(panel, logs={name: panel.logs[name] for name in drawn}) for panel in panels]
    return Charts(panels, _parameters(drawn, say))


def _panels(asked: Iterable[str | None], x: X | None, logs: Sequence[DrawnLog], say: Say) -> list[Panel]:
    names = metric_names(log.points for log in logs)
    main = main_metric(names)
    panels: list[Panel] = []
    for metric in dict.fromkeys(_metric(one, names, logs, say) for one in asked):
        of_evaluations = any(evaluation_metric(log.points) == metric for log in logs)
        own = {log.name: _own_name(log, metric, metric == main, of_evaluations, say) for log in logs}
        axis = _axis(x, metric, own, logs)
        drawn = {log.name: _drawn(log, own[log.name], axis, say) for log in logs}
        panels.append(Panel(metric, axis, drawn))
    return panels


def _metric(asked: str | None, names: Sequence[str], logs: Sequence[DrawnLog], say: Say) -> str:
    """Return the metric to draw: for the `loss` and the `eval_loss`, whatever the logs call so.

    Raises:
        InvalidArgumentError: no log holds the one that was asked for; it names those that are there.
    """
    wanted = "loss" if asked is None else asked
    if wanted in names:
        return wanted
    of_each = (called(log.points, wanted) for log in logs) if wanted in WHATEVER_ITS_NAME else ()
    found = main_metric(names) if asked is None else next(filter(None, of_each), None)
    if found is None:
        raise InvalidArgumentError(
            f"--metric {shown(wanted)}: no log has it; they have {_listed(names)}"
        )
    say(f"there is no {wanted}, so this is {excerpt(found, 60)}")
    return found


def _own_name(log: DrawnLog, metric: str, is_main: bool, of_evaluations: bool, say: Say) -> str:
    """Return what a log calls a metric, and say so if it is another name.

    Only of the main one, and of the loss of evaluations: a log without the mean of a whole training has
    nothing like it.
    """
    names = metric_names([log.points])
    own = (standing_for(metric, names) if is_main else None) or metric
    if of_evaluations and own not in names:
        other = evaluation_metric(log.points) or metric
        own = other if is_better_higher(other) == is_better_higher(metric) else metric
    if own != metric:
        say(f"{log.name}: its {excerpt(own, 60)} stands for the {excerpt(metric, 60)}")
    return own


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(excerpt(name, 60) for name in names[:_MOST]) + more


def _axis(asked: X | None, metric: str, own: Mapping[str, str], logs: Sequence[DrawnLog]) -> X:
    """Return the axis to draw over.

    Raises:
        InvalidArgumentError: no point has the one that was asked for; it names those that are there.
    """
    if asked is None:
        return shared_axis([(log.points, own[log.name]) for log in logs])

    def tells(x: X) -> bool:
        return any(curves(log.name, log.points, own[log.name], x) for log in logs)

    if not tells(asked):
        there = [x for x in AXES if x != "global_step" and tells(x)]
        raise InvalidArgumentError(
            f"--x {asked}: no point of {excerpt(metric, 60)} tells it; they tell {', '.join(there)}"
        )
    return asked


def _drawn(log: DrawnLog, metric: str, x: X, say: Say) -> list[Curve]:
    """Return the curves of a log, and say what of it is left out."""
    own = curves(log.name, log.points, metric, x)
    total = len(log.points.numbers(metric))
    missing = total - sum(len(curve.x) for curve in own)
    if not total:
        say(f"{log.name}: no {excerpt(metric, 60)}")
    elif missing:
        say(f"{log.name}: left out {missing:,} of {counted(total, 'point')}, which do not tell the {x}")
    return own


def _tell_axis(panels: Sequence[Panel], logs: Sequence[DrawnLog], say: Say) -> None:
    """Say why something is not drawn over the steps that logs tell, or over none."""
    found = [log.name for log in logs if step_count(log.points).restarts]
    over_lines = [excerpt(panel.metric, 60) for panel in panels if panel.x == "line" and panel.curves]
    if found:
        axes = " or the ".join(dict.fromkeys(AXES[panel.x] for panel in panels))
        say(
            f"steps begin again with each epoch in {_listed(found)}: drawn over the {axes}; "
            "--x step draws them as they are"
        )
    elif over_lines:
        say(
            f"{', '.join(over_lines)}: drawn over the {AXES['line']}, since neither steps nor epochs "
            "tell all points apart"
        )


def _parameters(jobs: Mapping[str, Job | None], say: Say) -> dict[str, list[str | None]]:
    found = differing(jobs)
    if len(found) > _MOST:
        say(f"shown are {_MOST} of the {len(found):,} hyper-parameters in which they differ")
    table: dict[str, list[str | None]] = {}
    for name, values in list(found.items())[:_MOST]:
        table[distinct(table, excerpt(name, 30))] = [brief_value(value) for value in values]
    return table
