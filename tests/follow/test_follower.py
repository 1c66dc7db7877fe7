"""Following live jobs: each line once, in order, and an end when the service says so.

Hours pass in these tests, on a clock that jumps over waits; connections and servers are real.
"""

import asyncio
import gc
import itertools
import random
import statistics
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from following import JOB, Seen, assert_whole, follow, in_virtual_time, live

from dashscope_ftlogs import (
    AuthenticationError,
    EventKind,
    InternalServerError,
    InvalidArgumentError,
    LogLine,
    LogSession,
    NotFoundError,
    SessionStateError,
    ThrottlingError,
    TransportError,
)
from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Fault,
    RateLimit,
    Refuse,
    Reset,
    Schedule,
    Stall,
    generate_job,
    ten_ways_to_fail,
)


@pytest.mark.long
def test_a_hundred_jobs_share_a_small_budget_fairly() -> None:
    jobs = [live([7.0 * n + k / 15 for n in range(1, 30)], f"ft-{k}") for k in range(100)]
    seen = follow(*jobs, emulator={"rate_limit": RateLimit(10, 10), "latency": 0.02}, debug=False)
    assert_whole(seen, *jobs)
    assert seen.refused <= 0.05 * seen.requests
    # A line waits at most for its job's turn: 100 jobs, 10 requests a second, and what was refused.
    medians = [statistics.median(seen.lags(job)) for job in jobs]
    assert max(medians) <= 2 * min(medians)
    assert max(medians) <= 100 / 10 * 1.2


@pytest.mark.parametrize("tail", [0, 3, 10, 50])
def test_tail_begins_with_the_last_lines_that_are_there(tail: int) -> None:
    job = EmulatedJob(
        JOB,
        [str(n) for n in range(15)],
        status="RUNNING",
        schedule=Schedule([0] * 10 + [20] * 5, [(25, "SUCCEEDED")]),
    )
    seen = follow(job, tail=tail)
    assert [line.offset for line in seen.lines] == [*range(max(0, 10 - tail), 15)]


def test_tail_of_a_job_that_has_not_started_is_all_of_it() -> None:
    schedule = Schedule([20] * 5, [(10, "RUNNING"), (25, "SUCCEEDED")])
    job = EmulatedJob(JOB, [str(n) for n in range(5)], status="QUEUING", schedule=schedule)
    assert_whole(follow(job, tail=2), job)


def test_a_job_with_an_offset_of_its_own_begins_there_whatever_the_tail() -> None:
    jobs = [live([0.0] * 10 + [20.0], f"ft-{k}") for k in range(2)]
    seen = follow(*jobs, offset={"ft-0": 4}, tail=2)
    assert [line.offset for line in seen.lines if line.job_id == "ft-0"] == [*range(4, 11)]
    assert [line.offset for line in seen.lines if line.job_id == "ft-1"] == [8, 9, 10]


@pytest.mark.covered
def test_following_can_be_taken_up_where_it_was_left() -> None:
    jobs = [live([3.0 * n for n in range(1, 40)], f"ft-{k}") for k in range(3)]

    async def run() -> list[LogLine]:
        clock = asyncio.get_running_loop().time
        seen: list[LogLine] = []
        places: dict[str, int] = {}
        async with Emulator(jobs, clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url) as session:
                while len(seen) < 3 * 39:
                    follower = session.follow([job.job_id for job in jobs], offset=places)
                    async with aclosing(aiter(follower)) as lines:
                        for _ in range(10):
                            seen.append(await anext(lines))
                            if len(seen) == 3 * 39:
                                break
                    places = {job_id: followed.offset for job_id, followed in follower.jobs.items()}
        return seen

    seen = in_virtual_time(run())
    for job in jobs:
        assert [line.text for line in seen if line.job_id == job.job_id] == job.lines


def test_a_finished_job_is_read_and_left_at_once() -> None:
    job = generate_job("sft", lines=3000, seed=1)
    seen = follow(job)
    assert [line.text for line in seen.lines] == list(job.lines)
    assert seen.ended_at < 3


def test_jobs_can_join_while_others_are_followed() -> None:
    jobs = [live([5.0 * n for n in range(1, 20)], f"ft-{k}") for k in range(3)]

    async def run() -> list[str]:
        clock = asyncio.get_running_loop().time

        async def joining() -> Any:
            for job in jobs:
                yield job.job_id
                await asyncio.sleep(30)

        async with Emulator(jobs, clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url) as session:
                return [line.text async for line in session.follow(joining())]

    assert sorted(in_virtual_time(run())) == sorted(line for job in jobs for line in job.lines)


