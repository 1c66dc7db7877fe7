"""How long lines had been there when they were read: a distribution in little memory."""

import math
from collections import Counter
from typing import Final

_PER_DOUBLING: Final = 8
"""So many classes from one lag to its double: a class is 9 % wide."""
_LEAST: Final = 0.001
"""Seconds; what is less counts as this."""


class Lags:
    """Seconds from a line's appearance to its delivery, counted by size.

    >>> lags = Lags()
    >>> for seconds in (0.5, 0.6, 12.0):
    ...     lags.add(seconds)
    >>> round(lags.median, 1), round(lags.worst)
    (0.6, 12)
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one lag."""
        self._counts[round(math.log2(max(seconds, _LEAST)) * _PER_DOUBLING)] += 1

    @property
    def median(self) -> float:
        """The lag that half of them do not exceed, in seconds, within 5 %; 0 if there are none."""
        left = self._counts.total() / 2
        for size in sorted(self._counts):
            left -= self._counts[size]
            if left <= 0:
                return _seconds(size)
        return 0.0

    @property
    def worst(self) -> float:
        """The greatest lag, in seconds, within 5 %; 0 if there are none."""
        return _seconds(max(self._counts)) if self._counts else 0.0


def _seconds(size: int) -> float:
    return float(2.0 ** (size / _PER_DOUBLING))
