"""Whatever lies where an archive has a file: named, left as it is, and nothing waits for it."""

import asyncio
import errno
import os
import re
import shlex
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from modest_root import modes_count

from dashscope_ftlogs import ArchivePathError, ArchiveWriteError, LogSession, verify_archive
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.disk_failures import in_our_words
from dashscope_ftlogs.archive.local.disk import Disk
from dashscope_ftlogs.archive.local_log_reader import stored_logs
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.verify import reopen_stale
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = pytest.mark.posix

Connect = Callable[..., LogSession]

LOG, MANIFEST, NEW, LOCK = "ft-1.log", "ft-1.manifest.json", "ft-1.manifest.json.new", ".ftlogs-lock"
NAMES = (LOG, MANIFEST, NEW, LOCK)
DIRECTORIES = ("directory", "parent")
ODD = ("directory", "pipe", "socket", "link to a file", "link to a directory", "dangling link", "loop")
FILES = ("second name", "unreadable", "read-only")
MAY_MAKE_DEVICES = os.name == "posix" and os.geteuid() == 0

DOES_NO_HARM = {
    *((name, "second name") for name in (MANIFEST, NEW, LOCK)),
    *((NEW, kind) for kind in ("unreadable", "read-only")),
    (MANIFEST, "read-only"),
    *((place, "link to a directory") for place in DIRECTORIES),
}
"""A manifest is replaced, never written to; what a kill left behind is removed; to the lock nothing is
written; and who wants a link as directory has chosen it."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A directory in a world where modes count."""
    with modes_count():
        yield tmp_path
        for path in tmp_path.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)


@attrs.frozen
class Trap:
    """Something odd at a path, and how it was."""

    path: Path
    victims: Path
    before: tuple[Any, ...]

    @classmethod
    def put(cls, path: Path, kind: str, folder: Path) -> "Trap":
        victims = folder / "victims"
        (victims / "directory").mkdir(parents=True)
        (victims / "file").write_text("precious")
        if kind not in {*FILES, "link to a directory"} and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        match kind:
            case "unreadable" | "read-only":
                if not path.exists():
                    path.touch()
                write = stat.S_IXUSR if path.is_dir() else 0
                path.chmod(0 if kind == "unreadable" else stat.S_IRUSR | write)
            case "second name":
                if path.exists():
                    os.link(path, victims / "other")
                else:
                    os.link(victims / "file", path)
            case _:
                path.unlink(missing_ok=True)
                cls._make(path, kind, victims)
        return cls(path, victims, cls._look(path, victims))

    @staticmethod
    def _make(path: Path, kind: str, victims: Path) -> None:
        match kind:
            case "directory":
                path.mkdir()
            case "file":
                path.write_text("mine")
            case "pipe":
                os.mkfifo(path)
            case "socket":
                with socket.socket(socket.AF_UNIX) as made:
                    made.bind(str(path))
            case "device":
                os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            case "link to a file":
                path.symlink_to(victims / "file")
            case "link to a directory":
                path.symlink_to(victims / "directory")
            case "dangling link":
                path.symlink_to(victims / "nothing")
            case _:
                assert kind == "loop"
                path.symlink_to(path)

    @staticmethod
    def _look(path: Path, victims: Path) -> tuple[Any, ...]:
        found = path.lstat()
        held = {one.name: one.read_bytes() for one in victims.iterdir() if one.is_file()}
        return stat.S_IFMT(found.st_mode), found.st_ino, found.st_size, held

    @property
    def is_untouched(self) -> bool:
        return self._look(self.path, self.victims) == self.before

    @property
    def foreign_is_untouched(self) -> bool:
        held = {one.name: one.read_bytes() for one in self.victims.iterdir() if one.is_file()}
        return held == self.before[-1]


def check_words(error: Any, *paths: Path) -> None:
    words = str(error)
    assert isinstance(error, ArchivePathError)
    assert exit_code(error) == 2
    assert any(str(path) in words for path in paths), words
    assert "None" not in words
    assert words.endswith("use another directory.")


COMBINATIONS = [
    (name, kind) for name in NAMES for kind in (*ODD, *FILES, *(["device"] if MAY_MAKE_DEVICES else []))
]


