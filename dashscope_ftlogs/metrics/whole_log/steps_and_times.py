"""Which step and which time a point has that tells neither: by bars, intervals, and what has passed."""

import re
from collections.abc import Sequence
from typing import Any, Final

from dashscope_ftlogs.reading.forms.progress_bars import seconds

_LASTING: Final = re.compile(r"(?:(\d+)d ?)?(?:(\d+)h ?)?(?:(\d+)m ?)?(?:(\d+(?:\.\d+)?)s)?")
_HALF: Final = 0.0051
"""Half of the last digit of an epoch, as trainers print it."""


def lasting(told: Any) -> float | None:
    """Return the seconds of a duration, in any of the forms that trainers print; None if it is none.

    >>> lasting("1d 2h 0m 1s"), lasting("0:01:03"), lasting("3 days, 0:00:01"), lasting("soon")
    (93601.0, 63.0, 259201.0, None)
    """
    if type(told) is float:
        return told if 0 <= told < 1e10 else None
    if type(told) is not str or not told or len(told) > 40:
        return None
    if (found := _LASTING.fullmatch(told.strip())) is not None and any(found.groups()):
        days, hours, minutes, rest = found.groups()
        whole = (int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes or 0)
        total = whole * 60 + float(rest or 0)
    else:
        passed = seconds(told.partition(".")[0]) if ":" in told else None
        total = -1.0 if passed is None else passed
    return total if 0 <= total < 1e10 else None


def interval(epochs: Sequence[float | None], total: int, last_epoch: float | None) -> int | None:
    """Return after how many steps each of these points was logged; None unless one number fits exactly.

    Args:
        epochs: Of all training points of a run that came to its end.
        total: Its steps.
        last_epoch: The one that it ended with, if that is told.

    >>> interval([0.25, 0.5, 0.75, 1.0], 40, None), interval([0.24, 0.48, 0.71, 0.95], 42, 1.0)
    (10, 10)
    """
    count = len(epochs)
    if count < 2 or count > total:
        return None
    if None in epochs or last_epoch is None:
        if total % count:
            return None
        tried, end = range(total // count, total // count + 1), epochs[-1]
    else:
        tried, end = range(total // (count + 1) + 1, total // count + 1), last_epoch
    fitting = [every for every in tried if _fits(epochs, every, total, end)]
    return fitting[0] if len(fitting) == 1 else None


def is_one_step(epoch: float | None, step: int | None) -> bool:
    """Whether no other step has the epoch that is printed for this one, however it was rounded.

    >>> is_one_step(0.25, 10), is_one_step(0.25, 1000), is_one_step(0.2503, 1000), is_one_step(None, 10)
    (True, False, True, False)
    """
    if epoch is None or not step:
        return False
    digits = len(repr(epoch).partition(".")[2])
    return epoch / step >= 10.0 ** -max(2, digits)


def _fits(epochs: Sequence[float | None], every: int, total: int, end: float | None) -> bool:
    return all(
        epoch is None or end is None or abs(epoch - end * every * number / total) <= _HALF
        for number, epoch in enumerate(epochs, 1)
    )
