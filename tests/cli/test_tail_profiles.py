"""`ftlogs tail` with several profiles: whose each line is, and that one's end is not the others'."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_jobs import FAST, grow
from teams import BOTH, Teams, lines, two_teams

from dashscope_ftlogs.emulator import EmulatedJob


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[Teams]:
    with two_teams(tmp_path) as made:
        yield made


def by_job(out: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in out.decode().splitlines():
        name, _, text = line.removeprefix("[").partition("] ")
        found.setdefault(name, []).append(text)
    return found


async def test_each_line_says_whose_it_is_where_there_are_several(ftlogs: Any, teams: Teams) -> None:
    ended = await ftlogs("tail", "b/ft-1", "a/1", "3", "-n", "2", *BOTH, environ=teams.environ)
    assert by_job(ended.out) == {
        "b/ft-1": lines(0.5, 4)[-2:],
        "a/ft-1": lines(1.5)[-2:],
        "b/ft-3": lines(0.1)[-2:],
    }
    assert (ended.code, ended.err) == (0, "")
    for follow in ((), ("-f", *FAST)):
        one = await ftlogs("tail", *follow, "ft-3:2", *BOTH, environ=teams.environ)
        assert (one.code, by_job(one.out)) == (0, {"b/ft-3": lines(0.1)[2:]})
    for name in ("ft-2", "2", "a/ft-2", "a/@last"):
        alone = await ftlogs("tail", name, "--profile", "a", environ=teams.environ)
        assert (alone.code, alone.out) == (0, b"x\n"), alone.err
    for name in ("@running", "a/@running"):
        alone = await ftlogs("tail", name, "--profile", "a", environ=teams.environ)
        assert alone.out == b"[ft-2] x\n"


async def test_a_row_has_the_profile_beside_the_job(ftlogs: Any, teams: Teams) -> None:
    words = ("tail", "a/ft-1", "b/ft-1", "-n", "1", "--format", "jsonl")
    ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    rows = [json.loads(row) for row in ended.out.splitlines()]
    assert [(row["job_id"], row["profile"], row["offset"]) for row in rows] == [
        ("ft-1", "a", 2),
        ("ft-1", "b", 3),
    ]
    alone = await ftlogs(*words[:2], *words[3:], "--profile", "a", environ=teams.environ)
    assert "profile" not in json.loads(alone.out)


@pytest.mark.parametrize("follow", [(), ("-f", *FAST)], ids=str)
@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (("ft-1",), "'ft-1' fits 2 jobs, a/ft-1, b/ft-1: say whose, as PROFILE/JOB", 2),
        (("c/ft-1",), "there is no file 'c/ft-1', nor such a job", 2),
        (("ft-202610291653-9999",), "no profile has a job", 4),
        (("ft-3", "--workspace", "llm-1"), "--workspace: not with several profiles", 2),
        (("ft-3", "b/ft-3:1"), "b/ft-3 is named twice, with two places to begin at", 2),
    ],
)
async def test_what_could_mean_several_or_none_is_refused(
    ftlogs: Any, teams: Teams, words: tuple[str, ...], told: str, code: int, follow: tuple[str, ...]
) -> None:
    ended = await ftlogs("tail", *follow, *words, *BOTH, environ=teams.environ)
    assert (ended.code, ended.out) == (code, b"")
    assert told in ended.err


async def test_jobs_of_several_are_followed_together_to_the_end_of_each(
    ftlogs: Any, teams: Teams
) -> None:
    grown = {"a": [f"a {n}" for n in range(5)], "b": [f"b {n}" for n in range(9)]}
    jobs = {"a": teams.a.jobs["ft-2"], "b": EmulatedJob("ft-2", ["x"], status="RUNNING")}
    teams.b.jobs["ft-2"] = jobs["b"]
    words = ("tail", "-f", "a/ft-2", "b/ft-2", "-n", "all", "--stats", *FAST)
    async with asyncio.TaskGroup() as growing:
        growing.create_task(grow(teams.a, jobs["a"], grown["a"]))
        growing.create_task(grow(teams.b, jobs["b"], grown["b"], "FAILED"))
        ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    assert ended.code == 7
    assert by_job(ended.out) == {f"{one}/ft-2": ["x", *some] for one, some in grown.items()}
    assert "ftlogs: a/ft-2: finished: SUCCEEDED, 6 lines\n" in ended.err
    assert "ftlogs: b/ft-2: finished: FAILED, 10 lines; the service says " in ended.err
    assert "`ftlogs show ft-2 --profile b` looks into its log\n" in ended.err
    for name in ("a", "b"):
        assert f"ftlogs: {name}: " in ended.err.replace(f"{name}/ft-2: ", "")
    assert ended.err.count("at once at most; lags are estimates") == 2


@pytest.mark.parametrize("follow", [(), ("-f", *FAST)], ids=str)
async def test_one_whose_key_is_refused_stops_no_other(
    ftlogs: Any, teams: Teams, follow: tuple[str, ...]
) -> None:
    teams.forget_key("a")
    for name in ("ft-3", "3"):
        ended = await ftlogs("tail", *follow, name, *BOTH, environ=teams.environ)
        assert (ended.code, by_job(ended.out)) == (3, {"b/ft-3": lines(0.1)})
        assert ended.err.count("ftlogs: a: HTTP 401") == 1
    ended = await ftlogs("tail", *follow, "a/ft-1", "b/ft-3", *BOTH, environ=teams.environ)
    assert (ended.code, by_job(ended.out)) == (3, {"b/ft-3": lines(0.1)})
    assert ended.err.count("HTTP 401") == 1
    if follow:
        words = ("a/ft-1:1", "b/ft-3:1", "--fail-on", "loss>best*9", *BOTH)
        ended = await ftlogs("tail", *follow, *words, environ=teams.environ)
        assert (ended.code, by_job(ended.out)) == (3, {"b/ft-3": lines(0.1)[1:]})
    until = ("--until", "loss<0.2", *BOTH)
    ended = await ftlogs("tail", *follow, "a/ft-1", "b/ft-3", *until, environ=teams.environ)
    assert (ended.code, ended.err.count("HTTP 401")) == (3, 1)
    teams.forget_key("b")
    ended = await ftlogs("tail", *follow, "3", *BOTH, environ=teams.environ)
    assert (ended.code, ended.out) == (3, b"")


async def test_a_job_that_can_t_be_followed_is_said_once_and_stops_no_other(
    ftlogs: Any, teams: Teams
) -> None:
    words = ("tail", "-f", "a/ft-202610291653-9999", "a/ft-1:50", "b/ft-3", *FAST)
    ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    assert (ended.code, by_job(ended.out)) == (4, {"b/ft-3": lines(0.1)})
    assert ended.err.count("Not found!") == 1
    assert "a/ft-1: offset 50: the log of ft-1 has only 3 lines" in ended.err
    assert "ftlogs: b/ft-3: finished" in ended.err


async def test_all_running_jobs_of_all_are_followed_until_none_runs_in_any(
    ftlogs: Any, teams: Teams
) -> None:
    later = EmulatedJob("ft-4", ["first"], status="RUNNING")

    async def one_after_the_other() -> None:
        await grow(teams.a, teams.a.jobs["ft-2"], ["y"])
        teams.b.jobs["ft-4"] = later
        await grow(teams.b, later, lines(0.5))

    words = ("tail", "--all-running", "-n", "all", "--look-every", "0.1", *FAST)
    # Of b nothing runs until the job of a has ended, which is longer than one look apart.
    teams.b.jobs["ft-5"] = EmulatedJob("ft-5", ["z"], status="RUNNING")
    async with asyncio.TaskGroup() as growing:
        growing.create_task(one_after_the_other())
        process = growing.create_task(ftlogs(*words, *BOTH, environ=teams.environ))
        while not any(one.job_id == "ft-4" for one in teams.b.journal):
            await asyncio.sleep(0.01)
        teams.b.jobs["ft-5"].finish("SUCCEEDED")
    ended = await process
    assert (ended.code, ended.err.count("no job is running")) == (0, 0)
    assert by_job(ended.out) == {
        "a/ft-2": ["x", "y"],
        "b/ft-4": ["first", *lines(0.5)],
        "b/ft-5": ["z"],
    }
    ended = await ftlogs(*words[:2], *BOTH, environ=teams.environ)
    assert (ended.code, ended.out, ended.err) == (0, b"", "ftlogs: no job is running\n")


async def test_one_that_fails_at_once_is_told_of_where_none_else_of_its_profile_runs(
    ftlogs: Any, teams: Teams
) -> None:
    words = ("tail", "--all-running", "--look-every", "0.1", "--until", "loss<0", *FAST)
    async with asyncio.TaskGroup() as group:
        process = group.create_task(ftlogs(*words, *BOTH, environ=teams.environ))
        while sum(one.endpoint == "list" for one in teams.b.journal) < 3:
            await asyncio.sleep(0.01)
        failed = EmulatedJob("ft-9", ["no such data"], status="RUNNING")
        failed.finish("FAILED")
        teams.b.jobs["ft-9"] = failed
        while not any(one.job_id == "ft-9" and one.endpoint == "logs" for one in teams.b.journal):
            await asyncio.sleep(0.01)
        teams.a.jobs["ft-2"].finish("SUCCEEDED")
    ended = await process
    assert (ended.code, by_job(ended.out)) == (7, {"a/ft-2": ["x"], "b/ft-9": ["no such data"]})
    assert "ftlogs: b/ft-9: FAILED, never met loss<0" in ended.err


async def test_what_runs_is_followed_where_another_profile_cannot_be_asked(
    ftlogs: Any, teams: Teams
) -> None:
    teams.forget_key("b")
    words = ("tail", "--all-running", "--until", "loss<1", *FAST)
    teams.a.jobs["ft-2"].append(lines(0.5)[0])
    ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    assert (ended.code, by_job(ended.out)) == (3, {"a/ft-2": ["x", lines(0.5)[0]]})
    assert ended.err.count("ftlogs: b: HTTP 401") == 1
    teams.a.jobs["ft-2"].finish("SUCCEEDED")
    ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    assert (ended.code, ended.out) == (3, b"")


@pytest.mark.covered
@pytest.mark.parametrize("goal", ["--fail-on", "--until"])
async def test_conditions_are_those_of_all_jobs_of_all_profiles(
    ftlogs: Any, teams: Teams, goal: str
) -> None:
    words = ("tail", "-f", "a/ft-1:1", "b/ft-1", goal, "loss<1", *FAST)
    ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    if goal == "--fail-on":
        assert ended.code == 9
        assert "loss<1: b/ft-1 line 1: {'loss': 0.5" in ended.err
    else:
        assert (ended.code, by_job(ended.out)["a/ft-1"]) == (10, lines(1.5)[1:])
        assert "a/ft-1: SUCCEEDED, never met loss<1" in ended.err
    now = await ftlogs("tail", "a/ft-2", "b/ft-1", "--until", "loss<1", *BOTH, environ=teams.environ)
    assert now.code == 6
    waits = "`ftlogs tail -f ft-2 --profile a --until 'loss<1'` waits for it"
    assert f"a/ft-2: RUNNING, so far did not meet loss<1; {waits}" in now.err
    one = await ftlogs("tail", "ft-2", "--until", "loss<1", "--profile", "a", environ=teams.environ)
    assert f"ftlogs: ft-2: RUNNING, so far did not meet loss<1; {waits}" in one.err


async def test_a_running_job_in_an_archive_is_waited_for_by_its_profile(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    out = str(tmp_path / "logs")
    await ftlogs("download", "--all", *BOTH, "--out", out, "-q", environ=teams.environ)
    ended = await ftlogs("tail", f"{out}/a/ft-2.log", "--until", "loss<1")
    assert "`ftlogs tail -f ft-2 --profile a --until 'loss<1'` waits for it" in ended.err


@pytest.mark.posix
async def test_what_is_stopped_is_gone_on_with_for_each_profile(
    start_ftlogs: Any, ftlogs: Any, teams: Teams
) -> None:
    teams.b.jobs["ft-3"] = EmulatedJob("ft-3", ["one", "two"], status="RUNNING")
    words = ("tail", "-f", "2", "3", "-n", "all", *FAST, *BOTH)
    process = await start_ftlogs(words, None, teams.environ)
    seen = b"".join([await process.stdout.readline() for _ in range(3)])
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    said, _, command = err.decode().strip().rpartition("; resume with: ftlogs ")
    assert (process.returncode, said) == (130, "ftlogs: the jobs go on")
    assert command.split()[:4] == ["tail", "-f", "a/ft-2:1", "b/ft-3:2"]
    for emulator, name in ((teams.a, "ft-2"), (teams.b, "ft-3")):
        emulator.jobs[name].append("more")
        emulator.jobs[name].finish("SUCCEEDED")
    again = await ftlogs(*command.split(), environ=teams.environ)
    assert by_job(seen + again.out) == {"a/ft-2": ["x", "more"], "b/ft-3": ["one", "two", "more"]}
