"""A limit: aiohttp and msgspec with as many in flight as ours; no retry, no order, no checks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import attrs
import msgspec

from peers import KEY


@attrs.frozen
class Output:
    """The part of an answer that counts."""

    total: int
    logs: tuple[str, ...]


@attrs.frozen
class Answer:
    """One page as the service sends it."""

    request_id: str
    output: Output


async def read(
    base_url: str,
    jobs: list[str],
    concurrency: int,
    got: Callable[[int], None],
    hand_on: Callable[[tuple[str, ...]], Awaitable[None]] | None = None,
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def page(job: str, offset: int) -> int:
            """Read one page; return the total."""
            url = f"{base_url}/fine-tunes/{job}/logs?offset={offset}&line=1000"
            async with session.get(url, headers={"Authorization": f"Bearer {KEY}"}) as response:
                answer = msgspec.json.decode(await response.read(), type=Answer)
            if hand_on is not None:
                await hand_on(answer.output.logs)
            got(len(answer.output.logs))
            return answer.output.total

        # The first total is taken for all, since this knows that the logs are alike.
        total = await page(jobs[0], 0)

        def wanted() -> Iterator[tuple[str, int]]:
            for job in jobs:
                for offset in range(1000 if job == jobs[0] else 0, total, 1000):
                    yield job, offset

        offsets = wanted()

        async def worker() -> None:
            for job, offset in offsets:
                await page(job, offset)

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
