"""A directory of downloaded logs: who may write to it, and which file holds what.

Everything here blocks, and is called in a thread.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.disk_failures import in_our_words
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
from dashscope_ftlogs.archive.store import OF_PROFILE, is_of_profile
from dashscope_ftlogs.errors import (
    ArchiveBusyError,
    ArchiveError,
    ArchiveGoneError,
    ArchivePathError,
    ManifestError,
)

LOCK: Final = ".ftlogs-lock"
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})
_FORMS: Final[tuple[tuple[Format, Compression | None], ...]] = (
    ("text", None),
    ("jsonl", None),
    ("text", "gzip"),
    ("jsonl", "gzip"),
)

# Nothing in an archive leads elsewhere, and nothing there makes opening it wait.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


_HELD: Final[dict[tuple[int, ...], int]] = {}
"""The locks that archives of this process hold, by inode and device, and which process took each."""


class Archive:
    """One directory, with at most one writer at a time."""

    def __init__(self, directory: str | os.PathLike[str], *, of_profile: bool = False) -> None:
        self._lock = -1
        self._of_profile = of_profile
        self.directory = Path(checks.path("directory", directory))
        self._at = self.directory
        """The same, wherever the process goes meanwhile."""
        with suppress(FileNotFoundError):  # where the directory has gone in which the process is
            self._at = self.directory.absolute()

    def lock(self) -> None:
        """Create the directory if need be, and take the right to write.

        Raises:
            ArchiveError: somebody else writes to it, or it can't be written to.
            OSError: the mark of a profile can't be put there; the right to write is had.
        """
        if is_trap(self.directory):
            raise ArchivePathError(
                f"{self.directory} is a link that another user laid where everyone may, or leads over "
                "one, so it is not followed: name the directory that it stands for, if that is meant"
            )
        if self._of_profile and self._at.is_symlink():
            raise ArchivePathError(f"{self.directory} is a link: no reader of the archive follows it")
        try:
            self._at.mkdir(parents=True, exist_ok=True)
            lock = self.open(LOCK, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise in_our_words(error, "write to", self.directory) from None
        try:
            set_lock(lock, take=True)
        except OSError as error:
            is_ours = _HELD.get(os.fstat(lock)[1:3]) == os.getpid()
            whose = "another download of this process" if is_ours else "another process"
            os.close(lock)
            if not isinstance(error, BlockingIOError | PermissionError):
                raise in_our_words(error, "write to", self.directory) from None
            raise ArchiveBusyError(f"{whose} is writing to {self.directory}") from None
        self._lock = lock
        _HELD[os.fstat(lock)[1:3]] = os.getpid()
        if self._of_profile and not self.is_there(OF_PROFILE):
            self.replace(OF_PROFILE, b"")

    def unlock(self) -> None:
        """Give the right to write back, if it was had; the end of the process does so too."""
        if self._lock >= 0:
            lock, self._lock = self._lock, -1
            with suppress(OSError):  # which lets go of it all the same
                if _HELD.pop(os.fstat(lock)[1:3], None) == os.getpid():  # or it is that of a parent
                    set_lock(lock, take=False)
            with suppress(OSError):
                os.close(lock)

    def __del__(self) -> None:
        # A loop that was closed under a download lets go of it without another await.
        self.unlock()

    def check_is_ours(self) -> None:
        """Raise ArchiveGoneError if what was locked is no longer what is at the directory's path.

        It may have been moved or removed, and another one made in its place. While that can't be told,
        say why not.
        """
        try:
            if self._lock < 0 or self._is_at(LOCK, self._lock):
                return
        except OSError as error:
            raise in_our_words(error, "write to", self.directory) from None
        if not os.path.isdir(self._at):
            raise ArchiveGoneError(f"{self.directory} has gone: it was moved or removed")
        raise ArchiveGoneError(
            f"{self.directory / LOCK} has gone: the directory is being removed or is another "
            "one by now, or another process may write to it"
        )

    def _is_at(self, name: str, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.lstat(self._at / name), os.fstat(descriptor))
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise

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
        """Return the manifest of a log, or why it can't be read, or None if none is there.

        Raises:
            ArchiveGoneError: this is no longer the directory that was locked.
        """
        name = manifest_name(log_stem)
        try:
            data = self._read(name)
            return None if data is None else decode(data, name)
        except ArchiveGoneError:
            raise
        except ArchiveError as error:
            return error

    def manifests(self) -> Iterator[tuple[str, Manifest | ArchiveError]]:
        """Yield the stem and content of each manifest, those of older generations too, sorted.

        Raises:
            ArchiveError: the directory can't be read.
        """
        for name in self._names():
            if (log_stem := stem_of(name)) is not None and (found := self.at(log_stem)) is not None:
                yield log_stem, found

    def profiles(self) -> list[str]:
        """Return the names of the folders in it that hold a profile's logs, each an archive, sorted.

        Raises:
            ArchiveError: the directory, or a folder of it, can't be read.
        """
        try:
            return [name for name in self._names() if is_of_profile(name, self._is_marked)]
        except OSError as error:
            raise in_our_words(error, "read", self.directory) from None

    def of(self, profile: str) -> "Archive":
        """Return the folder of a profile; of none, this archive itself."""
        return Archive(self.directory / profile, of_profile=True) if profile else self

    def _is_marked(self, name: str) -> bool:
        found = self._look(name)  # a link would lead elsewhere
        is_folder = found is not None and stat.S_ISDIR(found.st_mode)
        return is_folder and self.of(name).is_there(OF_PROFILE)

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, or None if there is none of that name.

        Raises:
            ArchivePathError: something else is there.
        """
        found = self._look(name)
        if found is not None:
            self._refuse_odd(name, found)
        return None if found is None else found.st_size

    def is_there(self, name: str) -> bool:
        """Whether there is anything of that name."""
        return self._look(name) is not None

    @property
    def was_written_to(self) -> bool:
        """Whether a download has ever had the right to write to it."""
        return self.is_there(LOCK)

    def unvouched(self) -> list[str]:
        """Return the names of logs, as far as names tell, of which there is no manifest, sorted.

        Raises:
            ArchiveError: the directory can't be read.
        """
        logs = filter(None, map(LOG_NAMES.fullmatch, self._names()))
        # Asked for one by one, since a download may be putting it in place.
        return [log[0] for log in logs if not self.is_there(manifest_name(log["stem"]))]

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

        Raises:
            ArchivePathError: something else is there.
            ArchiveGoneError: this is no longer the directory that was locked.
        """
        self.check_is_ours()
        # Looked at before it is opened, too: opening a device can do things.
        self.size(name)
        path = self.directory / name
        descriptor = os.open(self._at / name, flags | _SAFELY, 0o666)
        try:
            found = os.fstat(descriptor)
            self._refuse_odd(name, found)
            if found.st_nlink > 1 and flags & (os.O_WRONLY | os.O_RDWR) and name != LOCK:
                raise ArchivePathError(  # noqa: TRY301  (whatever is raised here, it is closed)
                    f"{path} has another name, a hard link, and both would be written to: put a copy in "
                    "its place"
                )
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def holds(self, name: str, descriptor: int) -> bool:
        """Whether a file that was opened still is the one of that name."""
        self.check_is_ours()
        return self._is_at(name, descriptor)

    def replace(self, name: str, data: bytes) -> None:
        """Put a file in place, so that at any instant either the old or the new one is whole there."""
        new = self._at / f"{name}.new"
        self.check_is_ours()
        # Anything but a file stays, and is refused.
        self.size(name)
        if self.size(new.name) is not None:
            # What a kill left behind, and of a hard link our name alone.
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
        self.check_is_ours()
        os.replace(self._at / name, self._at / new)
        self._sync()

    def remove(self, name: str) -> None:
        """Remove a file, for good."""
        self.check_is_ours()
        os.unlink(self._at / name)
        self._sync()

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._at))
        except OSError as error:
            raise in_our_words(error, "read", self.directory) from None

    def _look(self, name: str) -> os.stat_result | None:
        try:
            return os.lstat(self._at / name)
        except FileNotFoundError:
            return None

    def _refuse_odd(self, name: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise ArchivePathError(
                f"{self.directory / name} is {checks.kind_of_file(found.st_mode)}, and only a plain "
                "file is read or written there"
            )

    def _read(self, name: str) -> bytes | None:
        try:
            with open(self.open(name, os.O_RDONLY), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise in_our_words(error, "read", self.directory) from None

    def _sync(self) -> None:
        """Make names last through a power cut, where the system lets a directory be synced."""
        if os.name != "posix":  # pragma: no cover  (Windows keeps them by itself)
            return
        descriptor = os.open(self._at, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_own_file(path: Path) -> bool:
    """Whether a file is an archive's own: its lock, a manifest, or the log that one vouches for."""
    archive, log = Archive(path.parent), LOG_NAMES.fullmatch(path.name)
    if path.name in {LOCK, OF_PROFILE} or stem_of(path.name) is not None:
        return archive.is_there(path.name)
    found = archive.at(log["stem"]) if log else None
    # Of a manifest that can't be read, nobody knows which log it vouches for.
    return found is not None and (isinstance(found, ArchiveError) or found.file == path.name)


