"""The points of logs as curves: one metric over one axis, smoothed, and thinned to what can be seen."""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import eq
from typing import Final, Literal

import attrs

from dashscope_ftlogs.metrics.columns import Numbers
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.step_count import StepCount, step_count
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import excerpt

X = Literal["step", "global_step", "epoch", "tokens", "time", "line"]
"""What a curve is drawn over; `tokens` are those consumed so far, `line` is counted from 1. A
`global_step` is the step, which is counted on where the log begins again with each epoch."""

AXES: Final[Mapping[X, str]] = {
    "step": "step",
    "global_step": "step, counted on from epoch to epoch",
    "epoch": "epoch",
    "tokens": "tokens consumed",
    "time": "time on the log's clock",
    "line": "line of the log",
}
"""What to write at each axis."""

LEADING: Final[tuple[X, ...]] = ("step", "global_step", "epoch", "line")
"""The axes that are tried where none is asked for; the better one first."""

_COLUMNS: Final[Mapping[X, str]] = {
    "step": "step",
    "global_step": "step",
    "epoch": "epoch",
    "tokens": "tokens",
    "time": "time",
    "line": "offset",
}
_AS_TOLD: Final[Mapping[X, Callable[[float], float]]] = {
    "time": lambda milliseconds: milliseconds / 1000,
    "line": lambda offset: offset + 1,
}
_NO_METRICS: Final = frozenset({"epoch", "step", "total_steps"})
_STEPS: Final = ("step", "global_step")
_FEW: Final = 30
"""So many points are drawn as they are: smoothing would hide them."""
_STUCK: Final = 0.5
"""The share of points with the same epoch as the one before, above which it does not tell them apart."""


@attrs.frozen
class Curve:
    """One metric of one log, in one of its segments: no line leads back from before a restart.

    Over the step, another one begins where the step goes back, as it may with each epoch.
    """

    source: str
    """The name of the log."""
    metric: str
    segment: int
    x: Sequence[float]
    """Finite, and in the order of the lines. `time` is in seconds since 1970 on the clock of the log."""
    y: Sequence[float]
    """NaN and infinities are kept as they are."""
    offsets: Sequence[int]
    """The numbers of the lines."""


@attrs.frozen
class Panel:
    """One metric of several logs over one axis."""

    metric: str
    x: X
    logs: Mapping[str, Sequence[Curve]]
    """Those with nothing to draw are here as well, so that each log is the same one in all panels."""

    @property
    def curves(self) -> list[Curve]:
        """All that is drawn."""
        return [curve for own in self.logs.values() for curve in own]

    def title(self, weight: float) -> str:
        """Return what is drawn, and what of it is smoothed."""
        name, few = excerpt(self.metric, 60), [len(curve.x) <= _FEW for curve in self.curves]
        if not weight or all(few):
            return name
        return f"{name}, smoothed by {weight:g}" + (", but for few points" if any(few) else "")

    @property
    def gaps(self) -> str:
        """What is marked where a curve has no value, in words; nothing if it has one everywhere."""
        odd = [y for curve in self.curves for y in curve.y if not math.isfinite(y)]
        return "" if not odd else "not a number" if all(map(math.isnan, odd)) else "not a finite number"


def titles(jobs: Mapping[str, Job | None]) -> dict[str, str]:
    """Return what to call each log in a picture: as its job, if that has a name and no other the same.

    >>> warm = Job("ft-1", "RUNNING", job_name="warm start")
    >>> titles({"ft-1": warm, "a.log": None})
    {'ft-1': 'warm start', 'a.log': 'a.log'}
    >>> titles({"ft-1": warm, "old.log": warm})
    {'ft-1': 'ft-1', 'old.log': 'old.log'}
    >>> titles({"team/ft-2": Job("ft-2", "RUNNING", job_name="ft-2")})
    {'team/ft-2': 'team/ft-2'}
    """
    named = {log: excerpt(_own_name(job) or log, 60) for log, job in jobs.items()}
    taken = Counter([*named.values(), *(log for log, title in named.items() if title != log)])
    return {log: title if taken[title] == 1 else log for log, title in named.items()}


