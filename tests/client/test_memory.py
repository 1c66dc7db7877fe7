"""What an answer takes in memory at most, seen from outside, in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from raw_server import raw_server

from dashscope_ftlogs import LogSession, ResponseTooLargeError
from dashscope_ftlogs.client.exchange.memory import memory_for

pytestmark = [pytest.mark.slow, pytest.mark.linux, pytest.mark.unmeasured]

MEBIBYTE = 2**20
CAP = 16 * MEBIBYTE
BEGIN, END = b'{"output": {"total": 1000, "logs": [', b"]}}"


def filled(entry: bytes, size: int = CAP, begin: bytes = BEGIN, end: bytes = END) -> bytes:
    """An answer of as many such entries as fit in."""
    count = (size - len(begin) - len(end) + 1) // (len(entry) + 1)
    return begin + b",".join([entry] * count) + end


# Made when a test asks: together they are hundreds of megabytes, and each worker imports this file.
PAGES: dict[str, Callable[[], bytes]] = {
    "tiny strings": lambda: filled(b'"ab"'),
    "empty strings": lambda: filled(b'""'),
    "strings of a backslash": lambda: filled(b'"\\\\"'),
    "long lines": lambda: filled(b'"' + b"x" * 16_000 + b'"'),
    "long lines with an emoji": lambda: filled(b'"' + b"x" * 16_000 + b'\xf0\x9f\x98\x80"'),
    "an emoji as escapes": lambda: filled(b'"' + b"x" * 16_000 + b'\\ud83d\\ude00"'),
    "long lines in Chinese": lambda: filled(b'"' + b"x" * 16_000 + "中".encode() + b'"'),
    "lone surrogates": lambda: filled(b'"\\ud800"'),
    "one line": lambda: filled(b'"' + b"x" * (CAP - 100) + b'"'),
    "empty objects": lambda: filled(b"{}"),
    "empty lists": lambda: filled(b"[]"),
    "numbers": lambda: filled(b"1"),
    "nested lists": lambda: filled(b"[" * 500 + b"]" * 500),
    "another field": lambda: filled(
        b"{}", begin=b'{"x": [', end=b'], "output": {"total": 0, "logs": []}}'
    ),
    "a code, and another field": lambda: filled(b"{}", begin=b'{"code": "X", "x": [', end=b"]}"),
    "no JSON": lambda: b"\x00" * CAP,
    "percent signs": lambda: b"%" * CAP,
}
CODES = {f"{what} under 500": (500, PAGES[what]) for what in ("another field", "tiny strings")}
ANSWERS = {**{what: (200, page) for what, page in PAGES.items()}, **CODES}

READER = """
import asyncio, re, sys
from pathlib import Path
from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy

def most():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

async def main():
    async with LogSession("sk-1", base_url=sys.argv[1], retry=RetryPolicy(max_tries=1)) as session:
        before = None
        for job_id in ("ft-small", "ft-1"):
            if job_id == "ft-1":
                before = most()
            try:
                value = await getattr(session, sys.argv[2])(job_id)
                told = "value"
            except FTLogsError as error:
                told = type(error).__name__
        print(most() - before, told)

asyncio.run(main())
"""


MANY_READER = """
import asyncio, re, sys
from pathlib import Path
from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy

def most():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

async def ask(session, told):
    try:
        await session.page("ft-1")
        told.add("value")
    except FTLogsError as error:
        told.add(type(error).__name__)

async def main():
    told = set()
    async with LogSession("sk-1", base_url=sys.argv[1], retry=RetryPolicy(max_tries=1)) as session:
        await session.page("ft-small")
        before = most()
        await asyncio.gather(*(ask(session, told) for _ in range(16)))
        print(most() - before, *told)

asyncio.run(main())
"""


@asynccontextmanager
async def serving(status: int, body: bytes) -> AsyncIterator[str]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            said = filled(b'"ab"', 500) if b"ft-small" in head else body
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(said)))
            writer.write(said)
            await writer.drain()

    async with raw_server(talk) as port:
        yield f"http://127.0.0.1:{port}/api/v1"


async def costs(method: str, status: int, body: bytes, program: str = READER) -> tuple[int, str]:
    async with serving(status, body) as url:
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, url, method), stdout=subprocess.PIPE
        )
        out, _ = await reader.communicate()
    cost, told = out.split()
    return int(cost), told.decode()


@pytest.mark.parametrize("what", ANSWERS)
async def test_an_answer_of_the_largest_size_takes_four_times_its_bytes_at_most(what: str) -> None:
    status, page = ANSWERS[what]
    body = page()
    assert len(body) <= CAP
    cost, told = await costs("page", status, body)
    assert cost <= 4 * CAP, told


@pytest.mark.long
@pytest.mark.parametrize(("status", "most"), [(200, 128), (500, 8)])
@pytest.mark.parametrize("what", ["another field", "tiny strings", "percent signs"])
async def test_what_is_said_of_jobs_and_of_errors_takes_far_less(
    status: int, most: int, what: str
) -> None:
    fields = filled(
        b"{}", 4 * MEBIBYTE - 10, b'{"output": {"job_id": "x", "hyper_parameters": {"a": [', b"]}}}"
    )
    for body in (PAGES[what](), fields):
        cost, told = await costs("job", status, body)
        assert cost <= most * MEBIBYTE, told


@pytest.mark.parametrize("what", ["long lines", "long lines in Chinese", "one line", "tiny strings"])
async def test_answers_of_the_largest_size_in_flight_together_take_little_more_than_one(
    what: str,
) -> None:
    cost, told = await costs("page", 200, PAGES[what](), MANY_READER)
    assert cost <= 6 * CAP + 8 * MEBIBYTE, told


@pytest.mark.parametrize("what", ["long lines", "long lines in Chinese", "one line"])
async def test_lines_of_that_size_are_read(what: str) -> None:
    assert (await costs("page", 200, PAGES[what]()))[1] == "value"


def test_what_is_worked_out_before_is_no_less_than_what_strings_take() -> None:
    for entry in ("ab", "", "\\", "x" * 99, "x\U0001f600" * 9, "é" * 50, "中" * 50):
        body = filled(b'"%b"' % entry.replace("\\", "\\\\").encode(), 20_000)
        made = (body.count(b",") - 1) * (sys.getsizeof(entry) + 8)
        assert memory_for(body) >= made


async def test_what_would_take_more_memory_than_that_is_refused_and_says_so() -> None:
    async with (
        serving(200, filled(b'"ab"', 2_000)) as url,
        LogSession("sk-1", base_url=url, max_answer=2_048) as session,
    ):
        with pytest.raises(ResponseTooLargeError, match="would take more than 8,192 bytes of memory"):
            await session.page("ft-1")


PAGES_READER = """
import asyncio, resource, sys
from dashscope_ftlogs import LogSession

def cleared():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

async def main():
    async with LogSession("sk-1", base_url=sys.argv[1], concurrency=8) as session:
        read = 0
        async with session.lines("ft-1").pages() as pages:
            async for page in pages:
                read += 1
                if read == 100:
                    before = cleared()
                if read == 400:
                    break
        print(cleared() - before, read)

asyncio.run(main())
"""


async def test_the_system_clears_no_memory_anew_for_every_page_of_a_log() -> None:
    body = filled(b'"' + b"x" * 110 + b'"', 113_000, BEGIN.replace(b"1000", b"1000000"))
    cleared, _ = await costs("pages", 200, body, PAGES_READER)
    assert cleared < 300  # 29 pieces of memory, of 4 KiB, are what one page takes
