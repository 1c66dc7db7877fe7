"""Conditions on a log that is followed: a metric that is NaN, one beyond a bound, a silence."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from dashscope_ftlogs.errors import InvalidArgumentError
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.text import shown

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BOUND: Final = re.compile(r"([^\s<>=]+)\s*(<=|>=|<|>)\s*([^\s<>=]+)")
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:(\d+(?:\.\d+)?)([smhd]))")


@attrs.frozen
class Alarm:
    """A condition. It is met by a point of a log or, if it is about silence, by time."""

    text: str
    """As the user wrote it."""
    metric: str | None = None
    """The metric that it is about; None for any."""
    comparison: str | None = None
    """`<`, `<=`, `>` or `>=`; None asks for what is not finite."""
    bound: float = 0.0
    stall: float | None = None
    """Seconds without a line, if it is about silence."""

    def met_by(self, values: MetricValues) -> bool:
        """Whether a point with these values meets it."""
        if self.stall is not None:
            return False
        if self.comparison is None:
            return any(
                isinstance(value, float) and not math.isfinite(value) for value in values.values()
            )
        value = values.get(self.metric or "")
        return isinstance(value, float) and _COMPARISONS[self.comparison](value, self.bound)


def parse_alarm(text: str) -> Alarm:
    """Read a condition: `nan`, `stall=10m`, or a metric and a bound such as `loss<0.5`.

    >>> parse_alarm("loss < 0.5").met_by({"loss": 0.4}), parse_alarm("nan").met_by({"loss": math.inf})
    (True, True)
    >>> parse_alarm("stall=1h30m").stall
    5400.0

    Raises:
        InvalidArgumentError: it is none of these.
    """
    condition = text.strip()
    if condition == "nan":
        return Alarm(text)
    if condition.startswith("stall="):
        seconds = duration(condition.removeprefix("stall="))
        if seconds:
            return Alarm(text, stall=seconds)
    elif found := _BOUND.fullmatch(condition):
        metric, comparison, bound = found.groups()
        try:
            value = float(bound)
        except ValueError:
            value = math.nan
        if not math.isnan(value):
            return Alarm(text, metric, comparison, value)
    raise InvalidArgumentError(
        f"condition {shown(text)}: must be nan, stall=DURATION such as stall=10m, or a metric with a "
        "bound such as loss<0.5 or grad_norm>=100"
    )


def duration(text: str) -> float | None:
    """Return the seconds of `90s`, `10m` or `1h30m`; None if it is no such text.

    >>> duration("1h30m"), duration("soon")
    (5400.0, None)
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
