"""A rate limit, and a link that all connections share."""

import asyncio
from collections.abc import Callable

import attrs

from dashscope_ftlogs.emulator.argument_ranges import above_0, from_1

_TIMER_SLACK = 0.005


@attrs.frozen
class RateLimit:
    """So many requests per second over all endpoints, and `burst` of them at once after a rest.

    `retry_after` is sent with each 429: text verbatim, a number in seconds.
    """

    per_second: float = attrs.field(validator=above_0)
    burst: float = attrs.field(default=1, validator=from_1)
    retry_after: str | float | None = None


class TokenBucket:
    """Decides which requests are within a limit."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._counted_at = clock()

    def take(self) -> bool:
        """Whether one more request is allowed now. One that is not costs nothing."""
        now = self._clock()
        gained = (now - self._counted_at) * self._limit.per_second
        self._tokens = min(float(self._limit.burst), self._tokens + gained)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Link:
    """A line of so many bytes per second; whoever sends waits for the bytes queued before."""

    def __init__(self, bytes_per_second: float) -> None:
        self.bytes_per_second = bytes_per_second
        self._free_at = 0.0

    @property
    def piece(self) -> int:
        """How much to send at a time: some 10 ms' worth, so that connections take turns."""
        return max(1, int(self.bytes_per_second / 100))

    async def carry(self, size: int) -> None:
        """Wait until `size` more bytes have passed."""
        now = asyncio.get_running_loop().time()
        # A timer that fired late has left the line idle; up to so much is made good.
        self._free_at = max(now - _TIMER_SLACK, self._free_at) + size / self.bytes_per_second
        await asyncio.sleep(self._free_at - now)