@pytest.mark.parametrize("is_new", [False, True], ids=["begun", "new"])
@pytest.mark.parametrize(("name", "kind"), COMBINATIONS)
async def test_what_lies_where_a_file_belongs_is_named_and_left_alone(
    connect: Connect, folder: Path, name: str, kind: str, is_new: bool
) -> None:
    archive = folder / "archive"
    archive.mkdir()
    jobs = [EmulatedJob(job_id, ["x"], status="RUNNING") for job_id in ("ft-1", "ft-2")]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        if not is_new:
            await session.download(["ft-1", "ft-2"], archive)
        for job in jobs:
            job.append("y")
        trap = Trap.put(archive / name, kind, folder)
        works = (name, kind) in DOES_NO_HARM
        downloading = asyncio.wait_for(session.download(["ft-1", "ft-2"], archive), 20)
        if name == LOCK and not works:
            with pytest.raises(ArchivePathError) as caught:
                await downloading
            check_words(caught.value, trap.path)
        else:
            outcomes = {outcome.job_id: outcome for outcome in await downloading}
            assert outcomes["ft-2"].lines == 2
            one = outcomes["ft-1"]
            if is_new and kind in FILES and name in {LOG, MANIFEST}:
                # Files of their names that are not this tool's, or not what they should be.
                assert one.error is not None
                assert str(trap.path) in str(one.error) or trap.path.name in str(one.error)
            elif works:
                assert (one.error, one.lines) == (None, 2)
            else:
                check_words(one.error, trap.path)
    assert trap.foreign_is_untouched
    assert works or trap.is_untouched


@pytest.mark.parametrize(("name", "kind"), COMBINATIONS)
async def test_who_reads_an_archive_names_it_too_and_waits_for_nothing(
    connect: Connect, folder: Path, name: str, kind: str
) -> None:
    archive = folder / "archive"
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator, connect(emulator) as session:
        await session.download("ft-1", archive)
    trap = Trap.put(archive / name, kind, folder)
    reads = name in {LOG, MANIFEST} and kind not in {"second name", "read-only"}
    (verdict,) = verify_archive(archive)
    if reads:
        assert verdict.state == "damaged"
        assert str(trap.path) in verdict.why
        assert "None" not in verdict.why
        for path in (archive, archive / LOG):
            with pytest.raises(ArchivePathError) as caught:
                [list(log.lines()) for log in stored_logs(path)]
            if path == trap.path and path.is_dir():  # which is taken for an archive
                assert str(caught.value).endswith(f"the log files themselves: {path}/*.log.")
            else:
                check_words(caught.value, trap.path)
    else:
        assert verdict.state == "ok"
        (log,) = stored_logs(archive)
        assert [line for _, line in log.lines()] == ["x"]
    assert trap.is_untouched


AT_THE_DIRECTORY = [
    (place, kind)
    for place in DIRECTORIES
    for kind in (*ODD[1:], "file", "unreadable", "read-only", "device")
    if kind != "device" or MAY_MAKE_DEVICES
]


@pytest.mark.parametrize(("place", "kind"), AT_THE_DIRECTORY)
async def test_what_is_no_directory_is_named_and_left_alone(
    connect: Connect, folder: Path, place: str, kind: str
) -> None:
    path = folder / "x"
    archive = path if place == "directory" else path / "archive"
    if kind in FILES:
        path.mkdir()
    trap = Trap.put(path, kind, folder)
    works = (place, kind) in DOES_NO_HARM
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator, connect(emulator) as session:
        downloading = asyncio.wait_for(session.download("ft-1", archive), 20)
        if works:
            (outcome,) = await downloading
            assert outcome.error is None
            assert [verdict.state for verdict in verify_archive(archive)] == ["ok"]
        else:
            with pytest.raises(ArchivePathError) as caught:
                await downloading
            check_words(caught.value, trap.path)
            assert emulator.journal == []
            with pytest.raises(ArchivePathError) as caught:
                list(verify_archive(archive))
            assert str(trap.path) in str(caught.value)
            assert "None" not in str(caught.value)
    assert trap.is_untouched


def test_a_link_is_no_folder_of_a_profile(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "a").symlink_to(elsewhere)
    with pytest.raises(ArchivePathError, match="a is a link: no reader of the archive follows it"):
        Archive(tmp_path).of("a").lock()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.covered
