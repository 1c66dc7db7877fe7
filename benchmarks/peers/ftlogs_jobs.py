"""Ours, whole logs of many jobs as they come."""

from collections.abc import Callable

from dashscope_ftlogs import LogSession
from peers import KEY


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    async with LogSession(KEY, base_url=base_url, concurrency=concurrency) as session:
        async for log in session.fetch_many(jobs):
            got(len(log.lines))
