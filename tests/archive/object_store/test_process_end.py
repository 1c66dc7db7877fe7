"""The end of a process waits for threads that still tell a loop of an answer."""

import _thread
import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from small_store import SmallStore

from dashscope_ftlogs.archive.object_store.process_end import let_threads_leave


class HeldLoop(asyncio.SelectorEventLoop):
    """Whoever wakes it up is held in there, as by a processor that is busy with others."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.leave = threading.Event(), threading.Event()

    def _write_to_self(self) -> None:
        self.entered.set()
        self.leave.wait()


@pytest.fixture
def held() -> Iterator[HeldLoop]:
    loop = HeldLoop()
    # As a library that is not written in Python: what this calls is the first that Python knows of it.
    _thread.start_new_thread(loop.call_soon_threadsafe, (print,))
    loop.entered.wait()
    yield loop
    loop.leave.set()
    let_threads_leave()
    loop.close()


def test_the_end_waits_until_the_last_thread_has_left(held: HeldLoop) -> None:
    with ThreadPoolExecutor(1) as executor:
        ending = executor.submit(let_threads_leave)
        with pytest.raises(TimeoutError):
            ending.result(0.05)
        held.leave.set()
        ending.result()


def test_it_does_not_wait_for_ever(held: HeldLoop) -> None:
    let_threads_leave(patience=0.01)
    assert not held.leave.is_set()


def test_it_does_not_wait_for_threads_of_the_application(held: HeldLoop) -> None:
    held.leave.set()
    let_threads_leave()
    loop = HeldLoop()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(print,))
    thread.start()
    loop.entered.wait()
    let_threads_leave()
    assert not loop.leave.is_set()
    loop.leave.set()
    thread.join()
    loop.close()


@pytest.mark.covered
@pytest.mark.extras
@pytest.mark.parametrize("times", [6, pytest.param(100, marks=pytest.mark.long)])
def test_a_program_that_ends_with_an_answer_ends_well(store: SmallStore, times: int) -> None:
    program = (
        "import asyncio\n"
        "from dashscope_ftlogs.archive.object_store.bucket import Bucket\n"
        "from dashscope_ftlogs.archive.object_store.url import store_url\n"
        "bucket = Bucket(store_url('s3://bucket/logs'))\n"
        "asyncio.run(bucket.aput('some', b'more'))\n"
    )
    environ = {**os.environ, **store.environ}

    def code(_: int) -> int:
        return subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode

    with ThreadPoolExecutor(6) as executor:
        assert set(executor.map(code, range(times))) == {0}
