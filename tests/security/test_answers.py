"""Answers that are made to exhaust memory, time or patience.

Also: a body without end, tests/test_session.py; a header of a megabyte,
tests/client/test_connection_owner.py.
"""

import asyncio
import json
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from virtual_time import VirtualTimeLoop

from dashscope_ftlogs import (
    FTLogsError,
    IncompleteLogError,
    LogSession,
    MalformedResponseError,
    RetryPolicy,
    TransportError,
)
from dashscope_ftlogs.emulator import Body, Drip, EmulatedJob, Emulator, Fault, ReportTotal

pytestmark = pytest.mark.slow

HEAD = b'{"output": {"total": 1, "logs": ["'
MEBIBYTE = b"x" * 2**20
MOST = 96
"""MiB. A bomb of a gibibyte may cost so much, the reader's own needs included."""


def zlib_bomb(wbits: int) -> bytes:
    # A full flush makes one compressed mebibyte repeatable.
    packer = zlib.compressobj(9, wbits=wbits)
    first = packer.compress(HEAD) + packer.flush(zlib.Z_FULL_FLUSH)
    packer.compress(MEBIBYTE)
    again = packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * 1024


def brotli_bomb() -> bytes:
    brotli = pytest.importorskip("brotli")
    packer = brotli.Compressor(quality=1)
    return (
        packer.process(HEAD) + b"".join(packer.process(MEBIBYTE) for _ in range(1024)) + packer.finish()
    )


def zstd_bomb() -> bytes:
    zstd = pytest.importorskip("backports.zstd")
    packer = zstd.ZstdCompressor(level=1)
    return b"".join([packer.compress(HEAD), *(packer.compress(MEBIBYTE) for _ in range(1024))]) + (
        packer.flush()
    )


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: zlib_bomb(31),
    "deflate": lambda: zlib_bomb(15),
    "br": brotli_bomb,
    "zstd": zstd_bomb,
}

# In a process of its own, so that what it needs at most can be told.
READER = """
import asyncio, re, sys
from pathlib import Path
from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy

async def main():
    retry = RetryPolicy(max_tries=1)
    async with LogSession("sk-1", base_url=sys.argv[1], retry=retry, max_answer=2**20) as session:
        try:
            await session.page("ft-1")
        except FTLogsError as error:
            print(type(error).__name__)
    # Not getrusage(): what it tells includes the process that this one was forked from.
    print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)

asyncio.run(main())
"""


@asynccontextmanager
async def raw_server(*answer: bytes, for_ever: bytes = b"") -> AsyncIterator[str]:
    """Answer every request with these bytes, and then for ever with others; give the base URL."""
    talking: set[asyncio.Task[Any]] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            for piece in answer:
                writer.write(piece)
                await writer.drain()
            while for_ever:
                writer.write(for_ever)
                await writer.drain()
                await asyncio.sleep(0)
            await reader.read()  # until the client has seen enough
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()
            talking.discard(task)

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)


@pytest.mark.covered
@pytest.mark.parametrize("coding", BOMBS)
@pytest.mark.linux
async def test_a_decompression_bomb_costs_no_more_than_the_cap(coding: str) -> None:
    body = BOMBS[coding]()
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    async with raw_server(head.encode(), body) as url:
        reader = await asyncio.create_subprocess_exec(
            sys.executable, "-c", READER, url, stdout=subprocess.PIPE
        )
        out, _ = await reader.communicate()
    error, most = out.decode().split()
    # Without its library, aiohttp hands a body on as it came, which is no JSON.
    assert error in {"ResponseTooLargeError", "TransportError", "MalformedResponseError"}
    assert int(most) < MOST


