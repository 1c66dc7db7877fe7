"""The file that a command writes: all of it at once, and not where another user leads us."""

import errno
import os
import secrets
import stat
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from dashscope_ftlogs import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.archive.directory import is_own_file, is_trap
from dashscope_ftlogs.archive.disk_failures import REFUSED
from dashscope_ftlogs.cli.exit_codes import NotWrittenError

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_LINKS: Final = 40
"""So many links of links are followed, as Linux does it."""
_DESCRIPTORS: Final = ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd")
"""What a process has open, by number."""


def check_output(path: Path, endings: Collection[str] = (), sources: Iterable[str] = ()) -> None:
    """Refuse a name under which nothing can be written, or what is there must stay.

    Args:
        path: Where the output is to go.
        endings: What its name may end with; anything if none is named.
        sources: What the output is made of, as the user said it.

    Raises:
        InvalidArgumentError: it has another ending, is a directory's, or lies in none; it is read, or
            an archive's own.
    """
    option = f"-o {str(path)!r}"
    if endings and path.suffix not in endings:
        raise InvalidArgumentError(f"{option}: must end with {', '.join(endings)}")
    with told_of(option):
        target = where_it_leads(path)
        if target.is_dir():
            raise InvalidArgumentError(f"{option}: that is a directory; name a file")
        refuse_trap(option, target.parent)
        if not target.parent.is_dir():
            raise InvalidArgumentError(f"{option}: there is no directory {str(target.parent)!r}")
        with suppress(FileNotFoundError):
            target.lstat()  # which a name that is too long, or a closed folder, lets nobody do
        if is_own_file(target):
            raise InvalidArgumentError(f"{option}: that is a file of the archive {str(target.parent)!r}")
    if any(_is_same_file(target, source) for source in sources):
        raise InvalidArgumentError(f"{option}: that is what is read; name another file")
    if not _is_written_in_place(target):
        _refuse_closed(option, target.parent)


def check_folder(option: str, folder: Path) -> None:
    """Refuse a directory that can't be written to, or can't be made where there is none.

    Raises:
        InvalidArgumentError: that is so, or a link of another user leads there.
    """
    with told_of(option):
        refuse_trap(option, folder)
        there = next(one for one in (folder, *folder.absolute().parents) if os.path.lexists(one))
        if not there.is_dir():
            raise InvalidArgumentError(f"{option}: {str(there)!r} is no directory")
    _refuse_closed(option, there)


@contextmanager
def told_of(option: str, otherwise: type[FTLogsError] = NotWrittenError) -> Generator[None]:
    """Tell why something can't be written by the name that the user gave it.

    Raises:
        InvalidArgumentError: nothing can be written under that name.
        NotWrittenError: or of another kind `otherwise`: the disk is full, say.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read it has seen enough
        raise
    except OSError as error:
        kind = InvalidArgumentError if error.errno in REFUSED else otherwise
        raise kind(f"{option}: can't be written: {error.strerror or error}") from None


def _refuse_closed(option: str, folder: Path) -> None:
    as_we_are = os.access in os.supports_effective_ids
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=as_we_are):
        raise InvalidArgumentError(f"{option}: you may not write to {str(folder)!r}")


def refuse_trap(option: str, folder: Path) -> None:
    """Refuse to write where a link leads that another user may have laid.

    Raises:
        InvalidArgumentError: that is so.
    """
    if is_trap(folder):
        raise InvalidArgumentError(
            f"{option}: {str(folder)!r} leads over a link that another user laid where everyone may"
        )


def put(path: Path, data: bytes) -> None:
    """Write a file as `put_by` does."""
    put_by(path, lambda file: file.write(data))


def put_by(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file so that under its name there is never half of it.

    What a link stands for is replaced, and the link stays. A device, a pipe, and what a name such as
    /dev/stdout stands for are written to, never replaced.

    Raises:
        InvalidArgumentError: nothing can be written under that name.
        NotWrittenError: it could not all be written.
    """
    with told_of(f"-o {str(path)!r}"):
        _put_by(where_it_leads(path), write)


def _put_by(path: Path, write: Callable[[BinaryIO], object]) -> None:
    if _is_written_in_place(path):
        with path.open("wb") as end:
            write(end)
        return
    there = _found(path)
    keeps = there is not None and stat.S_ISREG(there.st_mode)
    # The name is nobody's: what already has one like it is not ours to remove.
    new = path.with_name(f".ftlogs-{secrets.token_hex(8)}")
    descriptor = os.open(new, _NEW, 0o600 if keeps else 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
        if there and keeps:
            new.chmod(stat.S_IMODE(there.st_mode) & 0o777)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def where_it_leads(path: Path) -> Path:
    """Follow links one by one, as far as they may lead us.

    What is returned is a link only if it is a trap, or stands for a descriptor.

    Raises:
        OSError: they lead in a circle.
    """
    there = path
    for _ in range(_LINKS):
        if not there.is_symlink() or is_trap(there) or _is_descriptor(there):
            return there
        there = there.parent / there.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _is_written_in_place(path: Path) -> bool:
    there = _found(path)
    return _is_descriptor(path) or (there is not None and _is_written_to(there.st_mode))


def _is_descriptor(path: Path) -> bool:
    """Whether a name stands for what a process has open, such as /dev/fd/1: opened, it gives that."""
    folders = (one for name in _DESCRIPTORS if (one := _found(Path(name), follow=True)))
    parent = _found(path.parent, follow=True)
    return parent is not None and any(os.path.samestat(parent, one) for one in folders)


def _is_written_to(mode: int) -> bool:
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode))


def _is_same_file(path: Path, source: str) -> bool:
    there, read = _found(path), _found(Path(source), follow=True)
    return bool(there and read and stat.S_ISREG(there.st_mode) and os.path.samestat(there, read))


def _found(path: Path, *, follow: bool = False) -> os.stat_result | None:
    try:
        return path.stat(follow_symlinks=follow)
    except OSError:
        return None
