"""How many requests are in flight at once, learned from how long answers take.

One number fits no two services: where the round trip is long, many requests must be under way for
anything to come in; where the service or this machine is busy, more of them only wait in a queue. So the
number is tried out. At the beginning each answer lets one more in, until some take long: that doubles
the number in a round trip. Then come rounds of as many answers as there are requests in flight:

- More are tried, twice as many while answers come as fast as ever, else a quarter more. They are kept if
  they bring in enough more, and taken back if they don't; then the next attempt comes later each time.
- Answers that take long, twice in a row, call for fewer. Those are kept if hardly less comes in than in
  the better of the two rounds, which means that the others stood in a queue: the worse one may have been
  bad luck, with which anything compares well, and the number would go down and down. Else, if answers
  come sooner all the same, somebody else's stand in the queue too, and take the place: a tenth fewer
  stay, and as he does the same, nobody crowds out anybody. Else the way itself is longer than was known:
  the former number returns, and what answers take now is what is usual.

A few more always bring in more where others stand in the queue, by taking of their share. Whoever has
the larger one gains less by it, so what must show is set to where he stops before the other does.

What comes in is told by Little's law, the number in flight over the mean latency, which needs no clock
that begins somewhere. Whether there is a queue is told by the lower quartile of latencies, compared with
the usual one: every answer waits in a queue, while a way that is merely uneven lets some through
as fast as ever. Only answers to requests that were sent after a change speak of it. One or two that come
at once tell nothing: they may be of one line, or from a cache.

Netflix's gradient divides the lowest latency by the present one, and never finds out that the way is
longer now; Vegas counts what stands in the queue and takes its time, where a log is a few dozen pages;
BBR measures the rate of delivery, and asks for a pause now and then to measure the way. What this does
is the least of the three that finds, within a log, what a given number would have done. Where latencies
are spread from nothing to twice the usual, it needs longer, and now and then steps back for nothing.
"""

from math import inf
from typing import Final, Self

FIRST: Final = 8
"""The burst to begin with. A service that permits few requests a second refuses most of it."""
MOST: Final = 32
BYTES: Final = 64 * 2**20
"""Of answers in flight together, as large as the largest of late."""
_SHORTEST: Final = 1e-6
"""Seconds. Clocks have steps."""
_AS_EVER: Final = 1.3
_LONG: Final = 1.5
"""Times the usual latency."""
_FIRST_LATE: Final = 6
"""Answers that took long, and end the quick growth at the beginning."""
_GAIN: Final = 0.3, 0.6
"""What part of the requests that were added must show in what comes in: of twice as many, which are
tried where there is no queue, and of a quarter more."""
_LITTLE: Final = 0.93
"""What is left, of what came in, where hardly less does."""
_ROUND: Final = 16
"""Answers of a round at least: fewer tell mostly chance."""
_SOONER: Final = 0.9
"""Times the mean latency of before: less than chance brings, with fewer in flight."""
_TENTH_FEWER: Final = 0.9
_SURE: Final = 40
"""Answers that show whether fewer requests do: a mistake there would be followed by others."""
_PATIENCE: Final = 4, 64
"""Rounds from an attempt in vain to the next, at first and at most."""
_AFTER_REFUSAL: Final = 5.0
"""Seconds in which no more are tried."""
_FORGET: Final = 0.9
"""What is left of the largest answer with each one that is smaller."""


