"""Killed before, amid or after any operation on the disk, an archive is never damaged, and goes on."""

import asyncio
import errno
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_place_of_os import in_place_of_os
from logs_in_pieces import begin
from stranger import found_by_a_stranger

from dashscope_ftlogs import ArchiveError, LogSession, RetryPolicy, verify_archive
from dashscope_ftlogs.archive.local_log_reader import StoredLog, stored_logs
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import TAIL

OLD = [f"old {n}" for n in range(20)]
NEW = [f"new {n}" for n in range(30)]
QUICK = RetryPolicy(base_delay=0.001, max_delay=0.002, lag=0.01)
HOWS: list[Literal["before", "amid", "after"]] = ["before", "amid", "after"]
CHANGES = frozenset({"open", "write", "ftruncate", "fsync", "replace", "unlink"})


class DyingDisk:
    """Stands for `os` until a certain change of the disk; there the process dies, as the disk sees it.

    Whatever is tried to be changed afterwards is refused. Looking and closing stay possible, so that
    nothing of the dead is left in the process that only plays it.
    """

    def __init__(self, dies_at: int, how: Literal["before", "amid", "after"] = "before") -> None:
        self._left = dies_at
        self._how = how
        self.is_dead = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        return partial(self._change, name, value) if name in CHANGES else value

    def _change(self, name: str, change: Callable[..., Any], *args: Any) -> Any:
        if name == "open" and not args[1] & os.O_CREAT:
            return change(*args)
        died = OSError(errno.EIO, "the process has died")
        if self.is_dead:
            raise died
        self._left -= 1
        if self._left:
            return change(*args)
        self.is_dead = True
        if name == "write" and self._how == "amid":
            change(args[0], args[1][: len(args[1]) // 2])
        elif self._how == "after":
            result = change(*args)
            if name == "open":
                os.close(result)
        raise died


async def download(emulator: Emulator, folder: Path, disk: DyingDisk | None = None) -> None:
    """Bring the archive up to date, on a disk that may die of it."""
    session = LogSession(emulator.api_key, base_url=emulator.base_url, retry=QUICK, concurrency=1)
    with in_place_of_os(disk):
        async with session:
            try:
                (outcome,) = await session.download("ft-1", folder)
            except ArchiveError:
                assert disk is not None
                assert disk.is_dead
            else:
                assert outcome.error is None or (disk is not None and disk.is_dead)


def states(folder: Path) -> dict[str, str]:
    return {verdict.file: verdict.state for verdict in verify_archive(folder)}


def lines(path: Path) -> list[str]:
    return [line for _, line in StoredLog(path.name, path).lines()]


async def begun(emulator: Emulator, folder: Path, form: Any, compression: Any) -> None:
    """Download the old log; then the new one is what the service has."""
    job = emulator.jobs["ft-1"]
    job.status = "RUNNING"
    job.rewrite(OLD)
    async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=QUICK) as session:
        await session.download("ft-1", folder, format=form, compression=compression)
    job.rewrite(NEW)


def check_both_are_kept(folder: Path) -> None:
    (log,) = stored_logs(folder)
    assert [line for _, line in log.lines()] == NEW
    kept = log.path.name.replace("ft-1", "ft-1.rewritten-1")
    assert lines(folder / kept) == OLD
    assert states(folder) == {log.path.name: "incomplete", kept: "superseded"}
    manifests = {"ft-1.manifest.json", "ft-1.rewritten-1.manifest.json"}
    assert {path.name for path in folder.iterdir()} == {log.path.name, kept, ".ftlogs-lock", *manifests}


@pytest.mark.unmeasured
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("form", "compression"), [("text", None), ("jsonl", "gzip")])
async def test_a_log_that_was_rewritten_is_kept_and_its_next_life_is_whole(
    tmp_path: Path, how: Any, form: Any, compression: Any
) -> None:
    async with Emulator([EmulatedJob("ft-1")]) as emulator:
        await begun(emulator, tmp_path / "before", form, compression)
        for dies_at in range(1, 99):
            folder = tmp_path / f"{dies_at}"
            shutil.copytree(tmp_path / "before", folder)
            disk = DyingDisk(dies_at, how)
            await download(emulator, folder, disk)
            assert set(states(folder).values()) <= {"incomplete", "superseded"}
            assert not [said for said in found_by_a_stranger(folder).values() if "DAMAGED" in said]
            await download(emulator, folder)
            check_both_are_kept(folder)
            if not disk.is_dead:
                break
    assert dies_at > 15