@pytest.mark.covered
@pytest.mark.parametrize(
    ("begin", "for_ever"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 10_000),
        (b"HTTP/1.1 ", b"2" * 10_000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"y" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"T: railer\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 10_000),
    ],
    ids=lambda part: ascii(part[-30:]),
)
async def test_nothing_that_never_ends_is_listened_to_for_ever(begin: bytes, for_ever: bytes) -> None:
    async with raw_server(begin, for_ever=for_ever) as url:
        retry = RetryPolicy(max_tries=1)
        async with LogSession("sk-1", base_url=url, retry=retry, timeout=2, max_answer=2**20) as session:
            with pytest.raises((TransportError, MalformedResponseError)):
                async with asyncio.timeout(20):
                    await session.page("ft-1")


def test_a_server_that_drips_is_given_up_when_the_deadline_has_passed() -> None:
    """However many tries are allowed: the deadline, one request that began before it, and no more."""

    async def main() -> float:
        loop = asyncio.get_running_loop()

        def clock() -> float:
            """Only what was jumped over: a machine that has much to do adds time of its own."""
            return loop.time() - time.monotonic()

        faults = [Fault(Drip(1))]
        async with Emulator(
            [EmulatedJob("ft-1", ["x" * 999])], faults=faults, clock=loop.time
        ) as emulator:
            retry = RetryPolicy(max_tries=1000, deadline=600)
            options: dict[str, Any] = {"base_url": emulator.base_url, "retry": retry, "timeout": 60}
            began = clock()
            async with LogSession(emulator.api_key, **options) as session:
                with pytest.raises(TransportError, match="deadline is 600 s"):
                    await session.page("ft-1")
            return clock() - began

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert 600 - 90 < runner.run(main()) < 60 + 600 + 60


@pytest.mark.parametrize("lie", [10**6 * 1000, 2**63, 10**400], ids=["a million pages", "2**63", "huge"])
async def test_a_total_that_is_a_lie_costs_some_requests_and_no_memory(
    connect: Callable[..., LogSession], lie: int
) -> None:
    async with Emulator(
        [EmulatedJob("ft-1", ["x"] * 2_500)], faults=[Fault(ReportTotal(lie))]
    ) as emulator:
        async with connect(emulator, retry=RetryPolicy(max_tries=2, base_delay=0.001)) as session:
            lines = session.lines("ft-1")
            with pytest.raises(IncompleteLogError) as caught:
                async for _ in lines:
                    assert len(session.tasks) <= session.concurrency + 1  # and the one that reads ahead
        assert caught.value.offset == lines.offset == 2_500
        assert len(emulator.journal) < 50


async def test_a_list_of_jobs_that_repeats_itself_ends_with_an_error(
    connect: Callable[..., LogSession],
) -> None:
    output = {"total": 10**9, "jobs": [{"job_id": f"ft-{n}", "status": "X"} for n in range(100)]}
    body = Body(json.dumps({"output": output}).encode())
    async with Emulator(faults=[Fault(body, endpoint="list")]) as emulator, connect(emulator) as session:
        seen = []
        with pytest.raises(MalformedResponseError, match="repeats itself: 1,000,000,000 jobs"):
            async for job in session.jobs():
                seen.append(job.job_id)
        assert len(seen) == 100
        assert len(emulator.journal) < 10


@pytest.mark.parametrize("depth", [50, 400, 990, 5_000, 100_000])
async def test_a_job_that_is_nested_without_end_stops_nothing(
    connect: Callable[..., LogSession], tmp_path: Any, depth: int
) -> None:
    nested = b"[" * depth + b"]" * depth
    job = b'{"job_id": "ft-1", "status": "SUCCEEDED", "hyper_parameters": {"x": %b}}' % nested
    body = Body(b'{"output": %b}' % job)
    async with Emulator([EmulatedJob("ft-1", ["x"])], faults=[Fault(body, endpoint="job")]) as emulator:
        async with connect(emulator) as session:
            (outcome,) = await session.download("ft-1", tmp_path)
    assert outcome.state in {"complete", "failed"}
    assert outcome.error is None or isinstance(outcome.error, FTLogsError)
