"""Ours, to metrics."""

from collections.abc import Callable

from dashscope_ftlogs import LogSession
from peers import KEY


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    async with LogSession(KEY, base_url=base_url, concurrency=concurrency) as session:
        for job in jobs:
            await session.metrics(job)
            got((await session.page(job, line=1)).total)
