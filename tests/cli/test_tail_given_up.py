"""`tail --all-running --give-up-after`: what can't be had for so long ends the watch of all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_jobs import FAST
from teams import BOTH, Teams, two_teams

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse

WATCH = (*("tail", "-f", "--all-running", "-n", "all", "--look-every", "0.1", *FAST), "--max-tries", "1")
GIVE_UP = ("--give-up-after", "1s")


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[Teams]:
    with two_teams(tmp_path) as made:
        yield made


def running(*job_ids: str) -> list[EmulatedJob]:
    return [EmulatedJob(job_id, [f"{job_id} 0", f"{job_id} 1"], status="RUNNING") for job_id in job_ids]


async def printed(process: Any, lines: int) -> None:
    for _ in range(lines):
        await process.stdout.readline()


@pytest.mark.parametrize("lost", [["ft-c"], ["ft-a", "ft-c"]], ids=str)
async def test_a_job_that_is_given_up_on_ends_the_watch_and_says_where_to_go_on(
    start_ftlogs: Any, lost: list[str]
) -> None:
    """The list of jobs and what is said of each stay fine, and both jobs go on."""
    async with Emulator(running("ft-a", "ft-c")) as emulator:
        process = await start_ftlogs((*WATCH, *GIVE_UP), emulator)
        await printed(process, 4)
        emulator.faults = [Fault(Refuse(503), endpoint="logs", job_id=job_id) for job_id in lost]
        out, err = await process.communicate()
    *_, why, hint = err.decode().splitlines()
    assert (process.returncode, out) == (5, b"")
    assert why.startswith(tuple(f"ftlogs: {job_id}: HTTP 503" for job_id in lost))
    assert "It has lasted for 1 s, as long as was allowed." in why
    command = "ftlogs tail -f ft-a:2 ft-c:2 --all-running -n all"
    assert hint.startswith(f"ftlogs: the jobs go on; resume with: {command} ")
    assert "--give-up-after 1" in hint


async def test_the_services_last_word_on_a_job_leaves_the_others_alone(start_ftlogs: Any) -> None:
    jobs = running("ft-a", "ft-c")
    async with Emulator(jobs) as emulator:
        process = await start_ftlogs((*WATCH, *GIVE_UP), emulator)
        await printed(process, 4)
        refused = Refuse(400, "InvalidParameter", "No.")
        emulator.faults = [Fault(refused, endpoint="logs", job_id="ft-c")]
        told = await process.stderr.readline()
        jobs[0].append("still read")
        assert await process.stdout.readline() == b"[ft-a] still read\n"
        for job in jobs:
            job.finish("SUCCEEDED")
        _, err = await process.communicate()
    assert told.startswith(b"ftlogs: ft-c: HTTP 400 InvalidParameter")
    assert (process.returncode, err) == (2, b"ftlogs: ft-a: finished: SUCCEEDED, 3 lines\n")


async def test_what_ends_the_watch_later_is_said_though_a_job_had_failed_before(
    start_ftlogs: Any,
) -> None:
    async with Emulator(running("ft-a", "ft-c")) as emulator:
        process = await start_ftlogs(WATCH, emulator)
        await printed(process, 4)
        refused = Refuse(400, "InvalidParameter", "No.")
        emulator.faults = [Fault(refused, endpoint="logs", job_id="ft-c")]
        await process.stderr.readline()
        emulator.api_key = "sk-other"
        _, err = await process.communicate()
    assert process.returncode == 3
    assert err.startswith(b"ftlogs: HTTP 401 InvalidApiKey")


async def test_a_list_that_is_given_up_on_ends_the_watch_and_says_where_to_go_on(
    start_ftlogs: Any,
) -> None:
    async with Emulator(running("ft-a")) as emulator:
        process = await start_ftlogs((*WATCH, *GIVE_UP), emulator)
        await printed(process, 2)
        emulator.faults = [Fault(Refuse(503), endpoint="list")]
        _, err = await process.communicate()
    *_, why, hint = err.decode().splitlines()
    assert process.returncode == 5
    assert "It has lasted for 1 s, as long as was allowed." in why
    assert hint.startswith("ftlogs: the job goes on; resume with: ftlogs tail -f ft-a:2 --all-running ")


@pytest.mark.parametrize("endpoint", ["logs", "list"])
async def test_what_is_given_up_on_in_one_profile_ends_the_watch_of_all(
    start_ftlogs: Any, teams: Teams, endpoint: Any
) -> None:
    teams.b.add(*running("ft-9"))
    process = await start_ftlogs((*WATCH, *GIVE_UP, *BOTH), None, teams.environ)
    await printed(process, 3)
    teams.b.faults = [Fault(Refuse(503), endpoint=endpoint)]
    _, err = await process.communicate()
    *_, why, hint = err.decode().splitlines()
    assert process.returncode == 5
    assert why.startswith("ftlogs: b/ft-9: HTTP 503" if endpoint == "logs" else "ftlogs: b: HTTP 503")
    assert hint.startswith("ftlogs: the jobs go on; resume with: ftlogs tail -f ")
    assert {"a/ft-2:1", "b/ft-9:2"} <= set(hint.split())


async def test_jobs_that_were_named_are_all_followed_to_their_ends_first(start_ftlogs: Any) -> None:
    jobs = running("ft-a", "ft-c")
    async with Emulator(jobs) as emulator:
        words = ("tail", "-f", "ft-a", "ft-c", *FAST, *GIVE_UP, "--max-tries", "1")
        process = await start_ftlogs(words, emulator)
        await printed(process, 4)
        emulator.faults = [Fault(Refuse(503), endpoint="logs", job_id="ft-c")]
        while b"ft-c: HTTP 503" not in await process.stderr.readline():
            pass
        jobs[0].append("still read")
        assert await process.stdout.readline() == b"[ft-a] still read\n"
        jobs[0].finish("SUCCEEDED")
        _, err = await process.communicate()
    assert (process.returncode, err) == (5, b"ftlogs: ft-a: finished: SUCCEEDED, 3 lines\n")
