"""Machines that lag: each answers as an emulator without lag did, so many seconds ago."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Machine, Schedule
from dashscope_ftlogs.emulator.past import History

IDS = ("ft-1", "ft-2", "ft-3")
PATHS = ("/fine-tunes", *(f"/fine-tunes/{job_id}{what}" for job_id in IDS for what in ("", "/logs")))


def dated(job_id: str, lines: list[str], **facts: Any) -> EmulatedJob:
    """Return a job that is of the same time whenever it is made, and ended."""
    times = {"create_time": "2026-01-01 10:00:00", "end_time": "2026-01-01 11:00:00"}
    return EmulatedJob(job_id, lines, **times, **facts)


def served(clock: Any, **settings: Any) -> Emulator:
    line_times, status_times = [0, 2, 4, 6], [(0, "RUNNING"), (5, "SUCCEEDED")]
    running = dated("ft-2", ["a", "b", "c", "d"], schedule=Schedule(line_times, status_times))
    return Emulator([dated("ft-1", ["x"], status="RUNNING"), running], clock=clock, **settings)


def exchange(emulator: Emulator, job_id: str) -> None:
    emulator.jobs = {"ft-3": dated("ft-3", ["n"]), **emulator.jobs}


def forget(emulator: Emulator, job_id: str) -> None:
    if job_id in emulator.jobs:
        emulator.remove(job_id)


def on_job(change: Callable[[EmulatedJob], None]) -> Callable[[Emulator, str], None]:
    def apply(emulator: Emulator, job_id: str) -> None:
        if job_id in emulator.jobs:
            change(emulator.jobs[job_id])

    return apply


CHANGES: dict[str, Callable[[Emulator, str], object]] = {
    "grow": on_job(lambda job: job.append("g", "h")),
    "grow in place of all": on_job(lambda job: setattr(job, "lines", [*job.lines[:], "w"])),
    "shrink": on_job(lambda job: job.truncate(1)),
    "restart": on_job(lambda job: job.rewrite(["new", "life"])),
    "end": on_job(lambda job: job.finish("FAILED", "Oops", "Dear me")),
    "run": on_job(lambda job: setattr(job, "status", "RUNNING")),
    "add": lambda emulator, job_id: emulator.add(dated(job_id, ["added"], status="RUNNING")),
    "remove": forget,
    "clear": lambda emulator, _: emulator.jobs.clear(),
    "exchange": exchange,
    "hurry": lambda emulator, _: setattr(emulator, "time_scale", 2.0),
    "nothing": lambda emulator, _: None,
}

STEPS = st.lists(st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.sampled_from(IDS)), max_size=3))


async def asked(client: aiohttp.ClientSession, emulator: Emulator) -> list[tuple[int, Any]]:
    """All that it says, but for the ids of the requests."""
    key = {"Authorization": f"Bearer {emulator.api_key}"}
    said: list[tuple[int, Any]] = []
    for path in PATHS:
        async with client.get(emulator.base_url + path, headers=key) as response:
            answer = await response.json()
            said.append((response.status, answer.get("output")))
    return said


@settings(max_examples=40)
@given(steps=STEPS, lag=st.integers(1, 6))
def test_for_any_history_a_machine_answers_as_one_without_lag_did(
    steps: list[list[tuple[str, str]]], lag: int
) -> None:
    async def run() -> None:
        now = 1000.0
        heard: list[list[tuple[int, Any]]] = []
        async with (
            served(lambda: now) as prompt,
            served(lambda: now, machines=[lag]) as late,
            aiohttp.ClientSession() as client,
        ):
            for changes in [*steps, *[[]] * lag]:
                for name, job_id in changes:
                    for emulator in (prompt, late):
                        CHANGES[name](emulator, job_id)
                heard.append(await asked(client, prompt))
                assert await asked(client, late) == heard[max(0, len(heard) - 1 - lag)]
                now += 1

    asyncio.run(run())


async def test_the_journal_says_how_far_behind_each_answer_was(ask: Any, clock: Any) -> None:
    machines = [Machine(), 12.5, (20, 40)]
    async with served(clock, machines=machines, seed=3) as emulator:
        clock.now += 100
        emulator.jobs["ft-1"].append("y")
        clock.now += 15
        totals = [(await ask(emulator)).total for _ in range(60)]
    lags = [one.lag for one in emulator.journal]
    assert {0.0, 12.5} < set(lags)
    assert all(lag in (0, 12.5) or 20 <= lag <= 40 for lag in lags)
    assert totals == [2 if lag <= 15 else 1 for lag in lags]


async def test_all_requests_of_a_connection_are_answered_by_the_same_machine(clock: Any) -> None:
    async with served(clock, machines=[(0, 40)], machine_by="connection") as emulator:
        for _ in range(3):
            async with aiohttp.ClientSession() as client:
                await asked(client, emulator)
    lags = [one.lag for one in emulator.journal]
    assert [len(set(lags[start : start + 7])) for start in (0, 7, 14)] == [1, 1, 1]
    assert len(set(lags)) == 3


async def test_which_machine_answers_repeats_with_the_seed(ask: Any, clock: Any) -> None:
    runs: list[list[float]] = []
    for seed in (1, 1, 2):
        async with served(clock, machines=[(0, 40), 3], seed=seed) as emulator:
            for _ in range(5):
                await ask(emulator)
        runs.append([one.lag for one in emulator.journal])
    assert runs[0] == runs[1] != runs[2]


async def test_only_the_last_so_many_seconds_are_kept(ask: Any, clock: Any) -> None:
    history = History(0, 10.0)
    for second in range(1000):
        history.note(second, second)
    assert len(history) <= 12
    assert [history.at(when) for when in (989, 990.5, 2000)] == [989, 990, 999]
    assert history.at(0) == 988  # too long ago: the oldest that is left


def test_where_no_machine_lags_jobs_are_not_watched(clock: Any) -> None:
    for machines in ([], [0.0]):
        emulator = served(clock, machines=machines)
        assert "_watchers" not in vars(emulator.jobs["ft-1"])
    watched = served(clock, machines=[1]).jobs["ft-1"]
    assert "_watchers" in vars(watched)
    assert "_watchers" not in vars(copy.copy(watched))


async def test_any_part_of_an_older_log_is_that_of_its_time(clock: Any) -> None:
    async with served(clock, machines=[5]) as emulator:
        job = emulator.jobs["ft-1"]
        job.append("y")
        clock.now += 5
        job.append("z")
        assert emulator._served._past is not None
        old = emulator._served._past.jobs(clock.now - 5)[0].lines
    assert (list(old), old[-1], old[5:9], old[::-1]) == (["x", "y"], "y", [], ["y", "x"])


@pytest.mark.parametrize("lag", [-1, float("nan"), float("inf"), (3, 2)])
def test_a_lag_that_cannot_be_is_refused(lag: Any) -> None:
    with pytest.raises(ValueError, match="a machine's lag must be seconds, 0 or more"):
        Emulator(machines=[lag])


def test_a_machine_is_chosen_for_a_request_or_a_connection(clock: Any) -> None:
    with pytest.raises(ValueError, match="machine_by must be one of"):
        Emulator(machine_by="day")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_a_job_that_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(KeyError):
        Emulator().remove("ft-1")
