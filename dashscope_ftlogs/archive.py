"""A directory of downloaded logs: who may write to it, and which file holds what.

Everything here blocks, and is called in a thread.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from dashscope_ftlogs.errors import ArchiveError
from dashscope_ftlogs.manifest import Manifest, decode, log_name, manifest_name, stem, stem_of

_LOCK = ".ftlogs-lock"

# Nothing in an archive is followed elsewhere, and nothing is left open for programs we start.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Archive:
    """One directory, with at most one writer at a time."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._lock: int | None = None

    def __enter__(self) -> Self:
        """Create the directory if need be, and take the right to write.

        Raises:
            ArchiveError: another process writes to it, or it can't be written to.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.directory / _LOCK, os.O_RDWR | os.O_CREAT | _SAFELY, 0o666)
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
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)  # which unlocks it; so does the end of the process
            self._lock = None

    def manifest(self, job_id: str) -> Manifest | None:
        """Return a job's manifest, or None if there is none yet.

        Raises:
            ArchiveError: there is one that can't be read.
        """
        name = manifest_name(stem(job_id))
        data = self.read(name)
        if data is None:
            return None
        manifest = decode(data, name)
        if manifest.job_id != job_id:
            raise ArchiveError(f"{name} belongs to job {manifest.job_id}")
        return manifest

    def manifests(self) -> Iterator[tuple[str, Manifest | ArchiveError]]:
        """Yield each manifest's stem and content, those of older generations too, sorted."""
        for path in sorted(self.directory.iterdir()):
            log_stem = stem_of(path.name)
            if log_stem is not None:
                try:
                    data = self.read(path.name)
                    yield log_stem, decode(data or b"", path.name)
                except ArchiveError as error:
                    yield log_stem, error

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, or None if there is none of that name."""
        try:
            with open(self.open(name, os.O_RDONLY), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveError(f"cannot read {self.directory / name}: {error.strerror}") from None

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of a file in the directory; a symbolic link is refused."""
        return os.open(self.directory / name, flags | _SAFELY, 0o666)

    def replace(self, name: str, data: bytes) -> None:
        """Put a file in place, so that at any instant either the old or the new one is whole there."""
        new = self.open(f"{name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with open(new, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            (self.directory / f"{name}.new").unlink(missing_ok=True)
            raise
        os.replace(self.directory / f"{name}.new", self.directory / name)
        self._sync()

    def set_aside(self, manifest: Manifest, why: Literal["rewritten", "damaged"]) -> str:
        """Keep a log that can't be continued, beside the one to come; return its new name.

        Its manifest goes first: at every instant one of the two manifests fits the file, and one that
        fits none makes the next download start that log afresh.
        """
        old = stem(manifest.job_id)
        log = log_name(old, manifest.format, manifest.compression)
        number = 1
        while (self.directory / manifest_name(f"{old}.{why}-{number}")).exists():
            number += 1
        kept = f"{old}.{why}-{number}"
        name = log_name(kept, manifest.format, manifest.compression)
        self.replace(manifest_name(kept), manifest.encode())
        os.replace(self.directory / log, self.directory / name)
        self._sync()
        return name

    def _sync(self) -> None:
        """Make names last through a power cut, where the system lets a directory be synced."""
        if os.name == "posix":
            descriptor = os.open(self.directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _lock_exclusively(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl  # noqa: PLC0415  (does not exist elsewhere)

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # noqa: PLC0415  (exists nowhere else)

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