def _own_name(job: Job | None) -> str | None:
    """Return what somebody has called a job, in place of its id."""
    return None if job is None or job.job_name == job.job_id else job.job_name


def labels(panels: Sequence[Panel]) -> list[str]:
    """Return what to call each log of panels: its name, and its own name of what is drawn."""
    found: list[str] = []
    for name in panels[0].logs:
        own = {
            excerpt(curve.metric, 30): None
            for panel in panels
            for curve in panel.logs[name]
            if curve.metric != panel.metric
        }
        found.append(f"{name} ({', '.join(own)})" if own else name)
    return found


def curves(source: str, points: PointColumns, metric: str, x: X) -> list[Curve]:
    """Return the curves of a log; points that lack the metric, or `x`, are left out.

    >>> from dashscope_ftlogs.metrics.points import LogPoints
    >>> log = LogPoints()
    >>> log.read_all(["{'loss': 2.5, 'epoch': 0.1}", "{'eval_loss': 2.4}", "{'loss': nan}"], 0)
    >>> [list(curve.y) for curve in curves("ft-1", log.columns(), "loss", "line")]
    [[2.5, nan]]
    >>> [list(curve.x) for curve in curves("ft-1", log.columns(), "loss", "epoch")]
    [[0.1]]
    """
    found: list[Curve] = []
    measured, count = points.numbers(metric), _count(points, x)
    for begin, segment, rows in points.segment.runs(0, len(points)):
        xs, ys, offsets = array("d"), array("d"), array("q")
        for row, at, length in measured.runs(begin, begin + rows):
            for first, places in _places(points, x, row, row + length, count):
                high = at + first - row + len(places)
                ys.extend(measured.values[high - len(places) : high])
                xs.extend(places)
                offsets.extend(points.offset.cells(first, first + len(places)))
        ends = _falls(xs) if x == "step" else []
        for low, high in pairwise([0, *ends, len(xs)]):
            if low < high:
                found.append(
                    Curve(source, metric, segment or 0, xs[low:high], ys[low:high], offsets[low:high])
                )
    return found


def _falls(xs: Sequence[float]) -> list[int]:
    return [at for at, (one, after) in enumerate(pairwise(xs), 1) if after < one]


def places(points: PointColumns, x: X, count: StepCount | None = None) -> "list[float | None]":
    """Return where each point is on an axis; None where the log does not tell.

    Points of which some were left out can't tell what their steps count; that is `count`.
    """
    found: list[float | None] = [None] * len(points)
    for row, some in _places(points, x, 0, len(points), count or _count(points, x)):
        found[row : row + len(some)] = some
    return found


def _count(points: PointColumns, x: X) -> StepCount:
    return step_count(points) if x == "global_step" else StepCount()


def _places(
    points: PointColumns, x: X, begin: int, end: int, count: StepCount
) -> Iterator[tuple[int, "array[float]"]]:
    """Yield where these rows are on an axis, as runs of consecutive ones, each with its first row."""
    column: Numbers = getattr(points, _COLUMNS[x])
    if x == "global_step" and count.restarts:
        column = Numbers("d")
        column.add_cells(begin, count.global_steps(points, begin, end))
    for row, at, length in column.runs(begin, end):
        values = column.values[at : at + length]
        known = array("d", map(_AS_TOLD[x], values) if x in _AS_TOLD else values)
        if all(map(math.isfinite, known)):
            yield row, known
        else:
            yield from (
                (number, array("d", [place]))
                for number, place in enumerate(known, row)
                if math.isfinite(place)
            )


