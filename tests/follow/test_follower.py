"""Following live jobs: each line once, in order, and an end when the service says so.

Hours pass in these tests, on a clock that jumps over waits; connections and servers are real.
"""

import asyncio
import gc
import itertools
import random
import statistics
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import VirtualTimeLoop

from dashscope_ftlogs import (
    AuthenticationError,
    EventKind,
    FollowEvent,
    InvalidArgumentError,
    LogFollower,
    LogLine,
    LogSession,
    NotFoundError,
    RetryPolicy,
    SessionStateError,
    TransportError,
)
from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Fault,
    RateLimit,
    Refuse,
    ReportTotal,
    Reset,
    Schedule,
    generate_job,
    ten_ways_to_fail,
)

JOB = "ft-1"
DAY = 86_400.0
POLL = 15.0
"""Seconds: the longest interval, by default."""


def live(
    times: Sequence[float], job_id: str = JOB, *, status: str = "SUCCEEDED", end: float | None = None
) -> EmulatedJob:
    """A running job with a line at each of these times, which ends at `end` or with its last line."""
    end = times[-1] if end is None else end
    lines = [f"{job_id} line {n}" for n in range(len(times))]
    schedule = Schedule(times, [(end, status)])
    return EmulatedJob(job_id, lines, status="RUNNING", schedule=schedule)


@attrs.define
class Seen:
    """What following brought, and when, in seconds of job time."""

    lines: list[LogLine] = attrs.field(factory=list)
    at: list[float] = attrs.field(factory=list)
    events: list[FollowEvent] = attrs.field(factory=list)
    ended_at: float = 0.0
    requests: int = 0
    refused: int = 0
    follower: LogFollower | None = None

    def of(self, job_id: str) -> list[str]:
        return [line.text for line in self.lines if line.job_id == job_id]

    def lags(self, job: EmulatedJob) -> list[float]:
        assert job.schedule is not None
        return [
            at - job.schedule.line_times[line.offset]
            for at, line in zip(self.at, self.lines, strict=True)
            if line.job_id == job.job_id
        ]

    def kinds(self, job_id: str = JOB) -> list[EventKind]:
        return [event.kind for event in self.events if event.job_id == job_id]


