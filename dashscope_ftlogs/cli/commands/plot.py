"""`ftlogs plot`: a metric of several jobs in one chart, beside what they were trained with."""

import enum
import math
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.checks import refused
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import NOTHING_TO_WRITE, exit_code
from dashscope_ftlogs.cli.log_sources import (
    Log,
    Sources,
    code_of,
    complain_of_patterns,
    is_local,
    job_name,
    no_metrics,
    read_logs,
)
from dashscope_ftlogs.cli.options import Pattern, chosen, grouped, number, to_file
from dashscope_ftlogs.cli.reading_processes import PointsRead, ReadPoints
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.terminal.picture_file import STDOUT, check_picture, write_picture
from dashscope_ftlogs.cli.terminal.stdout import cut, has_colours, table, write
from dashscope_ftlogs.cli.terminal.terminal_chart import chart, marks
from dashscope_ftlogs.cli.terminal.what_to_draw import Charts, DrawnLog, charts
from dashscope_ftlogs.metrics.curves import X, labels
from dashscope_ftlogs.reading.own_pattern import OwnPattern
from dashscope_ftlogs.text import counted, distinct, excerpt

_SIZE: Final = (100, 30)
"""Columns and lines, where there is no terminal to ask."""
_LARGEST: Final = 400
_NARROWEST: Final = 20
_LOWEST: Final = 6
"""Lines of a chart in which something is seen."""
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
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Draw anew as lines come, until every job has ended.")
    ] = False,
    output: Annotated[Path | None, to_file("Write a .png or .svg file; - for stdout, as PNG.")] = None,
    pattern: Pattern = None,
    connection: Connection,
) -> None:
    """Draw the loss, or other numbers, of jobs in one chart each.

    Each is called by its job's name, or by its id where it has none or another one has the same. The
    hyper-parameters in which the jobs differ are named below it.

    With -f, what there is so far stands on the terminal, and is drawn anew as lines come; without a
    terminal, it is drawn once, in the end. The exit code tells how the jobs ended: 0 if all succeeded,
    7 if one failed, 8 if one was canceled.
    """
    try:
        if output is not None:
            check_picture(output, logs)
        drawing = Drawing(metric or (), None if x is None else x.value, smooth, output, chosen(pattern))
        draw = _live(logs, connection, drawing) if follow else _once(logs, connection, drawing)
    except FTLogsError as error:
        complain(told(error))
        raise typer.Exit(exit_code(error)) from None
    draw()


@attrs.frozen
class Drawing:
    """What the options say."""

    metrics: Sequence[str]
    x: X | None
    weight: float
    output: Path | None
    pattern: OwnPattern | None

    def show(self, found: Sequence[Log[PointsRead]]) -> int:
        """Draw logs that are read, and return the exit code."""
        complain_of_patterns(self.pattern, (log.read.fits for log in found))
        logs = _drawn(found)
        if not any(log.points for log in logs):
            pairs = zip(logs, found, strict=True)
            unlike_logs = {drawn.name: log.read.unlike_a_log for drawn, log in pairs}
            complain(no_metrics(unlike_logs, self.pattern))
            return 0 if self.output is None else NOTHING_TO_WRITE
        made = charts(logs, self.metrics, self.x, complain)
        if self.output is None:
            _show(made, self.weight)
            return 0
        write_picture(self.output, made.panels, self.weight, made.parameters)
        if self.output != STDOUT:
            names = ", ".join(excerpt(panel.metric, 60) for panel in made.panels)
            complain(f"{self.output}: {names} of {counted(len(made.panels[0].logs), 'log')}")
        return 0

    def so_far(self, found: Sequence[Log[PointsRead]], size: os.terminal_size) -> str:
        """Return what is seen of logs that grow."""
        logs = _drawn(found)
        if not any(log.points for log in logs):
            return "no metrics so far\n"
        try:
            made = charts(logs, self.metrics, self.x, lambda _: None)
        except InvalidArgumentError as error:  # what is asked for may still come
            return f"{cut(f'so far, {told(error)}', size.columns)}\n"
        return _fitted(made, self.weight, size.columns, size.lines - 2)  # status, prompt


