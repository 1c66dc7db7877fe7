import asyncio
import gzip
import json
import os
import shutil
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashscope_ftlogs import (
    ArchiveError,
    ArchiveGoneError,
    AuthenticationError,
    Downloaded,
    IncompleteLogError,
    InternalServerError,
    InvalidArgumentError,
    Job,
    LogSession,
    NotFoundError,
    Progress,
    RequestEvent,
    RetryPolicy,
    verify_archive,
)
from dashscope_ftlogs.archive.local_log_reader import stored_logs
from dashscope_ftlogs.archive.manifest import is_of_form, log_name
from dashscope_ftlogs.emulator import (
    EmptyPage,
    EmulatedJob,
    Emulator,
    Fault,
    Refuse,
    Reply,
    ten_ways_to_fail,
)
from dashscope_ftlogs.emulator.answers import Page

Connect = Callable[..., LogSession]

LONG_AGO = "2024-10-29 17:11:26"
"""As the end of a job, it leaves no line to be waited for."""


def numbered(count: int, word: str = "line") -> list[str]:
    return [f"{word} {n}" for n in range(count)]


def text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def manifest(folder: Path, job_id: str = "ft-1") -> Any:
    return json.loads((folder / f"{job_id}.manifest.json").read_text())


@pytest.mark.covered
async def test_what_was_done_before_leaves_a_log_all_the_room(connect: Connect, tmp_path: Path) -> None:
    short = [EmulatedJob(f"ft-short-{number}", ["x"]) for number in range(20)]
    jobs = [*short, EmulatedJob("ft-long", numbered(30_000))]
    progress = Progress()
    async with Emulator(jobs, latency=0.02) as emulator, connect(emulator, concurrency=8) as session:

        async def in_turn() -> AsyncGenerator[str, None]:
            for job in short:
                yield job.job_id
            while progress.jobs_done < len(short):
                await asyncio.sleep(0.01)
            emulator.peak_in_flight = 0
            yield "ft-long"

        await session.download(in_turn(), tmp_path / "a", settle=0, progress=progress)
        assert emulator.peak_in_flight == 8


