"""A limit: the bare loop, but for handing out the pages in their order, as whoever keeps a log must.

What it takes longer than the bare loop is what order costs: pages wait for those before them, and have
left the processor's cache when their turn comes.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from peers.bare import Output, connect, page


async def pages(base_url: str, jobs: list[str], concurrency: int) -> AsyncGenerator[Output, None]:
    async with connect(concurrency) as session:
        for job in jobs:
            first = await page(session, base_url, job, 0)
            yield first
            window = deque[asyncio.Task[Output]]()
            for offset in range(1000, first.total, 1000):
                window.append(asyncio.create_task(page(session, base_url, job, offset)))
                if len(window) == concurrency:
                    yield await window.popleft()
            for task in window:
                yield await task


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    async for one in pages(base_url, jobs, concurrency):
        got(len(one.logs))
