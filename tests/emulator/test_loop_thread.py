"""An emulator for code that is not asyncio's: in a thread of its own."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

import pytest
from yarl import URL

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, RateLimit, Refuse, Stall

JOB = EmulatedJob("ft-1", ["one", "two"])


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = threading.enumerate()
    yield
    assert threading.enumerate() == before


def output(emulator: Emulator, path: str = "/fine-tunes/ft-1/logs") -> Any:
    key = {"Authorization": f"Bearer {emulator.api_key}"}
    with urlopen(Request(emulator.base_url + path, headers=key), timeout=10) as response:
        return json.load(response)["output"]


def test_it_serves_code_that_knows_no_loop() -> None:
    with Emulator([JOB]) as emulator:
        assert output(emulator) == {"total": 2, "logs": ["one", "two"]}
        assert [one.status for one in emulator.journal] == [200]


async def test_it_serves_code_that_blocks_the_loop_it_is_called_from() -> None:
    with Emulator([JOB]) as emulator:
        assert output(emulator)["total"] == 2


def test_it_runs_once_at_a_time_and_again_afterwards() -> None:
    emulator = Emulator([JOB])
    for _ in range(2):
        with emulator:
            with pytest.raises(RuntimeError, match="already"):
                emulator.__enter__()
            assert output(emulator)["total"] == 2


def test_a_port_in_use_is_an_error() -> None:
    with Emulator() as first, pytest.raises(OSError, match="in use"):
        Emulator(port=URL(first.base_url).port or 0).__enter__()


def test_leaving_cuts_off_what_is_still_being_answered() -> None:
    with ExitStack() as stack:
        with Emulator([JOB], faults=[Fault(Stall(60))]) as emulator:
            url = URL(emulator.base_url)
            address = (url.host or "", url.port or 0)
            connection = stack.enter_context(socket.create_connection(address, timeout=10))
            connection.sendall(b"GET %b/fine-tunes/ft-1/logs HTTP/1.0\r\n\r\n" % url.path.encode())
            while not emulator.in_flight:
                threading.Event().wait(0.001)
        assert connection.recv(1) == b""


def test_an_error_in_the_block_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError), Emulator():
        raise ZeroDivisionError


def test_what_another_thread_changes_at_any_moment_does_no_harm() -> None:
    emulator = Emulator()
    done = threading.Event()

    def change() -> None:
        for number in count():
            if done.is_set():
                return
            emulator.add(EmulatedJob(f"ft-{number}"))
            emulator.latency = (0.0, 0.0) if number % 2 else 0.0
            emulator.rate_limit = RateLimit(1e9) if number % 2 else None
            if number % 100 == 0:
                emulator.jobs.clear()

    interval = sys.getswitchinterval()
    changer = threading.Thread(target=change)
    sys.setswitchinterval(1e-5)
    try:
        with emulator:
            changer.start()
            for _ in range(50):
                output(emulator, "/fine-tunes")
    finally:
        done.set()
        changer.join()
        sys.setswitchinterval(interval)
    assert [one.status for one in emulator.journal] == [200] * 50


def test_faults_can_be_written_as_text() -> None:
    emulator = Emulator(faults=["429:times=2", Fault(Stall(5))])
    assert emulator.faults == (Fault(Refuse(429), times=2), Fault(Stall(5)))
    emulator.faults = ["500:on=3"]
    assert emulator.faults == (Fault(Refuse(500), on={3}),)


def test_text_that_is_no_fault_is_refused_and_leaves_the_rules_in_force() -> None:
    emulator = Emulator(faults=["429"])
    with pytest.raises(ValueError, match="can't read the fault 'explode'"):
        emulator.faults = ["500", "explode"]
    assert emulator.faults == (Fault(Refuse(429)),)