def _once(logs: Sequence[str], connection: Connection, drawing: Drawing) -> Callable[[], None]:
    async def main() -> int:
        failed: list[FTLogsError] = []
        begin = partial(ReadPoints, pattern=drawing.pattern)
        async with aclosing(read_logs(logs, connection, begin, failed)) as opened:
            end = drawing.show([log async for log in opened])
        return code_of(failed) or end

    return lambda: run(main())


def _live(logs: Sequence[str], connection: Connection, drawing: Drawing) -> Callable[[], None]:
    from dashscope_ftlogs.cli.tail.line_format import Lines  # noqa: PLC0415  (few need it)
    from dashscope_ftlogs.cli.tail.live_curves import LiveCurves  # noqa: PLC0415

    here = next(filter(is_local, logs), None)
    if here is not None:
        raise InvalidArgumentError(f"-f is for jobs of the service, and {here} is none")
    return LiveCurves(
        connection=connection,
        offsets=dict.fromkeys(job_name(word, connection.profile) for word in logs),
        count=None,
        view=Lines().view(several=False),
        alarms=(),
        pattern=drawing.pattern,
        drawn=drawing.so_far,
        finish=drawing.show,
    ).run


def _drawn(logs: Sequence[Log[PointsRead]]) -> list[DrawnLog]:
    found: list[DrawnLog] = []
    for log in logs:
        name = distinct([one.name for one in found], excerpt(log.name, 60))
        found.append(DrawnLog(name, log.job, log.read.points))
    return found


def _show(made: Charts, weight: float) -> None:
    columns, height = (min(size, _LARGEST) for size in shutil.get_terminal_size(_SIZE))
    columns, colours = max(columns, 40), has_colours()
    legend, hidden = _legend(made, columns if sys.stdout.isatty() else math.inf, colours=colours)
    if hidden:
        complain(f"they differ also in {', '.join(hidden)}: not shown for want of room")
    # The prompt comes after it.
    height = max((height - len(legend) - 1) // len(made.panels), 12)
    texts = [
        chart(panel, weight, columns, height, colours=colours, others=made.panels)
        for panel in made.panels
    ]
    write("".join((*texts, *legend)).encode("utf-8", "backslashreplace"))


def _fitted(made: Charts, weight: float, columns: int, height: int) -> str:
    """Return as much of it as a terminal has room for."""
    columns, colours = min(columns, _LARGEST), has_colours(sys.stderr)
    legend = _legend(made, columns, colours=colours, whole=False)[0][: height // 3]
    panels = made.panels[: max(1, (height - len(legend)) // _LOWEST)]
    each = min((height - len(legend)) // len(panels), _LARGEST)
    if each < _LOWEST or columns < _NARROWEST:
        return f"{cut('too small for a chart', columns)}\n"
    texts = [chart(panel, weight, columns, each, colours=colours, others=panels) for panel in panels]
    lines = "".join(texts).removesuffix("\n").split("\n")
    # What has colours is as wide as it should be; titles are not.
    shown = [line if "\x1b" in line else cut(line, columns) for line in lines]
    return "".join(f"{line.rstrip()}\n" for line in shown) + "".join(legend)


def _legend(
    made: Charts, room: float, *, colours: bool, whole: bool = True
) -> tuple[list[str], list[str]]:
    """Return what each mark stands for, and in what those jobs differ, as far as there is room.

    The second are the hyper-parameters for which there is none. Names are `whole`, or cut to the room.
    """
    names = labels(made.panels)
    signs = marks(len(names), colours=colours)
    columns: list[Sequence[str | None]] = [[mark.letter for mark in signs], names]
    headers = ["", "LOG"]
    hidden: list[str] = []
    for name, values in made.parameters.items():
        tried = table([*headers, name], list(zip(*columns, values, strict=True))).decode()
        if max(map(len, tried.splitlines())) > room:
            hidden.append(name)
        else:
            headers.append(name)
            columns.append(values)
    lines = table(headers, list(zip(*columns, strict=True))).splitlines()
    header, *rows = [line.decode() if whole else cut(line.decode(), int(room)) for line in lines]
    coloured = [str(mark) + row.removeprefix(mark.letter) for mark, row in zip(signs, rows, strict=True)]
    shown = [header, *coloured] if made.parameters else coloured
    return [f"{line}\n" for line in shown], hidden