class InFlight:
    """How many requests may be in flight; all times are seconds of one monotonic clock."""

    def __init__(self, first: int = FIRST, most: int = MOST, *, least: int = 1) -> None:
        """Begin with `first`."""
        self._limit = self.limit = min(first, most)
        """As learned from latencies; and as it is at present, with regard to bytes too."""
        self._least, self._most = least, most
        self._quickest: list[float] = []
        """The three lowest latencies of the beginning, the third of which is usual."""
        self._usual = inf
        self._bytes = 0.0
        self._round: list[float] = []
        self._since = -inf
        self._is_full = False
        """Whether as many were in flight as may be, at some time of the round."""
        self._long = 0
        """Rounds in a row in which answers took long."""
        self._better = inf
        """The lowest mean latency of these."""
        self._tried: tuple[int, float] | None = None
        """What there was before a change: the limit, the mean latency."""
        self._is_starting, self._late = True, 0
        self._wait, self._patience = 0, _PATIENCE[0]
        self._no_more_until = -inf

    @classmethod
    def exactly(cls, number: int) -> Self:
        """Return what stays as it was given."""
        return cls(number, number, least=number)

    @property
    def most(self) -> int:
        """How many there will ever be."""
        return self._most

    def sent(self, inside: int) -> None:
        """Take note of a request, with which so many are in flight."""
        self._is_full = self._is_full or inside >= self.limit

    def answered(self, sent_at: float, begun_at: float, size: int) -> None:
        """Take note of an answer, of when it began to come, and of its bytes."""
        if self._least == self._most:
            return
        self._bytes = max(size, _FORGET * self._bytes)
        self._fit()
        if sent_at < self._since:
            return
        latency = max(begun_at - sent_at, _SHORTEST)
        if not self._quickest:
            self._quickest, self._usual = [latency], latency
            return
        if self._is_starting:
            self._start(begun_at, latency)
            return
        self._round.append(latency)
        fewer = self._tried is not None and self._tried[0] > self._limit
        if len(self._round) >= (_SURE if fewer else max(self._limit, _ROUND)):
            self._judge(begun_at)

    def timed_out(self, now: float) -> None:
        """Take note of a request that was not answered in time: half as many, as far as it goes."""
        if now >= self._no_more_until:
            self._set(now, self._limit // 2)
            self.refused(now)

    def refused(self, now: float) -> None:
        """Take note of a 429, which speaks of the rate: until that is found, no more are tried."""
        self._no_more_until = max(self._no_more_until, now + _AFTER_REFUSAL)
        self._is_starting = False

    def _start(self, now: float, latency: float) -> None:
        """Let one more in with each answer, until some are late."""
        if not self._is_full:
            return
        self._quickest = sorted([*self._quickest, latency])[:3]
        self._usual = self._quickest[-1]
        self._late += latency > _LONG * self._usual
        self._is_starting = self._late < _FIRST_LATE and self._limit < self._most
        self._set(now, self._limit + 1)

    def _judge(self, now: float) -> None:
        """Look at a round that is complete."""
        latencies = sorted(self._round)
        mean, quartile = sum(latencies) / len(latencies), latencies[len(latencies) // 4]
        was_full, self._is_full, self._round = self._is_full, False, []
        if not was_full:
            return
        if self._tried is not None and not self._keeps(now, mean, quartile, *self._tried):
            return
        self._tried = None
        # Halfway only, since a single round can be lucky.
        self._usual -= max(0.0, (self._usual - quartile) / 2)
        self._wait = max(0, self._wait - 1)
        if quartile > _LONG * self._usual:
            self._long += 1
            self._better = mean if self._long == 1 else min(self._better, mean)
            if self._long == 2:
                share = min(0.75, max(0.5, _AS_EVER * self._usual / quartile))
                self._try(now, int(share * self._limit), self._better)
            return
        self._long = 0
        if not self._wait and now >= self._no_more_until:
            more = self._limit if quartile <= _AS_EVER * self._usual else max(1, self._limit // 4)
            self._try(now, self._limit + more, mean)

    def _keeps(self, now: float, mean: float, quartile: float, limit: int, before: float) -> bool:
        """Whether what was tried stays; else go back to that limit, which had that mean latency."""
        gain = (self._limit / mean) / (limit / before)
        more = self._limit / limit - 1
        if gain >= (1 + _GAIN[more < 1] * more if more > 0 else _LITTLE):
            if more > 0:
                self._patience = _PATIENCE[0]
            return True
        if more < 0:
            if mean < _SOONER * before:
                self._set(now, round(_TENTH_FEWER * limit))
                return False
            self._usual = quartile
        self._wait, self._patience = self._patience, min(2 * self._patience, _PATIENCE[1])
        self._set(now, limit)
        return False

    def _try(self, now: float, limit: int, mean: float) -> None:
        before = self._limit
        self._set(now, limit)
        if self._limit != before:
            self._tried = before, mean

    def _set(self, now: float, limit: int) -> None:
        self._limit = max(self._least, min(limit, self._most))
        self._fit()
        self._round, self._long, self._tried = [], 0, None
        if not self._is_starting:
            self._since, self._is_full = now, False

    def _fit(self) -> None:
        """Let in no more than there is memory for."""
        fits = self._bytes * self._limit <= BYTES
        self.limit = self._limit if fits else max(1, int(BYTES / self._bytes))