def in_virtual_time(work: Coroutine[Any, Any, Any], debug: bool | None = None) -> Any:
    """Run work on a clock that jumps; without asyncio's debug mode, long runs take a quarter as long."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop, debug=debug) as runner:
        return runner.run(work)


def follow(
    *jobs: EmulatedJob,
    during: Callable[[Emulator], Coroutine[Any, Any, None]] | None = None,
    emulator: dict[str, Any] | None = None,
    session: dict[str, Any] | None = None,
    debug: bool | None = None,
    **options: Any,
) -> Seen:
    """Follow these jobs to their end, while `during` changes things."""

    async def run() -> Seen:
        seen = Seen()
        loop = asyncio.get_running_loop()
        settings = {"clock": loop.time, "compress": False, **(emulator or {})}
        async with Emulator(jobs, **settings) as server:
            change = asyncio.create_task(during(server)) if during else None
            async with LogSession(server.api_key, base_url=server.base_url, **(session or {})) as client:
                ids = [job.job_id for job in jobs]
                seen.follower = client.follow(ids, on_event=seen.events.append, **options)
                async for line in seen.follower:
                    seen.lines.append(line)
                    seen.at.append(server.job_time)
                seen.ended_at = server.job_time
                seen.requests = client.requests
            seen.refused = sum(exchange.status == 429 for exchange in server.journal)
            if change is not None:
                await change
        return seen

    seen: Seen = in_virtual_time(run(), debug)
    return seen


def assert_whole(seen: Seen, *jobs: EmulatedJob) -> None:
    """Every line once, in order per job, with its number; and the job as it ended."""
    assert seen.follower is not None
    for job in jobs:
        lines = [line for line in seen.lines if line.job_id == job.job_id]
        assert [line.text for line in lines] == list(job.lines)
        assert [line.offset for line in lines] == list(range(len(job.lines)))
        followed = seen.follower.jobs[job.job_id]
        assert followed.offset == len(job.lines)
        assert followed.job is not None
        assert followed.job.ended
        assert seen.kinds(job.job_id)[-1] is EventKind.FINISHED


def test_a_job_that_grows_in_bursts_is_followed_to_its_end() -> None:
    times = [60.0 * burst + 0.01 * line for burst in range(1, 30) for line in range(50)]
    job = live(times, end=times[-1] + 5)
    seen = follow(job)
    assert_whole(seen, job)
    assert seen.ended_at - times[-1] - 5 <= 2 * 60
    assert statistics.median(seen.lags(job)) < 5


def test_lines_after_the_complete_mark_and_out_of_order_stamps_are_all_delivered() -> None:
    lines = [
        "2025-12-06 20:44:39,609 - INFO - finetune-job succeeded",
        "2025-12-06 20:44:40,108 - INFO - ##FT_COMPLETE##",
        "2025-12-06 20:44:40,093 - INFO - training usage 393216",
        "one more",
    ]
    schedule = Schedule([10, 11, 20, 40], [(45, "SUCCEEDED")])
    job = EmulatedJob(JOB, lines, status="RUNNING", schedule=schedule)
    seen = follow(job)
    assert_whole(seen, job)
    assert seen.ended_at - 45 <= 2 * POLL


def test_the_complete_mark_makes_it_ask_for_the_status_at_once() -> None:
    job = EmulatedJob(
        JOB,
        ["2025-12-06 20:44:40,108 - INFO - ##FT_COMPLETE##"],
        status="RUNNING",
        schedule=Schedule([30], [(30, "SUCCEEDED")]),
    )
    seen = follow(job)
    assert_whole(seen, job)
    assert seen.ended_at - seen.at[0] < 6


@pytest.mark.parametrize("late", [0.5, 4.0])
def test_lines_that_become_visible_after_the_final_status_are_delivered(late: float) -> None:
    times = [*range(1, 60), 63.0 + late]
    job = live(times, end=63.0)
    seen = follow(job)
    assert_whole(seen, job)
    assert seen.ended_at - times[-1] <= 2 * POLL


def test_an_outage_is_told_of_and_followed_through() -> None:
    times = [2.0 * n for n in range(1, 100)]
    job = live(times)

    async def outage(server: Emulator) -> None:
        await asyncio.sleep(50)
        server.faults = [Fault(Reset(), endpoint="any")]
        await asyncio.sleep(30)
        server.faults = []

    patience = {"retry": RetryPolicy(max_tries=3)}
    seen = follow(job, during=outage, session=patience)
    assert_whole(seen, job)
    assert [kind for kind in seen.kinds() if kind is not EventKind.STATUS] == [
        EventKind.DISCONNECTED,
        EventKind.CONNECTED,
        EventKind.FINISHED,
    ]
    assert seen.ended_at - times[-1] <= 2 * POLL


def test_an_outage_that_the_retry_policy_covers_is_not_worth_a_word() -> None:
    job = live([2.0 * n for n in range(1, 30)])
    seen = follow(job, emulator={"faults": [Fault(Reset(), endpoint="any", probability=0.3)]})
    assert_whole(seen, job)
    assert seen.kinds() == [EventKind.STATUS, EventKind.STATUS, EventKind.FINISHED]


def test_a_storm_of_429_is_told_apart_and_its_wish_is_honoured() -> None:
    times = [2.0 * n for n in range(1, 200)]
    job = live(times)
    asked: list[float] = []

    async def storm(server: Emulator) -> None:
        await asyncio.sleep(50)
        server.faults = [Fault(Refuse(429, retry_after="200"), endpoint="any")]
        await asyncio.sleep(100)
        server.faults = []
        asked.extend(e.at - server.journal[0].at for e in server.journal if e.fault)

    seen = follow(job, during=storm)
    assert_whole(seen, job)
    assert EventKind.THROTTLED in seen.kinds()
    assert EventKind.DISCONNECTED not in seen.kinds()
    # A wait of 200 s is more than the policy grants, but following has all the time in the world.
    assert len(asked) == 1


def test_a_log_that_is_started_afresh_is_announced_and_never_mixed() -> None:
    job = EmulatedJob(JOB, [f"old {n}" for n in range(10)], status="RUNNING")
    new = [f"new {n}" for n in range(25)]

    async def restart(server: Emulator) -> None:
        await asyncio.sleep(20)
        job.rewrite(new[:5])  # shorter than what was read
        await asyncio.sleep(60)
        job.rewrite(new)
        job.finish("SUCCEEDED")

    seen = follow(job, during=restart)
    assert [line.text for line in seen.lines] == [*(f"old {n}" for n in range(10)), *new]
    assert [line.offset for line in seen.lines] == [*range(10), *range(25)]
    assert seen.kinds().count(EventKind.REWRITTEN) == 1


def test_a_log_that_was_replaced_by_a_longer_one_is_noticed_too() -> None:
    job = EmulatedJob(JOB, [f"old {n}" for n in range(10)], status="RUNNING")
    new = [f"new {n}" for n in range(40)]

    async def restart(server: Emulator) -> None:
        await asyncio.sleep(20)
        job.rewrite(new)
        job.finish("SUCCEEDED")

    seen = follow(job, during=restart)
    assert [line.text for line in seen.lines][10:] == new
    assert seen.kinds().count(EventKind.REWRITTEN) == 1


def test_a_total_that_shrinks_for_a_moment_repeats_nothing() -> None:
    job = live([2.0 * n for n in range(1, 100)])
    faults = [Fault(ReportTotal(by=-5), on={5, 20, 21, 50})]
    seen = follow(job, emulator={"faults": faults})
    assert_whole(seen, job)
    assert EventKind.REWRITTEN not in seen.kinds()


def test_a_last_line_that_was_still_being_written_is_no_other_log() -> None:
    job = EmulatedJob(JOB, ["first", " 10%|█"], status="RUNNING")

    async def write_on(server: Emulator) -> None:
        await asyncio.sleep(10)
        job.rewrite(["first", " 10%|█     | 20%|██", "second"])
        job.finish("SUCCEEDED")

    seen = follow(job, during=write_on)
    assert [line.text for line in seen.lines] == ["first", " 10%|█", "second"]
    assert EventKind.REWRITTEN not in seen.kinds()


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELED"])
def test_the_final_job_is_at_hand_whatever_its_end(status: str) -> None:
    job = live([2.0 * n for n in range(1, 20)], status=status)
    seen = follow(job)
    assert_whole(seen, job)
    assert seen.follower is not None
    final = seen.follower.jobs[JOB].job
    assert final is not None
    assert final.status == status
    assert (final.message is not None) == (status != "SUCCEEDED")


def test_a_status_that_nobody_knows_counts_as_running() -> None:
    schedule = Schedule([1, 2, 50], [(0, "TELEPORTING"), (60, "SUCCEEDED")])
    job = EmulatedJob(JOB, ["a", "b", "c"], status="RUNNING", schedule=schedule)
    assert_whole(follow(job), job)


def test_jobs_that_have_not_started_are_waited_for() -> None:
    jobs = [live([5.0 * n for n in range(1, 30)], f"ft-{k}") for k in range(8)]
    for k in (8, 9):
        times = [400.0 + 3 * n for n in range(20)]
        schedule = Schedule(times, [(0, "QUEUING"), (390, "RUNNING"), (times[-1], "SUCCEEDED")])
        lines = [f"late {n}" for n in range(20)]
        jobs.append(EmulatedJob(f"ft-{k}", lines, status="PENDING", schedule=schedule))
    refuse = [Fault(Refuse(404), job_id="ft-9", on=range(1, 9))]
    seen = follow(*jobs, emulator={"faults": refuse})
    assert_whole(seen, *jobs)
    assert EventKind.QUIET not in seen.kinds("ft-9")
    assert seen.ended_at - 457 <= 2 * POLL


def test_a_job_that_waits_may_have_no_log_yet() -> None:
    job = EmulatedJob(
        JOB,
        ["1", "2"],
        status="QUEUING",
        schedule=Schedule([20, 21], [(9, "RUNNING"), (30, "SUCCEEDED")]),
    )

    async def start(server: Emulator) -> None:
        await asyncio.sleep(8)
        server.faults = []

    refusing = {"faults": [Fault(Refuse(404, "NotFound"))]}
    assert_whole(follow(job, emulator=refusing, during=start), job)
    with pytest.raises(NotFoundError):
        follow(live([1.0]), emulator=refusing)


def test_a_silence_is_told_of_once_it_is_longer_than_usual() -> None:
    job = live([*range(1, 10), 1000.0])
    seen = follow(job)
    assert_whole(seen, job)
    # After 60, 120, 240, 480 and 960 s, about.
    assert seen.kinds().count(EventKind.QUIET) in {4, 5}


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


@pytest.mark.parametrize("begin", [0.2, 5.5, 16.0, 24.9])
def test_a_log_with_a_steady_rhythm_costs_few_requests_and_little_lag(begin: float) -> None:
    job = live([begin + 30 * n for n in range(120)])
    seen = follow(job)
    assert_whole(seen, job)
    assert seen.requests <= 1.5 * len(job.lines)
    assert statistics.median(seen.lags(job)) < 3
    # What is reported of the lag is near the truth, which it can't know.
    assert seen.follower is not None
    assert seen.follower.jobs[JOB].lags.median < 3


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


@pytest.mark.parametrize("seconds", [10, 300])
def test_it_gives_up_after_the_time_it_was_given(seconds: float) -> None:
    job = live([5.0 * n for n in range(1, 300)])

    async def outage(server: Emulator) -> None:
        await asyncio.sleep(50)
        server.faults = [Fault(Reset(), endpoint="any")]

    with pytest.raises(TransportError):
        follow(job, during=outage, give_up_after=seconds)


def test_memory_is_bounded_and_reading_waits_for_a_slow_consumer() -> None:
    job = EmulatedJob(JOB, [str(n) for n in range(100_000)])

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        async with Emulator([job], clock=clock, compress=False) as server:
            async with LogSession(server.api_key, base_url=server.base_url) as session:
                async with aclosing(session.follow(JOB).pages()) as pages:
                    await anext(pages)
                    await asyncio.sleep(60)
                    # One page in the queue, one waiting to get there, and the read-ahead.
                    assert sum(exchange.lines for exchange in server.journal) <= 12_000

    in_virtual_time(run())


def clients_tasks() -> set[str]:
    return {
        name for task in asyncio.all_tasks() if "RequestHandler" not in (name := repr(task.get_coro()))
    }


@pytest.mark.long
def test_a_day_of_faults_and_outages_loses_no_line_and_needs_no_more_memory() -> None:
    chance = random.Random(3)
    times = list(itertools.accumulate(chance.expovariate(1 / 60) for _ in range(int(DAY / 60))))
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
        assert repr(follower) == "<LogFollower 1 jobs>"
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
        "ft-1: finished: SUCCEEDED, 1 lines",
    ]


@settings(max_examples=30)
@given(
    gaps=st.lists(st.floats(0, 40), min_size=1, max_size=40),
    late=st.floats(0, 4.5),
    seed=st.integers(0, 9),
)
def test_whatever_the_rhythm_and_the_faults_no_line_is_lost(
    gaps: list[float], late: float, seed: int
) -> None:
    times = [10 + sum(gaps[: n + 1]) for n in range(len(gaps))]
    job = live(times, end=times[-1] - late)
    seen = follow(
        job,
        emulator={"faults": ten_ways_to_fail(0.2), "seed": seed, "ragged": 0.3, "page_cap": 7},
        session={"retry": RetryPolicy(max_tries=4, base_delay=0.1, max_delay=1)},
        debug=False,
    )
    assert_whole(seen, job)
