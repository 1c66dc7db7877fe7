"""A directory of downloaded logs: who may write to it, and which file holds what.

Everything here blocks, and is called in a thread.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import attrs

from dashscope_ftlogs.archive.manifest import (
    Manifest,
    decode,
    encode,
    log_name,
    manifest_name,
    stem,
    stem_of,
)
from dashscope_ftlogs.errors import ArchiveError

_LOCK = ".ftlogs-lock"

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
        name = manifest_name(stem(job_id))
        data = self._read(name)
        return None if data is None else decode(data, name)

    def manifests(self) -> Iterator[tuple[str, Manifest | ArchiveError]]:
        """Yield the stem and content of each manifest, those of older generations too, sorted.

        Raises:
            ArchiveError: the directory can't be read.
        """
        try:
            names = sorted(os.listdir(self.directory))
        except OSError as error:
            raise ArchiveError(f"cannot read {self.directory}: {error.strerror}") from None
        for name in names:
            log_stem = stem_of(name)
            if log_stem is not None:
                try:
                    yield log_stem, decode(self._read(name) or b"", name)
                except ArchiveError as error:
                    yield log_stem, error

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, or None if there is none of that name."""
        try:
            return os.lstat(self.directory / name).st_size
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of a plain file in the directory; links and devices are refused."""
        path = self.directory / name
        descriptor = os.open(path, flags | _SAFELY, 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is not a plain file")
        return descriptor

    def replace(self, name: str, data: bytes) -> None:
        """Put a file in place, so that at any instant either the old or the new one is whole there."""
        new = self.directory / f"{name}.new"
        try:
            with open(self.open(new.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.directory / name)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        self._sync()

    def set_aside(self, job_id: str, why: Literal["rewritten", "damaged"]) -> str:
        """Keep a log that can't be continued, beside the one to come; return its new name.

        The manifest of a rewritten one goes with it, and is written first. Dying in between leaves the
        file where it was, and the next attempt takes the same name again. Dying afterwards leaves a
        manifest without a file, and the next download starts that log afresh.
        """
        manifest = self.manifest(job_id)
        if manifest is None:
            raise ArchiveError(f"the manifest of job {job_id} has gone from {self.directory}")
        number = 1
        while self.size(_kept(manifest, why, number)) is not None:
            number += 1
        name = _kept(manifest, why, number)
        if why == "rewritten":
            kept = attrs.evolve(manifest, superseded=True)
            self.replace(manifest_name(f"{stem(job_id)}.{why}-{number}"), encode(kept))
        os.replace(self.directory / manifest.file, self.directory / name)
        self._sync()
        return name

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


def _kept(manifest: Manifest, why: str, number: int) -> str:
    return log_name(f"{stem(manifest.job_id)}.{why}-{number}", manifest.format, manifest.compression)


def _lock_exclusively(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl  # noqa: PLC0415  (does not exist elsewhere)

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:  # pragma: no cover  (runs on Windows only)
        import msvcrt  # noqa: PLC0415  (exists nowhere else)

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # as does its stub