def is_trap(path: Path) -> bool:
    """Whether a path is, or leads over, a link that another user may have laid to lead us elsewhere."""
    user = os.geteuid() if hasattr(os, "geteuid") else 0  # on Windows, every file is user 0's
    return any(
        one.is_symlink() and is_laid_by_another(one.lstat(), one.parent.stat(), user)
        for one in (path, *path.absolute().parents)
    )


def is_laid_by_another(link: os.stat_result, folder: os.stat_result, user: int) -> bool:
    """Whether a link may be a trap: another user's, where everyone may lay some, as in /tmp.

    It is not followed. This is the rule by which Linux follows links (fs.protected_symlinks).
    """
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    return bool(shared) and link.st_uid not in {user, folder.st_uid}


def write_all(descriptor: int, data: bytes | bytearray) -> None:
    """Write all of it: a system may take less at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def set_lock(descriptor: int, *, take: bool) -> None:
    """Take a lock, or let go of it: also in a process that was forked meanwhile and has it, too.

    Raises:
        OSError: another process has it, or the file system knows no locks.
    """
    if os.name == "posix":
        import fcntl  # noqa: PLC0415  (does not exist elsewhere)

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if take else fcntl.LOCK_UN)
    else:  # pragma: no cover  (runs on Windows only)
        import msvcrt  # noqa: PLC0415  (exists nowhere else)

        how = msvcrt.LK_NBLCK if take else msvcrt.LK_UNLCK  # type: ignore[attr-defined]
        msvcrt.locking(descriptor, how, 1)  # type: ignore[attr-defined]