def test_one_job_that_is_gone_leaves_the_others_alone() -> None:
    jobs = [live([5.0 * n for n in range(1, 30)], f"ft-{k}") for k in range(3)]
    seen = Seen()

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        async with Emulator(jobs, clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url) as session:
                ids = ["ft-0", "ft-gone", "ft-1", "ft-2"]
                seen.follower = session.follow(ids, on_event=seen.events.append)
                with pytest.raises(NotFoundError) as caught:
                    async for line in seen.follower:
                        seen.lines.append(line)
        assert caught.value.job_id == "ft-gone"
        assert seen.follower.jobs["ft-gone"].error is caught.value

    in_virtual_time(run())
    assert seen.kinds("ft-gone") == [EventKind.FAILED]
    assert_whole(seen, *jobs)


def test_a_key_that_is_refused_ends_all_at_once() -> None:
    jobs = [live([5.0], f"ft-{k}") for k in range(3)]
    refused = {"faults": [Fault(Refuse(401, "InvalidApiKey"), endpoint="any")]}
    with pytest.raises(AuthenticationError):
        follow(*jobs, emulator=refused)


@pytest.mark.covered
@pytest.mark.parametrize("seconds", [10, 300])
def test_it_gives_up_after_the_time_it_was_given(seconds: float) -> None:
    job = live([5.0 * n for n in range(1, 300)])

    async def outage(server: Emulator) -> None:
        await asyncio.sleep(50)
        server.faults = [Fault(Reset(), endpoint="any")]

    with pytest.raises(TransportError, match=f"lasted for {seconds:g} s, as long as was allowed"):
        follow(job, during=outage, give_up_after=seconds)


@pytest.mark.parametrize("seconds", [1, 20, 90])
@pytest.mark.parametrize("fault", [Reset(), Refuse(503, "ServiceUnavailable"), Stall(1e6)])
def test_it_gives_up_about_then_whatever_is_wrong_from_the_first_request_on(
    seconds: float, fault: Any
) -> None:
    async def run() -> float:
        clock = asyncio.get_running_loop().time
        faults = [Fault(fault, endpoint="any")]
        async with Emulator([live([5.0])], clock=clock, compress=False, faults=faults) as server:
            async with LogSession(server.api_key, base_url=server.base_url) as session:
                began = clock()
                with pytest.raises(
                    (TransportError, InternalServerError), match=f" {seconds} s, as long"
                ):
                    async for _ in session.follow(JOB, give_up_after=seconds):
                        pass
                return clock() - began

    most = 2.5 if isinstance(fault, Stall) else 1.3
    assert seconds <= in_virtual_time(run()) <= seconds * most


def test_it_does_not_wait_for_a_server_that_asks_for_longer_than_that() -> None:
    job = live([5.0 * n for n in range(1, 300)])
    refused = Refuse(429, "Throttling", retry_after=60)
    with pytest.raises(ThrottlingError):
        follow(job, give_up_after=20, emulator={"faults": [Fault(refused, endpoint="any")]})


def test_memory_is_bounded_and_reading_waits_for_a_slow_consumer() -> None:
    job = EmulatedJob(JOB, [str(n) for n in range(100_000)])

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        async with Emulator([job], clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url, concurrency=8) as session:
                async with aclosing(session.follow(JOB).pages()) as pages:
                    await anext(pages)
                    await asyncio.sleep(60)
                    # One page in the queue, one waiting to get there, and the read-ahead.
                    assert sum(exchange.lines for exchange in server.journal) <= 12_000

    in_virtual_time(run())


def test_what_was_found_before_following_ended_is_handed_out_afterwards() -> None:
    async def run() -> list[str]:
        clock = asyncio.get_running_loop().time
        async with Emulator([EmulatedJob(JOB, ["a", "b"])], clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url, concurrency=8) as session:
                follower = session.follow(JOB, on_event=lambda _: None)
                async with aclosing(follower.pages()) as pages:
                    first = await anext(pages)
                    before = clients_tasks()
                    while clients_tasks() == before:  # until the task that follows has ended
                        await asyncio.sleep(60)
                    rest = [line async for page in pages for line in page.lines]
        return [*first.lines, *rest]

    assert in_virtual_time(run()) == ["a", "b"]


