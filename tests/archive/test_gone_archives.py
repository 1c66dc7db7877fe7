"""An archive, or a file of it, that is moved, removed or replaced while a download runs."""

import asyncio
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from downloading import JOB, add, hours_ago, in_service, kept, now
from in_place_of_os import in_place_of_os
from lagging_service import LaggingService
from modest_root import modes_count
from thinned import thinned

from dashscope_ftlogs import (
    ArchiveError,
    ArchiveGoneError,
    ArchivePathError,
    Downloaded,
    LogGoneError,
    LogSession,
    ManifestError,
    Progress,
    verify_archive,
)
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

Connect = Callable[..., LogSession]
LINES = [f"line {n}" for n in range(40)]


def move(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def move_and_make_another(folder: Path) -> None:
    move(folder)
    folder.mkdir()


def move_and_copy(folder: Path) -> None:
    move(folder)
    shutil.copytree(folder.with_name("elsewhere"), folder)


def remove_all(folder: Path) -> None:
    """Remove a folder in which a download may still make, rename and remove files."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def put_a_file_there(folder: Path) -> None:
    remove_all(folder)
    folder.write_text("mine")


def put_a_loop_there(folder: Path) -> None:
    move(folder)
    folder.symlink_to(folder)


def remove_the_lock(folder: Path) -> None:
    (folder / ".ftlogs-lock").unlink()


WAYS_TO_GO = [
    *(remove_all, move, move_and_make_another, move_and_copy),
    *(put_a_file_there, put_a_loop_there, remove_the_lock),
]
GOING = pytest.mark.parametrize("go", WAYS_TO_GO)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.1)


@pytest.mark.posix
@GOING
def test_a_directory_that_goes_away_while_jobs_settle_is_said_within_two_seconds(
    tmp_path: Path, go: Callable[[Path], None]
) -> None:
    folder = tmp_path / "archive"

    async def main(service: LaggingService) -> None:
        add(service, "ft-old", LINES, end_time="2020-01-01 00:00:00")
        add(service, JOB, LINES)
        progress = Progress()
        async with LogSession("sk-1", base_url=service.base_url) as session:
            downloading = asyncio.create_task(
                session.download(["ft-old", JOB], folder, progress=progress)
            )
            await until(lambda: progress.waiting)
            go(folder)
            went = now()
            with pytest.raises(ArchiveGoneError) as caught:
                await downloading
            assert now() - went < 2
        assert str(folder) in str(caught.value)
        assert "Make room" not in str(caught.value)
        assert exit_code(caught.value) == 6
        assert [(o.job_id, o.state, o.lines) for o in progress.outcomes] == [
            ("ft-old", "complete", 40),
            (JOB, "settling", 40),
        ]

    in_service(main)


@pytest.mark.posix
def test_a_directory_that_is_shut_while_jobs_settle_is_said_in_our_words(tmp_path: Path) -> None:
    folder = tmp_path / "archive"

    async def main(service: LaggingService) -> None:
        add(service, JOB, LINES)
        progress = Progress()
        async with LogSession("sk-1", base_url=service.base_url) as session:
            downloading = asyncio.create_task(session.download(JOB, folder, progress=progress))
            await until(lambda: progress.waiting)
            folder.chmod(0)
            with pytest.raises(ArchivePathError, match=f"{folder}: Permission denied"):
                await downloading
        assert [(o.state, o.lines) for o in progress.outcomes] == [("settling", 40)]

    with modes_count():
        try:
            in_service(main)
        finally:
            folder.chmod(0o700)


class Watching:
    """Stands for `os`; before its so many-th call, something happens."""

    def __init__(self, happens_at: int, happen: Callable[[], None]) -> None:
        self._left = happens_at
        self._happen = happen
        self.commits_after = 0
        """How many manifests were put in place since then."""

    @property
    def has_happened(self) -> bool:
        return self._left <= 0

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        return partial(self._call, name, value) if callable(value) and name != "fspath" else value

    def _call(self, name: str, value: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self._happen()
        result = value(*args, **more)
        if name == "replace" and self.has_happened:
            self.commits_after += 1
        return result


async def download(emulator: Emulator, connect: Connect, folder: Path) -> list[Downloaded]:
    async with connect(emulator, concurrency=1) as session:
        return await session.download(list(emulator.jobs), folder)


async def at_each_step(
    connect: Connect,
    tmp_path: Path,
    happen: Callable[[Path], None],
    check: Callable[[Path, Watching, Any], Any],
    *job_ids: str,
) -> None:
    """Go on with an archive; with each further run, something happens to it one step later."""
    jobs = [EmulatedJob(job_id, LINES[:20], status="RUNNING") for job_id in job_ids]
    async with Emulator(jobs) as emulator:
        await download(emulator, connect, tmp_path / "before")
        for job in jobs:
            job.append(*LINES[20:])
        emulator.journal.clear()
        for step in range(1, 500):
            folder = tmp_path / f"{step}" / "archive"
            shutil.copytree(tmp_path / "before", folder)
            watching = Watching(step, partial(happen, folder))
            with in_place_of_os(watching):
                try:
                    result: Any = await asyncio.wait_for(download(emulator, connect, folder), 20)
                except ArchiveError as error:
                    if not isinstance(error, ArchiveGoneError):
                        # Before it was locked.
                        assert isinstance(error, ArchivePathError)
                        assert emulator.journal == []
                    result = error
            await check(folder, watching, result)
            if not watching.has_happened:
                break
            emulator.journal.clear()
            shutil.rmtree(folder.parent)
        assert 20 < step < 499


@pytest.mark.posix
@pytest.mark.slow
@pytest.mark.unmeasured
@pytest.mark.parametrize("go", thinned(WAYS_TO_GO, keep={remove_all, move_and_make_another}))
async def test_a_directory_that_goes_away_at_any_step_is_an_error_of_its_own(
    connect: Connect, tmp_path: Path, go: Callable[[Path], None]
) -> None:
    told: set[bool] = set()

    async def check(folder: Path, watching: Watching, result: Any) -> None:
        told.add(isinstance(result, ArchiveGoneError))
        if isinstance(result, ArchiveError):
            assert str(folder) in str(result)
        else:
            # Before it was locked, or when all was done and looked at.
            assert {outcome.lines for outcome in result} == {40}

    await at_each_step(connect, tmp_path, go, check, "ft-1", "ft-2")
    assert True in told


def remove(name: str, folder: Path) -> None:
    (folder / name).unlink(missing_ok=True)


def replace(name: str, folder: Path) -> None:
    """Put a copy in a file's place, as editors do."""
    shutil.copy(folder / name, folder / "copy")
    (folder / "copy").rename(folder / name)


@pytest.mark.posix
@pytest.mark.slow
@pytest.mark.parametrize("go", [remove, replace])
async def test_a_log_that_goes_away_at_any_step_fails_and_nothing_passes_over_it(
    connect: Connect, tmp_path: Path, go: Callable[[str, Path], None]
) -> None:
    errors: set[type[Exception] | None] = set()

    async def check(folder: Path, watching: Watching, result: list[Downloaded]) -> None:
        (outcome,) = result
        errors.add(None if outcome.error is None else type(outcome.error))
        if outcome.error is not None:
            assert str(folder / "ft-1.log") in str(outcome.error)
            assert exit_code(outcome.error) == 6
        else:
            # Before it was opened, so that all is well, or when everything was kept.
            assert kept(folder, "ft-1.log") == LINES or watching.commits_after == 0

    await at_each_step(connect, tmp_path, partial(go, "ft-1.log"), check, "ft-1")
    assert errors == {None, LogGoneError}


@pytest.mark.unmeasured
@pytest.mark.posix
@pytest.mark.slow
async def test_a_manifest_that_goes_away_at_any_step_is_put_in_place_again_or_missed(
    connect: Connect, tmp_path: Path
) -> None:
    errors: set[type[Exception] | None] = set()

    async def check(folder: Path, watching: Watching, result: list[Downloaded]) -> None:
        (outcome,) = result
        errors.add(None if outcome.error is None else type(outcome.error))
        (verdict,) = verify_archive(folder)
        if outcome.error is not None:
            assert "is there without a manifest" in str(outcome.error)
        else:
            assert kept(folder, "ft-1.log") == LINES
            assert verdict.state == "incomplete" or watching.commits_after == 0

    await at_each_step(connect, tmp_path, partial(remove, "ft-1.manifest.json"), check, "ft-1")
    assert errors == {None, ManifestError}


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["ft-1.log"], LogGoneError),
        (["ft-1.manifest.json"], ManifestError),
        (["ft-1.log", "ft-1.manifest.json"], LogGoneError),
    ],
)
def test_what_goes_away_of_one_log_while_it_settles_is_said_and_fetched_by_the_next_run(
    tmp_path: Path, names: list[str], kind: type[Exception]
) -> None:
    async def main(service: LaggingService) -> None:
        for job_id in ("ft-1", "ft-2"):
            add(service, job_id, LINES)
        progress = Progress()
        async with LogSession("sk-1", base_url=service.base_url) as session:
            downloading = asyncio.create_task(
                session.download(["ft-1", "ft-2"], tmp_path, progress=progress)
            )
            await until(lambda: progress.waiting)
            for name in names:
                (tmp_path / name).unlink()
            outcomes = {outcome.job_id: outcome for outcome in await downloading}
            assert (outcomes["ft-2"].error, outcomes["ft-2"].state) == (None, "complete")
            error = outcomes["ft-1"].error
            assert type(error) is kind
            assert str(tmp_path / "ft-1.log") in str(error)
            assert progress.outcomes == list(outcomes.values())
            if kind is LogGoneError:
                (again,) = await session.download("ft-1", tmp_path)
                assert (again.error, again.lines) == (None, 40)

    in_service(main)


