"""Curves on a terminal, drawn by plotext: colours where they are wanted, else a letter for each log."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.cli.terminal.axis_ticks import axis_title, clock_ticks, round_ticks
from dashscope_ftlogs.metrics.curves import Panel, Spot, Trace, share, span, trace

_COLOURS: Final = (39, 208, 71, 170, 142, 37, 203, 141, 107, 175, 67, 137)
"""Of xterm's 256, such as can be read on black and on white."""
_LETTERS: Final = "*o+#@%&=$~ABCDEFGHIJKLMNPQRSTUVWXYZ"
_POINT: Final = "·"
_GAP: Final = "\N{MULTIPLICATION SIGN}"


@attrs.frozen
class Mark:
    """How one log is told from the others."""

    letter: str
    colour: int | None
    """None where there are no colours."""

    def __str__(self) -> str:
        return self.letter if self.colour is None else f"\x1b[38;5;{self.colour}m{self.letter}\x1b[0m"


def marks(count: int, *, colours: bool) -> list[Mark]:
    """Return a mark for each of so many logs; some are the same where there are too many."""
    if colours:
        return [Mark("●", _COLOURS[number % len(_COLOURS)]) for number in range(count)]
    return [Mark(_LETTERS[number % len(_LETTERS)], None) for number in range(count)]


def chart(
    panel: Panel,
    weight: float,
    width: int,
    height: int,
    *,
    colours: bool,
    others: Sequence[Panel] = (),
) -> str:
    """Return a chart, `width` columns wide and `height` lines high; those of one axis have one range."""
    logs, x = panel.logs, panel.x
    alike = [one for one in (panel, *others) if one.x == x]
    low, high = span(at for one in alike for curve in one.curves for at in curve.x)
    # Twice the width: a cell of dots has two columns.
    traces = [[trace(curve, weight, low, high, 2 * width) for curve in own] for own in logs.values()]
    seen = [trace for own in traces for trace in own]
    bottom, top = span(spot[1] for trace in seen for spot in trace.points)
    # Room for the marks of gaps at both edges.
    margin = 1.5 / height if any(trace.gaps for trace in seen) else 0.0
    frame = _Frame(low, high, bottom, top, margin)

    (plotext,) = extra("cli", "plotext")
    figure = _figure(plotext, width, height - 2)
    for draw in (_draw_points, _draw_lines, _draw_gaps):  # what comes later is in front
        for mark, own in zip(marks(len(logs), colours=colours), traces, strict=True):
            for one in own:
                draw(_Pen(plotext, figure, frame, mark), one)
    across = clock_ticks(low, high, width // 18) if x == "time" else round_ticks(low, high, width // 12)
    below = [(frame.right(value), label) for value, label in across]
    beside = [
        (frame.down(value), label) for value, label in round_ticks(bottom, top, max(2, height // 5))
    ]
    for ruler, ticks in (("y", beside), ("x", below)):
        places, labels = zip(*ticks, strict=True)
        figure.ruler(ruler).lim(0, 1).ticks(list(places), list(labels))
    drawn = str(figure.build().string(not colours))
    gaps = f"; {_GAP} is {panel.gaps}" if panel.gaps else ""
    return f"{panel.title(weight)}{gaps}\n{drawn.rstrip()}\n{axis_title(x, low, high):>{width}}\n"


def _figure(plotext: Any, width: int, height: int) -> Any:
    """Return plotext's one figure, without what may still be on it, and without colours of its own."""
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear()
    return figure.plot_size(width, height).theme("colorless").canvas("default")


@attrs.frozen
class _Frame:
    """Where the values lie, of which plotext only sees how far from the lower left corner each is.

    That range it can't get wrong, whatever a log may hold.
    """

    low: float
    high: float
    bottom: float
    top: float
    margin: float

    def right(self, x: float) -> float:
        return share(x, self.low, self.high)

    def down(self, y: float) -> float:
        return self.margin + (1 - 2 * self.margin) * share(y, self.bottom, self.top)


@attrs.frozen
class _Pen:
    plotext: Any
    figure: Any
    frame: _Frame
    mark: Mark

    def signal(self, symbol: str, spots: Iterable[tuple[float, float]], style: str | None = None) -> Any:
        """Return points to draw, at `spots` of the frame."""
        pixel = self.plotext.pixel(foreground=self.mark.colour, style=style)
        xs, ys = zip(*spots, strict=True)
        return self.figure.signal(xs, ys, marker=self.plotext.marker(symbol, pixel=pixel))

    def on(self, spots: Iterable[Spot]) -> list[tuple[float, float]]:
        return [(self.frame.right(x), self.frame.down(y)) for x, y in spots]


def _draw_points(pen: _Pen, trace: Trace) -> None:
    if trace.points:
        symbol = _POINT if pen.mark.colour is None else "braille"
        pen.figure.draw(pen.signal(symbol, pen.on(trace.points), "dim"))


def _draw_lines(pen: _Pen, trace: Trace) -> None:
    symbol = pen.mark.letter if pen.mark.colour is None else "braille"
    for line in trace.lines:
        pen.figure.draw(pen.signal(symbol, pen.on(line)).lines(True))


def _draw_gaps(pen: _Pen, trace: Trace) -> None:
    if trace.gaps:
        # Infinity is above everything; what has no value at all is marked where it is in nobody's way.
        spots = [(pen.frame.right(x), 1.0 if y == math.inf else 0.0) for x, y in trace.gaps]
        pen.figure.draw(pen.signal(_GAP, spots))