def shared_axis(logs: Iterable[tuple[PointColumns, str]]) -> X:
    """Return what these metrics of logs can be drawn over: the first axis that all their points have.

    These are tried: the step, unless it begins again with each epoch; the step that is counted on then;
    the epoch, unless rounding made it the same for most neighbours; the line.
    """
    own = [(points, metric, step_count(points)) for points, metric in logs]
    found = first_axis(
        lambda x: all(leads_on(points, metric, x, steps) for points, metric, steps in own)
    )
    return found or "line"


def first_axis(leads_on: Callable[[X], bool]) -> X | None:
    """Return the first of `LEADING` that leads on, whatever that is of; None if none does."""
    return next(filter(leads_on, LEADING), None)


def leads_on(points: PointColumns, metric: str, x: X, steps: StepCount) -> bool:
    """Whether the points of a log that have a metric can be drawn over an axis; see `shared_axis`."""
    if x == "step" and steps.restarts:
        return False
    runs = points.numbers(metric).runs(0, len(points))
    known = count = stuck = 0
    last: float | None = None
    for begin, _, length in runs:
        count += length
        for _, some in _places(points, x, begin, begin + length, steps):
            known += len(some)
            stuck += (some[0] == last) + sum(map(eq, some, some[1:]))
            last = some[-1]
    return known == count and (x in _STEPS or stuck <= _STUCK * count)


def metric_names(logs: Iterable[PointColumns]) -> list[str]:
    """Return the names of what points measure in numbers, in the order in which they first appear.

    >>> from dashscope_ftlogs.metrics.points import LogPoints
    >>> log = LogPoints()
    >>> log.read_all(["{'loss': 2.5, 'epoch': 0.1, 'elapsed': '9s'}", "{'eval_loss': 2.4}"], 0)
    >>> metric_names([log.columns()])
    ['loss', 'eval_loss']
    """
    names = dict.fromkeys(name for points in logs for name in points.names())
    return [name for name in names if name not in _NO_METRICS]


def smooth(values: Iterable[float], weight: float) -> list[float]:
    """Return the exponential moving average, corrected for its bias towards the beginning.

    Each value counts `weight` times as much as the one after it; at 0 nothing is smoothed. What is not
    finite stays as it is, and leaves the average alone.

    >>> [round(value, 3) for value in smooth([4.0, 1.0, math.nan, 1.0], 0.5)]
    [4.0, 2.0, nan, 1.429]
    """
    return list(_smoothed(values, weight))


def _smoothed(values: Iterable[float], weight: float) -> Iterator[float]:
    average = total = 0.0
    lowest, highest = math.inf, -math.inf
    for value in values:
        if not math.isfinite(value):
            yield value
            continue
        total = 1.0 + weight * total
        share = 1.0 / total
        # Not average + (value - average) * share: the difference of two large floats is infinite.
        average = average * (1.0 - share) + value * share
        lowest, highest = min(lowest, value), max(highest, value)
        average = min(max(average, lowest), highest)  # rounding may have led it out
        yield average


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
    """Return what is drawn of a curve, smoothed by `weight` if it is long; the axis is as in `thinned`.

    >>> curve = Curve("ft-1", "loss", 0, (0, 1, 2, 3), (4.0, 2.0, math.nan, 1.0), (0, 1, 2, 3))
    >>> trace(curve, 0.0, 0, 3, 80).lines
    (((0, 4.0), (1, 2.0)), ((3, 1.0),))
    """
    smoothed = array("d", _smoothed(curve.y, weight if len(curve.y) > _FEW else 0.0))
    kept = [(curve.x[at], curve.y[at]) for at in thinned(curve.x, curve.y, low, high, columns)]
    path = [(curve.x[at], smoothed[at]) for at in thinned(curve.x, smoothed, low, high, columns)]
    runs = groupby(path, key=lambda spot: math.isfinite(spot[1]))
    return Trace(
        tuple(spot for spot in kept if math.isfinite(spot[1])),
        tuple(tuple(run) for finite, run in runs if finite),
        tuple(spot for spot in kept if not math.isfinite(spot[1])),
    )
