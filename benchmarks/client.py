"""Read one whole log in one way, and print as JSON what it cost this process.

python benchmarks/client.py pages http://127.0.0.1:8000/api/v1 --concurrency 8
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import aiohttp
import attrs
import msgspec

from dashscope_ftlogs import LogSession

JOB = "ft-202410291653-1c7f"
PAGE = 1000


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


async def bare(base_url: str, concurrency: int) -> int:
    """The limit: aiohttp and msgspec, no retry, no order, no checks. The total is known beforehand."""
    count = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def page(offset: int) -> Answer:
            url = f"{base_url}/fine-tunes/{JOB}/logs?offset={offset}&line={PAGE}"
            async with session.get(url, headers={"Authorization": "Bearer sk-bench"}) as response:
                return msgspec.json.decode(await response.read(), type=Answer)

        first = await page(0)
        count += len(first.output.logs)
        offsets = iter(range(PAGE, first.output.total, PAGE))

        async def worker() -> None:
            nonlocal count
            for offset in offsets:
                got = await page(offset)  # first, since += would read the count before the wait
                count += len(got.output.logs)

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    return count


async def sequential(base_url: str, _concurrency: int) -> int:
    """What most people write: one page after the other, response.json()."""
    count = 0
    async with aiohttp.ClientSession() as session:
        while True:
            url = f"{base_url}/fine-tunes/{JOB}/logs"
            async with session.get(
                url, params={"offset": count, "line": PAGE}, headers={"Authorization": "Bearer sk-bench"}
            ) as response:
                output = (await response.json())["output"]
            count += len(output["logs"])
            if count >= output["total"]:
                return count


async def pages(base_url: str, concurrency: int) -> int:
    """Ours, page by page."""
    count = 0
    async with (
        LogSession("sk-bench", base_url=base_url, concurrency=concurrency) as session,
        aclosing(session.lines(JOB).pages()) as reader,
    ):
        async for page in reader:
            count += len(page.lines)
    return count


async def lines(base_url: str, concurrency: int) -> int:
    """Ours, line by line."""
    count = 0
    async with LogSession("sk-bench", base_url=base_url, concurrency=concurrency) as session:
        async for _line in session.lines(JOB):
            count += 1
    return count


WAYS: dict[str, Callable[[str, int], Awaitable[int]]] = {
    way.__name__: way for way in (bare, sequential, pages, lines)
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("base_url")
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF)
    begin = time.perf_counter()
    count = asyncio.run(WAYS[options.way](options.base_url, options.concurrency))
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = {
        "way": options.way,
        "lines": count,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mib": after.ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
