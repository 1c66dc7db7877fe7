"""While answers of up to 1 MiB are read and understood, other tasks have their turn.

Measured is the processor time that this process takes between two turns of a task that always wants
one; the service is another process. What a busy machine does meanwhile does not count, so the bound is
the promise itself: neither what other processes do, nor, where Linux tells it, what our other thread
does while the loop's has its turn and no processor to take it on. How fast the processor is at that time
counts, since another program may share it. The garbage collector waits meanwhile:
how long it takes depends on all that a process holds, and this one holds a test suite. And threads take
turns ten times as often as usual: behind each call of the system, the loop's waits for the other's turn
to end, as often as there are such calls in a turn of its own.
"""

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]

MOST = 0.020
"""Seconds of processor time, of a processor that adds up squares in `USUAL`; of a slower one, more."""
USUAL = 0.005
TRIES = 6
MEBIBYTE = 2**20
BAR = " 50%|█████     | 50/100 [00:01<00:01, 1.5it/s]"
MANY = ", ".join(f"'metric_{number}': {number}.5" for number in range(40))
LOGS = {
    "metrics": [f"{{'loss': 0.5, 'grad_norm': 1.25, 'epoch': {n / 1000}}}" for n in range(3_000)],
    "many metrics": [f"{{'loss': 0.5, {MANY}, 'epoch': {n / 1000}}}" for n in range(2_000)],
    "long lines": ["{'loss': 0.5, 'epoch': 0.5} " + "x" * 1_000] * 2_000,
    "bars": ["\r".join([BAR] * 16)] * 2_000,
    "a line of bars": ["\r".join([BAR] * 16_000)],
    "a line of metrics": ["{'loss': 0.5, 'epoch': 0.1} " * 30_000],
    "a line of braces": ["{}" * 500_000],
    "a line of open braces": ["{" * 1_000_000],
    "a line of escapes": ["\x1b[1m" * 110_000],
    "a line of half escapes": ["{'loss': 1.5} " + "\x1b[" * 140_000],
    "a line of nulls": ["\0" * 170_000],
    "a line of tracebacks": ["Traceback (most recent call last):" * 30_000],
    "one long line": ["x" * 1_000_000],
    "emoji": ["😀" * 250] * 2_000,
    "a traceback": ["Traceback (most recent call last):", "  File 'x.py'" * 60_000, "OSError: full"],
}
SERVER = """
import asyncio, json, sys
from dashscope_ftlogs.emulator import Body, EmulatedJob, Emulator, Fault

async def main():
    logs, odd = json.load(sys.stdin)
    jobs = [EmulatedJob(job_id, lines) for job_id, lines in logs.items()]
    faults = [Fault(Body(body.encode()), job_id=job_id) for job_id, body in odd.items()]
    async with Emulator(jobs, faults=faults) as emulator:
        print(emulator.api_key, emulator.base_url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


ODD = {
    "percent signs": b"%" * (MEBIBYTE - 300),
    "references": b"&#115;" * 170_000,
    "escapes": b"\\u0073" * 170_000,
    "backslashes": b"\\" * (MEBIBYTE - 300),
    "a long message": b'{"code": "New", "message": "%b"}' % (b"&amp;" * 200_000),
    "many fields": b"{%b}" % b",".join(b'"k%d":1' % number for number in range(75_000)),
    "no lines but lists": b'{"output": {"total": 1000, "logs": [%b]}}'
    % b",".join([b"[" * 400 + b"]" * 400] * 1000),
    "no lines but objects": b'{"output": {"total": 1000, "logs": [%b]}}'
    % b",".join([b'{"a": "%b"}' % (b"x" * 1000)] * 1000),
    "no lines but numbers": b'{"output": {"total": 1000, "logs": [%b]}}'
    % b",".join([b"[%b1]" % (b"1, " * 330)] * 1000),
}
"""Bodies that are no page as the service's documentation describes it."""


def job_of(what: str) -> str:
    return f"ft-{what.replace(' ', '-')}"


