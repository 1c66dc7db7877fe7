"""However a read ends, no task, connection or warning outlives it."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest

from dashscope_ftlogs import LogSession, SessionStateError
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse, Stall

Connect = Callable[..., LogSession]
LOG = [f"line {n}" for n in range(400)]


@asynccontextmanager
async def nothing_left_behind(emulator: Emulator) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client session of which no connection may be in use in the end, and no task left."""
    connector = aiohttp.TCPConnector(limit=8)
    async with aiohttp.ClientSession(connector=connector) as client:
        before = asyncio.all_tasks()
        yield client
        gc.collect()  # an abandoned generator or session would speak up now
        while emulator.in_flight:  # the server hears a moment later that its client is gone
            await asyncio.sleep(0.001)
        for _ in range(
            5
        ):  # an iterator left in mid-read is closed by asyncio, some turns of its loop later
            await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() - before if not is_the_servers(task)]
        assert not connector._acquired


def is_the_servers(task: "asyncio.Task[object]") -> bool:
    return "RequestHandler" in repr(task.get_coro())


async def read_some(session: LogSession, lines: int) -> int:
    count = 0
    async for _line in session.lines("ft-1", page_size=10):
        count += 1
        if count == lines:
            break
    return count


@pytest.mark.unmeasured
async def test_cancellation_at_every_await(connect: Connect) -> None:
    faults = [Fault(Refuse(503), on={3, 8})]
    async with Emulator([EmulatedJob("ft-1", LOG[:100])], faults=faults) as emulator:
        async with nothing_left_behind(emulator) as client:
            for steps in range(150):
                emulator.faults = faults
                async with connect(emulator, client_session=client) as session:
                    task = asyncio.create_task(session.lines("ft-1", page_size=10).collect())
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    task.cancel()
                    try:
                        assert await task == LOG[:100]
                    except asyncio.CancelledError:
                        pass
                    assert not session.tasks


async def test_leaving_the_loop_early(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, nothing_left_behind(emulator) as client:
        async with connect(emulator, client_session=client) as session:
            assert [await read_some(session, n) for n in (1, 10, 11, 200)] == [1, 10, 11, 200]


async def test_an_exception_in_the_consumer(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, nothing_left_behind(emulator) as client:
        with pytest.raises(ZeroDivisionError):
            async with connect(emulator, client_session=client) as session:
                async for _page in session.lines("ft-1", page_size=10).pages():
                    raise ZeroDivisionError


async def test_a_pages_iterator_that_is_closed_in_mid_read(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)], latency=0.001) as emulator:
        async with (
            nothing_left_behind(emulator) as client,
            connect(emulator, client_session=client) as s,
        ):
            async with aclosing(s.lines("ft-1", page_size=10).pages()) as pages:
                await anext(pages)
            assert not s.tasks


async def test_a_session_closed_under_a_reader_ends_the_read_with_an_error(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, nothing_left_behind(emulator) as client:
        async with connect(emulator, client_session=client) as session:
            emulator.faults = [Fault(Stall(60))]
            reader = asyncio.create_task(session.lines("ft-1").collect())
            while not emulator.in_flight:
                await asyncio.sleep(0.001)
        with pytest.raises(SessionStateError, match="closed while this log was read"):
            await reader


@pytest.mark.covered
async def test_many_readers_at_once_of_which_some_are_cancelled(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)], latency=(0, 0.002)) as emulator:
        async with nothing_left_behind(emulator) as client:
            async with connect(emulator, client_session=client) as session:
                readers = [asyncio.create_task(read_some(session, n)) for n in range(1, 41)]
                await asyncio.sleep(0.01)
                for reader in readers[::3]:
                    reader.cancel()
                ends = await asyncio.gather(*readers, return_exceptions=True)
            kept = [end for n, end in enumerate(ends) if n % 3]
            assert kept == [n + 1 for n in range(40) if n % 3]


async def test_a_timeout_around_a_read(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, nothing_left_behind(emulator) as client:
        emulator.faults = [Fault(Stall(60), on={4})]
        async with connect(emulator, client_session=client) as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await session.lines("ft-1", page_size=10).collect()
