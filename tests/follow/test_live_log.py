"""One job is followed: bursts, outages, storms, logs that are started afresh, and every end."""

import asyncio
import statistics

import pytest
from downloading import hours_ago
from following import JOB, POLL, assert_whole, follow, in_virtual_time, live
from hypothesis import given, settings
from hypothesis import strategies as st

from dashscope_ftlogs import EventKind, FollowEvent, LogSession, NotFoundError, RetryPolicy
from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Fault,
    Refuse,
    ReportTotal,
    Reset,
    Schedule,
    ten_ways_to_fail,
)


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


@pytest.mark.parametrize("then", ["FAILED", "SUCCEEDED"])
def test_a_job_that_runs_again_within_the_lag_is_followed_to_its_next_end(then: str) -> None:
    schedule = Schedule([20, 200], [(20, "FAILED"), (60, "RUNNING"), (201, then)])
    lines = ["2025-12-06 20:44:39,609 - INFO - finetune-job failed", "goes on"]
    job = EmulatedJob(JOB, lines, status="RUNNING", schedule=schedule)
    seen = follow(job, settle=45.0)
    assert_whole(seen, job)
    told = [event.message for event in seen.events if event.kind is EventKind.STATUS]
    assert told == ["RUNNING", "FAILED", "RUNNING", then]


@pytest.mark.unmeasured
@settings(max_examples=10)
@given(
    lives=st.lists(
        st.tuples(st.floats(1, 300), st.floats(0.1, 40), st.sampled_from(["FAILED", "SUCCEEDED"])),
        min_size=1,
        max_size=5,
    ),
    gap=st.floats(1, 100),
)
def test_a_job_that_runs_again_while_late_lines_are_awaited_is_followed_to_its_last_end(
    lives: list[tuple[float, float, str]], gap: float
) -> None:
    now, changes = 0.0, list[tuple[float, str]]()
    for ran, rested, end in lives:
        changes += [(now, "RUNNING"), (now + ran, end)]
        now += ran + rested
    (last, status) = changes[-1]
    times = [n * gap for n in range(int(last / gap) + 1)]
    job = EmulatedJob(JOB, [f"line {n}" for n in range(len(times))], status="RUNNING")
    job.schedule = Schedule(times, changes)
    seen = follow(job, debug=False, settle=45.0)
    assert_whole(seen, job)
    assert seen.follower is not None
    assert (followed := seen.follower.jobs[JOB].job) is not None
    assert followed.status == status
    assert seen.ended_at >= last + 45


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


@pytest.mark.covered
def test_a_silence_is_told_of_once_it_is_longer_than_usual() -> None:
    job = live([*range(1, 10), 1000.0])
    seen = follow(job)
    assert_whole(seen, job)
    # After 60, 120, 240, 480 and 960 s, about.
    assert seen.kinds().count(EventKind.QUIET) in {4, 5}


@pytest.mark.unmeasured
@pytest.mark.parametrize(("gap", "first"), [(5.0, 60.0), (29.0, 60.0), (100.0, 200.0), (300.0, 600.0)])
def test_a_silence_is_worth_a_word_once_it_is_twice_as_long_as_any_before(
    gap: float, first: float
) -> None:
    times = [gap * number for number in range(1, 6)]
    seen = follow(live([*times, times[-1] + 12 * gap + 400], end=times[-1] + 12 * gap + 500))
    told = [
        float(event.message.removeprefix("no new line for ").removesuffix(" s"))
        for event in seen.events
        if event.kind is EventKind.QUIET
    ]
    last = [silence for silence in told if silence > gap]  # others were the longest so far
    assert last
    for least, silence in zip([first, *(2 * one for one in last)], last, strict=False):
        # A gap seems longer by a look if its second line is found late, which counts twice; and the
        # silence that is twice as long is noticed a look late.
        assert least - 1 <= silence <= least + 3 * POLL