async def test_while_a_disk_syncs_as_many_logs_as_there_are_requests_the_next_one_is_asked_for(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, sync, progress = threading.Event(), os.fsync, Progress()

    def slowly(descriptor: int) -> None:
        go_on.wait(60)
        sync(descriptor)

    jobs = [EmulatedJob(f"ft-{number}", ["x"], status="RUNNING") for number in range(3)]
    async with Emulator(jobs) as emulator, connect(emulator, concurrency=2) as session:
        monkeypatch.setattr(os, "fsync", slowly)
        ids = [job.job_id for job in jobs]
        download = asyncio.create_task(session.download(ids, tmp_path, progress=progress))
        while "ft-2" not in {exchange.job_id for exchange in emulator.journal}:
            await asyncio.sleep(0.001)
        assert progress.jobs_done == 0
        go_on.set()
        assert states(await download) == dict.fromkeys(ids, "running")


def log_requests(emulator: Emulator) -> list[int | None]:
    """Return the offsets that were asked for, and forget them."""
    offsets = [exchange.offset for exchange in emulator.journal if exchange.endpoint == "logs"]
    emulator.journal.clear()
    return offsets


def states(outcomes: list[Downloaded]) -> dict[str, str]:
    return {outcome.job_id: outcome.state for outcome in outcomes}


async def test_logs_are_on_disk_with_manifests_that_prove_it(connect: Connect, tmp_path: Path) -> None:
    jobs = [EmulatedJob(f"ft-{n}", numbered(n * 700)) for n in range(5)]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        outcomes = await session.download((job.job_id for job in jobs), tmp_path)
    assert states(outcomes) == {job.job_id: "complete" for job in jobs}
    for job in jobs:
        assert (tmp_path / f"{job.job_id}.log").read_bytes() == text(list(job.lines))
        known = manifest(tmp_path, job.job_id)
        assert known["complete"]
        assert known["lines"] == known["total"] == len(job.lines)
        assert known["job"]["status"] == "SUCCEEDED"
        assert known["job"]["hyper_parameters"]["n_epochs"] == 3
        assert known["endpoint"] == emulator.base_url
        assert bool(known["first_request_id"]) == bool(job.lines)
        assert known["updated"].startswith("20")
    assert {verdict.state for verdict in verify_archive(tmp_path)} == {"ok"}


async def test_a_complete_log_costs_no_request(connect: Connect, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", numbered(10))]) as emulator, connect(emulator) as session:
        await session.download("ft-1", tmp_path)
        before = session.requests
        (outcome,) = await session.download("ft-1", tmp_path)
        assert session.requests == before
    assert (outcome.state, outcome.lines, outcome.new_lines) == ("skipped", 10, 0)


async def test_a_log_that_grew_is_appended_to(connect: Connect, tmp_path: Path) -> None:
    job = EmulatedJob("ft-1", numbered(3_000), status="RUNNING", end_time=LONG_AGO)
    async with Emulator([job]) as emulator, connect(emulator) as session:
        (first,) = await session.download("ft-1", tmp_path)
        inode = (tmp_path / "ft-1.log").stat().st_ino
        log_requests(emulator)
        job.append(*numbered(50, "new"))
        (second,) = await session.download("ft-1", tmp_path)
        assert log_requests(emulator) == [2_995]
        job.finish("SUCCEEDED")
        (third,) = await session.download("ft-1", tmp_path)
        assert log_requests(emulator) == [3_045, 0], "before it counts as complete, how it begins"
    assert [first.state, second.state, third.state] == ["running", "running", "complete"]
    assert [first.new_lines, second.new_lines, third.new_lines] == [3_000, 50, 0]
    assert (tmp_path / "ft-1.log").read_bytes() == text(list(job.lines))
    assert (tmp_path / "ft-1.log").stat().st_ino == inode


async def test_jsonl_is_lossless_and_gzip_stays_appendable(connect: Connect, tmp_path: Path) -> None:
    lines = ["a\nb", "\ud800", "\x1b[2J\r", "é \u2028", ""]
    job = EmulatedJob("ft-1", lines, status="RUNNING")
    form, compression = (word.decode() for word in (b"jsonl", b"gzip"))  # as from a command line
    async with Emulator([job]) as emulator, connect(emulator) as session:
        for _ in range(3):
            (outcome,) = await session.download(
                "ft-1",
                tmp_path,
                format=form,  # type: ignore[arg-type]
                compression=compression,  # type: ignore[arg-type]
            )
            assert outcome.error is None
            job.append(*lines)
    packed = (tmp_path / "ft-1.jsonl.gz").read_bytes()
    assert packed.count(b"\x1f\x8b\x08") == 6, "one member per commit, and one for its last line"
    rows = [json.loads(row) for row in gzip.decompress(packed).splitlines()]
    assert rows == [{"offset": n, "line": line} for n, line in enumerate(lines * 3)]


@pytest.mark.parametrize("change", ["other lines", "shorter", "shorter than the overlap"])
async def test_a_rewritten_log_starts_a_new_generation(
    connect: Connect, tmp_path: Path, change: str
) -> None:
    old = numbered(2_000)
    new = {
        "other lines": numbered(2_100, "other"),
        "shorter": old[:1_999],
        "shorter than the overlap": [],
    }[change]
    job = EmulatedJob("ft-1", old, status="RUNNING")
    async with Emulator([job]) as emulator, connect(emulator) as session:
        await session.download("ft-1", tmp_path)
        job.rewrite(new)
        (outcome,) = await session.download("ft-1", tmp_path)
    assert outcome.set_aside == ("ft-1.rewritten-1.log",)
    assert outcome.new_lines == outcome.lines == len(new)
    assert (tmp_path / "ft-1.log").read_bytes() == text(new)
    assert (tmp_path / "ft-1.rewritten-1.log").read_bytes() == text(old)
    verdicts = {verdict.file: verdict.state for verdict in verify_archive(tmp_path)}
    assert verdicts == {"ft-1.log": "incomplete", "ft-1.rewritten-1.log": "superseded"}


async def test_a_log_rewritten_while_it_is_read_starts_a_new_generation(
    connect: Connect, tmp_path: Path
) -> None:
    job = EmulatedJob("ft-1", numbered(20_000), status="RUNNING")
    async with Emulator([job], latency=0.005) as emulator, connect(emulator, concurrency=2) as session:
        progress = Progress()
        download = asyncio.create_task(session.download("ft-1", tmp_path, progress=progress))
        while progress.lines < 9_000:
            await asyncio.sleep(0.001)
        job.rewrite(numbered(40, "other"))
        (outcome,) = await download
    assert outcome.set_aside == ("ft-1.rewritten-1.log",)
    assert (tmp_path / "ft-1.log").read_bytes() == text(list(job.lines))
    kept = (tmp_path / "ft-1.rewritten-1.log").read_bytes()
    assert kept == text(numbered(20_000))[: len(kept)]


@attrs.frozen
class ShorterByNow(Reply):
    def alter_page(self, page: Page, /) -> Page:
        begins = page.lines[:1] == ["line 0"]
        return page if begins else attrs.evolve(page, lines=[], total=900)


async def test_a_log_that_changes_faster_than_it_is_read_fails_alone(
    connect: Connect, tmp_path: Path
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", numbered(1_500)) for n in (1, 2)]
    # Whoever has the first page of a generation hears that the log is shorter by now.
    fault = Fault(ShorterByNow(), job_id="ft-1")
    async with Emulator(jobs, faults=[fault]) as emulator, connect(emulator) as session:
        outcomes = await session.download(["ft-1", "ft-2"], tmp_path)
    assert states(outcomes) == {"ft-1": "failed", "ft-2": "complete"}
    assert [(str(o.error), len(o.set_aside)) for o in outcomes if o.error] == [
        ("job ft-1: its log changes faster than it can be read.", 3)
    ]


@pytest.mark.parametrize("harm", ["changed", "shorter", "gone", "longer"])
async def test_a_file_that_was_tampered_with_is_never_appended_to(
    connect: Connect, tmp_path: Path, harm: str
) -> None:
    job = EmulatedJob("ft-1", numbered(2_000), status="RUNNING")
    log = tmp_path / "ft-1.log"
    async with Emulator([job]) as emulator, connect(emulator) as session:
        await session.download("ft-1", tmp_path)
        data = log.read_bytes()
        if harm == "gone":
            log.unlink()
        else:
            harmed = {"changed": b"LINE" + data[4:], "shorter": data[:-9], "longer": data + b"torn"}
            log.write_bytes(harmed[harm])
        job.append("one more")
        (outcome,) = await session.download("ft-1", tmp_path)
    assert outcome.lines == 2_001
    assert log.read_bytes() == text(list(job.lines))
    kept = {"changed": ("ft-1.damaged-1.log",), "shorter": ("ft-1.damaged-1.log",)}
    assert outcome.set_aside == kept.get(harm, ())
    assert outcome.new_lines == (1 if harm == "longer" else 2_001)


async def test_one_failed_job_never_stops_the_others(connect: Connect, tmp_path: Path) -> None:
    jobs = [EmulatedJob(f"ft-{n}", numbered(2_500)) for n in range(6)]
    faults = [
        Fault(Refuse(500, "InternalError", "broken"), job_id="ft-1"),
        Fault(Refuse(429, "Throttling", "slow down"), job_id="ft-2", endpoint="job"),
        Fault(EmptyPage(), job_id="ft-3"),
    ]
    wanted = ["ft-unknown", "../etc/passwd", *(job.job_id for job in jobs), "ft-0"]
    async with Emulator(jobs, faults=faults) as emulator, connect(emulator) as session:
        outcomes = await session.download(wanted, tmp_path)
    by_state: dict[str, set[str]] = {}
    for outcome in outcomes:
        by_state.setdefault(outcome.state, set()).add(outcome.job_id)
    assert by_state == {
        "complete": {"ft-0", "ft-4", "ft-5"},
        "failed": {"ft-unknown", "../etc/passwd", "ft-1", "ft-2", "ft-3"},
    }
    assert {(o.lines, o.new_lines) for o in outcomes if o.state == "failed"} == {(0, 0)}
    errors = {outcome.job_id: outcome.error for outcome in outcomes}
    assert isinstance(errors["ft-unknown"], NotFoundError)
    assert isinstance(errors["../etc/passwd"], InvalidArgumentError)
    assert isinstance(errors["ft-1"], InternalServerError)
    assert isinstance(errors["ft-3"], IncompleteLogError)
    assert len(outcomes) == len(wanted) - 1, "each job once"


async def test_what_came_before_a_failure_is_kept_and_not_fetched_again(
    connect: Connect, tmp_path: Path
) -> None:
    job = EmulatedJob("ft-1", numbered(5_000))
    fault = Fault(Refuse(400, "InvalidParameter", "no"), on=range(4, 100))
    async with Emulator([job], faults=[fault]) as emulator, connect(emulator, concurrency=1) as session:
        (failed,) = await session.download("ft-1", tmp_path)
        assert (failed.state, failed.lines) == ("failed", 3_000)
        assert manifest(tmp_path)["lines"] == 3_000
        emulator.faults = ()
        log_requests(emulator)
        (done,) = await session.download("ft-1", tmp_path)
        assert log_requests(emulator)[0] == 2_995
    assert (done.state, done.new_lines) == ("complete", 2_000)


async def test_lines_that_are_announced_and_not_given_stay_expected(
    connect: Connect, tmp_path: Path
) -> None:
    fault = Fault(EmptyPage(), on=range(3, 100))
    async with Emulator([EmulatedJob("ft-1", numbered(5_000))], faults=[fault]) as emulator:
        async with connect(emulator, concurrency=1) as session:
            (failed,) = await session.download("ft-1", tmp_path)
    assert isinstance(failed.error, IncompleteLogError)
    assert (failed.lines, manifest(tmp_path)["total"]) == (2_000, 5_000)


@pytest.mark.parametrize(("form", "other"), [("text", "jsonl"), ("jsonl", "text")])
@pytest.mark.parametrize("packing", [(None, "gzip"), ("gzip", None)])
async def test_a_log_goes_on_in_the_form_in_which_it_began_and_new_ones_have_what_is_asked_for(
    connect: Connect, tmp_path: Path, form: Any, other: Any, packing: Any
) -> None:
    before, after = packing
    job = EmulatedJob("ft-1", ["x"], status="RUNNING")
    jobs = [job, EmulatedJob("ft-2", ["y"])]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        (first,) = await session.download("ft-1", tmp_path, format=form, compression=before)
        job.append("more")
        outcomes = await session.download(["ft-1", "ft-2"], tmp_path, format=other, compression=after)
    files = {outcome.job_id: outcome.file for outcome in outcomes}
    assert files["ft-1"] == first.file
    assert files["ft-2"] == log_name("ft-2", other, after)
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert [is_of_form(files["ft-1"], one, None) for one in (form, other, None)] == [True, False, True]
    assert {log.name: len(list(log.lines())) for log in stored_logs(tmp_path)} == {"ft-1": 2, "ft-2": 1}


async def test_a_key_that_is_refused_ends_the_run_at_once(connect: Connect, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        async with LogSession("sk-of-someone-else", base_url=emulator.base_url) as session:
            with pytest.raises(AuthenticationError):
                await session.download([f"ft-{n}" for n in range(1_000)], tmp_path)
            assert session.requests <= 2 * session.concurrency


async def test_a_second_writer_is_refused_before_any_request(connect: Connect, tmp_path: Path) -> None:
    job = EmulatedJob("ft-1", numbered(10))
    async with Emulator([job], latency=0.05) as emulator, connect(emulator) as session:
        first = asyncio.create_task(session.download("ft-1", tmp_path))
        while not session.requests:
            await asyncio.sleep(0)
        async with connect(emulator) as other:
            with pytest.raises(ArchiveError, match="another download of this process is writing"):
                await other.download("ft-1", tmp_path)
            assert other.requests == 0
        await first


@pytest.mark.covered
async def test_cancelling_commits_what_has_arrived(connect: Connect, tmp_path: Path) -> None:
    jobs = [EmulatedJob(f"ft-{n}", numbered(50_000)) for n in range(3)]
    progress = Progress()
    async with Emulator(jobs, latency=0.01) as emulator, connect(emulator) as session:
        ids = [job.job_id for job in jobs]
        download = asyncio.create_task(session.download(ids, tmp_path, progress=progress))
        while progress.lines < 20_000:
            await asyncio.sleep(0.001)
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
        committed = sum(manifest(tmp_path, job_id)["lines"] for job_id in ids)
        assert committed >= progress.lines
        outcomes = await session.download(ids, tmp_path)
        assert sum(outcome.new_lines for outcome in outcomes) == 150_000 - committed


async def test_jobs_of_the_listing_are_not_asked_for_again(connect: Connect, tmp_path: Path) -> None:
    jobs = [EmulatedJob(f"ft-{n}", numbered(3)) for n in range(30)]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        outcomes = await session.download(session.jobs(), tmp_path)
        assert len(outcomes) == 30
        assert {exchange.endpoint for exchange in emulator.journal} == {"list", "logs"}


async def test_a_single_job_may_stand_alone(connect: Connect, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator, connect(emulator) as session:
        (outcome,) = await session.download(Job("ft-1", "SUCCEEDED"), tmp_path)
    assert outcome.state == "complete"


@pytest.mark.covered
async def test_thousands_of_jobs_are_never_thousands_of_tasks(connect: Connect, tmp_path: Path) -> None:
    most = 0

    async def ids() -> Any:
        nonlocal most
        for n in range(1_000):
            most = max(most, len(asyncio.all_tasks()))
            yield f"../{n}"

    async with Emulator() as emulator, connect(emulator, concurrency=8) as session:
        outcomes = await session.download(ids(), tmp_path)
    assert len(outcomes) == 1_000
    assert most < 30


async def test_a_file_that_is_not_ours_is_left_alone(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "ft-1.log").write_text("mine")
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator, connect(emulator) as session:
        (outcome,) = await session.download("ft-1", tmp_path)
    assert outcome.state == "failed"
    assert "without a manifest" in str(outcome.error)
    assert (tmp_path / "ft-1.log").read_text() == "mine"


@pytest.mark.unmeasured
@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 60), min_size=1, max_size=6),
    growth=st.lists(st.lists(st.integers(0, 30), min_size=6, max_size=6), max_size=4),
    cap=st.integers(1, 20),
    seed=st.integers(0, 99),
    form=st.sampled_from(["text", "jsonl"]),
    compression=st.sampled_from([None, "gzip"]),
)
def test_the_archive_equals_the_logs_after_any_growth_and_any_faults(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    growth: list[list[int]],
    cap: int,
    seed: int,
    form: Any,
    compression: Any,
) -> None:
    folder = tmp_path_factory.mktemp("archive")

    async def main() -> None:
        jobs = [
            EmulatedJob(f"ft-{n}", numbered(k), status="RUNNING", end_time=LONG_AGO)
            for n, k in enumerate(lengths)
        ]
        async with Emulator(jobs, faults=ten_ways_to_fail(0.2), page_cap=cap, seed=seed) as emulator:
            async with LogSession(
                emulator.api_key,
                base_url=emulator.base_url,
                retry=RetryPolicy(max_tries=20, base_delay=0.001, max_delay=0.002),
            ) as session:
                ids = [job.job_id for job in jobs]
                for more in [*growth, [0] * 6]:
                    await session.download(ids, folder, format=form, compression=compression)
                    for job, count in zip(jobs, more, strict=False):
                        job.append(*numbered(count, f"more at {len(job.lines)}:"))
                emulator.faults = ()
                for job in jobs:
                    job.finish("SUCCEEDED")
                await session.download(ids, folder)
        for job in jobs:
            suffix = (".log" if form == "text" else ".jsonl") + (".gz" if compression else "")
            data = (folder / f"{job.job_id}{suffix}").read_bytes()
            data = gzip.decompress(data) if compression else data
            if form == "jsonl":
                data = text([json.loads(row)["line"] for row in data.splitlines()])
            assert data == text(list(job.lines))
        assert {verdict.state for verdict in verify_archive(folder)} == {"ok"}

    asyncio.run(main())


@pytest.mark.covered
@pytest.mark.parametrize("how", ["moved", "removed"])
async def test_a_directory_that_goes_away_ends_the_run_at_once(
    connect: Connect, tmp_path: Path, how: str
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", numbered(20_000), status="RUNNING") for n in range(3)]
    archive, progress = tmp_path / "a", Progress()
    async with Emulator(jobs, latency=0.01) as emulator, connect(emulator) as session:
        ids = [job.job_id for job in jobs]
        download = asyncio.create_task(session.download(ids, archive, progress=progress))
        while not progress.lines:
            await asyncio.sleep(0)
        if how == "moved":
            archive.rename(tmp_path / "b")
        else:
            shutil.rmtree(archive)
        # Where a run looks while files are still being removed, the lock has gone before its directory.
        gone = "has gone: (it was moved or|the directory is being) removed"
        with pytest.raises(ArchiveGoneError, match=gone):
            await download
    if how == "moved":
        assert {verdict.state for verdict in verify_archive(tmp_path / "b")} <= {"incomplete"}


async def of_jobs(count: int) -> AsyncGenerator[str, None]:
    for number in range(count):
        yield f"ft-{number}"


@pytest.mark.parametrize(
    ("jobs", "at_first", "in_the_end"),
    [
        (["ft-0", "ft-1", "ft-0"], 3, 2),
        ("ft-0", 1, 1),
        (of_jobs, None, 3),
    ],
    ids=["list", "one", "iterator"],
)
async def test_progress_says_how_many_jobs_there_are_once_that_is_known(
    connect: Connect, tmp_path: Path, jobs: Any, at_first: int | None, in_the_end: int
) -> None:
    seen: list[int | None] = []

    def on_request(_: RequestEvent) -> None:
        seen.append(progress.jobs)

    progress = Progress()
    many = [EmulatedJob(f"ft-{number}", ["x"]) for number in range(3)]
    async with Emulator(many) as emulator:
        async with connect(emulator, concurrency=1, on_request=on_request) as session:
            source = jobs(3) if callable(jobs) else jobs
            await session.download(source, tmp_path / "a", settle=0, progress=progress)
    assert seen[0] == at_first
    assert progress.jobs == progress.jobs_done == progress.lines == in_the_end
