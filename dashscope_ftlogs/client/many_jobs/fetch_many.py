"""Many jobs at once: a few at a time, the results as they come."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
)
from contextlib import aclosing
from typing import Any, TypeVar

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.callers_side.driven_iterators import driven
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.tasks import Tasks, ended
from dashscope_ftlogs.errors import AuthenticationError, FTLogsError, SessionStateError
from dashscope_ftlogs.models import Job

Item = TypeVar("Item")
Result = TypeVar("Result")

Jobs = str | Job | Iterable[str | Job] | AsyncIterable[str | Job]
"""One job or many, by id or as the service described them."""


@attrs.frozen
class JobLog:
    """One job's log in memory, as `LogSession.fetch_many` yields it."""

    job_id: str
    lines: tuple[str, ...]
    """All of them; with an error, those before it."""
    error: FTLogsError | None = None


async def fetch(lines_of: Callable[[str], LogPaginator], job: str | Job) -> JobLog:
    """Read one log; an error becomes part of the result, unless no other log would fare better."""
    job_id = id_of(job)
    lines: list[str] = []
    try:
        async with lines_of(job_id).pages() as pages:
            async for page in pages:
                lines.extend(page.lines)
    except (AuthenticationError, SessionStateError):
        raise
    except FTLogsError as error:
        return JobLog(job_id, tuple(lines), error)
    return JobLog(job_id, tuple(lines))


def id_of(job: str | Job) -> str:
    """Return the id of a job that is given either way."""
    return job if isinstance(job, str) else job.job_id


async def once_each(jobs: Jobs) -> AsyncGenerator[str | Job, None]:
    """Yield jobs from whatever holds them, each once; a single id counts as one."""
    seen: set[str] = set()
    async with aclosing(_as_they_come(checks.jobs(jobs))) as coming:
        async for job in coming:
            if id_of(job) not in seen:
                seen.add(id_of(job))
                yield job
            else:
                await asyncio.sleep(0)  # or one that repeats itself for ever would let nothing else run


def how_many(jobs: Jobs) -> int | None:
    """Return how many jobs there are, some perhaps twice; None where that is not known beforehand."""
    if isinstance(jobs, str | Job):
        return 1
    return len(jobs) if isinstance(jobs, Collection) else None


async def _as_they_come(jobs: Jobs) -> AsyncGenerator[str | Job, None]:
    if isinstance(jobs, str | Job):
        yield jobs
    elif isinstance(jobs, AsyncIterable):
        async with aclosing(driven(jobs)) as coming:
            async for job in coming:
                yield checks.job(job)
    else:
        given = iter(jobs)
        try:
            for job in given:
                yield checks.job(job)
        finally:
            if isinstance(given, Generator):
                given.close()


async def each(
    items: AsyncGenerator[Item],
    work: Callable[[Item], Coroutine[Any, Any, Result]],
    *,
    at_once: Callable[[], int],
    tasks: Tasks,
    surely: bool = False,
) -> AsyncGenerator[Result, None]:
    """Yield what `work` returns for each item, in the order in which it is done.

    One task takes the items, so that what is done is not held up while the next item is waited for. No
    more than `at_once` items are taken that were not yet yielded, so ten thousand of them never mean ten
    thousand tasks. What the items raise comes out once those before are done. When a piece of work
    raises, or this is left, what is under way is cancelled and waited for: `surely` by this itself,
    where the work has more to end than requests.
    """
    running: set[asyncio.Task[Any]] = set()
    done: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()
    room = asyncio.Event()
    taken = 0
    parent = asyncio.current_task()

    def begin(one: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = tasks.spawn(one, parent)
        running.add(task)
        task.add_done_callback(done.put_nowait)
        return task

    async def take() -> None:
        nonlocal taken
        async with aclosing(items):
            async for item in items:
                begin(work(item))
                taken += 1
                while taken >= at_once():
                    room.clear()
                    await room.wait()

    try:
        taking = begin(take())
        while running:
            task = await done.get()
            running.remove(task)
            if task is taking and not task.cancelled():
                continue  # what it raised, if it did, comes out once all that it took is done
            result = tasks.result(task, "a job was worked on")
            yield result
            taken -= 1
            room.set()
        tasks.result(taking, "jobs were taken")
    finally:
        if surely:
            await ended([one for task in running for one in tasks.cancel(task)])
        else:
            await tasks.leave(running)
