"""What `on_request` raises ends the call as it is, whatever its class."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from dashscope_ftlogs import LogRewrittenError, LogSession, SessionStateError, TransportError
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

Connect = Callable[..., LogSession]
IDS = ["ft-1", "ft-2"]
JOBS = [EmulatedJob(one, [f"line {n}" for n in range(2500)], checkpoints=[]) for one in IDS]


async def drained(items: Any) -> None:
    async for _ in items:
        pass


CALLS: dict[str, Callable[[LogSession, Any], Awaitable[object]]] = {
    "page": lambda session, _: session.page("ft-1"),
    "job": lambda session, _: session.job("ft-1"),
    "checkpoints": lambda session, _: session.checkpoints("ft-1"),
    "jobs": lambda session, _: drained(session.jobs()),
    "lines": lambda session, _: drained(session.lines("ft-1")),
    "collect": lambda session, _: session.lines("ft-1").collect(),
    "fetch_many": lambda session, _: drained(session.fetch_many(IDS)),
    "follow": lambda session, _: drained(session.follow(IDS, settle=0)),
    "metrics": lambda session, _: session.metrics("ft-1"),
    "download": lambda session, folder: session.download(IDS, folder / "archive", settle=0),
}
ERRORS = [TransportError("mine"), LogRewrittenError(1, 2), FileNotFoundError("mine"), KeyError("mine")]


@pytest.mark.covered
@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("call", CALLS)
async def test_what_a_hook_raises_comes_out_as_it_is(
    connect: Connect, tmp_path: Any, call: str, error: Exception
) -> None:
    for passed in (0, 2):
        left = passed

        def hook(_event: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise error

        async with Emulator(JOBS) as emulator, connect(emulator, on_request=hook) as session:
            if passed and call in {"page", "job", "checkpoints", "jobs"}:
                await CALLS[call](session, tmp_path)  # needs one request
                continue
            with pytest.raises(type(error)) as caught:
                await CALLS[call](session, tmp_path / str(passed))
            assert caught.value is error
            assert caught.value.__cause__ is None
            assert not session.tasks


async def test_an_iterator_of_jobs_sees_it_as_it_is(connect: Connect) -> None:
    errors: list[Exception] = [TransportError("mine"), LogRewrittenError(1, 2)]

    def hook(_event: object) -> None:
        if errors:
            raise errors[0]

    async def ids() -> AsyncIterator[str]:
        for asked in (session.job("ft-1"), anext(session.jobs())):
            error = errors[0]
            with pytest.raises(type(error)) as caught:
                await asked
            assert caught.value is error
            del errors[0]
        yield "ft-1"

    async with Emulator(JOBS) as emulator, connect(emulator, on_request=hook) as session:
        assert [log.error for log in [one async for one in session.fetch_many(ids())]] == [None]


@pytest.mark.parametrize("call", CALLS)
async def test_who_waits_for_a_task_that_a_hook_has_cancelled_is_told(
    connect: Connect, tmp_path: Any, call: str
) -> None:
    def hook(_event: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async with Emulator(JOBS) as emulator, connect(emulator, on_request=hook) as session:
        with pytest.raises(SessionStateError, match="the task was cancelled in which"):
            await CALLS[call](session, tmp_path)
        assert not session.tasks
