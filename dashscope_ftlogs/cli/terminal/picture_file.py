"""Curves as a picture for a page or a paper, drawn by matplotlib."""

import io
import math
import sys
import warnings
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any, Final

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.cli.terminal.axis_ticks import axis_title, clock_ticks
from dashscope_ftlogs.cli.terminal.output_file import check_output, put
from dashscope_ftlogs.cli.terminal.stdout import write
from dashscope_ftlogs.metrics.curves import Curve, Panel, Spot, Trace, labels, span, trace

PICTURES: Final = (".png", ".svg")
"""What a picture's name may end with."""

STDOUT: Final = Path("-")
"""Stands for it."""
_COLUMNS: Final = 2000
"""More points beside each other can't be told apart."""
_LARGEST: Final = 1e100
"""What is farther from 0 is marked like an infinity: matplotlib's own arithmetic overflows there."""
_WIDTH: Final = 10.0
_CHART: Final = 6.0
_LOWER: Final = 3.5
"""For each, where there are several."""
_ROW: Final = 0.28
_LETTER: Final = 0.085
"""Inches, as are those above it."""
_CHINESE: Final = ("Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei")


def check_picture(path: Path, sources: Iterable[str]) -> None:
    """Refuse a file that can't be written, or is a source, before anything is read for it.

    Raises:
        InvalidArgumentError: its name does not do; or it is stdout, and that is a terminal.
        ConfigError: matplotlib is not installed.
    """
    if path != STDOUT:
        check_output(path, PICTURES, sources)
    elif sys.stdout.isatty():
        raise InvalidArgumentError("-o -: a picture is nothing for a terminal; send it to a file or on")
    extra("plot", "matplotlib")


