"""What a condition asks of a log, and what it remembers of one: both are values.

Many logs are watched for the same condition, each with a memory of its own.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

import attrs

from dashscope_ftlogs.metrics.live.live_points import LivePoint
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

Comparison = Literal["<", "<=", ">", ">="]

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS: Final = re.compile(r"[^\W_]+")
_NO_LOSS: Final = {"scale", "ppl", "perplexity", "reward", "rewards"}
"""Words that make something else of a loss: what a fall or an overflow is normal for, or optional."""


@attrs.frozen
class Memory:
    """What a condition remembers of one run of one log; that of a run which begins is empty."""

    met: bool = False
    """Whether the last point met it."""
    in_a_row: int = 0
    """How many points before it, and the last one, did what the condition says."""
    lowest: float = math.inf
    highest: float = -math.inf
    """Of the finite values of its metric, the last point's included."""


@attrs.frozen
class NotFinite:
    """Is met by NaN and by what is infinite."""

    metric: str | None = None
    """The metric that it is about; None for several."""
    any_metric: bool = False
    """Whether these are all, and not only training's own."""
    allowed: frozenset[str] = frozenset()
    """Those that may be."""

    def says(self, point: LivePoint, before: Memory) -> bool | None:
        """Whether a point is as it says; None if the point says nothing about that."""
        del before
        if self.metric is not None:
            value = number(point, self.metric)
            return None if value is None else not math.isfinite(value)
        found = [
            math.isfinite(value)
            for name, value in point.values.items()
            if isinstance(value, float)
            and (name not in self.allowed if self.any_metric else is_trainings_own(name))
        ]
        return not all(found) if found else None


@attrs.frozen
class Beyond:
    """Is met by a value beyond a bound, or beyond the best value so far."""

    metric: str
    comparison: Comparison
    bound: float
    """A number; or what the best is multiplied by, or what is added to it."""
    best: Literal["*", "+"] | None = None

    def says(self, point: LivePoint, before: Memory) -> bool | None:
        """Whether a point is as it says; None if the point says nothing about that."""
        value = number(point, self.metric)
        if value is None:
            return None
        bound = self._bound(before)
        return bound is not None and _COMPARISONS[self.comparison](value, bound)

    def _bound(self, before: Memory) -> float | None:
        if self.best is None:
            return self.bound
        best = before.lowest if self.comparison[0] == ">" else before.highest
        if not math.isfinite(best):
            return None
        if self.best == "+":
            return best + self.bound
        # A fifth above -2.0 is -1.6: the worse side is the same one, whatever the sign of the best.
        return best * self.bound if best >= 0 else best * (2 - self.bound)


@attrs.frozen
class Alarm:
    """A condition. It is met by the points of a log or, if it is about silence, by time."""

    text: str
    """As the user wrote it."""
    test: NotFinite | Beyond | None = None
    """What a point has to be; None if it is about silence."""
    in_a_row: int = 1
    """How many points have to be so, one after the other."""
    stall: float | None = None
    """Seconds without a line, if it is about silence."""

    @property
    def metric(self) -> str | None:
        """The one metric that it is about; None if there is no one."""
        return None if self.test is None else self.test.metric

    def after(self, point: LivePoint, before: Memory) -> Memory:
        """Return what it remembers after a further point; one without its metric is passed over."""
        says = None if self.test is None else self.test.says(point, before)
        if says is None:
            return Memory(False, before.in_a_row, before.lowest, before.highest)
        row = before.in_a_row + 1 if says else 0
        value = None if self.metric is None else number(point, self.metric)
        lowest, highest = before.lowest, before.highest
        if value is not None and math.isfinite(value):
            lowest, highest = min(lowest, value), max(highest, value)
        return Memory(row >= self.in_a_row, row, lowest, highest)

    def met_by(self, values: MetricValues) -> bool:
        """Whether a point with these values, the first of its log, meets it."""
        return self.after(LivePoint(values), Memory()).met


def number(point: LivePoint, name: str) -> float | None:
    """Return a point's number of that name; `step` and `epoch` by whatever its log calls them.

    >>> number(LivePoint({"loss": 2.5, "elapsed_time": "9s"}, step=7), "step")
    7
    """
    if name == "step" and point.step is not None:
        return point.step
    if name == "epoch" and point.epoch is not None:
        return point.epoch
    value = point.values.get(name)
    return value if isinstance(value, float) else None


@lru_cache(4096)
def is_trainings_own(name: str) -> bool:
    """Whether a training that goes well has this metric as a finite number, whoever trains.

    So it is for losses (in training and in evaluation), the norm of gradients and the learning rate.
    Anything else may be NaN for no more reason than that there was nothing to count: the mean of an
    optional reward that no sample had, a ratio, a perplexity, a memory.

    >>> [is_trainings_own(name) for name in ("lm loss", "actor/grad_norm", "lr", "eval_loss")]
    [True, True, True, True]
    >>> [is_trainings_own(name) for name in ("rewards/optional/mean", "loss scale", "val/ratio_var")]
    [False, False, False]
    """
    words = _WORDS.findall(name.lower())
    if any(word.endswith("loss") for word in words):
        return _NO_LOSS.isdisjoint(words)
    return "lr" in words or _has(words, "grad", "norm") or _has(words, "learning", "rate")


def _has(words: list[str], one: str, other: str) -> bool:
    return (one, other) in pairwise(words)
