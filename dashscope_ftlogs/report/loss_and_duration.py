"""The few facts that jobs are compared by."""

import math
from datetime import timedelta

import attrs

from dashscope_ftlogs.metrics.columns import cell
from dashscope_ftlogs.metrics.live.what_meets_a_condition import is_trainings_own
from dashscope_ftlogs.metrics.point_columns import PointColumns, evaluation_metric
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.forms.names import is_better_higher, main_metric
from dashscope_ftlogs.reading.forms.stamps import milliseconds


@attrs.frozen
class Loss:
    """A loss, or what comes nearest to one, such as a reward; and where it is from."""

    value: float
    step: int | None
    offset: int
    """The number of its line."""
    metric: str = "loss"
    """What the log calls it."""
    epoch: float | None = None


@attrs.frozen
class NotFinite:
    """A metric that every good training has as a finite number, and that is none in some points."""

    first: Loss
    """NaN or infinite."""
    count: int
    total: int
    """Of the points that have it at all."""


@attrs.frozen
class Summary:
    """What is known of one job; what is not is None."""

    duration: timedelta | None
    """From its creation to its end, so with the time that it waited."""
    tokens: int | None
    """As the service bills them, else as the log counts them."""
    final: Loss | None
    """The last one of training, which may be NaN."""
    best: Loss | None
    """The lowest finite one, of rewards the highest; the first of equals."""


def summary(job: Job | None, points: PointColumns, tokens: int | None) -> Summary:
    """Summarise a job, given the points of its log, and the tokens that it counted.

    >>> from dashscope_ftlogs.metrics.points import LogPoints
    >>> log = LogPoints()
    >>> log.read_all(["{'loss': 2.0, 'step': 1}", "{'loss': 1.5, 'step': 2}", "{'loss': nan}"], 0)
    >>> found = summary(None, log.columns(), None)
    >>> found.final.value, found.best.value, found.best.step
    (nan, 1.5, 2)
    """
    final, best = _final_and_best(points, main_metric(points.names()) or "")
    used = None if job is None else job.usage
    return Summary(
        None if job is None else _duration(job), tokens if used is None else used, final, best
    )


def _final_and_best(points: PointColumns, metric: str) -> tuple[Loss | None, Loss | None]:
    """Return the last of a metric's values in training, and the best."""
    sign = -1 if is_better_higher(metric) else 1
    numbers = points.numbers(metric)
    final: Loss | None = None
    best: Loss | None = None
    for begin, kind, count in points.kind.runs(0, len(points)):
        for row, place, length in numbers.runs(begin, begin + count if kind == "train" else begin):
            values = numbers.values[place : place + length]
            final = _loss(points, row + length - 1, values[-1], metric)
            lowest = min((sign * value for value in filter(math.isfinite, values)), default=math.inf)
            if lowest < (math.inf if best is None else sign * best.value):
                best = _loss(points, row + values.index(sign * lowest), sign * lowest, metric)
    return final, best


def last_evaluation(points: PointColumns) -> Loss | None:
    """Return the last loss of an evaluation, or what comes nearest to one.

    >>> from dashscope_ftlogs.metrics.points import LogPoints
    >>> log = LogPoints()
    >>> log.read_all(["{'loss': 2.0, 'step': 1}", "{'eval_loss': 1.5, 'step': 2}"], 0)
    >>> last_evaluation(log.columns()).value
    1.5
    """
    metric = evaluation_metric(points)
    if metric is None:
        return None
    numbers = points.numbers(metric)
    return _loss(points, numbers.end - 1, numbers.values[-1], metric)


def best_evaluation(points: PointColumns) -> Loss | None:
    """Return the best of what `last_evaluation` is the last of, as far as they are finite."""
    metric = evaluation_metric(points)
    if metric is None:
        return None
    sign = -1 if is_better_higher(metric) else 1
    finite = (one for one in points.numbers(metric).items(0, len(points)) if math.isfinite(one[1]))
    best = min(finite, key=lambda one: sign * one[1], default=None)
    return None if best is None else _loss(points, *best, metric)


def not_finite(points: PointColumns) -> list[NotFinite]:
    """Return which losses, norms of gradients and learning rates are NaN or infinite somewhere.

    >>> from dashscope_ftlogs.metrics.points import LogPoints
    >>> log = LogPoints()
    >>> log.read_all(["{'loss': 2.0, 'kl': nan}", "{'loss': nan, 'step': 2}", "{'loss': inf}"], 0)
    >>> [(one.first.metric, one.first.step, one.count, one.total) for one in not_finite(log.columns())]
    [('loss', 2, 2, 3)]
    """
    found: list[NotFinite] = []
    for name in filter(is_trainings_own, points.names()):
        numbers = points.numbers(name)
        total = len(numbers.values)
        count = total - sum(map(math.isfinite, numbers.values))
        if count:
            items = numbers.items(0, len(points))
            first = next(one for one in items if not math.isfinite(one[1]))
            found.append(NotFinite(_loss(points, *first, name), count, total))
    return found


def _loss(points: PointColumns, row: int, value: float, metric: str) -> Loss:
    step, offset, epoch = (cell(one, row) for one in (points.step, points.offset, points.epoch))
    return Loss(value, step, offset, metric, epoch)


def _duration(job: Job) -> timedelta | None:
    begin, end = milliseconds(job.create_time), milliseconds(job.end_time)
    if begin is None or end is None or end < begin:
        return None
    return timedelta(milliseconds=end - begin)