@pytest.mark.posix
async def test_the_command_shows_what_became_of_the_jobs_before_the_directory_went(
    start_ftlogs: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    jobs = [EmulatedJob(job_id, LINES, end_time=hours_ago(0)) for job_id in ("ft-1", "ft-2")]
    async with Emulator(jobs) as emulator:
        words = ("download", "ft-1", "ft-2", "--out", str(folder), "--progress-every", "0.1")
        process = await start_ftlogs(words, emulator)
        while b"2 logs to be looked at once more" not in (line := await process.stderr.readline()):
            assert line
        folder.rename(tmp_path / "elsewhere")
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 6
    rows = [line.split() for line in out.decode().splitlines()]
    assert sorted(rows[1:]) == [["ft-1", "settling", "40", "40"], ["ft-2", "settling", "40", "40"]]
    assert f"ftlogs: {folder} has gone: it was moved or removed." in err.decode()
    assert "2 settling" in err.decode()
    assert "Make room" not in err.decode()


def sweep(folder: Path) -> None:
    """Remove what is being written, as those do who tidy up."""
    for path in folder.glob("*.new"):
        path.unlink()


@pytest.mark.unmeasured
@pytest.mark.posix
@pytest.mark.slow
async def test_what_is_kept_outlives_the_removal_of_files_that_are_being_written(
    connect: Connect, tmp_path: Path
) -> None:
    errors: set[type[Exception] | None] = set()

    async def check(folder: Path, watching: Watching, result: Any) -> None:
        (outcome,) = result
        errors.add(None if outcome.error is None else type(outcome.error))
        assert not outcome.set_aside
        assert kept(folder, "ft-1.log")[:20] == LINES[:20]
        (verdict,) = verify_archive(folder)
        assert (verdict.state, verdict.lines >= 20) == ("incomplete", True)

    await at_each_step(connect, tmp_path, sweep, check, "ft-1")
    assert errors == {None, LogGoneError}


async def test_a_missing_file_of_the_callers_own_costs_no_log(connect: Connect, tmp_path: Path) -> None:
    def hook(_: object) -> None:
        if log.exists():
            raise FileNotFoundError("the application's own")

    folder = tmp_path / "archive"
    log = folder / "ft-1.log"
    job = EmulatedJob("ft-1", LINES, status="RUNNING")
    async with Emulator([job]) as emulator:
        await download(emulator, connect, folder)
        job.append("one more")
        async with connect(emulator, on_request=hook) as session:
            with pytest.raises(FileNotFoundError, match="the application's own"):
                await session.download("ft-1", folder)
        assert kept(folder, "ft-1.log") == LINES
        await download(emulator, connect, folder)
    assert kept(folder, "ft-1.log") == [*LINES, "one more"]
