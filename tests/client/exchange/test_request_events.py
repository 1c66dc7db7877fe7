"""What applications are told of requests: by a function of theirs, and in the fields of log records."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from dashscope_ftlogs import (
    FTLogsError,
    LogSession,
    NotFoundError,
    RequestEvent,
    RetryPolicy,
    SessionStateError,
    TransportError,
)
from dashscope_ftlogs.client.exchange.request_events import fields
from dashscope_ftlogs.emulator import (
    BadJson,
    EmulatedCheckpoint,
    EmulatedJob,
    Emulator,
    Fault,
    Refuse,
    Reset,
    Stall,
)

Connect = Callable[..., LogSession]
JOB = "ft-1"
LOG = [f"line {number}" for number in range(250)]


def without_times(events: list[RequestEvent]) -> list[RequestEvent]:
    """They vary; what else is told does not."""
    return [
        attrs.evolve(event, seconds=0.0, wait=None if event.wait is None else 0.0) for event in events
    ]


def told(
    what: Any = "page", job_id: str | None = JOB, offset: int | None = 0, **more: Any
) -> RequestEvent:
    more = {"attempt": 1, "seconds": 0.0, "status": 200, **more}
    return RequestEvent(what=what, job_id=job_id, offset=offset, **more)


async def test_each_request_is_told_when_it_has_ended(connect: Connect) -> None:
    events: list[RequestEvent] = []
    faults = [
        Fault(Reset(), on={1, 2}),  # the first time, aiohttp itself connects again
        Fault(Refuse(429), on={3}),
        Fault(BadJson(), on={4}),
    ]
    job = EmulatedJob(JOB, LOG, checkpoints=[EmulatedCheckpoint(1, 1)])
    async with Emulator([job], faults=faults) as emulator:
        async with connect(emulator, on_request=events.append) as session:
            assert len(await session.lines(JOB, page_size=200).collect()) == 250
            await session.job(JOB)
            assert len(await session.checkpoints(JOB)) == 1
            _ = [job async for job in session.jobs()]
            with pytest.raises(NotFoundError):
                await session.page("ft-2", 7)
        assert len(events) == session.requests
    assert without_times(events) == [
        told(attempt=1, status=None, error="TransportError", wait=0.0),
        told(attempt=2, status=429, error="ThrottlingError", code="Throttling", wait=0.0),
        told(attempt=3, error="MalformedResponseError", wait=0.0),
        told(attempt=4),
        told(offset=200),
        told("job", offset=None),
        told("checkpoints", offset=None),
        told("jobs", None, None),
        told(job_id="ft-2", offset=7, status=404, error="NotFoundError", code="NotFound"),
    ]


async def test_the_times_are_of_the_request_and_of_the_wait_before_the_next(connect: Connect) -> None:
    events: list[RequestEvent] = []
    policy = RetryPolicy(max_tries=2, base_delay=0.3, max_delay=0.3)
    async with Emulator([EmulatedJob(JOB, LOG)], faults=[Fault(Stall(60))]) as emulator:
        async with connect(emulator, retry=policy, timeout=0.1, on_request=events.append) as session:
            begin = asyncio.get_running_loop().time()
            with pytest.raises(TransportError):
                await session.page(JOB)
            lasted = asyncio.get_running_loop().time() - begin
    first, second = events
    assert first.wait is not None
    assert 0 <= first.wait <= 0.3
    assert second.wait is None
    assert min(first.seconds, second.seconds) >= 0.09
    assert first.seconds + first.wait + second.seconds <= lasted


async def test_a_request_that_was_cancelled_is_not_told(connect: Connect) -> None:
    events: list[RequestEvent] = []
    async with Emulator([EmulatedJob(JOB, LOG)], faults=[Fault(Stall(60))]) as emulator:
        async with connect(emulator, on_request=events.append) as session:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.page(JOB), 0.05)
            waiting = asyncio.create_task(session.page(JOB))
            while not emulator.in_flight:
                await asyncio.sleep(0.001)
        with pytest.raises(SessionStateError):
            await waiting
    assert events == []


async def test_a_session_with_other_options_tells_the_same_function(connect: Connect) -> None:
    events: list[RequestEvent] = []
    async with Emulator([EmulatedJob(JOB, LOG)]) as emulator:
        async with connect(emulator, on_request=events.append) as session:
            await session.with_options(timeout=5).job(JOB)
    assert without_times(events) == [told("job", offset=None)]


async def _all(items: Any) -> None:
    async for _ in items:
        pass


CALLS: dict[str, Callable[[LogSession, Path], Awaitable[Any]]] = {
    "page": lambda session, _: session.page(JOB),
    "job": lambda session, _: session.job(JOB),
    "checkpoints": lambda session, _: session.checkpoints(JOB),
    "jobs": lambda session, _: _all(session.jobs()),
    "lines": lambda session, _: _all(session.lines(JOB, page_size=10)),
    "pages": lambda session, _: _all(session.lines(JOB).pages()),
    "collect": lambda session, _: session.lines(JOB, page_size=10).collect(),
    "metrics": lambda session, _: session.metrics(JOB),
    "follow": lambda session, _: _all(session.follow([JOB, "ft-2"])),
    "fetch_many": lambda session, _: _all(session.fetch_many([JOB, "ft-2"])),
    "download": lambda session, folder: session.download([JOB, "ft-2"], folder),
}


@pytest.mark.covered
@pytest.mark.parametrize("at", [1, 3], ids=["after a success", "after a failure"])
@pytest.mark.parametrize("name", CALLS)
async def test_what_the_function_raises_ends_the_call_as_it_is(
    connect: Connect, tmp_path: Path, name: str, at: int
) -> None:
    class OfMineError(Exception):
        """What only the application knows."""

    def refuse(event: RequestEvent) -> None:
        raise OfMineError

    jobs = [EmulatedJob(JOB, LOG), EmulatedJob("ft-2", LOG)]
    faults = [Fault(Refuse(500), endpoint="any")] if at == 3 else []
    async with Emulator(jobs, faults=faults) as emulator:
        async with connect(emulator, on_request=refuse) as session:
            with pytest.raises(OfMineError):
                await CALLS[name](session, tmp_path / "logs")
            assert not session.tasks
            assert session._transport.gate.inside == 0


async def test_log_records_have_fields_that_are_not_taken(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dashscope_ftlogs")
    async with Emulator([EmulatedJob(JOB, LOG)], faults=[Fault(Refuse(429), on={1})]) as emulator:
        async with connect(emulator) as session:
            await session.page(JOB, 5)
    records = [vars(record) for record in caplog.records if record.name == "dashscope_ftlogs"]
    assert [record["levelname"] for record in records] == ["DEBUG", "INFO", "DEBUG"]
    assert [record["ftlogs_status"] for record in records] == [429, 429, 200]
    assert [record["ftlogs_attempt"] for record in records] == [1, 1, 2]
    assert {(record["ftlogs_job_id"], record["ftlogs_offset"]) for record in records} == {(JOB, 5)}
    assert records[1]["ftlogs_code"] == "Throttling"
    assert 0 <= records[1]["ftlogs_wait"] <= 0.002
    assert records[0]["ftlogs_seconds"] > 0

    every = fields(told())
    assert {f"ftlogs_{field.name}" for field in attrs.fields(RequestEvent)} == set(every)
    assert not set(every) & set(vars(logging.makeLogRecord({})))


async def test_the_key_is_in_nothing_that_is_told(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dashscope_ftlogs")
    events: list[RequestEvent] = []
    async with Emulator([EmulatedJob(JOB, LOG)], api_key="sk-4f1cda7e91b26d53") as emulator:
        emulator.faults = [
            Fault(
                Refuse(429, code=f"Throttling.{emulator.api_key}", message=emulator.api_key), on={1, 2}
            )
        ]
        async with connect(emulator, on_request=events.append) as session:
            await session.page(JOB)
    assert [event.code for event in events] == ["Throttling.[secret]"] * 2 + [None]
    assert "4f1cda7e91b26d53" not in repr(events) + repr([vars(record) for record in caplog.records])


async def test_nothing_is_told_of_what_could_not_be_sent(connect: Connect) -> None:
    events: list[RequestEvent] = []
    async with Emulator() as emulator:
        session = connect(emulator, on_request=events.append)
        with pytest.raises(FTLogsError):
            await session.page(JOB)
    assert events == []
