"""The jobs that run, and those that begin to, as `follow` takes them; in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from following import in_virtual_time, live
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import (
    APIError,
    AuthenticationError,
    EventKind,
    FollowEvent,
    FTLogsError,
    InternalServerError,
    Job,
    LogSession,
    RetryPolicy,
    ThrottlingError,
)
from dashscope_ftlogs.emulator import BadJson, EmulatedJob, Emulator, Fault, Redirect, Refuse, Schedule

ONCE = RetryPolicy(max_tries=1)


def running(job_id: str) -> EmulatedJob:
    return EmulatedJob(job_id, ["a line"], status="RUNNING")


def none_runs(jobs: Sequence[Job]) -> bool:
    return not jobs


def with_emulator(
    work: Callable[[Emulator, LogSession], Coroutine[Any, Any, Any]], *jobs: EmulatedJob
) -> Any:
    async def run() -> Any:
        clock = asyncio.get_running_loop().time
        async with Emulator(jobs, clock=clock, compress=False) as emulator:
            async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=ONCE) as session:
                return await work(emulator, session)

    return in_virtual_time(run())


def looks(emulator: Emulator) -> int:
    return sum(exchange.endpoint == "list" for exchange in emulator.journal)


def test_each_job_is_told_of_once_when_it_runs() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        now = asyncio.get_running_loop().time
        begun = now()
        jobs = session.running_jobs(every=30)
        assert [(await anext(jobs)).job_id for _ in range(2)] == ["ft-1", "ft-3"]
        late = asyncio.ensure_future(anext(jobs))
        await asyncio.sleep(100)
        emulator.jobs["ft-2"].status = "RUNNING"
        assert (await late).job_id == "ft-2"
        assert 100 <= now() - begun <= 130
        assert looks(emulator) == 5
        await jobs.aclose()

    with_emulator(work, running("ft-1"), EmulatedJob("ft-2", status="QUEUING"), running("ft-3"))


def test_following_them_ends_with_the_last_and_takes_up_what_begins_meanwhile() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        jobs = session.running_jobs(every=10, until=none_runs)
        follower = session.follow(jobs, settle=0)
        texts = [line.text async for line in follower]
        assert sorted(texts) == [f"{name} line {n}" for name in ("ft-1", "ft-2") for n in range(3)]
        assert {one.job.status for one in follower.jobs.values() if one.job} == {"SUCCEEDED"}

    schedule = Schedule([60, 61, 150], [(50, "RUNNING"), (150, "SUCCEEDED")])
    later = EmulatedJob(
        "ft-2", [f"ft-2 line {n}" for n in range(3)], status="QUEUING", schedule=schedule
    )
    with_emulator(work, live([20, 30, 90], "ft-1"), later, EmulatedJob("ft-0", ["over"]))


SOME_TIME = st.sampled_from([0.0, 0.5, 20.0, 200.0])


@pytest.mark.unmeasured
@given(st.lists(st.tuples(st.booleans(), SOME_TIME, SOME_TIME, SOME_TIME), max_size=6))
def test_each_that_had_not_ended_at_the_first_look_is_told_of_once_however_short_it_runs(
    lives: list[tuple[bool, float, float, float]],
) -> None:
    """Some are there before it, some come after it; each waits for its turn, runs, and ends."""

    async def work(emulator: Emulator, session: LogSession) -> None:
        first_look, alive = asyncio.Event(), set(range(len(lives)))
        looks_after_all = 0

        def looked(_: Sequence[Job]) -> bool:
            nonlocal looks_after_all
            first_look.set()
            looks_after_all += not alive
            return looks_after_all > 1

        async def live_one(number: int, before: bool, comes: float, waits: float, runs: float) -> None:
            job = EmulatedJob(f"ft-{number}", status="QUEUING")
            if before:
                emulator.add(job)
            await first_look.wait()
            await asyncio.sleep(comes)
            if not before:
                emulator.add(job)
            await asyncio.sleep(waits)
            job.status = "RUNNING"
            await asyncio.sleep(runs)
            job.finish("FAILED")
            alive.remove(number)

        async with asyncio.TaskGroup() as living:
            for number, one in enumerate(lives):
                living.create_task(live_one(number, *one))
            told = [job.job_id async for job in session.running_jobs(every=15, until=looked)]
        assert sorted(told) == [f"ft-{number}" for number in range(len(lives))]

    with_emulator(work, EmulatedJob("ft-over", status="FAILED"))


def test_one_that_had_ended_by_the_first_look_and_runs_again_is_told_of() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        async def rerun() -> None:
            await asyncio.sleep(15)
            emulator.jobs["ft-over"].status = "RUNNING"
            emulator.jobs["ft-1"].finish("SUCCEEDED")
            await asyncio.sleep(100)
            emulator.jobs["ft-over"].finish("SUCCEEDED")

        changing = asyncio.create_task(rerun())
        jobs = session.running_jobs(every=10, until=none_runs)
        assert [job.job_id async for job in jobs] == ["ft-1", "ft-over"]
        await changing

    with_emulator(work, running("ft-1"), EmulatedJob("ft-over", status="FAILED"))


def test_one_that_ended_long_ago_is_not_new_though_the_first_look_did_not_list_it() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        async def change() -> None:
            await asyncio.sleep(15)
            emulator.add(EmulatedJob("ft-old", status="FAILED", end_time="2025-01-01 00:00:00"))
            emulator.add(EmulatedJob("ft-again", status="FAILED", end_time="2025-01-01 00:00:00"))
            await asyncio.sleep(20)
            emulator.jobs["ft-again"].status = "RUNNING"
            await asyncio.sleep(20)
            emulator.jobs["ft-again"].finish("SUCCEEDED")
            emulator.jobs["ft-1"].finish("SUCCEEDED")

        changing = asyncio.create_task(change())
        jobs = session.running_jobs(every=10, until=none_runs)
        assert [job.job_id async for job in jobs] == ["ft-1", "ft-again"]
        await changing

    with_emulator(work, running("ft-1"))


def test_following_them_gives_the_whole_log_of_one_that_failed_at_once() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        kinds: list[tuple[str, EventKind]] = []
        jobs = session.running_jobs(every=10, until=none_runs)
        follower = session.follow(
            jobs, settle=0, on_event=lambda event: kinds.append((event.job_id, event.kind))
        )
        texts: list[str] = []
        async for line in follower:
            if not texts:
                failed = EmulatedJob("ft-2", ["could not load", "the data"], status="RUNNING")
                failed.finish("FAILED")
                emulator.add(failed)
            texts.append(line.text)
        assert [text for text in texts if "line" not in text] == ["could not load", "the data"]
        assert ("ft-2", EventKind.FINISHED) in kinds
        assert (ended := follower.jobs["ft-2"].job)
        assert ended.status == "FAILED"
        assert "ft-0" not in follower.jobs

    with_emulator(work, live([20, 30, 90], "ft-1"), EmulatedJob("ft-0", ["over"], status="FAILED"))


def test_it_ends_when_it_is_told_to_by_what_runs() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        told: list[list[str]] = []

        def third(jobs: Sequence[Job]) -> bool:
            told.append([job.job_id for job in jobs])
            return len(told) == 3

        assert [job.job_id async for job in session.running_jobs(until=third)] == ["ft-1"]
        assert told == [["ft-1"]] * 3

    with_emulator(work, running("ft-1"))


@pytest.mark.parametrize(
    "fault", [Refuse(503), BadJson(), Refuse(429, "Throttling"), Redirect("http://127.0.0.1/")]
)
def test_an_outage_between_two_looks_is_told_of_once_and_waited_out(
    fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        jobs = session.running_jobs(every=10)
        assert (await anext(jobs)).job_id == "ft-1"
        emulator.faults = [Fault(fault, times=5, endpoint="list")]
        emulator.add(running("ft-2"))
        assert (await anext(jobs)).job_id == "ft-2"
        assert looks(emulator) == 7
        emulator.faults = [Fault(fault, times=5, endpoint="list")]
        emulator.add(running("ft-3"))
        assert (await anext(jobs)).job_id == "ft-3"
        await jobs.aclose()

    with_emulator(work, running("ft-1"))
    told = [one.getMessage() for one in caplog.records if "can't be told" in one.getMessage()]
    assert len(told) == 2
    assert told[0].startswith("running jobs can't be told, and are asked for again: ")


def test_one_that_asks_for_patience_is_asked_again_after_that() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        now = asyncio.get_running_loop().time
        jobs = session.running_jobs(every=10)
        await anext(jobs)
        emulator.faults = [
            Fault(Refuse(429, "Throttling", "No.", retry_after=500), times=1, endpoint="list")
        ]
        emulator.add(running("ft-2"))
        begun = now()
        await anext(jobs)
        assert 500 <= now() - begun <= 530
        await jobs.aclose()

    with_emulator(work, running("ft-1"))


def test_it_gives_up_when_that_was_asked_for() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        now = asyncio.get_running_loop().time
        jobs = session.running_jobs(every=10, give_up_after=100)
        await anext(jobs)
        emulator.faults = [Fault(Refuse(503, "X", "No."), endpoint="list")]
        begun = now()
        with pytest.raises(InternalServerError):
            await anext(jobs)
        assert 100 <= now() - begun <= 130

    with_emulator(work, running("ft-1"))


def test_it_does_not_wait_for_a_server_that_asks_for_longer_than_that() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        emulator.faults = [Fault(Refuse(429, "Throttling", retry_after=60), endpoint="list")]
        now = asyncio.get_running_loop().time
        begun = now()
        with pytest.raises(ThrottlingError) as caught:
            await anext(session.running_jobs(every=10, give_up_after=20))
        assert now() - begun <= 1
        assert caught.value.outlasted

    with_emulator(work, running("ft-1"))


def test_it_gives_up_about_then_from_the_first_look_on() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        emulator.faults = [Fault(Refuse(503, "X", "No."), endpoint="list")]
        now = asyncio.get_running_loop().time
        begun = now()
        with pytest.raises(InternalServerError, match="lasted for 20 s, as long as was allowed"):
            await anext(session.running_jobs(every=60, give_up_after=20))
        assert 20 <= now() - begun <= 26

    with_emulator(work, running("ft-1"))


@pytest.mark.covered
@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize(
    ("fault", "outlasted"), [(Refuse(503), True), (Refuse(400, "InvalidParameter", "No."), False)]
)
def test_a_job_that_is_given_up_on_ends_the_others_only_if_the_application_says_so(
    fault: Any, outlasted: bool, raises: bool
) -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        texts: list[str] = []
        failed: list[FTLogsError] = []

        def on_event(event: FollowEvent) -> None:
            error = follower.jobs[event.job_id].error
            if event.kind is EventKind.FAILED and error is not None:
                failed.append(error)
                if raises and error.outlasted:
                    raise error

        jobs = session.running_jobs(every=10, until=none_runs)
        follower = session.follow(jobs, give_up_after=30, settle=0, on_event=on_event)
        with pytest.raises(FTLogsError) as caught:
            async for line in follower:
                texts.append(line.text)
                emulator.faults = [Fault(fault, endpoint="logs", job_id="ft-1")]
        assert [caught.value] == failed
        assert failed[0].outlasted is outlasted
        assert ("ft-2 line 2" in texts) is not (raises and outlasted)

    with_emulator(work, live([1, 500], "ft-1"), live([2, 3, 400], "ft-2"))


@pytest.mark.parametrize(
    ("fault", "kind", "first"),
    [
        (Refuse(401, "InvalidApiKey", "No."), AuthenticationError, False),
        (Redirect("http://127.0.0.1/portal"), APIError, True),
    ],
)
def test_what_is_wrong_with_the_settings_is_raised_at_once(
    fault: Any, kind: type[FTLogsError], first: bool
) -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        jobs = session.running_jobs()
        if not first:
            await anext(jobs)
        emulator.faults = [Fault(fault, endpoint="list")]
        with pytest.raises(kind):
            await anext(jobs)

    with_emulator(work, running("ft-1"))


def test_what_the_callers_function_raises_comes_out_as_it_is() -> None:
    own = FTLogsError("mine")

    def raises(_: Sequence[Job]) -> bool:
        raise own

    async def work(emulator: Emulator, session: LogSession) -> None:
        with pytest.raises(FTLogsError) as caught:
            async for _ in session.follow(session.running_jobs(until=raises)):
                pass
        assert caught.value is own

    with_emulator(work, running("ft-1"))


@pytest.mark.parametrize("begun", [True, False])
def test_nobody_looks_any_more_once_what_took_it_is_left(begun: bool) -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        jobs = session.running_jobs(every=1)
        if begun:
            await anext(jobs)
            emulator.add(running("ft-2"))
        async with session.follow(jobs) as follower:
            await anext(aiter(follower))
        before = looks(emulator)
        await asyncio.sleep(100)
        assert looks(emulator) == before
        assert not session.tasks

    with_emulator(work, running("ft-1"))


def test_nor_where_what_took_it_fails() -> None:
    async def work(emulator: Emulator, session: LogSession) -> None:
        jobs = session.running_jobs(every=1)
        await anext(jobs)
        emulator.add(running("ft-2"))
        async with aclosing(session.follow(jobs, on_event=lambda _: 1 / 0)) as follower:
            with pytest.raises(ZeroDivisionError):
                await anext(aiter(follower))
        assert not session.tasks

    with_emulator(work, running("ft-1"))
