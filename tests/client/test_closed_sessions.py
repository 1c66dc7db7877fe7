"""What is left by its block, and what a session says that is closed, or is being closed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from list_source import numbered

from dashscope_ftlogs import (
    LogSession,
    SessionStateError,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Stall

Connect = Callable[..., LogSession]
LOG = numbered(60)


async def test_a_follower_is_left_by_its_block(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG, status="RUNNING")]) as emulator:
        async with connect(emulator) as session:
            async with session.follow("ft-1") as follower:
                async for line in follower:
                    assert line.text == LOG[0]
                    break
                with pytest.raises(SessionStateError, match="followed already"):
                    await anext(follower.pages())
            assert not session.tasks
            assert follower.jobs["ft-1"].offset == 1
            await session.follow("ft-1").aclose()


async def test_a_closed_session_says_so(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        session = connect(emulator)
        await session.aclose()
        assert not session.closed
        async with session:
            assert not session.closed
            lines, old = (aiter(session.lines("ft-1", page_size=10)) for _ in range(2))
            await anext(old)
            await anext(lines)
            with pytest.raises(SessionStateError, match="open already"):
                await session.__aenter__()
            await session.aclose()
            assert session.closed
        await asyncio.gather(session.aclose(), session.aclose())
        for call in (
            *(session.page("ft-1"), session.job("ft-1"), session.checkpoints("ft-1")),
            *(session.lines("ft-1").collect(), anext(session.jobs())),
        ):
            with pytest.raises(SessionStateError, match="not open"):
                await call
        with pytest.raises(SessionStateError, match="closed while this log was read"):
            while True:
                await anext(lines)
        async with session:
            assert not session.closed
            assert await session.lines("ft-1").collect() == LOG
            with pytest.raises(SessionStateError, match="closed while this log was read"):
                while True:
                    await anext(old)


async def test_a_session_is_not_opened_while_it_is_being_closed(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)], faults=[Fault(Stall(60))]) as emulator:
        async with connect(emulator) as session:
            reading = asyncio.create_task(session.page("ft-1"))
            await asyncio.sleep(0)
            closing = asyncio.create_task(session.aclose())
            await asyncio.sleep(0)
            with pytest.raises(SessionStateError, match="open already"):
                await session.__aenter__()
            await closing
            with pytest.raises(SessionStateError, match="closed while a page was asked for"):
                await reading


async def test_a_session_is_not_closed_by_what_runs_in_it(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, connect(emulator) as session:

        async def ids() -> AsyncIterator[str]:
            yield "ft-1"
            await session.aclose()

        with pytest.raises(SessionStateError, match="not closed by what runs in it"):
            async for _ in session.fetch_many(ids()):
                pass
        assert not session.closed
