"""Jobs whose log and status change while they are served."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Schedule
from dashscope_ftlogs.emulator.lazy_lines import Computed

GROWING = Schedule([10, 20, 20, 30], [(5, "RUNNING"), (40, "SUCCEEDED")])

THEN = "2024-10-29 16:53:53"


def growing() -> EmulatedJob:
    return EmulatedJob(
        "ft-1", ["a", "b", "c", "d"], status="PENDING", schedule=GROWING, create_time=THEN
    )


async def test_log_and_status_follow_the_clock(ask: Any, clock: Any) -> None:
    async with Emulator([growing()], clock=clock) as emulator:
        seen = []
        for seconds in (0, 5, 10, 19.9, 20, 30, 40):
            clock.now = 1000 + seconds
            got = await ask(emulator)
            status = (await ask(emulator, "/fine-tunes/ft-1")).json["output"]["status"]
            listed = (await ask(emulator, "/fine-tunes")).json["output"]["jobs"][0]["status"]
            seen.append(("".join(got.lines), got.total, status))
            assert listed == status
    assert seen == [
        ("", 0, "PENDING"),
        ("", 0, "RUNNING"),
        ("a", 1, "RUNNING"),
        ("a", 1, "RUNNING"),
        ("abc", 3, "RUNNING"),
        ("abcd", 4, "RUNNING"),
        ("abcd", 4, "SUCCEEDED"),
    ]


async def test_a_job_ends_as_long_after_its_creation_as_the_schedule_says(ask: Any, clock: Any) -> None:
    async with Emulator([growing()], clock=clock) as emulator:
        clock.now += 100
        found = (await ask(emulator, "/fine-tunes/ft-1")).json["output"]
    assert (found["create_time"], found["end_time"]) == ("2024-10-29 16:53:53", "2024-10-29 16:54:33")


async def test_job_time_can_run_faster_or_stand_still(ask: Any, clock: Any) -> None:
    emulator = Emulator([growing()], clock=clock, time_scale=100)
    assert emulator.job_time == 0
    async with emulator:
        clock.now += 0.2
        assert (await ask(emulator)).total == 3
        emulator.time_scale = 0
        assert (await ask(emulator)).total == 0


async def test_a_log_can_be_changed_while_it_is_served(ask: Any) -> None:
    job = EmulatedJob("ft-1", ("a", "b"), status="RUNNING")
    async with Emulator([job]) as emulator:
        job.append("c", "d")
        assert (await ask(emulator)).lines == ["a", "b", "c", "d"]
        job.truncate(1)
        assert (await ask(emulator)).lines == ["a"]
        job.rewrite(["other"])
        assert (await ask(emulator)).lines == ["other"]
        job.rewrite(Computed(3, str))
        assert (await ask(emulator)).lines == ["0", "1", "2"]
        job.append("3")
        assert (await ask(emulator)).lines == ["0", "1", "2", "3"]
        job.finish("FAILED", "InternalError", "sorry")
        found = (await ask(emulator, "/fine-tunes/ft-1")).json["output"]
    assert (found["status"], found["code"], found["message"]) == ("FAILED", "InternalError", "sorry")


def age(sent: object) -> timedelta:
    assert isinstance(sent, str)
    return datetime.now(UTC) - datetime.fromisoformat(sent).replace(tzinfo=UTC)


@pytest.mark.parametrize("created", [None, THEN])
def test_a_job_that_is_ended_ended_now(created: str | None) -> None:
    job = EmulatedJob("ft-1", status="RUNNING", create_time=created)
    assert "end_time" not in job.facts(0)
    job.finish("SUCCEEDED")
    assert timedelta() <= age(job.facts(0)["end_time"]) < timedelta(hours=1)


def test_so_does_one_that_is_given_another_status_or_a_schedule_and_no_times() -> None:
    jobs = [
        EmulatedJob("ft-1", status="RUNNING"),
        EmulatedJob("ft-2", status="PENDING", schedule=GROWING),
    ]
    jobs[0].status = "FAILED"
    for job in jobs:
        assert abs(age(job.facts(40)["end_time"])) < timedelta(hours=1)


def test_an_end_that_was_given_stays() -> None:
    job = EmulatedJob("ft-1", status="RUNNING", end_time=THEN)
    job.finish("SUCCEEDED")
    assert job.facts(0)["end_time"] == THEN


def test_a_change_does_not_reach_the_callers_list() -> None:
    lines = ["a"]
    EmulatedJob("ft-1", lines).append("b")
    assert lines == ["a"]


def test_finishing_a_job_overrules_its_schedule() -> None:
    job = growing()
    job.finish("CANCELED")
    assert (job.status_at(0), job.status_at(99)) == ("CANCELED", "CANCELED")
    assert job.total_at(15) == 1


def test_lines_beyond_the_schedule_appear_with_its_last_one() -> None:
    job = growing()
    job.append("e")
    assert [job.total_at(seconds) for seconds in (20, 29, 30)] == [3, 3, 5]


def test_a_schedule_may_be_longer_than_its_log() -> None:
    job = growing()
    job.truncate(2)
    assert [job.total_at(seconds) for seconds in (15, 20, 30)] == [1, 2, 2]


def test_a_job_without_a_schedule_never_changes() -> None:
    job = EmulatedJob("ft-1", ["a"], status="RUNNING")
    assert (job.total_at(0), job.status_at(10**9)) == (1, "RUNNING")


@given(st.lists(st.floats(0, 1000), max_size=20).map(sorted), st.floats(0, 1000))
def test_for_any_schedule_what_is_due_is_visible(times: list[float], now: float) -> None:
    job = EmulatedJob("ft-1", [str(at) for at in times], schedule=Schedule(times))
    assert job.total_at(now) == sum(at <= now for at in times)


def test_a_lazy_schedule_is_neither_copied_nor_read_through() -> None:
    asked: list[int] = []

    def at(number: int) -> float:
        asked.append(number)
        return number / 10

    job = EmulatedJob("ft-1", Computed(10**9, str), schedule=Schedule(Computed(10**9, at)))
    assert job.total_at(1234.5) == 12346
    assert len(asked) < 64


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"line_times": [1, 2, 1.5]}, r"line_times .* 1.5 at 2 comes after 2"),
        ({"line_times": (float("nan"),)}, "line_times"),
        ({"status_times": [(2, "RUNNING"), (1, "FAILED")]}, "status_times"),
    ],
)
def test_times_that_fall_are_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Schedule(**wrong)


def test_a_jobs_repr_is_short() -> None:
    assert repr(EmulatedJob("ft-1", ["x"] * 9)) == "EmulatedJob('ft-1', 9 lines, status='SUCCEEDED')"
