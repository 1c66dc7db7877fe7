"""A directory as what a download writes to: each log's file is bound to a thread."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Self

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.local.disk import Disk
from dashscope_ftlogs.archive.local.generations import set_aside
from dashscope_ftlogs.archive.local.log_file_sha256 import check_file
from dashscope_ftlogs.archive.local.log_writer import LogFile
from dashscope_ftlogs.archive.local.profile_folder import (
    archive_around,
    check_is_not_copied,
    profile_around,
    refuse_other_s_folder,
)
from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.store import DamagedError, Why, refuse_beside_profiles, refuse_folder_of
from dashscope_ftlogs.archive.threads import Threads

_THREADS: Final = 8
"""How many files are written at the same time."""


class DirectoryStore:
    """One directory, locked while it is written to."""

    # The first commits come sooner, so that a download that is killed again and again gets ahead.
    first_commit_after = 0.05
    commit_every = 1.0

    def __init__(self, archive: Archive, profile: str = "") -> None:
        self._named = archive.directory
        self._archive = archive.of(profile)
        self._profile = profile
        self._threads = Threads(_THREADS)
        self._lock = Disk(self._threads.next(), self._archive)

    async def __aenter__(self) -> Self:
        try:
            await self._lock.run(self._take)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    def _take(self) -> None:
        if (folder := profile_around(self._named)) is not None:
            refuse_folder_of(folder.name, self._named, folder.parent)
        if self._profile:
            refuse_other_s_folder(self._named, self._profile)
        if not (self._archive.directory.is_dir() and self._archive.was_written_to):
            check_is_not_copied(Archive(self._named), self._profile)
            if self._profile and (around := archive_around(self._named)) is not None:
                refuse_beside_profiles(self._named, around)
        self._archive.lock()

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._lock.run_surely(self._archive.unlock)
        finally:
            self._threads.__exit__()

    async def check(self) -> None:
        """Raise ArchiveGoneError if the directory has gone."""
        await self._lock.run(self._archive.check_is_ours)

    def place(self, job_id: str) -> "FilePlace":
        """Return where a job's log is, bound to the next thread."""
        return FilePlace(job_id, self._archive, Disk(self._threads.next(), self._archive))

    def name_of(self, file: str) -> str:
        """Return the path of a log."""
        return str(self._archive.directory / file)


class FilePlace:
    """Where a job's log is in a directory."""

    def __init__(self, job_id: str, archive: Archive, disk: Disk) -> None:
        self._job_id = job_id
        self._archive = archive
        self._disk = disk

    async def manifest(self) -> Manifest | None:
        """Return the job's manifest."""
        return await self._disk.run(self._known)

    def _known(self) -> Manifest | None:
        manifest = self._archive.manifest(self._job_id)
        if manifest is None:
            self._archive.refuse_unvouched(self._job_id)
        return manifest

    async def holds_all(self, manifest: Manifest) -> bool:
        """Whether the file has the size that was committed."""
        return await self._disk.run(self._archive.size, manifest.file) == manifest.file_bytes

    async def is_damaged(self, manifest: Manifest) -> bool:
        """Whether the file is not what was committed."""
        try:
            await self._disk.run(check_file, self._archive, manifest.file, manifest)
        except DamagedError:
            return True
        return False

    async def put(self, manifest: Manifest) -> Manifest:
        """Put a manifest in place."""
        return await self._disk.run(self._archive.put, manifest)

    async def set_aside(self, why: Why) -> str:
        """Rename the log."""
        return await self._disk.run(set_aside, self._archive, self._job_id, why)

    async def tidy(self) -> None:
        """Do nothing: a file is the same from its first line on."""

    def log(self, manifest: Manifest, *, whole: bool) -> "FileLog":
        """Return the log's file."""
        return FileLog(LogFile(self._archive, manifest, whole=whole), self._disk)


class FileLog:
    """A log's file, which only its thread touches."""

    def __init__(self, file: LogFile, disk: Disk) -> None:
        self._file = file
        self._disk = disk
        self.append = file.append

    @property
    def manifest(self) -> Manifest:
        """What is vouched for so far."""
        return self._file.manifest

    @property
    def sound(self) -> bool:
        """Whether it is open, and everything was written so far."""
        return self._file.sound

    @property
    def has_uncommitted(self) -> bool:
        """Whether lines were appended that no manifest vouches for yet."""
        return self._file.has_uncommitted

    @property
    def is_due(self) -> bool:
        """Whether so much was appended that it should be written."""
        return self._file.is_due

    async def open(self) -> None:
        """Open the file, and check it."""
        await self._disk.run(self._file.open)

    async def write(self, _facts: Mapping[str, Any]) -> None:
        """Write what was appended."""
        await self._disk.run(self._file.write)

    async def commit(self, facts: Mapping[str, Any]) -> None:
        """Sync the file, and put its next manifest in place."""
        await self._disk.run(partial(self._file.commit, **facts))

    async def take_back(self, line: str) -> bool:
        """Vouch for all but the last line, and cut that off."""
        return await self._disk.run(self._file.take_back, line)

    async def prove(self) -> None:
        """Check what was there before."""
        await self._disk.run(self._file.prove)

    async def begins_with(self, lines: Sequence[str]) -> bool:
        """Whether these are the first lines of what was committed."""
        return await self._disk.run(self._file.begins_with, lines)

    async def finish(self, facts: Mapping[str, Any] | None) -> None:
        """Commit, and let go of the file whatever comes of that."""
        await self._disk.run_surely(self._finish, facts)

    def _finish(self, facts: Mapping[str, Any] | None) -> None:
        try:
            if facts is not None:
                self._file.commit(**facts)
        finally:
            self._file.close()
