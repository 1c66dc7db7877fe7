"""Whoever saves the place after keeping a line has every line, whatever happens in between."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
import pytest

from dashscope_ftlogs import LogSession
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LOG = [f"line {n}" for n in range(25)]
POLLS = {"shortest_poll": 0.001, "longest_poll": 0.002, "settle": 0}


@attrs.define(eq=False)
class Keeper:
    """An application that keeps lines, and is stopped once at one of them, before it is kept."""

    stops_at: int
    by: str
    kept: list[str] = attrs.Factory(list)
    saved: Any = None
    limit: asyncio.Timeout | None = None

    async def keep(self, line: str) -> None:
        if line == LOG[self.stops_at] and self.limit is not None:
            limit, self.limit = self.limit, None
            if self.by == "failure":
                raise OSError("the disk is full")
            limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        self.kept.append(line)


async def lines(session: LogSession, keeper: Keeper) -> None:
    reader = session.lines("ft-1", offset=keeper.saved or 0, page_size=10)
    async for line in reader:
        await keeper.keep(line)
        keeper.saved = reader.offset


async def lines_at(session: LogSession, keeper: Keeper) -> None:
    reader = session.lines("ft-1", at=keeper.saved, page_size=10)
    async for line in reader:
        await keeper.keep(line)
        keeper.saved = reader.position


async def pages(session: LogSession, keeper: Keeper) -> None:
    reader = session.lines("ft-1", at=keeper.saved, page_size=10)
    async for page in reader.pages():
        kept = list(keeper.kept)
        try:
            for line in page.lines:
                await keeper.keep(line)
        except BaseException:
            keeper.kept = kept  # a page is kept as a whole, or not at all
            raise
        keeper.saved = reader.position


async def follow(session: LogSession, keeper: Keeper) -> None:
    follower = session.follow("ft-1", at=keeper.saved, **POLLS)
    async for line in follower:
        await keeper.keep(line.text)
        keeper.saved = follower.jobs[line.job_id].position


async def follow_by_offset(session: LogSession, keeper: Keeper) -> None:
    async for line in session.follow("ft-1", offset=keeper.saved or 0, **POLLS):
        await keeper.keep(line.text)
        keeper.saved = line.offset + 1


@pytest.mark.unmeasured
@pytest.mark.parametrize("by", ["failure", "timeout"])
@pytest.mark.parametrize("read", [lines, lines_at, pages, follow, follow_by_offset])
async def test_stopped_at_any_line_nothing_is_missing_or_doubled(
    connect: Callable[..., LogSession],
    read: Callable[[LogSession, Keeper], Coroutine[Any, Any, None]],
    by: str,
) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, connect(emulator) as session:
        for stops_at in range(len(LOG)):
            keeper = Keeper(stops_at, by)
            with pytest.raises(OSError if by == "failure" else TimeoutError):
                async with asyncio.timeout(None) as keeper.limit:
                    await read(session, keeper)
            assert keeper.limit is None
            assert keeper.kept == LOG[: stops_at if read is not pages else stops_at // 10 * 10]
            await read(session, keeper)
            assert keeper.kept == LOG
        await asyncio.sleep(0)
        assert not session.tasks
