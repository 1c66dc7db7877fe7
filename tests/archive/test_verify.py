"""`verify_archive` and `ftlogs verify`: what is whole, and what is not."""

import asyncio
import json
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sealed_manifests import edit

from dashscope_ftlogs import (
    APIError,
    ArchivePathError,
    AuthenticationError,
    FTLogsError,
    InternalServerError,
    LogSession,
    RetryPolicy,
    TransportError,
    verify_archive,
    verify_remotely,
)
from dashscope_ftlogs.archive import verify
from dashscope_ftlogs.archive.threads import NAME
from dashscope_ftlogs.archive.verify import reopen_stale
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Html, Refuse, Reply, Reset

Connect = Callable[..., LogSession]
ONCE = RetryPolicy(max_tries=1, lag=0.05)


def session_for(emulator: Emulator) -> LogSession:
    return LogSession(emulator.api_key, base_url=emulator.base_url, retry=ONCE)


@pytest.fixture
async def archive(connect: Connect, tmp_path: Path) -> Any:
    jobs = [EmulatedJob(f"ft-{n}", [f"line {i}" for i in range(20)]) for n in range(4)]
    jobs[3].status = "RUNNING"
    folder = tmp_path / "archive"
    async with Emulator(jobs) as emulator:
        async with connect(emulator) as session:
            await session.download(list(emulator.jobs), folder)
        yield emulator, folder


def found(folder: Path) -> dict[str, tuple[str, str]]:
    return {verdict.file: (verdict.state, verdict.why) for verdict in verify_archive(folder)}


async def test_each_log_gets_its_verdict(archive: Any) -> None:
    _, folder = archive
    (folder / "ft-0.log").write_bytes((folder / "ft-0.log").read_bytes().replace(b"line 7", b"LINE 7"))
    (folder / "ft-1.log").unlink()
    with (folder / "ft-2.log").open("ab") as file:
        file.write(b"torn")
    assert found(folder) == {
        "ft-0.log": ("damaged", "its content is not what was committed"),
        "ft-1.log": ("damaged", "the file is gone"),
        "ft-2.log": ("incomplete", "ends with 4 bytes that were not committed"),
        "ft-3.log": ("incomplete", "20 lines so far; the job had not ended"),
    }


async def test_many_are_read_side_by_side_and_told_in_order_and_who_leaves_early_leaves_no_thread(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "processors", lambda: 3)  # few machines of a CI have more
    jobs = [EmulatedJob(f"ft-{n:02d}", ["a line"] * n) for n in range(20)]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(list(emulator.jobs), tmp_path)
    (tmp_path / "ft-07.log").write_bytes(b"b line\n" * 7)
    verdicts = verify_archive(tmp_path)
    assert next(verdicts).job_id == "ft-00"
    verdicts.close()  # type: ignore[attr-defined]  # any iterator, for all that is promised
    assert not any(thread.name.startswith(NAME) for thread in threading.enumerate())
    states = [(one.job_id, one.state) for one in verify_archive(tmp_path)]
    assert states == [(job.job_id, "damaged" if job.job_id == "ft-07" else "ok") for job in jobs]


async def test_what_cannot_be_read_is_damaged(archive: Any) -> None:
    _, folder = archive
    (folder / "ft-0.manifest.json").write_text("{")
    (folder / "ft-1.log").unlink()
    (folder / "ft-1.log").mkdir()
    verdicts = found(folder)
    assert verdicts["ft-0.manifest.json"][0] == "damaged"
    assert verdicts["ft-1.log"][0] == "damaged"
    assert verdicts["ft-1.log"][1].startswith(f"{folder / 'ft-1.log'} is a directory")


async def test_what_was_begun_is_incomplete(archive: Any) -> None:
    _, folder = archive
    path = folder / "ft-3.manifest.json"
    edit(path, total=50)
    assert found(folder)["ft-3.log"] == ("incomplete", "20 lines of 50")
    edit(path, total=20, lines=0, bytes=0, file_bytes=0, tail=[])
    (folder / "ft-3.log").unlink()
    assert found(folder)["ft-3.log"] == ("incomplete", "nothing was fetched yet")


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_what_is_no_archive_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchivePathError, match=r"No such file|holds no manifest"):
        list(verify_archive(tmp_path / name))


async def test_the_command_names_what_is_not_whole(archive: Any, ftlogs: Any) -> None:
    _, folder = archive
    ended = await ftlogs("verify", str(folder))
    assert ended.code == 6
    assert ended.out.decode().splitlines() == [
        "FILE      STATE       WHY",
        "ft-3.log  incomplete  20 lines so far; the job had not ended",
    ]
    assert ended.err == f"ftlogs: {folder}: 3 ok, 1 incomplete; 600 bytes\n"
    for path in folder.glob("ft-3.*"):
        path.unlink()
    ended = await ftlogs("verify", str(folder))
    assert (ended.code, ended.out) == (0, b"")


