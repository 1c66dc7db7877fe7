"""What an emulator remembers."""

from typing import Any

import pytest

from dashscope_ftlogs.emulator import (
    BadJson,
    CutBody,
    EmulatedJob,
    Emulator,
    Exchange,
    Fault,
    Refuse,
    Reset,
    Stall,
)

JOB = EmulatedJob("ft-1", [str(number) for number in range(150)])


async def test_each_request_is_noted_in_order_with_what_it_asked_and_got(ask: Any, clock: Any) -> None:
    async with Emulator([JOB], clock=clock) as emulator:
        await ask(emulator, offset=140, line=30)
        clock.now += 2
        await ask(emulator)
        await ask(emulator, "/fine-tunes", page_no=2)
        await ask(emulator, "/fine-tunes/ft-2")
        await ask(emulator, "/x", method="POST")
    noted = [(e.number, e.at, e.method, e.endpoint, e.job_id) for e in emulator.journal]
    assert noted == [
        (1, 1000, "GET", "logs", "ft-1"),
        (2, 1002, "GET", "logs", "ft-1"),
        (3, 1002, "GET", "list", None),
        (4, 1002, "GET", "job", "ft-2"),
        (5, 1002, "POST", "other", None),
    ]
    assert [(e.offset, e.line, e.status, e.lines) for e in emulator.journal] == [
        (140, 30, 200, 10),
        (0, 100, 200, 100),
        (None, None, 200, 0),
        (None, None, 404, 0),
        (None, None, 404, 0),
    ]
    assert emulator.journal[0].query == {"offset": "140", "line": "30"}
    assert emulator.journal[0].path == "/api/v1/fine-tunes/ft-1/logs"


async def test_a_fault_is_named_and_its_answer_holds_no_lines(ask: Any) -> None:
    faults = [Fault(Refuse(500), on=[1]), Fault(BadJson(), on=[2]), Fault(Stall(0), on=[3])]
    async with Emulator([JOB], faults=faults) as emulator:
        for _ in range(4):
            await ask(emulator)
    assert [(e.fault, e.status, e.lines) for e in emulator.journal] == [
        ("Refuse", 500, 0),
        ("BadJson", 200, 0),
        ("Stall", 200, 100),
        (None, 200, 100),
    ]


async def test_a_broken_answer_has_no_status(wire: Any) -> None:
    async with Emulator([JOB], faults=[Fault(CutBody())]) as emulator:
        await wire(emulator)
    assert [(e.fault, e.status, e.lines) for e in emulator.journal] == [("CutBody", None, 0)]


async def test_headers_are_kept_in_lower_case_and_out_of_the_repr(ask: Any) -> None:
    async with Emulator([JOB]) as emulator:
        await ask(emulator, headers={"X-DashScope-WorkSpace": "w"})
    exchange = emulator.journal[0]
    assert exchange.headers["x-dashscope-workspace"] == "w"
    assert exchange.headers["authorization"] == f"Bearer {emulator.api_key}"
    assert emulator.api_key not in repr(exchange)


async def test_whoever_asked_is_told_of_each_exchange_as_it_ends(ask: Any, wire: Any) -> None:
    ended: list[Exchange] = []
    async with Emulator([JOB], faults=[Fault(Reset(), on=[2])], on_end=ended.append) as emulator:
        await ask(emulator)
        with pytest.raises(ConnectionResetError):
            await wire(emulator)
        await ask(emulator)
    assert ended == emulator.journal
    assert [exchange.status for exchange in ended] == [200, None, 200]
