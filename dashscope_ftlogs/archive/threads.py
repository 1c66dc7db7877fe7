"""A thread for work that blocks, which is done in order; and who waits for it, however often cancelled.

A descriptor that is closed while a thread still writes to it has a new owner at once: the next file
that the application opens. So each file is bound to one thread, which opens, writes and closes it, and
work that has begun is never abandoned. asyncio's own executor is not used: the application may have
filled it.
"""

import asyncio
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")

NAME: Final = "ftlogs-blocking"
"""What the names of these threads begin with."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def side_by_side(
    work: Callable[[Item], T], items: Iterable[Item], at_once: int
) -> Generator[T, None, None]:
    """Yield what `work` returns for each item, in their order; so many threads do the next ones."""
    begun: deque[Future[T]] = deque()
    executor = ThreadPoolExecutor(at_once, NAME)
    try:
        for item in items:
            begun.append(executor.submit(work, item))
            if len(begun) > 2 * at_once:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


class Thread:
    """One thread, alive at most as long as the `with` block.

    Args:
        patience: Seconds for which a cancelled waiter goes on waiting for what has begun. Only what
            does no harm by going on alone, such as reading, may be left earlier than at its end.
    """

    def __init__(self, *, patience: float = math.inf) -> None:
        self._patience = patience
        self._executor = ThreadPoolExecutor(1, NAME)
        self._abandoned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread, which has nothing left to do but what was abandoned."""
        self._executor.shutdown(wait=not self._abandoned)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what `work` returns. Cancelled before its turn has come, it is not done at all."""
        return await self._end_of(self._executor.submit(work, *arguments), takes_back=True)

    async def run_surely(self, work: Callable[..., T], *arguments: Any) -> T:
        """Return what `work` returns, which is done even if the waiter is cancelled before its turn."""
        return await self._end_of(self._executor.submit(work, *arguments), takes_back=False)

    async def _end_of(self, future: Future[T], *, takes_back: bool) -> T:
        clock = asyncio.get_running_loop().time
        ended = asyncio.wrap_future(future)
        cancelled: asyncio.CancelledError | None = None
        until = math.inf
        while not ended.done():
            left = until - clock()
            try:
                await asyncio.wait([ended], timeout=None if left == math.inf else max(0, left))
            except asyncio.CancelledError as error:
                if takes_back and future.cancel():
                    raise
                if cancelled is None:
                    until = clock() + self._patience
                cancelled = error
            if clock() >= until and not ended.done():
                self._abandoned = True
                break
        if cancelled is None:
            return ended.result()
        if ended.done():
            ended.exception()  # or asyncio would report one that nobody was there to hear of
        raise cancelled


class Threads:
    """A few of them, alive at most as long as the `with` block."""

    def __init__(self, count: int) -> None:
        self._all = [Thread() for _ in range(count)]
        self._turns = cycle(self._all)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._all:
            thread.close()

    def next(self) -> Thread:
        """Return a thread for the next file."""
        return next(self._turns)