@pytest.mark.covered
async def test_what_still_runs_may_be_partial_where_one_says_so_and_cron_hears_nothing(
    archive: Any, ftlogs: Any
) -> None:
    emulator, folder = archive
    verify = ("verify", str(folder), "--running-ok")
    ended = await ftlogs(*verify)
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == f"ftlogs: {folder}: 3 ok, 1 running; 600 bytes\n"
    emulator.jobs["ft-3"].append("more")
    emulator.jobs["ft-4"] = EmulatedJob("ft-4", ["began since"], status="RUNNING")
    for more in ((), ("--remote",), ("--all",)):
        ended = await ftlogs(*verify, *more, "-q", emulator=emulator)
        assert (ended.code, ended.out, ended.err) == (0, b"", "")
    edit(folder / "ft-0.manifest.json", complete=False)
    ended = await ftlogs(*verify, "-q")
    assert (ended.code, ended.out.count(b"incomplete")) == (6, 1), "its job had ended"
    counts, advice = ended.err.splitlines()
    assert counts == f"ftlogs: {folder}: 2 ok, 1 incomplete, 1 running; 600 bytes"
    assert (
        advice == f"ftlogs: `ftlogs download ft-0 --out {folder}` goes on with logs that are incomplete"
    )
    await ftlogs(*advice.split("`")[1].split()[1:], emulator=emulator)
    assert (await ftlogs(*verify, "-q")).code == 0
    edit(folder / "ft-0.manifest.json", complete=False)
    (folder / "ft-3.log").write_bytes(b"other")
    ended = await ftlogs(*verify, "-q", "--json")
    facts = [(row["state"], row["running"]) for row in map(json.loads, ended.out.splitlines())]
    assert (ended.code, facts[0], facts[3]) == (6, ("incomplete", False), ("damaged", False))


@pytest.mark.parametrize(("hours", "state"), [(1, "running"), (25, "incomplete"), (None, "forgotten")])
async def test_what_a_job_lacks_that_ended_is_to_come_for_a_day_if_the_service_is_asked(
    archive: Any, ftlogs: Any, hours: int | None, state: str
) -> None:
    emulator, folder = archive
    job = emulator.jobs["ft-3"]
    if hours is None:
        del emulator.jobs["ft-3"]
    else:
        job.status = "SUCCEEDED"
        job.end_time = f"{datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%d %H:%M:%S}"
    ended = await ftlogs("verify", str(folder), "--remote", "--running-ok", emulator=emulator)
    assert ended.err.splitlines()[0] == f"ftlogs: {folder}: 3 ok, 1 {state}; 600 bytes"
    assert ended.code == (0 if state == "running" else 6)


async def test_the_service_is_asked_for_what_there_is_by_now(archive: Any, ftlogs: Any) -> None:
    emulator, folder = archive
    ended = await ftlogs("verify", str(folder), "--remote", emulator=emulator)
    assert ended.err == f"ftlogs: {folder}: 3 ok, 1 incomplete; 600 bytes\n"
    emulator.jobs["ft-0"].append("late", "later")
    emulator.jobs["ft-1"].truncate(7)
    del emulator.jobs["ft-2"]
    (folder / "ft-3.log").unlink()
    ended = await ftlogs("verify", str(folder), "--remote", "--json", emulator=emulator)
    assert ended.code == 6
    verdicts = {row["job_id"]: row for row in map(json.loads, ended.out.splitlines())}
    assert {job_id: row["state"] for job_id, row in verdicts.items()} == {
        "ft-0": "stale",
        "ft-1": "stale",
        "ft-2": "ok",
        "ft-3": "damaged",
    }
    assert verdicts["ft-0"]["why"] == "20 lines, and the service has 22 by now"


async def test_a_missing_archive_is_one_clear_line(ftlogs: Any, tmp_path: Path) -> None:
    ended = await ftlogs("verify", str(tmp_path / "nowhere"))
    assert ended.code == 2
    assert ended.err == (
        f"ftlogs: cannot read {tmp_path / 'nowhere'}: No such file or directory. Check the path.\n"
    )


async def test_checking_while_a_download_goes_on_disturbs_nothing(
    archive: Any, connect: Connect
) -> None:
    emulator, folder = archive
    emulator.jobs["ft-3"].rewrite([f"line {n}" for n in range(60_000)])
    emulator.latency = 0.01
    checks = 0
    async with connect(emulator) as session:
        while checks < 6:  # as many as it takes: a quick machine is done before it was checked often
            shutil.rmtree(folder)
            download = asyncio.create_task(session.download("ft-3", folder))
            while not download.done():
                await asyncio.sleep(0.01)
                if list(folder.glob("*.json")):
                    verdicts = await asyncio.to_thread(lambda: list(verify_archive(folder)))
                    assert {verdict.state for verdict in verdicts} <= {"ok", "incomplete"}
                    checks += 1
            await download


