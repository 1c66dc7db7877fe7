"""What an iterator of jobs begins may close the session, and be waited for: in the end, too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from waiting_for_a_task import directly, in_a_group, shielded, waited_for

from dashscope_ftlogs import LogSession, SessionStateError
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

Connect = Callable[..., LogSession]
JOBS = [EmulatedJob(f"ft-{n}", ["one", "two"]) for n in (1, 2)]
POLLS: dict[str, Any] = {"shortest_poll": 0.001, "longest_poll": 0.002, "settle": 0}

Use = Callable[[LogSession, Any, Any], Awaitable[None]]
Way = Callable[["asyncio.Task[None]"], Awaitable[object]]


async def fetched(session: LogSession, ids: Any, _folder: Any) -> None:
    async for _ in session.fetch_many(ids):
        pass


async def followed(session: LogSession, ids: Any, _folder: Any) -> None:
    async for _ in session.follow(ids, **POLLS):
        pass


async def downloaded(session: LogSession, ids: Any, folder: Any) -> None:
    await session.download(ids, folder, settle=0)


async def close(session: LogSession) -> None:
    await asyncio.create_task(session.aclose())


USES = [fetched, followed, downloaded]
WAYS = [directly, waited_for, in_a_group, shielded]


class Source:
    """Gives one job, waits, and awaits in the end what ends the session."""

    def __init__(self, end: Callable[[], Awaitable[object]]) -> None:
        self.waits = asyncio.Event()
        self.has_ended = 0
        self._end = end

    async def ids(self) -> AsyncIterator[str]:
        try:
            yield "ft-1"
            self.waits.set()
            await asyncio.sleep(60)
        finally:
            await self._end()
            self.has_ended += 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("by", ["cancelled", "closed"])
@pytest.mark.parametrize("use", USES)
async def test_the_clean_up_of_an_iterator_of_jobs_may_await_the_closing_of_the_session(
    connect: Connect, tmp_path: Any, use: Use, by: str, way: Way
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        source = Source(lambda: way(asyncio.create_task(session.aclose())))
        async with asyncio.timeout(30):
            using = asyncio.ensure_future(use(session, source.ids(), tmp_path / "archive"))
            await source.waits.wait()
            if by == "cancelled":
                using.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await using
            else:
                await session.aclose()
                assert source.has_ended
                assert not session.tasks
                with pytest.raises(SessionStateError, match="the session was closed while"):
                    await using
            await session.aclose()
        assert source.has_ended == 1
        assert session.closed
        assert not session.tasks


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("use", ["fetch_many", "follow"])
async def test_so_it_may_where_the_iterator_that_it_feeds_is_left_by_its_block(
    connect: Connect, use: str, way: Way
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        source = Source(lambda: way(asyncio.create_task(session.aclose())))
        items: Any = (
            session.fetch_many(source.ids())
            if use == "fetch_many"
            else session.follow(source.ids(), **POLLS)
        )
        async with asyncio.timeout(30):
            async with items:
                async for _ in items:
                    break
                await source.waits.wait()
            assert source.has_ended
            await session.aclose()
        assert not session.tasks


@pytest.mark.parametrize("way", WAYS)
async def test_the_clean_up_may_await_the_closing_of_the_iterator_that_it_feeds(
    connect: Connect, way: Way
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        source = Source(lambda: way(asyncio.create_task(logs.aclose())))
        logs = session.fetch_many(source.ids())
        async with asyncio.timeout(30):
            async with logs:
                await anext(logs)
                await source.waits.wait()
            assert source.has_ended
        assert not session.tasks


async def test_a_closing_that_was_begun_in_the_body_may_be_awaited_in_the_end(connect: Connect) -> None:
    async def ids() -> AsyncIterator[str]:
        yield "ft-1"
        closing = asyncio.create_task(session.aclose())
        try:
            await asyncio.shield(closing)
            await asyncio.sleep(60)
        finally:
            await closing

    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        async with asyncio.timeout(30):
            with pytest.raises(SessionStateError, match="the session was closed while"):
                await fetched(session, ids(), None)
            await session.aclose()
        assert not session.tasks


@pytest.mark.parametrize("closes", ["the first", "each other"])
@pytest.mark.parametrize("use", USES)
async def test_iterators_in_relatives_of_a_session_may_await_each_others_closing(
    connect: Connect, tmp_path: Any, use: Use, closes: str
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        one, other = session.with_options(timeout=9), session.with_options(timeout=8)
        ends = (session, session) if closes == "the first" else (other, one)
        sources = [Source(partial(close, end)) for end in ends]
        async with asyncio.timeout(30):
            using = [
                asyncio.ensure_future(use(of, source.ids(), tmp_path / str(n)))
                for n, (of, source) in enumerate(zip((one, other), sources, strict=True))
            ]
            for source in sources:
                await source.waits.wait()
            await one.aclose()
            using[1].cancel()
            await asyncio.wait(using)
            await session.aclose()
        assert [source.has_ended for source in sources] == [1, 1]
        assert [len(of.tasks) for of in (session, one, other)] == [0, 0, 0]


async def test_a_session_that_an_iterator_of_jobs_uses_itself_has_ended_once_it_is_closed(
    connect: Connect,
) -> None:
    """What drives one is waited for by another's: only its own may wait for who closes."""
    ended: list[bool] = []

    async def inner() -> AsyncIterator[str]:
        try:
            yield "ft-1"
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)

    async def ids() -> AsyncIterator[str]:
        async with connect(emulator) as second:
            yield (await anext(second.fetch_many(inner()))).job_id
        assert ended
        assert not second.tasks

    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        assert [log.job_id async for log in session.fetch_many(ids())] == ["ft-1"]


async def test_a_plain_generator_of_jobs_is_closed_when_the_iterator_is_left(connect: Connect) -> None:
    ended: list[bool] = []

    def ids() -> Iterator[str]:
        try:
            for n in range(100):
                yield f"ft-{n}"
        finally:
            ended.append(True)

    async with Emulator(JOBS) as emulator, connect(emulator, concurrency=1) as session:
        held = ids()
        async with session.fetch_many(held) as logs:
            await anext(logs)
        assert ended == [True]


async def test_a_stream_of_jobs_that_the_caller_has_begun_outlives_what_it_was_given_to(
    connect: Connect,
) -> None:
    async with Emulator(JOBS) as emulator, connect(emulator, concurrency=1) as session:
        jobs = session.jobs()
        first = [(await anext(jobs)).job_id]
        async with session.fetch_many(jobs) as logs:
            first += [(await anext(logs)).job_id]
        rest = [job.job_id async for job in jobs]
        assert len({*first, *rest}) == len([*first, *rest])
        async with session.fetch_many(jobs) as logs:
            assert [log.job_id async for log in logs] == []