@pytest.mark.unmeasured
@settings(max_examples=20)
@given(deaths=st.lists(st.tuples(st.integers(1, 30), st.sampled_from(HOWS)), min_size=2, max_size=5))
def test_dying_again_and_again_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[tuple[int, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("archive")

    async def main() -> None:
        async with Emulator([EmulatedJob("ft-1")]) as emulator:
            await begun(emulator, folder, "text", None)
            for dies_at, how in deaths:
                await download(emulator, folder, DyingDisk(dies_at, how))
                assert set(states(folder).values()) <= {"incomplete", "superseded"}
            assert not [said for said in found_by_a_stranger(folder).values() if "DAMAGED" in said]
            await download(emulator, folder)
            check_both_are_kept(folder)

    asyncio.run(main())


@pytest.mark.unmeasured
@pytest.mark.parametrize("how", HOWS)
async def test_a_log_that_was_not_rewritten_after_all_goes_on(tmp_path: Path, how: Any) -> None:
    """Between the death and the next run the service has come back to the old log."""
    async with Emulator([EmulatedJob("ft-1")]) as emulator:
        await begun(emulator, tmp_path / "before", "text", None)
        was_moved = set()
        for dies_at in range(1, 99):
            folder = tmp_path / f"{dies_at}"
            shutil.copytree(tmp_path / "before", folder)
            emulator.jobs["ft-1"].rewrite(NEW)
            disk = DyingDisk(dies_at, how)
            await download(emulator, folder, disk)
            if json.loads((folder / "ft-1.manifest.json").read_bytes())["lines"] == len(NEW):
                break
            emulator.jobs["ft-1"].rewrite([*OLD, "more"])
            await download(emulator, folder)
            assert lines(folder / "ft-1.log") == [*OLD, "more"]
            found = states(folder)
            assert found.pop("ft-1.log") == "incomplete"
            assert found in ({}, {"ft-1.rewritten-1.log": "superseded"})
            was_moved.add(bool(found))
        assert was_moved == {False, True}


@pytest.mark.unmeasured
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("form", "compression"), [("text", None), ("jsonl", "gzip")])
async def test_a_log_that_grows_by_many_pieces_goes_on(
    tmp_path: Path, how: Any, form: Any, compression: Any
) -> None:
    async with Emulator([EmulatedJob("ft-1")]) as emulator:
        before = tmp_path / "before"
        begin(before, emulator.base_url, "ft-1", piece_bytes=50, form=form, compression=compression)
        await begun(emulator, before, form, compression)
        emulator.jobs["ft-1"].rewrite([*OLD, *NEW])
        for dies_at in range(1, 99):
            folder = tmp_path / f"{dies_at}"
            shutil.copytree(before, folder)
            disk = DyingDisk(dies_at, how)
            await download(emulator, folder, disk)
            assert set(states(folder).values()) == {"incomplete"}
            assert not [said for said in found_by_a_stranger(folder).values() if "DAMAGED" in said]
            await download(emulator, folder)
            (log,) = stored_logs(folder)
            assert [line for _, line in log.lines()] == [*OLD, *NEW]
            assert states(folder) == {log.path.name: "incomplete"}
            assert len(json.loads((folder / "ft-1.manifest.json").read_bytes())["pieces"]) > 5
            if not disk.is_dead:
                break
    assert dies_at > 5


@pytest.mark.unmeasured
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("form", "compression"), [("text", None), ("jsonl", "gzip")])
@pytest.mark.parametrize("more", [[], ["next", "bar |"]])
async def test_a_last_line_that_grew_is_whole_and_nothing_is_set_aside(
    tmp_path: Path, how: Any, form: Any, compression: Any, more: list[str]
) -> None:
    async with Emulator([EmulatedJob("ft-1")]) as emulator:
        await begun(emulator, tmp_path / "before", form, compression)
        grown = [*OLD[:-1], f"{OLD[-1]}, and it goes on", *more]
        emulator.jobs["ft-1"].rewrite(grown)
        for dies_at in range(1, 99):
            folder = tmp_path / f"{dies_at}"
            shutil.copytree(tmp_path / "before", folder)
            disk = DyingDisk(dies_at, how)
            await download(emulator, folder, disk)
            (log,) = stored_logs(folder)
            found = [line for _, line in log.lines()]
            assert found in (OLD, OLD[:-1], grown)
            assert states(folder) == {log.path.name: "incomplete"}
            assert not [said for said in found_by_a_stranger(folder).values() if "DAMAGED" in said]
            emulator.journal.clear()
            await download(emulator, folder)
            (log,) = stored_logs(folder)
            assert [line for _, line in log.lines()] == grown
            assert states(folder) == {log.path.name: "incomplete"}
            offsets = [one.offset for one in emulator.journal if one.offset is not None]
            assert min(offsets) >= len(OLD) - 1 - TAIL
            if not disk.is_dead:
                break
    assert dies_at > 10


@pytest.mark.parametrize("how", HOWS)
async def test_a_damaged_log_is_kept_too_and_fetched_anew(tmp_path: Path, how: Any) -> None:
    async with Emulator([EmulatedJob("ft-1")]) as emulator:
        await begun(emulator, tmp_path / "before", "text", None)
        (tmp_path / "before/ft-1.log").write_text("trampled on")
        for dies_at in range(1, 99):
            folder = tmp_path / f"{dies_at}"
            shutil.copytree(tmp_path / "before", folder)
            disk = DyingDisk(dies_at, how)
            await download(emulator, folder, disk)
            await download(emulator, folder)
            assert (folder / "ft-1.damaged-1.log").read_text() == "trampled on"
            assert lines(folder / "ft-1.log") == NEW
            assert states(folder) == {"ft-1.log": "incomplete"}
            if not disk.is_dead:
                break
    assert dies_at > 10