async def test_only_what_is_as_it_was_judged_is_opened_again(archive: Any) -> None:
    _, folder = archive
    asked = {verdict.job_id: verdict for verdict in verify_archive(folder)}
    since = attrs.evolve(asked["ft-1"], lines=asked["ft-1"].lines - 1)
    gone = attrs.evolve(asked["ft-2"], job_id="ft-9")
    reopen_stale(folder, [asked["ft-0"], since, gone, asked["ft-3"]])
    assert {file: state for file, (state, _) in found(folder).items()} == {
        "ft-0.log": "incomplete",
        "ft-1.log": "ok",
        "ft-2.log": "ok",
        "ft-3.log": "incomplete",
    }
    (folder / "ft-1.manifest.json.new").mkdir()
    with pytest.raises(ArchivePathError, match=r"ft-1\.manifest\.json\.new is a directory"):
        reopen_stale(folder, [asked["ft-1"]])
    reopen_stale(folder, [asked["ft-2"]])  # the lock was given back


async def test_another_log_of_the_same_length_is_stale_and_costs_one_request(
    archive: Any, connect: Connect
) -> None:
    emulator, folder = archive
    emulator.jobs["ft-1"].rewrite([f"other {i}" for i in range(20)])
    async with connect(emulator) as session:
        before = len(emulator.journal)
        asked = [one async for one in verify_remotely(session, list(verify_archive(folder)))]
        assert len(emulator.journal) == before + 5, "one of each log, and whether the job still runs"
    assert {one.file: one.state for one in asked} == {
        "ft-0.log": "ok",
        "ft-1.log": "stale",
        "ft-2.log": "ok",
        "ft-3.log": "incomplete",
    }
    assert "other lines" in {one.file: one.why for one in asked}["ft-1.log"]
    reopen_stale(folder, [one for one in asked if one.state == "stale"])
    assert found(folder)["ft-1.log"][0] == "incomplete"
    assert not list(folder.glob("*.rewritten-*"))


async def test_of_lines_too_large_for_one_answer_the_number_is_compared(
    connect: Connect, tmp_path: Path
) -> None:
    job = EmulatedJob("ft-1", ["x" * 3000] * 10)
    async with Emulator([job]) as emulator:
        async with connect(emulator) as session:
            await session.download("ft-1", tmp_path / "logs")
        verdicts = list(verify_archive(tmp_path / "logs"))
        states: list[str] = []
        async with connect(emulator, max_answer=10_000) as session:
            states += [one.state async for one in verify_remotely(session, verdicts)]
            job.append("more")
            states += [one.state async for one in verify_remotely(session, verdicts)]
    assert (states[0] in {"ok", "settling"}, states[1]) == (True, "stale")


FAILURES = {
    "403": Refuse(403, "AccessDenied"),
    "500": Refuse(500),
    "418": Refuse(418),
    "html": Html(502),
}


@pytest.mark.unmeasured
@given(st.dictionaries(st.integers(0, 8), st.sampled_from(sorted(FAILURES)), min_size=1))
def test_whichever_jobs_the_service_fails_for_the_others_are_compared(failing: dict[int, str]) -> None:
    async def main() -> None:
        jobs = [EmulatedJob(f"ft-{n}", ["a"] * 3) for n in range(9)]
        jobs[8].status = "RUNNING"
        async with Emulator(jobs) as emulator, session_for(emulator) as session:
            with TemporaryDirectory() as folder:
                await session.download(session.jobs(), folder)
                verdicts = list(verify_archive(folder))
            emulator.faults = [Fault(FAILURES[how], job_id=f"ft-{n}") for n, how in failing.items()]
            jobs[7].append("more")
            asked = {one.job_id: one async for one in verify_remotely(session, verdicts)}
        for one in verdicts:
            now = asked[one.job_id]
            n = int(one.job_id[3:])
            if n in failing:
                assert (now.state, now.running) == ("unasked", False)
                assert isinstance(now.error, APIError)
                assert now.why == f"{one.why}; and not compared: {now.error.summary()}".removeprefix(
                    "; and "
                )
            else:
                assert (now.state, now.error) == ("stale" if n == 7 else one.state, None)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reply", "kind", "most"),
    [
        (Refuse(401, "InvalidApiKey"), AuthenticationError, 1),
        (Refuse(503), InternalServerError, 10),
        (Reset(), TransportError, 1),
    ],
)
async def test_what_befalls_any_job_is_raised_and_blamed_on_none(
    connect: Connect, tmp_path: Path, reply: Reply, kind: type[FTLogsError], most: int
) -> None:
    jobs = [EmulatedJob(f"ft-{n:02d}", ["a"]) for n in range(30)]
    async with Emulator(jobs) as emulator, connect(emulator, retry=ONCE, concurrency=1) as session:
        await session.download(session.jobs(), tmp_path)
        emulator.faults = [Fault(reply)]
        before, told = len(emulator.journal), list[str]()
        with pytest.raises(kind) as caught:
            async for verdict in verify_remotely(session, verify_archive(tmp_path)):
                told.append(verdict.state)
        assert told == ["unasked"] * (most - 1)
        # aiohttp itself tries once more where a connection that was kept is reset.
        assert len(emulator.journal) - before <= most + isinstance(reply, Reset)
    assert (caught.value.job_id, caught.value.offset) == (None, None)
