"""`ftlogs plot`: a metric of several jobs in one chart, beside what they were trained with."""

import enum
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job
from dashscope_ftlogs.checks import refused
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import NOTHING_TO_WRITE
from dashscope_ftlogs.cli.log_sources import (
    Sources,
    code_of,
    complain_of_patterns,
    no_metrics,
    read_logs,
)
from dashscope_ftlogs.cli.options import Pattern, chosen, grouped, number, to_file
from dashscope_ftlogs.cli.reading_processes import ReadPoints
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.output_file import counted
from dashscope_ftlogs.cli.terminal.picture_file import STDOUT, check_picture, write_picture
from dashscope_ftlogs.cli.terminal.stdout import has_colours, table, write
from dashscope_ftlogs.cli.terminal.terminal_chart import chart, marks
from dashscope_ftlogs.metrics.curves import (
    AXES,
    Curve,
    Panel,
    X,
    curves,
    labels,
    metric_names,
    shared_axis,
    titles,
)
from dashscope_ftlogs.metrics.hyper_parameters import brief_value, differing
from dashscope_ftlogs.metrics.point_columns import PointColumns, evaluation_metric
from dashscope_ftlogs.metrics.step_count import step_count
from dashscope_ftlogs.reading.forms.names import is_better_higher, main_metric, standing_for
from dashscope_ftlogs.reading.own_pattern import Fits
from dashscope_ftlogs.text import distinct, excerpt, shown

_SIZE: Final = (100, 30)
"""Columns and lines, where there is no terminal to ask."""
_LARGEST: Final = 400
_MOST: Final = 20
"""How many names or hyper-parameters are shown; a log or a job may hold any number."""


_USUAL: Final = (
    *("loss", "eval_loss", "eval_ppl", "learning_rate", "grad_norm", "token_acc", "reward"),
    *("rewards/accuracies", "rewards/margins", "actor/pg_loss", "critic/rewards/mean"),
)
"""What the shell completes: names that trainers of this service, and those like them, use."""


def complete_metrics(incomplete: str) -> list[str]:
    """Return the usual metrics whose names begin so."""
    return [name for name in _USUAL if name.startswith(incomplete)]


class Axis(enum.StrEnum):
    """What a curve may be drawn over."""

    STEP = "step"
    EPOCH = "epoch"
    TOKENS = "tokens"
    TIME = "time"
    LINE = "line"


def _weight(name: str, value: Any) -> float:
    if not isinstance(value, float) or not 0 <= value < 1:
        raise refused(name, value, "at least 0 and less than 1")
    return value


@attrs.frozen
class _Log:
    name: str
    job: Job | None
    points: PointColumns


@grouped
def plot(
    logs: Sources,
    *,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to draw; repeat it for more charts.",
            autocompletion=complete_metrics,
            show_default="loss, or what is most like it",
        ),
    ] = None,
    x: Annotated[
        Axis | None,
        typer.Option("--x", help="Over what.", show_default="what all points have: step, epoch or line"),
    ] = None,
    smooth: Annotated[
        float,
        number("The weight of what came before in the moving average, below 1; 0: none.", _weight),
    ] = 0.6,
    output: Annotated[Path | None, to_file("Write a .png or .svg file; - for stdout, as PNG.")] = None,
    pattern: Pattern = None,
    connection: Connection,
) -> None:
    """Draw the loss, or other numbers, of jobs in one chart each.

    Each is called by its job's name, or by its id where it has none or another one has the same. The
    hyper-parameters in which the jobs differ are named below it.
    """

    async def main() -> int:
        if output is not None:
            check_picture(output, logs)
        failed: list[FTLogsError] = []
        own, fits = chosen(pattern), list[Fits]()
        begin = partial(ReadPoints, pattern=own)
        found: list[_Log] = []
        unlike_logs: dict[str, str] = {}
        async with aclosing(read_logs(logs, connection, begin, failed)) as opened:
            async for log in opened:
                name = distinct([log.name for log in found], excerpt(log.name, 60))
                found.append(_Log(name, log.job, log.read.points))
                unlike_logs[name] = log.read.unlike_a_log
                fits.append(log.read.fits)
        complain_of_patterns(own, fits)
        if not any(log.points for log in found):
            complain(no_metrics(unlike_logs, own))
            return code_of(failed) or (0 if output is None else NOTHING_TO_WRITE)
        named = titles({log.name: log.job for log in found})
        found = [attrs.evolve(log, name=named[log.name]) for log in found]
        panels = _panels(metric or [None], x, found)
        if x is None:
            _tell_axis(panels, found)
        drawn = {log.name: log.job for log in found if any(panel.logs[log.name] for panel in panels)}
        panels = [
            attrs.evolve(panel, logs={name: panel.logs[name] for name in drawn}) for panel in panels
        ]
        parameters = _parameters(drawn)
        if output is None:
            _show(panels, smooth, parameters)
        else:
            write_picture(output, panels, smooth, parameters)
            if output != STDOUT:
                names = ", ".join(excerpt(panel.metric, 60) for panel in panels)
                complain(f"{output}: {names} of {counted(len(drawn), 'log')}")
        return code_of(failed)

    run(main())


def _panels(asked: Iterable[str | None], x: Axis | None, logs: Sequence[_Log]) -> list[Panel]:
    names = metric_names(log.points for log in logs)
    main = main_metric(names)
    panels: list[Panel] = []
    for metric in dict.fromkeys(_metric(one, names, main) for one in asked):
        of_evaluations = any(evaluation_metric(log.points) == metric for log in logs)
        own = {log.name: _own_name(log, metric, metric == main, of_evaluations) for log in logs}
        axis = _axis(x, metric, own, logs)
        drawn = {log.name: _drawn(log, own[log.name], axis) for log in logs}
        panels.append(Panel(metric, axis, drawn))
    return panels