@pytest.mark.parametrize("name", NAMES)
async def test_the_command_says_what_is_in_the_way_and_exits_with_2(
    ftlogs: Any, tmp_path: Path, name: str
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        words = ("download", "ft-1", "--out", str(archive))
        (archive / name).unlink(missing_ok=True)
        os.mkfifo(archive / name)
        ended = await ftlogs(*words, emulator=emulator)
        assert ended.code == 2
        assert f"{archive / name} is a named pipe" in ended.err + ended.out.decode()
        (archive / name).unlink()
        assert (await ftlogs(*words, emulator=emulator)).code == 0
        (archive / name).unlink(missing_ok=True)
        os.mkfifo(archive / name)
        for words, code in ((("verify", str(archive)), 6), (("metrics", str(archive)), 2)):
            ended = await ftlogs(*words, emulator=emulator)
            if name in {LOG, MANIFEST}:
                assert ended.code == code
                assert f"{archive / name} is a named pipe" in ended.err + ended.out.decode()
            else:
                assert ended.code == 0


@pytest.mark.unmeasured
@pytest.mark.parametrize("kind", [*ODD, "second name", "cut", "gone"])
async def test_what_verify_advises_about_a_damaged_log_brings_it_back(
    ftlogs: Any, tmp_path: Path, kind: str
) -> None:
    archive, taken = tmp_path / "archive", tmp_path / "taken"
    path = archive / LOG
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        words = ("download", "ft-1", "--out", str(archive))
        assert (await ftlogs(*words, "--settle", "0", emulator=emulator)).code == 0
        if kind == "gone":
            path.unlink()
        elif kind == "cut":
            path.write_text("")
        else:
            Trap.put(path, kind, tmp_path)
            path.write_text("") if kind == "second name" else None
        ended = await ftlogs("verify", str(archive))
        assert ended.code == 6
        advice = re.search("`ftlogs (.+?)`", ended.err)
        if kind in {"cut", "gone"}:
            assert advice
            assert (await ftlogs(*shlex.split(advice[1]), emulator=emulator)).code == 0
        else:
            assert advice is None
            assert "Put right or move away what is in the way" in " ".join(ended.out.decode().split())
            assert (await ftlogs(*words, "--recheck", emulator=emulator)).code == 2
            path.rename(taken)
            again = re.search("`ftlogs (.+?)`", (await ftlogs("verify", str(archive))).err)
            assert again
            assert (await ftlogs(*shlex.split(again[1]), emulator=emulator)).code == 0
        assert (await ftlogs("verify", str(archive))).code == 0


@pytest.mark.parametrize("kind", ["loop", "dangling link", "socket"])
async def test_a_source_that_cannot_be_read_is_no_job_id(ftlogs: Any, tmp_path: Path, kind: str) -> None:
    trap = Trap.put(tmp_path / "ft-1", kind, tmp_path)
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        ended = await ftlogs("metrics", str(trap.path), emulator=emulator)
        assert emulator.journal == []
    assert ended.code == 2
    assert f"ftlogs: cannot read {trap.path}: " in ended.err
    assert "None" not in ended.err
    assert trap.is_untouched


async def test_a_directory_that_may_not_be_written_to_is_no_place_to_reopen_logs_in(
    connect: Connect, folder: Path
) -> None:
    archive = folder / "archive"
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator, connect(emulator) as session:
        await session.download("ft-1", archive)
    verdicts = list(verify_archive(archive))
    archive.chmod(0o500)
    with pytest.raises(ArchivePathError, match="Permission denied") as caught:
        reopen_stale(archive, verdicts)
    check_words(caught.value, archive)
    assert list(verify_archive(archive)) == verdicts


async def test_a_disk_that_takes_nothing_any_more_ends_the_whole_download(tmp_path: Path) -> None:
    def write() -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with Thread() as thread:
        with pytest.raises(
            ArchiveWriteError, match=r"Read-only file system\. What was committed is whole"
        ):
            await Disk(thread, Archive(tmp_path)).run(write)


def test_a_file_that_may_not_grow_is_incomplete_and_the_limit_is_named(tmp_path: Path) -> None:
    error = OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(tmp_path / "ft-1.log"))
    told = in_our_words(error, "write to", tmp_path)
    assert exit_code(told) == 6
    assert str(told).startswith(
        f"cannot write to {tmp_path}/ft-1.log: File too large. What was committed"
    )
    assert "ulimit -f" in str(told)
