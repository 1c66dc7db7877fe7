"""The points of logs as curves: one metric over one axis, smoothed, and thinned to what can be seen."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final, Literal

import attrs

from dashscope_ftlogs.metrics.points import Point
from dashscope_ftlogs.reading.forms.names import is_loss_or_reward, is_of_evaluation

X = Literal["step", "epoch", "tokens", "time", "line"]
"""What a curve is drawn over; `tokens` are those consumed so far, `line` is the number in the log."""

AXES: Final[Mapping[X, str]] = {
    "step": "step",
    "epoch": "epoch",
    "tokens": "tokens consumed",
    "time": "time on the log's clock",
    "line": "line of the log",
}
"""What to write at each axis."""

_PLACES: Final[Mapping[X, Callable[[Point], float | None]]] = {
    "step": lambda point: point.step,
    "epoch": lambda point: point.epoch,
    "tokens": lambda point: point.tokens,
    "time": lambda point: None if point.time is None else point.time / 1000,
    "line": lambda point: point.offset,
}
_NO_METRICS: Final = frozenset({"epoch", "step", "total_steps"})
_STUCK: Final = 0.5
"""The share of points with the same epoch as the one before, above which it does not tell them apart."""


@attrs.frozen
class Curve:
    """One metric of one log, in one of its segments: no line leads back from before a restart."""

    source: str
    """The name of the log."""
    metric: str
    segment: int
    x: tuple[float, ...]
    """Finite, and in the order of the lines. `time` is in seconds since 1970 on the clock of the log."""
    y: tuple[float, ...]
    """NaN and infinities are kept as they are."""
    offsets: tuple[int, ...]
    """The numbers of the lines."""


def curves(source: str, points: Iterable[Point], metric: str, x: X) -> list[Curve]:
    """Return a curve for each segment of a log; points that lack the metric, or `x`, are left out.

    >>> from dashscope_ftlogs.metrics.points import read_points
    >>> points = read_points(["{'loss': 2.5, 'epoch': 0.1}", "{'eval_loss': 2.4}", "{'loss': nan}"])
    >>> [curve.y for curve in curves("ft-1", points, "loss", "line")]
    [(2.5, nan)]
    >>> [curve.x for curve in curves("ft-1", points, "loss", "epoch")]
    [(0.1,)]
    """
    found: list[Curve] = []
    for segment, own in groupby(_with(metric, points), key=lambda point: point.segment):
        xs: list[float] = []
        ys: list[float] = []
        offsets: list[int] = []
        for point in own:
            at, value = place(point, x), point.values[metric]
            if at is not None and isinstance(value, float):
                xs.append(at)
                ys.append(value)
                offsets.append(point.offset)
        if xs:
            found.append(Curve(source, metric, segment, tuple(xs), tuple(ys), tuple(offsets)))
    return found


def place(point: Point, x: X) -> float | None:
    """Return where a point is on an axis; None if the log does not tell."""
    try:
        at = _PLACES[x](point)
        return None if at is None or not math.isfinite(at) else float(at)
    except OverflowError:  # an integer that no float holds
        return None


def shared_axis(logs: Mapping[str, Iterable[Point]], metric: str) -> X:
    """Return the axis that a metric of these logs can be drawn over: the first that all its points have.

    These are tried: the step; the epoch, unless rounding made it the same for most neighbours; the line.
    """
    own = [list(_with(metric, points)) for points in logs.values()]
    for x in ("step", "epoch"):
        if all(_leads_on([place(point, x) for point in points], x) for points in own):
            return x
    return "line"


def _leads_on(places: Sequence[float | None], x: X) -> bool:
    if None in places:
        return False
    stuck = sum(one == other for one, other in pairwise(places))
    return x == "step" or stuck <= _STUCK * len(places)


def metric_names(points: Iterable[Point]) -> list[str]:
    """Return the names of what points measure in numbers, in the order in which they first appear.

    >>> from dashscope_ftlogs.metrics.points import read_points
    >>> metric_names(read_points(["{'loss': 2.5, 'epoch': 0.1, 'elapsed': '9s'}", "{'eval_loss': 2.4}"]))
    ['loss', 'eval_loss']
    """
    names: dict[str, None] = {}
    for point in points:
        for name, value in point.values.items():
            if name not in names and isinstance(value, float) and name not in _NO_METRICS:
                names[name] = None
    return list(names)


def most_like_a_loss(names: Iterable[str]) -> str | None:
    """Return what to draw where there is no `loss`: another, of training if there is one, or a reward.

    >>> most_like_a_loss(["lr", "eval_loss", "lm loss"]), most_like_a_loss(["kl", "reward"])
    ('lm loss', 'reward')
    """
    measured = [name for name in names if is_loss_or_reward(name)]
    losses = [name for name in measured if "loss" in name.lower()]
    of_training = [name for name in losses if not is_of_evaluation(name)]
    return next(iter(of_training or losses or measured), None)


def _with(metric: str, points: Iterable[Point]) -> Iterable[Point]:
    return (point for point in points if isinstance(point.values.get(metric), float))


def smooth(values: Iterable[float], weight: float) -> list[float]:
    """Return the exponential moving average, corrected for its bias towards the beginning.

    Each value counts `weight` times as much as the one after it; at 0 nothing is smoothed. What is not
    finite stays as it is, and leaves the average alone.

    >>> [round(value, 3) for value in smooth([4.0, 1.0, math.nan, 1.0], 0.5)]
    [4.0, 2.0, nan, 1.429]
    """
    smoothed: list[float] = []
    average = total = 0.0
    lowest, highest = math.inf, -math.inf
    for value in values:
        if not math.isfinite(value):
            smoothed.append(value)
            continue
        total = 1.0 + weight * total
        share = 1.0 / total
        # Not average + (value - average) * share: the difference of two large floats is infinite.
        average = average * (1.0 - share) + value * share
        lowest, highest = min(lowest, value), max(highest, value)
        average = min(max(average, lowest), highest)  # rounding may have led it out
        smoothed.append(average)
    return smoothed


def span(values: Iterable[float]) -> tuple[float, float]:
    """Return the lowest and the highest of those values that are finite; 0 and 1 if none is.

    >>> span([2.0, float("inf"), 1.0])
    (1.0, 2.0)
    """
    finite = [value for value in values if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 1.0)


def share(value: float, low: float, high: float) -> float:
    """Return how far a value is on the way from `low` to `high`: between 0 and 1, as it is.

    >>> share(2.5, 0, 10), share(3, 3, 3)
    (0.25, 0.5)
    """
    # Halved, since the whole way between two large floats may be infinite.
    way = high / 2 - low / 2
    return (value / 2 - low / 2) / way if way > 0 else 0.5


def thinned(x: Sequence[float], y: Sequence[float], low: float, high: float, columns: int) -> list[int]:
    """Return which points to draw where no more than `columns` can be told apart from `low` to `high`.

    Of each column: its first, last, lowest and highest point, and the first that is not finite. So what
    is drawn looks the same, no spike is lost, and there are at most five times as many as columns.

    >>> thinned(range(1000), [0.0] * 500 + [9.0] + [0.0] * 499, 0, 999, 1)
    [0, 500, 999]
    """
    seen: dict[int, list[int]] = {}
    broken: dict[int, int] = {}
    for index, value in enumerate(y):
        column = min(int(share(x[index], low, high) * columns), columns - 1)
        if not math.isfinite(value):
            broken.setdefault(column, index)
            continue
        kept = seen.get(column)
        if kept is None:
            seen[column] = [index] * 4
            continue
        kept[1] = index
        if value < y[kept[2]]:
            kept[2] = index
        if value > y[kept[3]]:
            kept[3] = index
    return sorted({*broken.values(), *(index for kept in seen.values() for index in kept)})


Spot = tuple[float, float]


@attrs.frozen
class Trace:
    """What is drawn of a curve."""

    points: tuple[Spot, ...]
    """As they are in the log."""
    lines: tuple[tuple[Spot, ...], ...]
    """Smoothed; where a point is not finite, one line ends, and another begins after it."""
    gaps: tuple[Spot, ...]
    """The points that are not finite."""


def trace(curve: Curve, weight: float, low: float, high: float, columns: int) -> Trace:
    """Return what is drawn of a curve, smoothed by `weight`, on an axis as `thinned` takes it.

    >>> curve = Curve("ft-1", "loss", 0, (0, 1, 2, 3), (4.0, 2.0, math.nan, 1.0), (0, 1, 2, 3))
    >>> trace(curve, 0.0, 0, 3, 80).lines
    (((0, 4.0), (1, 2.0)), ((3, 1.0),))
    """
    smoothed = smooth(curve.y, weight)
    kept = [(curve.x[at], curve.y[at]) for at in thinned(curve.x, curve.y, low, high, columns)]
    path = [(curve.x[at], smoothed[at]) for at in thinned(curve.x, smoothed, low, high, columns)]
    runs = groupby(path, key=lambda spot: math.isfinite(spot[1]))
    return Trace(
        tuple(spot for spot in kept if math.isfinite(spot[1])),
        tuple(tuple(run) for finite, run in runs if finite),
        tuple(spot for spot in kept if not math.isfinite(spot[1])),
    )