@pytest.mark.parametrize("late", [[], [500.0]], ids=str)
def test_no_silence_is_told_of_or_counted_of_a_job_that_has_ended(late: list[float]) -> None:
    job = live([1.0, 2.0, *late], end=40.0)
    seen = follow(job, settle=600)
    assert_whole(seen, job)
    assert EventKind.QUIET not in seen.kinds()
    assert seen.follower is not None
    assert 30 <= seen.follower.jobs[JOB].silence <= 40 + POLL


@pytest.mark.parametrize(("behind", "at_once"), [(0, True), (19, True), (20, False), (60, False)])
def test_the_complete_mark_counts_among_the_last_lines(behind: int, at_once: bool) -> None:
    lines = ["##FT_COMPLETE##", *(f"line {number}" for number in range(behind))]
    schedule = Schedule([30.0] * len(lines), [(30.0, "SUCCEEDED")])
    seen = follow(EmulatedJob(JOB, lines, status="RUNNING", schedule=schedule), settle=0)
    assert (seen.ended_at - seen.at[0] < 3) is at_once


@pytest.mark.covered
@pytest.mark.parametrize("end", ["FAILED", "SUCCEEDED", "CANCELED"])
def test_a_status_is_told_of_once_however_often_it_is_asked_for(end: str) -> None:
    seen = follow(live([1.0, 2.0, 400.0], status=end))
    told = [event.message for event in seen.events if event.kind is EventKind.STATUS]
    assert len(told) == 2
    assert "RUNNING" in told[0]
    assert end in told[1]


def test_a_status_is_not_asked_for_again_before_there_is_a_reason() -> None:
    asked: list[float] = []

    async def look(server: Emulator) -> None:
        await asyncio.sleep(9)
        asked.extend(exchange.at for exchange in server.journal if exchange.offset is None)

    follow(live([number / 2 for number in range(1, 60)]), during=look)
    assert len(asked) == 1


@pytest.mark.parametrize(("hours", "settles"), [(1, True), (500, False), (None, False)])
def test_a_job_settles_once_it_has_ended_unless_that_is_long_ago(
    hours: float | None, settles: bool
) -> None:
    seen: list[bool] = []

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        status = "RUNNING" if hours is None else "SUCCEEDED"
        end_time = None if hours is None else hours_ago(hours)
        job = EmulatedJob(JOB, ["line 0"], status=status, end_time=end_time)
        async with (
            Emulator([job], clock=clock, compress=False) as server,
            LogSession(server.api_key, base_url=server.base_url) as session,
        ):
            follower = session.follow([JOB], settle=30)
            async for _ in follower:
                await asyncio.sleep(1)
                seen.append(follower.jobs[JOB].settling)
                job.finish("SUCCEEDED")
            assert not follower.jobs[JOB].settling

    in_virtual_time(main())
    assert seen == [settles]


def test_lines_that_were_there_before_say_nothing_of_how_late_lines_come() -> None:
    seen = follow(live([0.0] * 50 + [100.0], end=100.0))
    assert seen.follower is not None
    lags = seen.follower.jobs[JOB].lags
    assert sum(lags._counts.values()) == 1


def test_a_log_that_is_another_one_is_read_at_once() -> None:
    job = EmulatedJob(JOB, [f"old {n}" for n in range(10)], status="RUNNING")
    told_at: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        lines: list[tuple[float, str]] = []
        async with (
            Emulator([job], clock=loop.time, compress=False) as server,
            LogSession(server.api_key, base_url=server.base_url) as session,
        ):

            def on_event(event: FollowEvent) -> None:
                if event.kind is EventKind.REWRITTEN:
                    told_at.append(loop.time())

            async for line in session.follow([JOB], on_event=on_event, settle=0):
                lines.append((loop.time(), line.text))
                if len(lines) == 10:
                    job.rewrite(["new 0"])
                    job.finish("SUCCEEDED")
        assert lines[-1][1] == "new 0"
        assert lines[-1][0] - told_at[0] < 0.5

    in_virtual_time(main())


@pytest.mark.unmeasured
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


@pytest.mark.unmeasured
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