def clients_tasks() -> set[str]:
    return {
        name for task in asyncio.all_tasks() if "RequestHandler" not in (name := repr(task.get_coro()))
    }


@pytest.mark.long
def test_hours_of_faults_and_outages_lose_no_line_and_need_no_more_memory(
    request: pytest.FixtureRequest,
) -> None:
    chance = random.Random(3)
    minutes = 60 * request.config.getoption("hours")
    times = list(itertools.accumulate(chance.expovariate(1 / 60) for _ in range(minutes)))
    job = live(times, end=times[-1] + 60)
    blocks: list[int] = []

    async def trouble(server: Emulator) -> None:
        usual = server.faults
        while server.job_time < times[-1]:
            await asyncio.sleep(chance.uniform(600, 7200))
            server.faults = [Fault(chance.choice([Reset(), Refuse(503), Refuse(429)]), endpoint="any")]
            await asyncio.sleep(chance.uniform(30, 600))
            server.faults = usual
            server.journal.clear()
            gc.collect()
            blocks.append(sys.getallocatedblocks())

    async def run() -> int:
        clock = asyncio.get_running_loop().time
        faults = ten_ways_to_fail(0.05)
        async with Emulator([job], clock=clock, compress=False, faults=faults) as server:
            troubling = asyncio.create_task(trouble(server))
            read = 0
            async with LogSession(server.api_key, base_url=server.base_url) as session:
                async for line in session.follow(JOB):
                    assert (line.offset, line.text) == (read, job.lines[read])
                    read += 1
            troubling.cancel()
        return read

    assert in_virtual_time(run(), debug=False) == len(job.lines)
    half = len(blocks) // 2
    assert half >= 4
    assert max(blocks[half:]) < max(blocks[:half]) + 2_000


def test_leaving_early_and_cancellation_leave_nothing_behind() -> None:
    jobs = [live([1.0 * n for n in range(1, 100)], f"ft-{k}") for k in range(5)]

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        async with Emulator(jobs, clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url) as session:
                before = clients_tasks()
                ids = [job.job_id for job in jobs]
                async with aclosing(aiter(session.follow(ids))) as lines:
                    await anext(lines)
                assert clients_tasks() == before

                async def forever() -> None:
                    async for _ in session.follow(ids):
                        pass

                task = asyncio.create_task(forever())
                await asyncio.sleep(5)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert clients_tasks() == before

    in_virtual_time(run())


def test_closing_the_session_ends_a_follower_with_an_error() -> None:
    async def run() -> None:
        clock = asyncio.get_running_loop().time
        async with Emulator([live([1.0, 500.0])], clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url) as session:

                async def forever() -> None:
                    async for _ in session.follow(JOB):
                        pass

                task = asyncio.create_task(forever())
                await asyncio.sleep(5)
            with pytest.raises(SessionStateError, match="closed"):
                await task

    in_virtual_time(run())


async def test_a_follower_is_for_one_use(connect: Callable[..., LogSession]) -> None:
    async with Emulator([EmulatedJob(JOB, ["x"])]) as server, connect(server) as session:
        follower = session.follow(JOB, shortest_poll=0.001, longest_poll=0.001)
        assert [line.text async for line in follower] == ["x"]
        assert repr(follower) == "<LogFollower 1 job>"
        with pytest.raises(SessionStateError):
            await anext(aiter(follower))


@pytest.mark.parametrize(
    "options",
    [
        {"offset": -1},
        {"offset": {"ft-1": -1}},
        {"offset": True},
        {"tail": -1},
        {"shortest_poll": 0},
        {"longest_poll": float("nan")},
        {"shortest_poll": 20},
        {"give_up_after": -3},
    ],
    ids=str,
)
async def test_wrong_arguments_are_refused_before_any_request(options: dict[str, Any]) -> None:
    session = LogSession("sk-1")
    with pytest.raises(InvalidArgumentError):
        session.follow(JOB, **options)
    with pytest.raises(InvalidArgumentError):
        session.follow([JOB, "../x"])


async def test_events_go_to_the_log_where_nobody_asks_for_them(
    connect: Callable[..., LogSession], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dashscope_ftlogs")
    async with Emulator([EmulatedJob(JOB, ["x"])]) as server, connect(server) as session:
        async for _ in session.follow(JOB, shortest_poll=0.001, longest_poll=0.001):
            pass
    assert [record.message for record in caplog.records] == [
        "ft-1: status: SUCCEEDED",
        "ft-1: finished: SUCCEEDED, 1 line",
    ]
