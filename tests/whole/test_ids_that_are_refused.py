"""A job that the service lists by an id that no URL should hold fails by itself; the others go on."""

import asyncio
from typing import Any

import pytest
from following import in_virtual_time, live
from hypothesis import given, settings
from hypothesis import strategies as st
from live_jobs import FAST
from teams import two_teams

from dashscope_ftlogs import EventKind, FollowEvent, InvalidArgumentError, Job, LogSession, checks
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import escaped

GOOD = "ft-202512070912-be8c"
KEY = "sk-0123456789abcdef0123"
LOG = ["{'loss': 1.5, 'global_step/max_steps': '1/9'}", "{'eval_loss': 0.5}"]


def is_refused(job_id: str) -> bool:
    try:
        checks.job_id(job_id)
    except InvalidArgumentError:
        return True
    return False


REFUSED = st.sampled_from(["", "ft 2", "x" * 129, "..", "a/b", "\x1b[2J", KEY]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=140
).filter(is_refused)


def described(*job_ids: str) -> list[Job]:
    return [Job(job_id=job_id, status="RUNNING") for job_id in job_ids]


@settings(max_examples=30)
@given(odd=st.lists(REFUSED, min_size=1, max_size=3, unique=True), as_list=st.booleans())
def test_following_tells_of_each_and_gives_the_others_to_their_ends(
    odd: list[str], as_list: bool
) -> None:
    async def run() -> None:
        async def coming() -> Any:
            for job in jobs:
                yield job

        clock, jobs = asyncio.get_running_loop().time, described(*odd, GOOD)
        events: list[FollowEvent] = []
        async with (
            Emulator([live([1.0, 2.0, 30.0], GOOD)], clock=clock, compress=False) as server,
            LogSession(server.api_key, base_url=server.base_url) as session,
        ):
            follower = session.follow(jobs if as_list else coming(), settle=0, on_event=events.append)
            texts: list[str] = []
            with pytest.raises(InvalidArgumentError, match="job id"):
                async for line in follower:
                    texts.append(line.text)
        assert texts == [f"{GOOD} line {n}" for n in range(3)]
        failed = [event for event in events if event.kind is EventKind.FAILED]
        assert len(failed) == len(odd)
        for event in failed:
            shown = event.job_id + event.message
            assert escaped(shown) == shown
            assert isinstance(follower.jobs[event.job_id].error, InvalidArgumentError)
            assert KEY not in shown
        assert follower.jobs[GOOD].error is None

    in_virtual_time(run())


def listing(status: str = "RUNNING") -> Emulator:
    """A service that lists some, and between them one that can be read."""
    odd = [EmulatedJob(one, ["x"], status=status) for one in ("ft 2", KEY, "")]
    return Emulator([odd[0], EmulatedJob(GOOD, LOG, status=status), *odd[1:]])


async def test_jobs_has_the_losses_of_the_others(ftlogs: Any) -> None:
    async with listing("SUCCEEDED") as emulator:
        ended = await ftlogs("jobs", "--metrics", "--columns", "job,eval_loss", emulator=emulator)
    assert ended.code == 6
    assert ended.out.decode().splitlines()[1].split() == [GOOD, "0.5"]
    assert "job id 'ft 2': must be" in ended.err
    assert "looks like an API key" in ended.err


async def test_verify_has_a_verdict_on_each(ftlogs: Any, tmp_path: Any) -> None:
    out = str(tmp_path / "logs")
    async with listing("SUCCEEDED") as emulator:
        assert (await ftlogs("download", "--all", "--out", out, emulator=emulator)).code == 6
        ended = await ftlogs("verify", out, "--all", emulator=emulator)
    assert ended.code == 6
    assert f"{out}: 3 missing, 1 ok; " in ended.err
    assert "fetches what is missing" not in ended.err, "no download does"
    rows = ended.out.decode().splitlines()[1:]
    assert [row.split()[-1] for row in rows] == ["'..'.", "hold.", "'..'."]
    assert KEY not in ended.out.decode()


@pytest.mark.parametrize("words", [("metrics", "--columns", "loss"), ("tail", "-n", "all"), ("show",)])
async def test_what_reads_all_that_run_reads_the_others(ftlogs: Any, words: tuple[str, ...]) -> None:
    async with listing() as emulator:
        ended = await ftlogs(words[0], "@running", *words[1:], emulator=emulator)
    assert ended.code == 6
    assert "1.5" in ended.out.decode()
    assert "job id 'ft 2': must be" in ended.err
    assert KEY not in ended.err


async def test_where_there_are_no_others_nothing_is_read(ftlogs: Any) -> None:
    jobs = [EmulatedJob(one, ["x"], status="RUNNING") for one in ("ft 2", "ft 3")]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("metrics", "@running", emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")


async def test_a_download_of_all_that_run_tells_of_each_by_its_profile_too(
    ftlogs: Any, tmp_path: Any
) -> None:
    async with listing() as emulator:
        out = str(tmp_path / "one")
        ended = await ftlogs("download", "@running", "--out", out, emulator=emulator)
    assert ended.code == 6
    assert "1 running, 3 failed" in ended.err
    with two_teams(tmp_path) as teams:
        teams.b.add(EmulatedJob("ft 4", ["x"], status="RUNNING"))
        words = ("download", "@running", "--profile", "a", "--profile", "b", "--running-ok")
        ended = await ftlogs(*words, "--out", str(tmp_path / "two"), environ=teams.environ)
    assert ended.code == 6
    assert "job id 'ft 4': must be" in ended.err
    assert (tmp_path / "two" / "a" / "ft-2.log").exists()


async def test_a_watch_goes_on_with_the_others_and_names_none_that_no_command_can(
    ftlogs: Any, start_ftlogs: Any
) -> None:
    words = ("tail", "-f", "--all-running", "-n", "all", "--look-every", "0.1", *FAST)
    async with listing() as emulator:
        process = await start_ftlogs(words, emulator)
        out = b"".join([await process.stdout.readline() for _ in LOG])
        for job in emulator.jobs.values():
            job.finish("SUCCEEDED")
        more, err = await process.communicate()
        assert process.returncode == 6
        assert (out + more).decode().splitlines() == [f"[{GOOD}] {line}" for line in LOG]
        assert f"{GOOD}: finished: SUCCEEDED, 2 lines" in err.decode()
        assert "ft 2: job id 'ft 2': must be" in err.decode()
    async with listing() as emulator:
        ended = await ftlogs(*words, "--fail-on", "loss>1", emulator=emulator)
    assert ended.code == 9
    assert f"resume with: ftlogs tail -f {GOOD}:1 --all-running" in ended.err
