"""An archive that is removed, as `rm -r` does it: one file after the other, in any order."""

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_place_of_os import in_place_of_os

from dashscope_ftlogs import (
    ArchiveError,
    ArchiveGoneError,
    Downloaded,
    LogGoneError,
    LogSession,
    ManifestError,
    RetryPolicy,
)
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.local.disk import Disk
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LOCK = ".ftlogs-lock"
ENDINGS = [".log", ".manifest.json", ".manifest.json.new"]
NAMES = [LOCK, *(f"{job_id}{ending}" for job_id in ("ft-1", "ft-2") for ending in ENDINGS)]
LINES = [f"line {n}" for n in range(40)]
QUICK = RetryPolicy(base_delay=0.001, max_delay=0.002, lag=0.01)


@attrs.define
class Removal:
    """Stands for `os`: files go away, each so many calls after the one before."""

    folder: Path
    steps: list[tuple[str, int]]
    """What is still to be removed, last to first, and after how many calls."""
    gone: set[str] = attrs.Factory(set[str])
    held: bool = False
    """Whether the lock was there when it was last looked for."""
    _one_at_a_time: Lock = attrs.Factory(Lock)

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        return partial(self._call, name, value) if callable(value) and name != "fspath" else value

    def _call(self, name: str, value: Callable[..., Any], *args: Any, **more: Any) -> Any:
        with self._one_at_a_time:
            while self.steps and self.steps[-1][1] <= 0:
                self.remove(self.steps.pop()[0])
            if self.steps:
                file, calls = self.steps.pop()
                self.steps.append((file, calls - 1))
            if name == "lstat" and Path(args[0]).name == LOCK:
                self.held = Path(args[0]).exists()
            return value(*args, **more)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self.folder / name).unlink()
            self.gone.add(name)
        if not self.steps:
            with suppress(OSError):  # what came meanwhile stays, and so does the folder
                self.folder.rmdir()


async def download(emulator: Emulator, folder: Path, system: Removal | None = None) -> list[Downloaded]:
    session = LogSession(emulator.api_key, base_url=emulator.base_url, retry=QUICK, concurrency=1)
    with in_place_of_os(system):
        async with session:
            return await asyncio.wait_for(session.download(list(emulator.jobs), folder), 20)


@pytest.mark.posix
@pytest.mark.unmeasured
@settings(max_examples=30)
@given(
    order=st.permutations(NAMES),
    begins=st.integers(0, 130),
    pauses=st.lists(st.integers(0, 30), min_size=len(NAMES) - 1, max_size=len(NAMES) - 1),
)
def test_what_goes_away_file_by_file_costs_the_logs_whose_files_went_until_the_lock_has_gone(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], begins: int, pauses: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("removed") / "archive"

    async def main() -> None:
        jobs = [EmulatedJob(job_id, LINES[:20], status="RUNNING") for job_id in ("ft-1", "ft-2")]
        async with Emulator(jobs) as emulator:
            await download(emulator, folder)
            for job in jobs:
                job.append(*LINES[20:])
            removal = Removal(folder, list(zip(order, [*pauses, begins], strict=True)))
            try:
                outcomes = await download(emulator, folder, removal)
            except ArchiveError as error:
                assert isinstance(error, ArchiveGoneError)
                assert str(folder) in str(error)
            else:
                assert removal.held
                for outcome in outcomes:
                    check(outcome, removal)
            # What is left of it is gone on with, or refused; never taken for what it is not.
            for outcome in await download(emulator, folder):
                assert (outcome.error, outcome.lines) == (None, 40) or (
                    isinstance(outcome.error, ManifestError) and removal.gone
                )

    asyncio.run(main())
    shutil.rmtree(folder.parent)


def check(outcome: Downloaded, removal: Removal) -> None:
    if outcome.error is not None:
        assert [name for name in removal.gone if name.startswith(outcome.job_id)]
        assert isinstance(outcome.error, LogGoneError | ManifestError)
        assert str(removal.folder) in str(outcome.error)
        assert exit_code(outcome.error) == 6
    else:
        assert outcome.lines == 40


async def test_a_file_that_has_gone_is_no_wrong_path(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.lock()
    try:
        with Thread() as thread:
            with pytest.raises(LogGoneError, match=r"ft-1\.log has gone"):
                await Disk(thread, archive).run(archive.remove, "ft-1.log")
            (tmp_path / LOCK).unlink()
            with pytest.raises(ArchiveGoneError):
                await Disk(thread, archive).run(archive.remove, "ft-1.log")
    finally:
        archive.unlock()
