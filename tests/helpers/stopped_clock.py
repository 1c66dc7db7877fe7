"""Time in which nothing but what is waited for takes any: no machine is too slow for it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StoppedClock(asyncio.SelectorEventLoop):
    """A loop in which no time passes but what is said to, and what is waited for."""

    now = 0.0

    def __init__(self) -> None:
        super().__init__(OnlyTime(self))

    def time(self) -> float:
        return self.now


class OnlyTime(selectors.DefaultSelector):
    """Waits for no network, and not in earnest."""

    def __init__(self, clock: StoppedClock) -> None:
        super().__init__()
        self.clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing is left to wait for"
        self.clock.now += max(0.0, timeout)
        return []


def by_a_stopped_clock(work: Callable[[StoppedClock], Coroutine[Any, Any, T]]) -> T:
    loop = StoppedClock()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work(loop))
