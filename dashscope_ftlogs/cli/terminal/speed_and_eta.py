"""How fast a download goes and how long it will take, from samples of its progress."""

from collections import deque

import attrs

from dashscope_ftlogs import Progress

_WINDOW = 5.0
"""Seconds over which speeds are averaged."""


@attrs.frozen
class Reading:
    """What the meter shows."""

    lines_per_second: float
    requests_per_second: float
    seconds_left: float | None
    """None while nobody can tell."""


@attrs.define
class Meter:
    """Takes samples; the time is passed in, in seconds of any clock that only goes forward."""

    _begin: float
    _samples: deque[tuple[float, int, int]] = attrs.field(
        init=False, factory=deque[tuple[float, int, int]]
    )

    def read(self, now: float, progress: Progress, requests: int) -> Reading:
        """Take a sample, and return what all of them say."""
        samples = self._samples
        samples.append((now, progress.lines, requests))
        while len(samples) > 2 and samples[1][0] <= now - _WINDOW:
            samples.popleft()
        then, lines, sent = samples[0]
        span = now - then
        done = fraction(progress)
        return Reading(
            (progress.lines - lines) / span if span else 0.0,
            (requests - sent) / span if span else 0.0,
            (now - self._begin) * (1 - done) / done if done else None,
        )


def fraction(progress: Progress) -> float:
    """Return how much of the work is done, from 0 to 1: each job counts the same."""
    if not progress.jobs:
        return 0.0
    begun = sum(offset / total for offset, total in progress.reading.values() if total)
    return min(1.0, (progress.jobs_done + begun) / progress.jobs)
