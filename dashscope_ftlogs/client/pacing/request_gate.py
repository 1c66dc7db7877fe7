"""The gate that every request of a session passes: how many at once, how fast, and whose turn it is."""

import asyncio
from collections import deque

from dashscope_ftlogs.client.pacing.requests_in_flight import InFlight
from dashscope_ftlogs.client.pacing.requests_per_second import Rate


class Gate:
    """Lets through as many requests at once as there may be, and no more a second than is permitted.

    Those who wait take turns by key, the job that they ask about: a log of a million lines does not
    hold up a hundred short ones. Within a key, first come, first served.
    """

    def __init__(self, in_flight: InFlight, rate: Rate) -> None:
        self.in_flight, self.rate = in_flight, rate
        self.inside = 0
        """How many are in flight."""
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter_at_once(self) -> float | None:
        """Come in without a wait, if that can be; return the time, as `enter` does."""
        if self._waiting or self.inside >= self.in_flight.limit:
            return None
        now = asyncio.get_running_loop().time()
        if self.rate.ready_at(now) > now:
            return None
        self._let_in(now)
        return now

    async def enter(self, key: str, *, again_until: float | None = None) -> float:
        """Wait for one's turn; return the time when it came. Whoever came in calls `leave` in the end.

        Who comes again after a failure goes first among those with the same key: the others' lines
        come after the ones it is about. He waits until that time at most, the others for as long as it
        takes.

        Raises:
            TimeoutError: his turn did not come.
        """
        if (now := self.enter_at_once()) is not None:
            return now
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        queue = self._waiting.setdefault(key, deque())
        if again_until is not None:
            queue.appendleft(turn)
        else:
            queue.append(turn)
        self._admit()
        try:
            if again_until is None:  # most of them, and quickly
                await turn
            else:
                async with asyncio.timeout_at(again_until):
                    await turn
        except (asyncio.CancelledError, TimeoutError):
            if not turn.cancelled():  # it had just come
                self.inside -= 1
            self._admit()
            raise
        return loop.time()

    def leave(self) -> None:
        """Make room for the next one."""
        self.inside -= 1
        if self._waiting:
            self._admit()

    def _admit(self) -> None:
        """Let in whoever may go now, and come back when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self.inside < self.in_flight.limit and (key := self._next_key()) is not None:
            now = loop.time()
            ready = self.rate.ready_at(now)
            if ready > now:
                self._timer = loop.call_at(ready, self._admit)
                return
            queue = self._waiting.pop(key)
            turn = queue.popleft()
            if queue:
                self._waiting[key] = queue  # to the end: the others' turn first
            self._let_in(now)
            turn.set_result(None)

    def _let_in(self, now: float) -> None:
        self.inside += 1
        self.in_flight.sent(self.inside)
        self.rate.sent(now)

    def _next_key(self) -> str | None:
        """Return whose turn it is, after forgetting those who wait no more."""
        while self._waiting:
            key, queue = next(iter(self._waiting.items()))
            while queue and queue[0].done():
                queue.popleft()
            if queue:
                return key
            del self._waiting[key]
        return None
