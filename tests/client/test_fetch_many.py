"""Many jobs at once, from an iterator of the caller's own, whatever that waits for."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting_for_a_task import directly, for_a_time, gathered, in_a_group, shielded

from dashscope_ftlogs import InvalidArgumentError, LogSession, Progress, SessionStateError
from dashscope_ftlogs.client.many_jobs.fetch_many import each
from dashscope_ftlogs.client.tasks import Tasks
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

Connect = Callable[..., LogSession]
LOG = [f"line {n}" for n in range(30)]
JOBS = [EmulatedJob(f"ft-{n}", LOG) for n in (1, 2)]
POLLS = {"shortest_poll": 0.001, "longest_poll": 0.002, "settle": 0}

Use = Callable[[LogSession, Any, Any, Callable[[str], None]], Awaitable[None]]


async def fetched(session: LogSession, ids: Any, _folder: Any, see: Callable[[str], None]) -> None:
    async for log in session.fetch_many(ids):
        see(log.job_id)


async def followed(session: LogSession, ids: Any, _folder: Any, see: Callable[[str], None]) -> None:
    async for line in session.follow(ids, **POLLS):
        see(line.job_id)


class Told(Progress):
    """Tells of each job that is done."""

    see: Callable[[str], None]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "jobs_done" and value:
            self.see(self.outcomes[-1].job_id)


async def downloaded(session: LogSession, ids: Any, folder: Any, see: Callable[[str], None]) -> None:
    progress = Told()
    progress.see = see
    await session.download(ids, folder / "archive", settle=0, progress=progress)


USES = [fetched, followed, downloaded]


@pytest.mark.parametrize("use", USES)
async def test_what_a_job_came_to_is_handed_out_while_the_next_job_is_waited_for(
    connect: Connect, tmp_path: Any, use: Use
) -> None:
    seen: set[str] = set()
    first_is_seen = asyncio.Event()

    def see(job_id: str) -> None:
        seen.add(job_id)
        first_is_seen.set()

    async def ids() -> AsyncIterator[str]:
        yield "ft-1"
        await first_is_seen.wait()
        yield "ft-2"

    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        async with asyncio.timeout(30):
            await use(session, ids(), tmp_path, see)
    assert seen == {"ft-1", "ft-2"}


@pytest.mark.parametrize("use", USES)
async def test_jobs_that_repeat_themselves_for_ever_let_everything_else_go_on(
    connect: Connect, tmp_path: Any, use: Use
) -> None:
    seen: set[str] = set()
    all_seen = asyncio.Event()

    def see(job_id: str) -> None:
        seen.add(job_id)
        if len(seen) == len(JOBS):
            all_seen.set()

    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        ids = itertools.cycle(job.job_id for job in JOBS)
        using = asyncio.ensure_future(use(session, ids, tmp_path, see))
        async with asyncio.timeout(30):
            await all_seen.wait()
        using.cancel()
        await asyncio.gather(using, return_exceptions=True)
        assert using.cancelled()
        assert not session.tasks


@pytest.mark.parametrize("ends_early", [False, True])
@pytest.mark.parametrize("use", USES)
async def test_an_iterator_of_jobs_is_driven_and_closed_by_one_task(
    connect: Connect, tmp_path: Any, use: Use, ends_early: bool
) -> None:
    drivers: list[Any] = []
    begun = asyncio.Event()

    async def ids() -> AsyncIterator[str]:
        drivers.append(asyncio.current_task())
        try:
            for job in JOBS:
                await asyncio.sleep(0)
                drivers.append(asyncio.current_task())
                yield job.job_id
            begun.set()
            await asyncio.sleep(60 if ends_early else 0)
        finally:
            await asyncio.sleep(0)
            drivers.append(asyncio.current_task())

    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        using = asyncio.ensure_future(use(session, ids(), tmp_path, lambda _: None))
        await begun.wait()
        if ends_early:
            using.cancel()
        await asyncio.gather(using, return_exceptions=True)
        assert using.cancelled() == ends_early
        assert not session.tasks
    assert len(drivers) == 4
    assert len(set(drivers)) == 1


class Jobs:
    """Is iterated over by a generator of its own."""

    def __init__(self, ids: Callable[[], AsyncIterator[str]]) -> None:
        self._ids = ids

    def __aiter__(self) -> AsyncIterator[str]:
        return self._ids()


@pytest.mark.parametrize("make", [lambda ids: ids(), Jobs])
@pytest.mark.parametrize("use", [fetched, downloaded])
async def test_an_iterator_of_jobs_that_is_not_read_to_its_end_is_closed_by_the_task_that_drove_it(
    connect: Connect, tmp_path: Any, use: Use, make: Callable[[Any], Any]
) -> None:
    drivers: list[Any] = []

    async def ids() -> AsyncIterator[str]:
        try:
            while True:
                drivers.append(asyncio.current_task())
                yield f"ft-{len(drivers)}"
        finally:
            await asyncio.sleep(0)
            drivers.append(asyncio.current_task())

    def stop(_job_id: str) -> None:
        raise ZeroDivisionError

    held = make(ids)  # so that nothing but its closing ends it
    async with Emulator(JOBS) as emulator:
        async with connect(emulator, concurrency=1) as session:
            with pytest.raises(ZeroDivisionError):
                await use(session, held, tmp_path, stop)
            await asyncio.sleep(0)
        last = len(drivers)
    await asyncio.sleep(0)
    assert len(drivers) == last > 2
    assert len(set(drivers)) == 1
    assert drivers[0].done()


@pytest.mark.covered
@given(
    waits=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20),
    pauses=st.lists(st.integers(0, 5), min_size=20, max_size=20),
    at_once=st.integers(1, 5),
)
def test_each_item_is_worked_on_once_and_never_are_too_many_taken(
    waits: list[tuple[int, int]], pauses: list[int], at_once: int
) -> None:
    taken: list[int] = []
    got: list[int] = []

    async def turns(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def items() -> AsyncGenerator[int, None]:
        for number, (before, _) in enumerate(waits):
            await turns(before)
            taken.append(number)
            assert len(taken) - len(got) <= at_once
            yield number

    async def work(number: int) -> int:
        await turns(waits[number][1])
        return number

    async def run() -> None:
        tasks = Tasks()
        tasks.open(asyncio.get_running_loop())
        async for number in each(items(), work, at_once=lambda: at_once, tasks=tasks):
            # It is handed out, though `each` hears of that only when it is asked for the next one.
            await turns(pauses[number])
            got.append(number)
        assert not tasks

    asyncio.run(run())
    assert taken == list(range(len(waits)))
    assert sorted(got) == taken


WAYS = [directly, gathered, for_a_time, in_a_group, shielded]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("use", USES)
async def test_an_iterator_of_jobs_that_awaits_the_closing_of_the_session_hangs_nothing(
    connect: Connect, tmp_path: Any, use: Use, way: Callable[[Any], Awaitable[None]]
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:

        async def ids() -> AsyncIterator[str]:
            yield "ft-1"
            await way(asyncio.create_task(session.aclose()))

        async with asyncio.timeout(30):
            with pytest.raises(SessionStateError, match="the session was closed while"):
                await use(session, ids(), tmp_path, lambda _: None)
            await session.aclose()
        assert session.closed
        assert not session.tasks


@pytest.mark.parametrize("way", WAYS)
async def test_an_iterator_of_jobs_that_awaits_the_closing_of_what_it_feeds_hangs_nothing(
    connect: Connect, way: Callable[[Any], Awaitable[None]]
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:

        async def ids() -> AsyncIterator[str]:
            yield "ft-1"
            await way(asyncio.create_task(logs.aclose()))

        for logs in (session.fetch_many(ids()), session.follow(ids(), **POLLS)):
            async with asyncio.timeout(30):
                with pytest.raises(SessionStateError, match="another task closed this before its end"):
                    async for _ in logs:
                        pass
            while session.tasks:
                await asyncio.sleep(0)


async def test_a_download_that_its_own_iterator_waits_for_can_be_cancelled(
    connect: Connect, tmp_path: Any
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        waits = asyncio.Event()

        async def cancel() -> None:
            downloading.cancel()
            await asyncio.gather(downloading, return_exceptions=True)

        async def ids() -> AsyncIterator[str]:
            yield "ft-1"
            ending = asyncio.create_task(cancel())
            waits.set()
            await ending

        downloading = asyncio.create_task(session.download(ids(), tmp_path / "archive"))
        async with asyncio.timeout(30):
            with pytest.raises(asyncio.CancelledError):
                await downloading
            while session.tasks:
                await asyncio.sleep(0)


@pytest.mark.parametrize("jobs", [{"ft-1": 1}, b"ft-1", bytearray(b"ft-1"), memoryview(b"ft"), None, 3])
async def test_what_is_no_jobs_is_refused(connect: Connect, tmp_path: Any, jobs: Any) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        for use in USES:
            with pytest.raises(InvalidArgumentError, match=r"jobs=.*must be"):
                await use(session, jobs, tmp_path, lambda _: None)
        assert session.requests == 0


@pytest.mark.parametrize("jobs", ["ft-1", {"ft-1"}, {"ft-1": 1}.keys(), iter(["ft-1"]), ("ft-1",)])
async def test_jobs_may_be_one_or_any_iterable(connect: Connect, jobs: Any) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        assert [log.job_id async for log in session.fetch_many(jobs)] == ["ft-1"]


class Numbered:
    """An iterator of the caller's own that is no generator, and has nothing to close."""

    def __init__(self) -> None:
        self.left = iter(JOBS)

    def __aiter__(self) -> "Numbered":
        return self

    async def __anext__(self) -> str:
        for job in self.left:
            return job.job_id
        raise StopAsyncIteration


@pytest.mark.parametrize("use", USES)
async def test_jobs_may_come_from_any_async_iterator(connect: Connect, tmp_path: Any, use: Use) -> None:
    seen: set[str] = set()
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        await use(session, Numbered(), tmp_path, seen.add)
    assert seen == {"ft-1", "ft-2"}
