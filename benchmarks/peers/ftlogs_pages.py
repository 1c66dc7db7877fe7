"""Ours, page by page."""

from collections.abc import Callable
from contextlib import aclosing

from dashscope_ftlogs import LogSession
from peers import KEY


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    async with LogSession(KEY, base_url=base_url, concurrency=concurrency) as session:
        for job in jobs:
            async with aclosing(session.lines(job).pages()) as pages:
                async for page in pages:
                    got(len(page.lines))
