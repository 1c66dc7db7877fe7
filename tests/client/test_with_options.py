"""Sessions that share connections and gate, and differ in patience."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dashscope_ftlogs import (
    LogSession,
    RetryPolicy,
    SessionStateError,
    TransportError,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse, Stall

Connect = Callable[..., LogSession]
JOB = "ft-1"
LOG = [f"line {number}" for number in range(2_500)]
ONCE = RetryPolicy(max_tries=1)


async def test_it_differs_in_what_was_asked_for_and_in_nothing_else(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, LOG)], faults=[Fault(Stall(60))]) as emulator:
        async with connect(emulator) as session:
            with pytest.raises(TransportError, match=r"after 0\.5 s") as caught:
                await session.with_options(timeout=0.5, retry=ONCE).page(JOB)
            assert caught.value.attempts == 1
            emulator.faults = [Fault(Refuse(500), times=2)]
            assert (await session.page(JOB)).attempts == 3
            hasty = session.with_options(retry=ONCE)
            assert type(hasty) is LogSession
            assert hasty.lag == ONCE.lag != session.lag
            assert hasty.base_url == session.base_url
            assert hasty.with_options(timeout=5).lag == ONCE.lag, "what is not asked for stays"


async def test_connections_and_gate_are_shared(connect: Connect) -> None:
    opened: list[object] = []

    async def opens(*told: object) -> None:
        opened.append(told)

    traced = aiohttp.TraceConfig()
    traced.on_connection_create_end.append(opens)
    async with (
        Emulator([EmulatedJob(JOB, LOG)], latency=0.01) as emulator,
        aiohttp.ClientSession(trace_configs=[traced]) as client,
    ):
        async with connect(emulator, concurrency=2, max_rate=10_000, client_session=client) as session:
            others = [session.with_options(timeout=number) for number in range(1, 6)]
            await asyncio.gather(*(one.lines(JOB, page_size=100).collect() for one in others))
            assert emulator.peak_in_flight == 2
            assert len(opened) == 2
            assert {one.requests for one in others} == {session.requests} == {len(emulator.journal)}
            assert {one.rate for one in others} == {10_000}


async def test_what_it_reads_is_the_whole_log_however_it_is_read(
    connect: Connect, tmp_path: Path
) -> None:
    async with Emulator([EmulatedJob(JOB, LOG)]) as emulator, connect(emulator) as session:
        assert [line async for line in session.with_options(timeout=9).lines(JOB)] == LOG
        assert [line.text async for line in session.with_options(timeout=9).follow(JOB)] == LOG
        assert [log.lines async for log in session.with_options(timeout=9).fetch_many([JOB])] == [
            tuple(LOG)
        ]
        done = await session.with_options(timeout=9).download([JOB], tmp_path / "logs")
        assert [one.lines for one in done] == [len(LOG)]


async def test_closing_it_ends_what_runs_in_it_and_nothing_else(connect: Connect) -> None:
    faults = [Fault(Stall(60), job_id="ft-2")]
    async with Emulator([EmulatedJob(JOB, LOG), EmulatedJob("ft-2", LOG)], faults=faults) as emulator:
        async with connect(emulator) as session:
            other, third = session.with_options(timeout=9), session.with_options(timeout=9)
            lines = aiter(session.lines(JOB, page_size=10))
            assert await anext(lines) == LOG[0]
            waiting = asyncio.create_task(other.page("ft-2"))
            while not emulator.in_flight:
                await asyncio.sleep(0.001)
            await other.aclose()
            await other.aclose()
            with pytest.raises(SessionStateError, match="was closed while a page was asked for"):
                await waiting
            assert other.closed
            assert not session.closed
            assert not third.closed
            with pytest.raises(SessionStateError, match="not open"):
                await other.page(JOB)
            assert [line async for line in lines] == LOG[1:]
            assert (await third.page(JOB)).total == len(LOG)

            async with other as entered, other.with_options(timeout=3) as nested:
                assert entered is other
                assert not other.closed
                assert (await other.page(JOB)).total == len(LOG)
            assert nested.closed
            assert other.closed
            assert (await session.page(JOB)).total == len(LOG)


async def test_it_gives_no_page_that_is_there_once_that_session_is_closed(
    connect: Connect,
) -> None:
    faults = [Fault(Stall(60), job_id="ft-2")]
    async with Emulator([EmulatedJob(JOB, LOG), EmulatedJob("ft-2", LOG)], faults=faults) as emulator:
        async with connect(emulator, concurrency=4) as session:
            waiting = asyncio.create_task(session.page("ft-2"))
            lines = session.with_options(timeout=9).lines(JOB, page_size=1)
            pages = lines.pages()
            await anext(pages)
            while len(emulator.journal) < 1 + 1 + 3:
                await asyncio.sleep(0.001)
            await anext(pages)
            closing = asyncio.create_task(session.aclose())
            with pytest.raises(SessionStateError, match="was closed while this log was read"):
                while True:
                    await asyncio.sleep(0)
                    await anext(pages)
            assert lines.offset <= 4
            with pytest.raises(SessionStateError, match="was closed while a page was asked for"):
                await waiting
            await closing


async def test_it_ends_with_the_session_that_it_came_from(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, LOG)], faults=[Fault(Stall(60))]) as emulator:
        session = connect(emulator)
        early = session.with_options(timeout=9)
        assert not early.closed
        with pytest.raises(SessionStateError, match="not open"):
            await early.page(JOB)
        with pytest.raises(SessionStateError, match="that this one came from is not open"):
            await early.__aenter__()
        async with session:
            others = [early, session.with_options(timeout=9), early.with_options(timeout=8)]
            waiting = [asyncio.create_task(one.page(JOB)) for one in others]
            while emulator.in_flight < 3:
                await asyncio.sleep(0.001)
        for one, task in zip(others, waiting, strict=True):
            assert one.closed
            with pytest.raises(SessionStateError, match="was closed while a page was asked for"):
                await task
            with pytest.raises(SessionStateError, match="not open"):
                await one.page(JOB)
            await one.aclose()
            with pytest.raises(SessionStateError, match="not open"):
                await one.with_options(timeout=1).page(JOB)


async def test_it_is_open_again_with_the_session_that_it_came_from(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, LOG)]) as emulator:
        session = connect(emulator)
        one, left = session.with_options(timeout=9), session.with_options(timeout=9)
        for _ in range(2):
            async with session:
                assert (await one.page(JOB)).total == len(LOG)
                await left.aclose()
        assert one.closed
        async with session:
            with pytest.raises(SessionStateError, match="not open"):
                await left.page(JOB)


async def test_no_session_of_the_family_is_closed_by_what_runs_in_it(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, LOG)]) as emulator, connect(emulator) as session:
        other = session.with_options(timeout=9)
        for ends in (session, other):

            async def jobs(ends: LogSession = ends) -> AsyncIterator[str]:
                yield JOB
                await ends.aclose()

            with pytest.raises(SessionStateError, match="not closed by what runs in it"):
                _ = [log async for log in other.fetch_many(jobs())]
            assert not ends.closed


@pytest.mark.parametrize("what", ["follow", "running_jobs"])
async def test_what_gives_up_after_a_while_runs_in_the_session_that_was_asked(
    connect: Connect, what: str
) -> None:
    def asked(session: LogSession) -> Any:
        if what == "follow":
            return aiter(session.follow(JOB, give_up_after=50))
        return session.running_jobs(give_up_after=50)

    faults = [Fault(Stall(60), endpoint="any")]
    async with (
        Emulator([EmulatedJob(JOB, LOG)], faults=faults) as emulator,
        connect(emulator) as session,
    ):
        derived = session.with_options(timeout=9)
        waiting = asyncio.ensure_future(anext(asked(derived)))
        while not emulator.in_flight:
            await asyncio.sleep(0.001)
        await derived.aclose()
        with pytest.raises(SessionStateError, match="was closed while"):
            await waiting
        for _ in range(3):
            left = asked(session)
            with suppress(TimeoutError):
                await asyncio.wait_for(anext(left), 0.01)
            assert session.tasks
            del left
            await asyncio.sleep(0)
            assert not session.tasks


async def test_one_that_is_dropped_leaves_nothing_and_warns_of_nothing(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, LOG)]) as emulator, connect(emulator) as session:
        for number in range(20):
            await session.with_options(timeout=number + 1).page(JOB)
        await asyncio.sleep(0)  # asyncio tells of a task's end a turn later
        gc.collect()
        assert len(session._others) == 0
        with suppress(TimeoutError):
            await asyncio.wait_for(session.with_options(timeout=9).lines(JOB).collect(), 0)
        gc.collect()
        assert len(session._others) == 0


async def test_in_another_event_loop_it_is_refused_as_the_first_one_is(connect: Connect) -> None:
    with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        async with connect(emulator) as session:

            async def elsewhere(made: LogSession) -> None:
                for call in (
                    lambda: made.page("ft-1"),
                    made.lines("ft-1").collect,
                    made.__aenter__,
                    made.aclose,
                ):
                    with pytest.raises(SessionStateError, match="in another event loop"):
                        await call()

            def there() -> LogSession:
                made = session.with_options(timeout=5)  # no loop runs here
                asyncio.run(elsewhere(made))
                return made

            made = await asyncio.to_thread(there)
            assert await made.lines("ft-1").collect() == LOG
            assert await session.lines("ft-1").collect() == LOG


async def test_while_the_first_one_closes_nothing_begins_and_closing_waits_for_what_runs(
    connect: Connect,
) -> None:
    waits, tidies, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def source() -> AsyncGenerator[str, None]:
        try:
            yield "ft-1"
            waits.set()
            await asyncio.Event().wait()
        finally:
            tidies.set()
            await may_end.wait()

    async def fetch(session: LogSession) -> None:
        async for _ in session.fetch_many(source()):
            pass

    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        first = connect(emulator)
        await first.__aenter__()
        other = first.with_options(timeout=5)
        fetching = asyncio.create_task(fetch(other))
        await waits.wait()
        closing = asyncio.create_task(first.aclose())
        await tidies.wait()
        assert other.closed
        with pytest.raises(SessionStateError):
            await other.page("ft-1")
        closing_other = asyncio.create_task(other.aclose())
        await asyncio.sleep(0)
        assert not closing_other.done()
        may_end.set()
        await asyncio.gather(closing_other, closing)
        with pytest.raises(SessionStateError, match="the session was closed"):
            await fetching
