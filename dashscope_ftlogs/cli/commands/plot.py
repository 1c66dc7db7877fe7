"""`ftlogs plot`: a metric of several jobs in one chart, beside what they were trained with."""

import enum
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from dashscope_ftlogs import InvalidArgumentError, Job
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.log_sources import Sources, no_metrics, read_logs
from dashscope_ftlogs.cli.options import Pattern, chosen, grouped, to_file
from dashscope_ftlogs.cli.reading_processes import ReadPoints
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.picture_file import check_picture, write_picture
from dashscope_ftlogs.cli.terminal.stdout import table, write
from dashscope_ftlogs.cli.terminal.terminal_chart import chart, marks
from dashscope_ftlogs.metrics.curves import (
    AXES,
    Curve,
    X,
    curves,
    metric_names,
    shared_axis,
)
from dashscope_ftlogs.metrics.hyper_parameters import differing
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.reading.forms.names import main_metric
from dashscope_ftlogs.text import distinct, excerpt, shown

_SIZE: Final = (100, 30)
"""Columns and lines, where there is no terminal to ask."""
_LARGEST: Final = 400
_MOST: Final = 20
"""How many names or hyper-parameters are shown; a log or a job may hold any number."""


class Axis(enum.StrEnum):
    """What a curve may be drawn over."""

    STEP = "step"
    EPOCH = "epoch"
    TOKENS = "tokens"
    TIME = "time"
    LINE = "line"


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
        str | None,
        typer.Option(metavar="NAME", help="What to draw.", show_default="loss, or what is most like it"),
    ] = None,
    x: Annotated[
        Axis | None,
        typer.Option("--x", help="Over what.", show_default="what all points have: step, epoch or line"),
    ] = None,
    smooth: Annotated[
        float,
        typer.Option(
            metavar="WEIGHT", help="Of what came before in the moving average, below 1; 0: none."
        ),
    ] = 0.6,
    output: Annotated[Path | None, to_file("Write a .png or .svg file.")] = None,
    pattern: Pattern = None,
    connection: Connection,
) -> None:
    """Draw the loss, or another number, of jobs in one chart.

    The hyper-parameters in which they differ are named below it.
    """

    async def main() -> int:
        if output is not None:
            check_picture(output, logs)
        if not 0 <= smooth < 1:
            raise InvalidArgumentError(f"--smooth {smooth}: must be at least 0 and less than 1")
        begin = partial(ReadPoints, pattern=chosen(pattern))
        found: list[_Log] = []
        async with aclosing(read_logs(logs, connection, begin)) as opened:
            async for log in opened:
                name = distinct([log.name for log in found], excerpt(log.name, 60))
                found.append(_Log(name, log.job, log.read))
        if not any(log.points for log in found):
            complain(no_metrics(log.name for log in found))
            return 0
        wanted = _metric(metric, found)
        axis = _axis(x, wanted, found)
        drawn = _drawn(found, wanted, axis)
        parameters = _parameters({log.name: log.job for log in found if log.name in drawn})
        if output is None:
            _show(drawn, axis, smooth, parameters)
        else:
            write_picture(output, drawn, axis, smooth, parameters)
        return 0

    run(main())


def _metric(asked: str | None, logs: Iterable[_Log]) -> str:
    """Return the metric to draw.

    Raises:
        InvalidArgumentError: no log holds the one that was asked for; it names those that are there.
    """
    names = metric_names(log.points for log in logs)
    wanted = "loss" if asked is None else asked
    if wanted in names:
        return wanted
    similar = main_metric(names)
    if asked is not None or similar is None:
        raise InvalidArgumentError(
            f"--metric {shown(wanted)}: no log has it; they have {_listed(names)}"
        )
    complain(f"there is no loss, so this is {excerpt(similar, 60)}")
    return similar


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(excerpt(name, 60) for name in names[:_MOST]) + more


def _axis(asked: Axis | None, metric: str, logs: Sequence[_Log]) -> X:
    """Return the axis to draw over.

    Raises:
        InvalidArgumentError: no point has the one that was asked for; it names those that are there.
    """
    if asked is None:
        return shared_axis([log.points for log in logs], metric)
    axis: X = asked.value
    if not any(curves(log.name, log.points, metric, axis) for log in logs):
        there = [x for x in AXES if any(curves(log.name, log.points, metric, x) for log in logs)]
        raise InvalidArgumentError(
            f"--x {axis}: no point of {excerpt(metric, 60)} tells it; they tell {', '.join(there)}"
        )
    return axis


def _drawn(logs: Iterable[_Log], metric: str, x: X) -> dict[str, list[Curve]]:
    """Return the curves of each log that has any, and say what is left out."""
    drawn: dict[str, list[Curve]] = {}
    for log in logs:
        own = curves(log.name, log.points, metric, x)
        total = len(log.points.numbers(metric))
        missing = total - sum(len(curve.x) for curve in own)
        if not total:
            complain(f"{log.name}: no {excerpt(metric, 60)}")
        elif missing:
            complain(f"{log.name}: left out {missing:,} of {total:,} points, which do not tell the {x}")
        if own:
            drawn[log.name] = own
    return drawn


def _parameters(jobs: Mapping[str, Job | None]) -> dict[str, list[str | None]]:
    found = differing(jobs)
    if len(found) > _MOST:
        complain(f"shown are {_MOST} of the {len(found):,} hyper-parameters in which they differ")
    table: dict[str, list[str | None]] = {}
    for name, values in list(found.items())[:_MOST]:
        table[distinct(table, excerpt(name, 30))] = [cell(value) for value in values]
    return table


def cell(value: object) -> str | None:
    """Return what to show of a hyper-parameter."""
    if value is None or isinstance(value, str):
        return value and excerpt(value, 30)
    try:
        return excerpt(shown(value), 30)
    except RecursionError:
        return "nested too deeply to show"


def _show(
    drawn: Mapping[str, Sequence[Curve]],
    x: X,
    weight: float,
    parameters: Mapping[str, Sequence[str | None]],
) -> None:
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width, height = (min(size, _LARGEST) for size in shutil.get_terminal_size(_SIZE))
    width = max(width, 40)
    legend = _legend(drawn, parameters, width, colours=colours)
    # The prompt comes after it.
    height = max(height - legend.count(b"\n") - 1, 12)
    text = chart(drawn, x, weight, width, height, colours=colours)
    write(text.encode("utf-8", "backslashreplace") + legend)


def _legend(
    drawn: Mapping[str, object],
    parameters: Mapping[str, Sequence[str | None]],
    width: int,
    *,
    colours: bool,
) -> bytes:
    """Return what each mark stands for, and in what those jobs differ, as far as that fits."""
    signs = marks(len(drawn), colours=colours)
    columns: list[Sequence[str | None]] = [[mark.letter for mark in signs], list(drawn)]
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
