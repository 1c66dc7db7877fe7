"""A directory of downloaded logs: who may write to it, and which file holds what.

Everything here blocks, and is called in a thread.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from dashscope_ftlogs.archive.manifest import (
    LOG_NAMES,
    Compression,
    Format,
    Manifest,
    decode,
    encode,
    log_name,
    manifest_name,
    stem,
    stem_of,
)
from dashscope_ftlogs.errors import ArchiveError, ManifestError

_LOCK = ".ftlogs-lock"
_FORMS: Final[tuple[tuple[Format, Compression | None], ...]] = (
    ("text", None),
    ("jsonl", None),
    ("text", "gzip"),
    ("jsonl", "gzip"),
)

# Nothing in an archive leads elsewhere, and nothing there makes opening it wait.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Archive:
    """One directory, with at most one writer at a time."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._lock = -1

    def lock(self) -> None:
        """Create the directory if need be, and take the right to write.

        Raises:
            ArchiveError: another process writes to it, or it can't be written to.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = self.open(_LOCK, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise ArchiveError(f"cannot write to {self.directory}: {error.strerror}") from None
        try:
            _lock_exclusively(lock)
        except OSError:
            os.close(lock)
            raise ArchiveError(
                f"another process is writing to {self.directory}; wait for it, or choose another "
                "directory"
            ) from None
        self._lock = lock

    def unlock(self) -> None:
        """Give the right to write back, if it was had; the end of the process does so too."""
        if self._lock >= 0:
            lock, self._lock = self._lock, -1
            with suppress(OSError):  # which lets go of it all the same
                os.close(lock)

    def __del__(self) -> None:
        # A loop that was closed under a download lets go of it without another await.
        self.unlock()

    def manifest(self, job_id: str) -> Manifest | None:
        """Return a job's manifest, or None if there is none yet.

        Raises:
            ArchiveError: there is one that can't be read.
        """
        found = self.at(stem(job_id))
        if isinstance(found, ArchiveError):
            raise found
        return found

    def at(self, log_stem: str) -> Manifest | ArchiveError | None:
        """Return the manifest of a log, or why it can't be read, or None if none is there."""
        name = manifest_name(log_stem)
        try:
            data = self._read(name)
            return None if data is None else decode(data, name)
        except ArchiveError as error:
            return error

    def manifests(self) -> Iterator[tuple[str, Manifest | ArchiveError]]:
        """Yield the stem and content of each manifest, those of older generations too, sorted.

        Raises:
            ArchiveError: the directory can't be read.
        """
        for name in self._names():
            log_stem = stem_of(name)
            found = None if log_stem is None else self.at(log_stem)
            if log_stem is not None and found is not None:
                yield log_stem, found

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, or None if there is none of that name."""
        try:
            return os.lstat(self.directory / name).st_size
        except FileNotFoundError:
            return None

    @property
    def was_written_to(self) -> bool:
        """Whether a download has ever had the right to write to it."""
        return self.size(_LOCK) is not None

    def unvouched(self) -> list[str]:
        """Return the names of logs, as far as names tell, of which there is no manifest, sorted.

        Raises:
            ArchiveError: the directory can't be read.
        """
        found: list[str] = []
        for name in self._names():
            log = LOG_NAMES.fullmatch(name)
            # Asked for one by one, since a download may be putting it in place.
            if log and self.size(manifest_name(log["stem"])) is None:
                found.append(name)
        return found

    def refuse_unvouched(self, job_id: str) -> None:
        """Raise ManifestError if there is a log of a job that has no manifest.

        It was lost, or the file is somebody else's. Either way it is not for us to write to.
        """
        for form in _FORMS:
            name = log_name(stem(job_id), *form)
            if self.size(name) is not None:
                raise ManifestError(
                    f"{self.directory / name} is there without a manifest: it was lost, or the file is "
                    "not this tool's"
                )

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of a plain file in the directory; links and devices are refused.

        So is, for writing, a file that has another name besides: that may be somebody's, or a backup.
        To the lock alone nothing is ever written.
        """
        path = self.directory / name
        descriptor = os.open(path, flags | _SAFELY, 0o666)
        found = os.fstat(descriptor)
        why = None if stat.S_ISREG(found.st_mode) else "is not a plain file"
        if found.st_nlink > 1 and flags & (os.O_WRONLY | os.O_RDWR) and name != _LOCK:
            why = "has another name, a hard link, and both would be written to: put a copy in its place"
        if why:
            os.close(descriptor)
            raise OSError(f"{path} {why}")
        return descriptor

    def replace(self, name: str, data: bytes) -> None:
        """Put a file in place, so that at any instant either the old or the new one is whole there."""
        new = self.directory / f"{name}.new"
        with suppress(FileNotFoundError):
            # What a kill left behind, and of a hard link our name alone. Whatever else is there stays.
            if stat.S_ISREG(os.lstat(new).st_mode):
                os.unlink(new)
        descriptor = self.open(new.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.move(new.name, name)
        except OSError:
            with suppress(OSError):
                os.unlink(new)
            raise

    def put(self, manifest: Manifest) -> Manifest:
        """Put a job's manifest in place: from the first one on, a file of its log's name is ours."""
        self.replace(manifest_name(stem(manifest.job_id)), encode(manifest))
        return manifest

    def move(self, name: str, new: str) -> None:
        """Give a file another name, for good."""
        os.replace(self.directory / name, self.directory / new)
        self._sync()

    def remove(self, name: str) -> None:
        """Remove a file, for good."""
        os.unlink(self.directory / name)
        self._sync()

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.directory))
        except OSError as error:
            raise ArchiveError(f"cannot read {self.directory}: {error.strerror}") from None

    def _read(self, name: str) -> bytes | None:
        try:
            with open(self.open(name, os.O_RDONLY), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveError(f"cannot read {self.directory / name}: {error.strerror}") from None

    def _sync(self) -> None:
        """Make names last through a power cut, where the system lets a directory be synced."""
        if os.name != "posix":  # pragma: no cover  (Windows keeps them by itself)
            return
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_all(descriptor: int, data: bytes | bytearray) -> None:
    """Write all of it: a system may take less at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _lock_exclusively(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl  # noqa: PLC0415  (does not exist elsewhere)

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:  # pragma: no cover  (runs on Windows only)
        import msvcrt  # noqa: PLC0415  (exists nowhere else)

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # as does its stub
