"""With which code `ftlogs tail` ends, for each kind of log and each end of its job."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_jobs import FAST

from dashscope_ftlogs import Job
from dashscope_ftlogs.cli.tail.how_jobs_ended import code_of_ends
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = ["{'loss': 1.5}", "{'loss': 0.4}", "{'loss': 1.0}"]
MET, UNMET = "loss<0.5", "loss<0.1"
CODES = {"SUCCEEDED": 10, "FAILED": 7, "CANCELED": 8, "RUNNING": 6, "SOMETHING_NEW": 6}
"""Where `--until` was not met."""
ENDS = {"SUCCEEDED": 0, "FAILED": 7, "CANCELED": 8}
"""Of `-f`, where nothing was asked for."""


def jobs(statuses: Sequence[str]) -> list[EmulatedJob]:
    return [EmulatedJob(f"ft-{status.lower()}", LINES, status=status) for status in statuses]


@pytest.mark.covered
async def test_jobs_as_they_are_by_now(ftlogs: Any) -> None:
    async with Emulator(jobs([*CODES])) as emulator:
        for job, code in zip(jobs([*CODES]), CODES.values(), strict=True):
            met = await ftlogs("tail", job.job_id, "--until", MET, emulator=emulator)
            unmet = await ftlogs("tail", job.job_id, "--until", UNMET, emulator=emulator)
            failing = ("--until", UNMET, "--fail-on", MET)
            failed = await ftlogs("tail", job.job_id, *failing, emulator=emulator)
            plain = await ftlogs("tail", job.job_id, emulator=emulator)
            assert (met.code, unmet.code, failed.code, plain.code) == (0, code, 9, 0)


@pytest.mark.covered
async def test_jobs_that_are_followed(ftlogs: Any) -> None:
    async with Emulator(jobs([*CODES])) as emulator:
        for status, code in CODES.items():
            follow = ("tail", "-f", f"ft-{status.lower()}", *FAST)
            met = await ftlogs(*follow, "--until", MET, emulator=emulator)
            failed = await ftlogs(*follow, "--until", UNMET, "--fail-on", MET, emulator=emulator)
            assert (met.code, failed.code) == (0, 9)
            if status in ENDS:  # or it would wait
                unmet = await ftlogs(*follow, "--until", UNMET, emulator=emulator)
                plain = await ftlogs(*follow, emulator=emulator)
                unhurt = await ftlogs(*follow, "--fail-on", UNMET, emulator=emulator)
                assert (unmet.code, plain.code, unhurt.code) == (code, ENDS[status], ENDS[status])


async def test_where_no_job_runs_none_has_met_what_was_hoped_for(ftlogs: Any) -> None:
    async with Emulator(jobs(["SUCCEEDED"])) as emulator:
        ended = await ftlogs("tail", "-f", "--all-running", "--until", MET, emulator=emulator)
        watched = await ftlogs("tail", "-f", "--all-running", "--fail-on", MET, emulator=emulator)
        named = [
            await ftlogs(*words, "@running", emulator=emulator) for words in (("tail", "-f"), ("cat",))
        ]
    assert (ended.code, ended.out) == (10, b"")
    assert ended.err.startswith("ftlogs: no job is running\n")
    assert watched.code == 0
    told = "ftlogs: @running: no job is running.\n"
    assert [(one.code, one.err) for one in named] == [(2, told)] * 2


async def test_archives_and_the_files_in_them_know_how_the_job_ended(
    ftlogs: Any, tmp_path: Path
) -> None:
    async with Emulator(jobs([*CODES])) as emulator:
        await ftlogs("download", "--all", "-o", str(tmp_path), "--settle", "0", emulator=emulator)
    for status, code in CODES.items():
        path = str(tmp_path / f"ft-{status.lower()}.log")
        met = await ftlogs("tail", path, "--until", MET)
        unmet = await ftlogs("tail", path, "--until", UNMET)
        failed = await ftlogs("tail", path, "--until", UNMET, "--fail-on", MET)
        plain = await ftlogs("tail", path)
        assert (met.code, unmet.code, failed.code, plain.code) == (0, code, 9, 0)
    met, unmet = [await ftlogs("tail", str(tmp_path), "--until", one) for one in (MET, UNMET)]
    assert (met.code, unmet.code) == (0, 7)
    # An archive can't be followed, but its job can.
    waits = f"; `ftlogs tail -f ft-running --until '{UNMET}'` waits for it"
    assert f"ftlogs: ft-running: RUNNING, so far did not meet {UNMET}{waits}\n" in unmet.err


@pytest.mark.covered
async def test_files_and_pipes_hold_all_that_there_is(
    ftlogs: Any, start_ftlogs: Any, tmp_path: Path
) -> None:
    path = tmp_path / "some.log"
    path.write_text("\n".join(LINES))
    for words, code in (
        (("--until", MET), 0),
        (("--until", UNMET), 10),
        (("--until", UNMET, "--fail-on", MET), 9),
        ((), 0),
    ):
        assert (await ftlogs("tail", str(path), *words)).code == code
        piped = await start_ftlogs(("tail", "-", *words), None, stdin=asyncio.subprocess.PIPE)
        await piped.communicate(path.read_bytes())
        assert piped.returncode == code


@given(st.lists(st.sampled_from([*CODES, None])))
def test_of_several_what_is_certain_goes_before_what_may_still_change(
    statuses: list[str | None],
) -> None:
    some = [None if status is None else Job("ft-1", status) for status in statuses]
    codes = {10 if status is None else CODES[status] for status in statuses}
    assert code_of_ends(some, until=True) == next((one for one in (7, 8, 10, 6) if one in codes), 0)
    ends = {ENDS.get(status or "", 0) for status in statuses}
    assert code_of_ends(some, until=False) == next((one for one in (7, 8) if one in ends), 0)


async def test_a_watch_for_what_no_line_has_does_not_pass_for_a_good_end(
    ftlogs: Any, tmp_path: Path
) -> None:
    (tmp_path / "odd.log").write_text("it=4/500 | L=nan\n")
    (tmp_path / "known.log").write_text("".join(f"{line}\n" for line in LINES))
    (tmp_path / "empty.log").write_text("")
    for name, condition, code in (
        ("odd.log", "L=nan", 2),
        ("odd.log", "nan", 2),
        ("empty.log", "nan", 2),
        ("known.log", "los=nan", 2),
        ("known.log", "nan", 0),
    ):
        ended = await ftlogs("tail", str(tmp_path / name), "--fail-on", condition)
        assert (ended.code, f"ftlogs: {condition}: no line " in ended.err) == (code, code == 2)
        assert ("nothing; what no known form fits is read by --pattern" in ended.err) == (
            name == "odd.log"
        )
    words = ("tail", str(tmp_path / "odd.log"), "--fail-on", "L=nan")
    assert (await ftlogs(*words, "--pattern", r"L=(?P<L>\S+)")).code == 9
    assert (await ftlogs(*words, "--until", "step>9")).code == 10


async def test_a_job_that_has_only_begun_may_still_have_what_is_watched_for(ftlogs: Any) -> None:
    served = [
        EmulatedJob("ft-begun", LINES, status="RUNNING"),
        EmulatedJob("ft-long", LINES * 20, status="RUNNING"),
        EmulatedJob("ft-over", LINES, status="SUCCEEDED"),
        EmulatedJob("ft-failed", LINES, status="FAILED"),
    ]
    watch = ("--fail-on", "los=nan")
    async with Emulator(served) as emulator:
        codes = [(await ftlogs("tail", job.job_id, *watch, emulator=emulator)).code for job in served]
        followed = [
            (await ftlogs("tail", "-f", job.job_id, *FAST, *watch, emulator=emulator)).code
            for job in served[2:]
        ]
    assert (codes, followed) == ([0, 2, 2, 2], [0, 7])