def _metric(asked: str | None, names: Sequence[str], main: str | None) -> str:
    """Return the metric to draw.

    Raises:
        InvalidArgumentError: no log holds the one that was asked for; it names those that are there.
    """
    wanted = "loss" if asked is None else asked
    if wanted in names:
        return wanted
    if asked is not None or main is None:
        raise InvalidArgumentError(
            f"--metric {shown(wanted)}: no log has it; they have {_listed(names)}"
        )
    complain(f"there is no loss, so this is {excerpt(main, 60)}")
    return main


def _own_name(log: _Log, metric: str, is_main: bool, of_evaluations: bool) -> str:
    """Return what a log calls a metric, and say so if it is another name.

    Only of the main one, and of the loss of evaluations: a log without the mean of a whole training has
    nothing like it.
    """
    names = metric_names([log.points])
    own = (standing_for(metric, names) if is_main else None) or metric
    if of_evaluations and own not in names:
        called = evaluation_metric(log.points) or metric
        own = called if is_better_higher(called) == is_better_higher(metric) else metric
    if own != metric:
        complain(f"{log.name}: its {excerpt(own, 60)} stands for the {excerpt(metric, 60)}")
    return own


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(excerpt(name, 60) for name in names[:_MOST]) + more


def _axis(asked: Axis | None, metric: str, own: Mapping[str, str], logs: Sequence[_Log]) -> X:
    """Return the axis to draw over.

    Raises:
        InvalidArgumentError: no point has the one that was asked for; it names those that are there.
    """
    if asked is None:
        return shared_axis([(log.points, own[log.name]) for log in logs])

    def tells(x: X) -> bool:
        return any(curves(log.name, log.points, own[log.name], x) for log in logs)

    axis: X = asked.value
    if not tells(axis):
        there = [x for x in AXES if x != "global_step" and tells(x)]
        raise InvalidArgumentError(
            f"--x {axis}: no point of {excerpt(metric, 60)} tells it; they tell {', '.join(there)}"
        )
    return axis


def _drawn(log: _Log, metric: str, x: X) -> list[Curve]:
    """Return the curves of a log, and say what of it is left out."""
    own = curves(log.name, log.points, metric, x)
    total = len(log.points.numbers(metric))
    missing = total - sum(len(curve.x) for curve in own)
    if not total:
        complain(f"{log.name}: no {excerpt(metric, 60)}")
    elif missing:
        complain(f"{log.name}: left out {missing:,} of {total:,} points, which do not tell the {x}")
    return own


def _tell_axis(panels: Sequence[Panel], logs: Sequence[_Log]) -> None:
    """Say why something is not drawn over the steps that logs tell, or over none."""
    found = [log.name for log in logs if step_count(log.points).restarts]
    over_lines = [excerpt(panel.metric, 60) for panel in panels if panel.x == "line" and panel.curves]
    if found:
        axes = " or the ".join(dict.fromkeys(AXES[panel.x] for panel in panels))
        complain(
            f"steps begin again with each epoch in {_listed(found)}: drawn over the {axes}; "
            "--x step draws them as they are"
        )
    elif over_lines:
        complain(
            f"{', '.join(over_lines)}: drawn over the {AXES['line']}, since neither steps nor epochs "
            "tell all points apart"
        )


def _parameters(jobs: Mapping[str, Job | None]) -> dict[str, list[str | None]]:
    found = differing(jobs)
    if len(found) > _MOST:
        complain(f"shown are {_MOST} of the {len(found):,} hyper-parameters in which they differ")
    table: dict[str, list[str | None]] = {}
    for name, values in list(found.items())[:_MOST]:
        table[distinct(table, excerpt(name, 30))] = [brief_value(value) for value in values]
    return table


def _show(
    panels: Sequence[Panel], weight: float, parameters: Mapping[str, Sequence[str | None]]
) -> None:
    colours = has_colours()
    width, height = (min(size, _LARGEST) for size in shutil.get_terminal_size(_SIZE))
    width = max(width, 40)
    legend = _legend(labels(panels), parameters, width, colours=colours)
    # The prompt comes after it.
    height = max((height - legend.count(b"\n") - 1) // len(panels), 12)
    texts = [chart(panel, weight, width, height, colours=colours, others=panels) for panel in panels]
    write("".join(texts).encode("utf-8", "backslashreplace") + legend)


def _legend(
    names: Sequence[str],
    parameters: Mapping[str, Sequence[str | None]],
    width: int,
    *,
    colours: bool,
) -> bytes:
    """Return what each mark stands for, and in what those jobs differ, as far as that fits."""
    signs = marks(len(names), colours=colours)
    columns: list[Sequence[str | None]] = [[mark.letter for mark in signs], names]
    headers = ["", "LOG"]
    hidden: list[str] = []
    for name, values in parameters.items():
        tried = table([*headers, name], list(zip(*columns, values, strict=True))).decode()
        if sys.stdout.isatty() and max(map(len, tried.splitlines())) > width:
            hidden.append(name)
        else:
            headers.append(name)
            columns.append(values)
    if hidden:
        complain(f"they differ also in {', '.join(hidden)}: not shown for want of room")
    header, *rows = table(headers, list(zip(*columns, strict=True))).splitlines(keepends=True)
    coloured = [
        str(mark).encode() + row.removeprefix(mark.letter.encode())
        for mark, row in zip(signs, rows, strict=True)
    ]
    return b"".join([header, *coloured] if parameters else coloured)
