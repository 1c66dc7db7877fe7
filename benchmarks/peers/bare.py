"""A limit: aiohttp and msgspec with as many in flight as ours; no retry, no order, no checks."""

import asyncio
from collections.abc import Callable, Iterator

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


def connect(concurrency: int) -> aiohttp.ClientSession:
    """Return a session for so many requests at once."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency))


async def page(session: aiohttp.ClientSession, base_url: str, job: str, offset: int) -> Output:
    """Read one page."""
    url = f"{base_url}/fine-tunes/{job}/logs?offset={offset}&line=1000"
    async with session.get(url, headers={"Authorization": f"Bearer {KEY}"}) as response:
        return msgspec.json.decode(await response.read(), type=Answer).output


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    async with connect(concurrency) as session:
        await read_all(session, base_url, jobs, concurrency, got)


async def read_all(
    session: aiohttp.ClientSession,
    base_url: str,
    jobs: list[str],
    concurrency: int,
    got: Callable[[int], None],
) -> None:
    """Read all logs by a session that was opened before."""
    # The first total is taken for all, since this knows that the logs are alike.
    first = await page(session, base_url, jobs[0], 0)
    got(len(first.logs))

    def wanted() -> Iterator[tuple[str, int]]:
        for job in jobs:
            for offset in range(1000 if job == jobs[0] else 0, first.total, 1000):
                yield job, offset

    left = wanted()

    async def worker() -> None:
        for job, offset in left:
            got(len((await page(session, base_url, job, offset)).logs))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())