@pytest.fixture(scope="module")
def service() -> Iterator[list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        logs = {job_of(what): lines for what, lines in LOGS.items()}
        json.dump([logs, {job_of(what): body.decode() for what, body in ODD.items()}], process.stdin)
        process.stdin.close()
        yield process.stdout.readline().split()
        process.kill()


@attrs.frozen
class Spent:
    """Seconds of this process, and of the thread that asks."""

    by_process: float
    by_thread: float
    waited: float
    """For a processor: what the process had meanwhile may be what other threads did in the open."""

    def __sub__(self, before: "Spent") -> "Spent":
        return Spent(
            self.by_process - before.by_process,
            self.by_thread - before.by_thread,
            self.waited - before.waited,
        )

    @property
    def held(self) -> float:
        return max(self.by_thread, self.by_process - self.waited)


def spent() -> Spent:
    waited = _waited(threading.get_native_id())
    return Spent(time.process_time(), time.thread_time(), waited() / 1e9)


@cache
def _waited(thread: int) -> Callable[[], int]:
    """Return what tells how many nanoseconds a thread has waited for a processor.

    By one call of the system, for the reason above.
    """
    try:
        told = os.open(f"/proc/self/task/{thread}/schedstat", os.O_RDONLY)
    except FileNotFoundError:
        return lambda: 0
    return lambda: int(os.pread(told, 100, 0).split()[1])


async def longest_hold(call: Callable[[], Awaitable[Any]]) -> float:
    """How much processor time passed at most between two turns of another task."""
    longest = 0.0

    async def take_turns() -> None:
        nonlocal longest
        last = spent()
        while True:
            await asyncio.sleep(0)
            now = spent()
            longest, last = max(longest, (now - last).held), now

    gc.collect()
    gc.disable()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    try:
        turns = asyncio.create_task(take_turns())
        await asyncio.sleep(0)
        await call()
        await asyncio.sleep(0)  # what it did last is measured too
        turns.cancel()
    finally:
        sys.setswitchinterval(usual)
        gc.enable()
    return longest


def slowness() -> float:
    """Return how many times as long as usual this processor takes now, if it is longer."""
    quickest = 99.0
    for _ in range(3):
        begun = time.thread_time()
        sum(number * number for number in range(100_000))
        quickest = min(quickest, time.thread_time() - begun)
    return max(1.0, quickest / USUAL)


async def least_hold(service: list[str], call: Callable[[LogSession], Awaitable[Any]]) -> float:
    key, url = service
    least = 99.0
    async with LogSession(key, base_url=url, concurrency=2, retry=RetryPolicy(max_tries=1)) as session:
        await session.metrics("ft-metrics")  # what is imported when it is first used
        for _ in range(TRIES):
            least = min(least, await longest_hold(lambda: call(session)) / slowness())
            if least <= MOST:
                break
    return least


async def test_what_is_measured_tells_of_one_search_that_takes_too_long() -> None:
    async def search() -> None:
        _search_for_long()

    assert await longest_hold(search) > 2 * MOST


async def test_what_is_measured_tells_of_another_thread_that_lets_nobody_go_on() -> None:
    # On a busy machine the loop's thread waits for a processor for most of it, which is taken off.
    before = spent()
    for _ in range(TRIES):
        if await longest_hold(lambda: asyncio.to_thread(_search_for_long)) > 2 * MOST:
            return
    in_all = spent() - before
    assert in_all.waited > in_all.by_process / 2


def _search_for_long() -> None:
    """Hold the interpreter for 0.2 seconds and more: each of so many places is a beginning."""
    assert re.search(r"x*y", "x" * 20_000) is None


@pytest.mark.parametrize("what", LOGS)
async def test_metrics_hold_the_loop_for_no_more_than_20_ms(service: list[str], what: str) -> None:
    page = json.dumps(LOGS[what][:1000], ensure_ascii=False).encode()
    assert len(page) <= MEBIBYTE
    assert await least_hold(service, lambda session: session.metrics(job_of(what))) <= MOST


async def _all(items: Any) -> None:
    async for _ in items:
        pass


CALLS: dict[str, Callable[[LogSession, str, Path], Awaitable[Any]]] = {
    "collect": lambda session, job, _: session.lines(job).collect(),
    "pages": lambda session, job, _: _all(session.lines(job).pages()),
    "fetch_many": lambda session, job, _: _all(session.fetch_many([job])),
    "follow": lambda session, job, _: _all(session.follow(job, settle=0).pages()),
    "download": lambda session, job, folder: session.download(job, folder, settle=0),
}


@pytest.mark.parametrize("what", ["long lines", "one long line", "emoji", "bars"])
@pytest.mark.parametrize("name", CALLS)
async def test_so_does_nothing_else_that_reads_logs(
    service: list[str], name: str, what: str, tmp_path: Path
) -> None:
    folders = (tmp_path / str(number) for number in range(TRIES))
    hold = await least_hold(service, lambda session: CALLS[name](session, job_of(what), next(folders)))
    assert hold <= MOST


@pytest.mark.parametrize("what", ODD)
async def test_so_does_no_answer_that_is_odd(service: list[str], what: str) -> None:
    assert len(ODD[what]) <= MEBIBYTE

    async def ask(session: LogSession) -> None:
        with suppress(FTLogsError):
            await session.page(job_of(what), 0, 1000)

    assert await least_hold(service, ask) <= MOST
