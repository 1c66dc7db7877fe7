"""An iterator of the caller's own is driven by a task of a session; what it begins may end that session.

It may wait for that, in its clean-up too, where no cancellation breaks the wait: who closes would wait
for the task that drives it, and that for who closes. So all that it begins knows by which task it is
driven, and does not wait for that one. By the context, which tasks inherit: whom a task waits for can't
be told from outside.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Container, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import ref

from dashscope_ftlogs.client.callers_side.left_by_block import LeftByBlock

Item = TypeVar("Item")

_drivers: ContextVar[tuple["Callable[[], asyncio.Task[Any] | None]", ...]]
_drivers = ContextVar("drivers", default=())


async def driven(items: AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
    """Yield the items, for a task of a session; close what gives them, if it is a generator or ours."""
    coming = aiter(items)
    try:
        while True:
            with _driving():
                try:
                    item = await anext(coming)
                except StopAsyncIteration:
                    break
            yield item
    finally:
        if isinstance(coming, AsyncGenerator | LeftByBlock):
            # What it does in the end is done here, by the task that drove it; asyncio would begin
            # another one for that, some time later.
            with _driving():
                await coming.aclose()


@contextmanager
def _driving() -> Generator[None, None, None]:
    before = _drivers.get()
    _drivers.set((*before, ref(asyncio.current_task())))
    try:
        yield
    finally:
        _drivers.set(before)  # no token: a task that is collected ends in any context


def drives(task: "asyncio.Task[Any] | None") -> bool:
    """Whether this is a task that runs an iterator of the caller's own at the moment."""
    return any(driver() is task for driver in _drivers.get())


def begun_by_what_is_driven(by: Iterable[Container[Any]]) -> bool:
    """Whether what runs here was begun by an iterator that one of other tasks drives."""
    drivers = {driver() for driver in _drivers.get()} - {None, asyncio.current_task()}
    return any(driver in tasks for tasks in by for driver in drivers)
