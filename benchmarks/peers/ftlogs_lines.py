"""Ours, line by line."""

from collections.abc import Callable

from dashscope_ftlogs import LogSession
from peers import KEY


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    async with LogSession(KEY, base_url=base_url, concurrency=concurrency) as session:
        for job in jobs:
            count = 0
            async for _line in session.lines(job):
                count += 1
            got(count)
