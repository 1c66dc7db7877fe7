"""Finds every point at which a call waits, in any of its tasks, and does something there.

All tasks that come of a call are counted, each time one of them suspends. What is to be done at one of
these points is done in the next turn of the loop, while all of them wait.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import attrs

_POINTS: ContextVar["Points | None"] = ContextVar("points", default=None)


@attrs.define(eq=False)
class Points:
    """Counts suspensions, and acts at one of them."""

    at: int
    act: Callable[[], None]
    options: Mapping[str, Any] = attrs.field(factory=dict)
    """For each task that is counted."""
    passed: int = 0

    def suspended(self) -> None:
        if self.passed == self.at:
            asyncio.get_running_loop().call_soon(self.act)
        self.passed += 1

    @property
    def were_reached(self) -> bool:
        return self.passed > self.at


class Counted(Coroutine[Any, Any, Any]):
    """The work of a task that came of a call."""

    def __init__(self, work: Coroutine[Any, Any, Any], points: Points) -> None:
        self._work = work
        self._points = points

    def send(self, value: Any) -> Any:
        waits_for = self._work.send(value)
        self._points.suspended()
        return waits_for

    def throw(self, *error: Any) -> Any:
        waits_for = self._work.throw(*error)
        self._points.suspended()
        return waits_for

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError


def _make_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
    points = _POINTS.get()
    if points is None:
        return asyncio.Task(work, loop=loop, **options)
    return asyncio.Task(Counted(work, points), loop=loop, **points.options, **options)


@asynccontextmanager
async def counted(points: Points) -> AsyncIterator[None]:
    """Count the suspensions of all tasks that are begun in this block, and of those that they begin."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(_make_task)
    before = _POINTS.set(points)
    try:
        yield
    finally:
        _POINTS.reset(before)
        loop.set_task_factory(None)
