"""Callbacks that nobody would wait for are refused, and words that nobody knows are warned of."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from dashscope_ftlogs import (
    InvalidArgumentError,
    LogSession,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator


async def tell(_event: object) -> None:
    """Nobody waits for this."""


async def tell_in_steps(_event: object) -> AsyncIterator[None]:
    yield


def tell_lazily(_event: object) -> Iterator[None]:
    yield


class Teller:
    """What is called is a method."""

    async def __call__(self, _event: object) -> None: ...

    async def tell(self, _event: object) -> None: ...


@pytest.mark.parametrize(
    "on_event",
    [tell, tell_in_steps, tell_lazily, Teller(), Teller().tell, partial(tell), partial(Teller().tell)],
)
async def test_a_callback_that_nobody_would_wait_for_is_refused(on_event: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"on_event=.*: must be a plain function: nobody"):
        LogSession("sk-1").follow("ft-1", on_event=on_event)


@pytest.mark.parametrize("on_event", [[].append, Teller, lambda _: None, partial(print), None])
async def test_any_other_callback_is_taken(on_event: Any) -> None:
    LogSession("sk-1").follow("ft-1", on_event=on_event)


@pytest.mark.parametrize(
    ("status", "warned"),
    [
        *[("RUNING", True), ("running", False), ("pending", False), ("FROZEN", False), (None, False)],
        *[(["running", "RUNING"], True), (["FROZEN", "PENDING"], False)],
    ],
)
async def test_a_status_that_nobody_knows_is_warned_of_with_those_there_are(
    caplog: pytest.LogCaptureFixture, status: str | list[str] | None, warned: bool
) -> None:
    jobs = [EmulatedJob("ft-1", ["x"]), EmulatedJob("ft-2", ["x"], status="FROZEN")]
    async with Emulator(jobs) as emulator:
        async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
            async for _ in session.jobs(status=status):
                pass
    words = (
        "no job has the status 'RUNING'; those there are: CANCELED, CANCELING, FAILED, FROZEN, PENDING, "
        "QUEUING, RUNNING, SUCCEEDED"
    )
    assert [record.getMessage() for record in caplog.records if "status" in record.getMessage()] == (
        [words] if warned else []
    )


async def test_the_command_refuses_such_a_status(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        ended = await ftlogs("jobs", "--status", "DONE", emulator=emulator)
    assert ended.code == 2
    assert "ftlogs: --status DONE: no job has it; there are: CANCELED, " in ended.err
