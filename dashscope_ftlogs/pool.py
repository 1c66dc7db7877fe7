"""Many pieces of work, few at a time, their results as they come."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def each(
    items: AsyncIterator[Item],
    work: Callable[[Item], Coroutine[Any, Any, Result]],
    *,
    at_once: int,
    spawn: Callable[[Coroutine[Any, Any, Result]], "asyncio.Task[Result]"],
) -> AsyncGenerator[Result, None]:
    """Yield what `work` returns for each item, in the order in which it is done.

    No more than `at_once` items are taken that were not yet yielded, so ten thousand of them never
    mean ten thousand tasks. Leave it early through `aclosing`; what is under way is then cancelled and
    waited for, as it is when a piece of work raises.
    """
    running: set[asyncio.Task[Result]] = set()
    try:
        while True:
            while len(running) < at_once:
                try:
                    running.add(spawn(work(await anext(items))))
                except StopAsyncIteration:
                    at_once = 0  # nothing more to take
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
