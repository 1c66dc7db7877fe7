"""What a session at default settings makes of a service, against the bare loop at given numbers.

Measures what it is told to, each by the function of that name, and prints as JSON what came out. The
bare loop, too, reads a first log and a later one by one session, on connections that are there. A number
in flight is left out where it can't be the best: where its round trips alone take longer than all that
another number took, or half of it is as many as there are pages.

    cd benchmarks && python -m servers.lean --total 20000 --latency 0.05
    python -m one_service http://127.0.0.1:PORT/api/v1 '{"logs": {"sizes": [[20, 9]], "unloaded": 0.05}}'
"""

import argparse
import asyncio
import json
import math
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

from peers import KEY
from peers.bare import connect, read_all

from dashscope_ftlogs import LogSession

NUMBERS = (32, 16, 8, 4, 2, 1)
"""In flight, the likeliest to be the best first."""
LOGS = 2
"""That one session reads: the first, and a later one."""

Got = Callable[[int], None]
"""Is told of lines as they come."""
Run = dict[str, list[float]]
"""What each log took, of time and of this processor; and how many were in flight in the end."""


def job_of(pages: int) -> str:
    """Return the job whose log has so many."""
    return f"ft-{1000 * pages}"


async def timed(run: Run, pages: int, read: Callable[[Got], Awaitable[None]]) -> None:
    """Read once, and add to a run what it took."""
    lines = 0

    def got(count: int) -> None:
        nonlocal lines
        lines += count

    begin, before = time.perf_counter(), time.process_time()
    await read(got)
    run["seconds"].append(round(time.perf_counter() - begin, 5))
    run["cpu_seconds"].append(round(time.process_time() - before, 5))
    if lines != 1000 * pages:
        raise ValueError(f"{lines} lines of {pages} pages")


async def read_jobs(session: LogSession, jobs: list[str], got: Got) -> None:
    if len(jobs) > 1:
        async with aclosing(session.fetch_many(jobs)) as logs:
            async for log in logs:
                got(len(log.lines))
        return
    async with aclosing(session.lines(jobs[0]).pages()) as pages:
        async for page in pages:
            got(len(page.lines))


async def learned(base_url: str, jobs: list[str], pages: int, logs: int = 1) -> Run:
    """Read so many times by one new session that was told nothing."""
    run: Run = {"seconds": [], "cpu_seconds": [], "concurrency": []}
    async with LogSession(KEY, base_url=base_url) as session:
        for _ in range(logs):
            await timed(run, pages, lambda got: read_jobs(session, jobs, got))
            run["concurrency"].append(session.concurrency)
    return run


async def fixed(number: int, base_url: str, jobs: list[str], pages: int, logs: int = 1) -> Run:
    """Do the same by the bare loop with so many in flight."""
    run: Run = {"seconds": [], "cpu_seconds": []}
    async with connect(number) as session:
        for _ in range(logs):
            await timed(run, pages, lambda got: read_all(session, base_url, jobs, number, got))
    return run


async def compared(
    base_url: str, jobs: list[str], pages: int, *, logs: int, unloaded: float, rounds: int
) -> list[dict[str, Run]]:
    """Return what each round gave: ours, and each number that may be the best."""
    found: list[dict[str, Run]] = []
    numbers: list[int] = []
    for _ in range(rounds):
        one = {"learned": await learned(base_url, jobs, pages, logs)}
        shortest = math.inf
        for number in numbers or NUMBERS:
            round_trips = 1 + math.ceil((pages - 1) / number)
            if numbers or (number // 2 < pages - 1 and unloaded * round_trips <= shortest):
                run = one[str(number)] = await fixed(number, base_url, jobs, pages, logs)
                shortest = min(shortest, max(run["seconds"]))
        numbers = [int(name) for name in one if name != "learned"]
        found.append(one)
    return found


async def logs(base_url: str, sizes: list[list[int]], unloaded: float) -> list[Any]:
    """Read one log of each size, by pages, in so many rounds."""
    return [
        await compared(base_url, [job_of(pages)], pages, logs=LOGS, unloaded=unloaded, rounds=rounds)
        for pages, rounds in sizes
    ]


async def many(base_url: str, jobs: int, unloaded: float, rounds: int) -> list[Any]:
    """Read many jobs of two pages each."""
    ids = [f"ft-many-{number}" for number in range(jobs)]
    return await compared(base_url, ids, 2 * jobs, logs=1, unloaded=unloaded, rounds=rounds)


async def share(base_url: str, pages: int, rounds: int) -> list[Any]:
    """Let two sessions read at the same time: what the slower one had of all when the other was done."""
    shares = []
    for _ in range(rounds):
        lines = [0, 0]

        async def read(which: int, lines: list[int]) -> None:
            def got(count: int) -> None:
                lines[which] += count

            async with LogSession(KEY, base_url=base_url) as session:
                await read_jobs(session, [job_of(pages)], got)

        both = [asyncio.create_task(read(which, lines)) for which in (0, 1)]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        shares.append({"share": min(lines) / sum(lines)})
        for one in both:
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one
    return shares


async def queue(base_url: str, pages: int, alone: int, rounds: int) -> list[Any]:
    """Tell the median latency of a log's requests, and of so many that come one at a time."""

    async def median(concurrency: int | None, limit: int) -> float:
        seconds: list[float] = []
        async with (
            LogSession(
                KEY,
                base_url=base_url,
                concurrency=concurrency,
                on_request=lambda event: seconds.append(event.seconds),
            ) as session,
            aclosing(session.lines(job_of(pages), limit=limit).pages()) as read,
        ):
            async for _page in read:
                pass
        return statistics.median(seconds)

    return [
        {"alone": await median(1, 1000 * alone), "latency": await median(None, 1000 * pages)}
        for _ in range(rounds)
    ]


async def limit(base_url: str, pages: int) -> list[Any]:
    """Read one log where only so many requests a second are permitted."""
    return [await learned(base_url, [job_of(pages)], pages)]


MODES: dict[str, Callable[..., Awaitable[list[Any]]]] = {
    "logs": logs,
    "many": many,
    "share": share,
    "queue": queue,
    "limit": limit,
}


async def main(base_url: str, asked: dict[str, dict[str, Any]], warm: int) -> None:
    """Measure; before that, read a log of so many pages, since what comes first takes longer."""
    if warm:
        await learned(base_url, [job_of(warm)], warm)
        await fixed(4, base_url, [job_of(warm)], warm)
    print(json.dumps({name: await MODES[name](base_url, **how) for name, how in asked.items()}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("base_url")
    parser.add_argument("asked", type=json.loads)
    parser.add_argument("--warm", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(main(options.base_url, options.asked, options.warm))