def write_picture(
    path: Path,
    panels: Sequence[Panel],
    weight: float,
    parameters: Mapping[str, Sequence[str | None]],
) -> None:
    """Write a picture of panels of the same logs, with a table of one value of each parameter for each.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    matplotlib, figures, fonts = extra(
        "plot", "matplotlib", "matplotlib.figure", "matplotlib.font_manager"
    )
    there = {font.name for font in fonts.fontManager.ttflist}
    settings = {
        # Names are anyone's: a dollar sign in one does not begin a formula.
        "text.parse_math": False,
        "text.usetex": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "ftlogs",
        "font.family": ["sans-serif", *(name for name in _CHINESE if name in there)],
    }
    data = io.BytesIO()
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # A letter that no font here has is drawn as a box; nothing better can be done about it.
        warnings.filterwarnings("ignore", r"Glyph .* missing", UserWarning)
        names = list(panels[0].logs)
        rows = _table(names, parameters)
        heights = [_CHART if len(panels) == 1 else _LOWER] * len(panels)
        heights += [_ROW * len(rows)] if rows else []
        size = (max(_WIDTH, _width(rows)), sum(heights))
        figure = figures.Figure(figsize=size, dpi=150, layout="constrained")
        below = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
        for axes, panel in zip(below[1:], panels[1:], strict=False):
            if panel.x == panels[0].x:
                axes.sharex(below[0])
        entries = [_draw(axes, panel, weight) for axes, panel in zip(below, panels, strict=False)]
        _legend(figure, labels(panels), entries[0])
        if rows:
            _tabulate(below[-1], rows)
        figure.savefig(
            data,
            format=path.suffix[1:] or "png",
            metadata={"Date": None} if path.suffix == ".svg" else {},
        )
    if path == STDOUT:
        write(data.getvalue())
    else:
        put(path, data.getvalue())


def _table(
    names: Sequence[str], parameters: Mapping[str, Sequence[str | None]]
) -> Sequence[Sequence[str]]:
    """Return the rows of the table, the first of which is its header; whichever way it is narrower."""
    if not parameters:
        return []
    named = [("log", names), *parameters.items()]
    columns: list[Sequence[str]] = [
        [_safe(cell or "-") for cell in (name, *values)] for name, values in named
    ]
    rows: list[Sequence[str]] = list(zip(*columns, strict=True))
    return min(rows, columns, key=_width)


def _width(rows: Sequence[Sequence[str]]) -> float:
    return sum(max(map(len, column)) + 3 for column in zip(*rows, strict=True)) * _LETTER


def _draw(axes: Any, panel: Panel, weight: float) -> list[Any]:
    """Draw all, and return a line for each log such as the legend shows."""
    drawn = [[_bounded(curve) for curve in own] for own in panel.logs.values()]
    low, high = span(at for own in drawn for curve in own for at in curve.x)
    entries: list[Any] = []
    for number, own in enumerate(drawn):
        colour = f"C{number % 10}"
        style = ("-", "--", ":", "-.")[number // 10 % 4]
        for curve in own:
            found = trace(curve, weight, low, high, _COLUMNS)
            axes.plot(*_spots(found.points), ".", color=colour, alpha=0.3, markersize=4, zorder=1)
            for line in found.lines:
                axes.plot(*_spots(line), style, color=colour, linewidth=1.6, zorder=2)
            _mark_gaps(axes, found, colour)
        entries += axes.plot([], [], style, color=colour)
    if panel.gaps:
        gap = axes.plot([], [], "x", color="0.3", linestyle=":")
        axes.legend(gap, [panel.gaps], loc="best")
    axes.set_ylabel(_safe(panel.title(weight)))
    axes.set_xlabel(axis_title(panel.x, low, high))
    if panel.x == "time":  # matplotlib's own dates end with the year 9999, and fail beyond
        places, labels = zip(*clock_ticks(low, high, 8), strict=True)
        axes.set_xticks(places, labels)
    axes.grid(alpha=0.25)
    return entries


def _legend(figure: Any, logs: Iterable[str], entries: Sequence[Any]) -> None:
    """Name the lines above the chart, where they hide nothing."""
    names = [_safe(name) for name in logs]
    columns = max(1, int(figure.get_figwidth() / ((max(map(len, names)) + 8) * _LETTER)))
    numbers = [str(number) for number in range(len(entries))]
    legend = figure.legend(entries, numbers, loc="outside upper left", ncols=columns, frameon=False)
    # Not given as labels: matplotlib leaves out those that begin with an underscore.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def _bounded(curve: Curve) -> Curve:
    kept = [abs(x) <= _LARGEST for x in curve.x]
    return Curve(
        curve.source,
        curve.metric,
        curve.segment,
        array("d", compress(curve.x, kept)),
        array("d", map(_finite, compress(curve.y, kept))),
        array("q", compress(curve.offsets, kept)),
    )


def _finite(y: float) -> float:
    return math.copysign(math.inf, y) if abs(y) > _LARGEST else y


def _spots(spots: Iterable[Spot]) -> tuple[list[float], list[float]]:
    spots = list(spots)
    return [at for at, _ in spots], [y for _, y in spots]


def _mark_gaps(axes: Any, found: Trace, colour: str) -> None:
    """Mark what is not finite on the frame, by a line across: within it, a cross would be a value."""
    across = axes.get_xaxis_transform()
    for edge, above in ((0, False), (1, True)):
        places = [at for at, y in found.gaps if (y == math.inf) is above]
        if places:
            axes.vlines(places, 0, 1, colour, ":", transform=across, linewidth=0.8, alpha=0.6)
            edges = [edge] * len(places)
            axes.plot(places, edges, "x", color=colour, transform=across, zorder=3, clip_on=False)


def _tabulate(axes: Any, rows: Sequence[Sequence[str]]) -> None:
    axes.axis("off")
    table = axes.table(rows, cellLoc="left", loc="center", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.auto_set_column_width(list(range(len(rows[0]))))


def _safe(text: str) -> str:
    """Return a text without what XML can't hold, or no font can draw."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
