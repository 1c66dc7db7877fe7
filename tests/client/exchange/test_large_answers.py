"""Large answers are taken in a few at a time; that holds up nothing else, and nothing for ever."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from raw_server import raw_server

from dashscope_ftlogs import LogSession, RetryPolicy, SessionStateError, TransportError
from dashscope_ftlogs.client.exchange.memory import LARGE, LARGE_AT_ONCE

ONCE = RetryPolicy(max_tries=1)
LINE = "x" * 1_000
LINES = 3 * LARGE // 2 // len(LINE)


@attrs.define
class Server:
    """Sends a large page of `ft-large` at once; of `ft-slow` all but the last byte, until told so."""

    port: int = 0
    go_on: asyncio.Event = attrs.Factory(asyncio.Event)
    held: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            count = 1 if b"ft-small" in head else LINES
            lines = b",".join([b'"%b"' % LINE.encode()] * count)
            body = b'{"output": {"total": %d, "logs": [%b]}}' % (count, lines)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body[:-1]))
            await writer.drain()
            if b"ft-slow" in head:
                self.held += 1
                await self.go_on.wait()
            writer.write(body[-1:])
            await writer.drain()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    async with raw_server(server.talk) as server.port:
        try:
            yield server
        finally:
            server.go_on.set()


async def held(server: Server, session: LogSession, count: int) -> None:
    """Wait until so many answers lack their last byte, and as many of them as may are read."""
    turns = session._transport.connections.large_answers
    while server.held < count or not turns.locked():
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)  # for the others to come to their limit


async def lines_of(session: LogSession, job: str) -> int:
    return len((await session.page(job, 0, 1000)).lines)


async def test_all_of_them_come_in_the_end() -> None:
    async with serving() as server:
        async with LogSession("sk-1", base_url=server.url, retry=ONCE) as session:
            asked = [lines_of(session, "ft-large") for _ in range(40)]
            assert await asyncio.gather(*asked) == [1000] * 40
            assert not session._transport.connections.large_answers.locked()


async def test_small_ones_go_past_those_that_wait() -> None:
    async with serving() as server:
        async with LogSession("sk-1", base_url=server.url, retry=ONCE) as session:
            slow = [asyncio.create_task(lines_of(session, "ft-slow")) for _ in range(4)]
            await held(server, session, 4)
            assert await lines_of(session, "ft-small") == 1
            assert not any(task.done() for task in slow)
            server.go_on.set()
            assert await asyncio.gather(*slow) == [1000] * 4


@pytest.mark.parametrize("which", ["those that are read", "those that wait"])
async def test_one_that_is_cancelled_makes_room(which: str) -> None:
    async with serving() as server:
        async with LogSession("sk-1", base_url=server.url, retry=ONCE) as session:
            slow = [asyncio.create_task(lines_of(session, "ft-slow")) for _ in range(LARGE_AT_ONCE)]
            await held(server, session, LARGE_AT_ONCE)
            waiting = [asyncio.create_task(lines_of(session, "ft-large")) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in waiting)
            left = slow if which == "those that are read" else waiting
            for task in left:
                task.cancel()
            await asyncio.wait(left)
            server.go_on.set()
            others = waiting if left is slow else slow
            assert await asyncio.gather(*others) == [1000] * len(others)
            assert await lines_of(session, "ft-large") == 1000
            assert session._transport.gate.inside == 0


async def test_the_time_for_which_one_waits_counts() -> None:
    async with serving() as server:
        async with LogSession("sk-1", base_url=server.url, retry=ONCE) as session:
            slow = [asyncio.create_task(lines_of(session, "ft-slow")) for _ in range(LARGE_AT_ONCE)]
            await held(server, session, LARGE_AT_ONCE)
            begin = time.monotonic()
            with pytest.raises(TransportError, match=r"timed out after 0\.3 s"):
                await session.with_options(timeout=0.3).page("ft-large")
            assert 0.3 <= time.monotonic() - begin < 30
            server.go_on.set()
            await asyncio.gather(*slow)


async def test_closing_ends_those_that_wait() -> None:
    async with serving() as server:
        session = LogSession("sk-1", base_url=server.url, retry=ONCE)
        async with session:
            slow = [asyncio.create_task(lines_of(session, "ft-slow")) for _ in range(4)]
            await held(server, session, 4)
        ends: list[Any] = await asyncio.gather(*slow, return_exceptions=True)
        assert [type(end) for end in ends] == [SessionStateError] * 4
        async with session:
            assert await lines_of(session, "ft-large") == 1000


def test_a_session_that_is_opened_in_another_loop_waits_there() -> None:
    session = LogSession("sk-1", base_url="http://127.0.0.1:9/api/v1", retry=ONCE)

    async def read() -> None:
        async with serving() as server:
            session._transport._base = session._transport._base.with_port(
                int(server.url.split(":")[2][:-7])
            )
            async with session:
                assert (
                    sum(await asyncio.gather(*(lines_of(session, "ft-large") for _ in range(6)))) == 6000
                )

    for _ in range(2):
        asyncio.run(read())
