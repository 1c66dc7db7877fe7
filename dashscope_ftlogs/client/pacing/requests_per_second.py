"""How many requests a second the server permits, learned from what it refuses.

Nobody publishes the limit, and it may change. So nothing is limited until the first 429. From then on
requests are spaced out. What was accepted since the last signal is the best measure of what the server
permits: a limit that was too high goes down to a little less than that. Then it rises again, slowly at
first, since the truth is near, and ever faster while nothing is refused, since it may have changed.
Requests that were in flight together when the server said no are one signal, not many.
"""

import math

_FIRST = 0.5
"""Of the measured rate, after the first refusal: what was accepted until then was mostly a burst."""
_AT_FIRST = 4.0
"""Times the lowest rate, the least first guess: a burst that was refused early tells little."""
_FIRST_SPAN = 0.25
"""Seconds over which that burst counts at least."""
_START = 1.0
"""How much the limit rises in a second until the second refusal, which tells it better."""
_MARGIN = 0.95
"""Of the measured rate, after the others."""
_LOWEST, _HIGHEST = 0.5, 0.9
"""Between which shares of the old limit the new one lies, whatever was measured."""
_RISE = 0.04
"""How much the limit rises in a second, for a start."""
_PATIENCE = 1.5
"""Seconds without a refusal after which it rises faster; that doubles every half second."""
_FASTEST = 2.0
_USUAL = 10.0
"""Requests a second at which these speeds hold; they are lower where the limit is."""
_GONE = 1_000.0
"""Requests a second that no server minds if it minds no less."""


class Rate:
    """The permitted rate, as far as it is known. All times are seconds of one monotonic clock."""

    def __init__(self, max_rate: float | None = None, lowest: float = 2.0) -> None:
        """Begin without a limit.

        Args:
            max_rate: The user's own limit in requests a second, never exceeded.
            lowest: How low refusals can bring the limit. Below it, the refused requests' own ever longer
                waits do the rest; a server that refuses at random must not bring all to a standstill.
        """
        self._lowest = lowest
        self._max = math.inf if max_rate is None else max_rate
        self._limit = math.inf
        self._next = -math.inf
        self._quiet_until = -math.inf
        self._accepted = 0
        self._signal_at: float | None = None
        self._updated = -math.inf
        self._slope = _RISE

    @property
    def limit(self) -> float | None:
        """Requests a second; None while nothing is limited."""
        limit = min(self._limit, self._max)
        return None if limit == math.inf else limit

    @property
    def throttled(self) -> bool:
        """Whether the server's refusals hold requests back."""
        return self._limit < self._max

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent; a time in the past means now."""
        self._rise(now)
        return max(self._next, self._quiet_until)

    def sent(self, now: float) -> None:
        """Take note that a request is sent."""
        if self._signal_at is None:
            self._signal_at = now
        if self._limit < math.inf or self._max < math.inf:
            self._next = max(self._next, now) + 1 / min(self._limit, self._max)

    def accepted(self) -> None:
        """Take note that the server did not refuse a request."""
        self._accepted += 1

    def refused(self, now: float, sent_at: float, pause: float = 0.0) -> None:
        """Take note of a 429 to a request; the server may have asked for a pause in seconds."""
        self._quiet_until = max(self._quiet_until, now + pause)
        if self._limit < math.inf and self._signal_at is not None and sent_at <= self._signal_at:
            return
        self._rise(now)
        since = now - (sent_at if self._signal_at is None else self._signal_at)
        if self._limit == math.inf:
            measured = self._accepted / max(since, _FIRST_SPAN)
            limit = max(_FIRST * min(measured, _GONE), _AT_FIRST * self._lowest)
            self._slope = _START
        else:
            self._slope = _RISE
            measured = self._accepted / since  # more than nothing: it was sent after the last signal
            limit = min(max(_MARGIN * measured, _LOWEST * self._limit), _HIGHEST * self._limit)
        self._limit = max(limit, self._lowest)
        self._next = now + 1 / min(self._limit, self._max)
        self._signal_at = self._updated = now
        self._accepted = 0

    def _rise(self, now: float) -> None:
        """Let the limit rise by the time that has passed."""
        if self._limit == math.inf or self._signal_at is None:
            return
        # At a low rate a second holds few requests, so more time must pass for the same certainty.
        pace = min(1.0, math.sqrt(self._limit / _USUAL))
        calm = max(0.0, pace * (now - self._signal_at) - _PATIENCE)
        speed = min(_FASTEST, pace * self._slope * 2 ** min(calm * 2, 60))
        self._limit *= math.exp(min(50.0, speed * (now - self._updated)))
        self._updated = now
        if self._limit > _GONE:
            self._limit = math.inf
