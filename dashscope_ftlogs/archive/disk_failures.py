"""What a disk, or a path on it, fails at, in our words."""

import errno
import os
import stat
from pathlib import Path
from typing import Final, Literal

from dashscope_ftlogs.checks import kind_of_file
from dashscope_ftlogs.errors import ArchiveError, ArchivePathError, ArchiveWriteError

_HOPELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What no other file in the archive will fare better with."""
REFUSED: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "EISDIR", "EEXIST", "ELOOP"),
        *("ENAMETOOLONG", "ENXIO", "ENODEV", "EBUSY", "ENOTEMPTY"),
    )
)
"""What the user has to put right."""

_TOO_MANY_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})


def in_our_words(
    error: OSError, doing: Literal["read", "write to"], directory: Path, name: str = ""
) -> ArchiveError:
    """Return why a directory, or a file in it, can't be read or written, as an error of ours."""
    why = _in_the_way(directory)
    of = Path(directory if why else error.filename or directory / name)
    # Not a name in a folder that is shut, of which nobody knows whether it is there.
    of = next((folder for folder in reversed(of.parents) if is_shut(folder)), of)
    kind = ArchiveError
    if why or error.errno in REFUSED:
        kind = ArchivePathError
    elif doing == "write to" and error.errno in _HOPELESS:
        kind = ArchiveWriteError
    told = kind(f"cannot {doing} {of}: {why or error.strerror or error}")
    if isinstance(error, FileNotFoundError):
        told.advice = "Check the path."
    elif kind is ArchivePathError and doing == "read":
        told.advice = "See that it may be read, or use another directory."
    elif error.errno in _TOO_MANY_FILES:
        told.advice = "Raise the limit of open files (ulimit -n), or open fewer at once."
    elif error.errno == errno.EFBIG:
        told.advice = (
            "What was committed is whole. Raise the limit of a file's size (ulimit -f), or use a disk "
            "that takes larger ones, then run the same again: it goes on from there."
        )
    return told


def is_shut(folder: Path) -> bool:
    """Whether we may not look for anything in a folder, even by its name."""
    try:
        os.lstat(os.path.join(folder, "."))
    except OSError as error:
        return error.errno == errno.EACCES
    return False


def why_unread(error: OSError) -> str:
    """Return why what was opened, or opens at once, gives nothing: a stream such as stdin, say."""
    return "it is closed" if error.errno == errno.EBADF else error.strerror or str(error)


def _in_the_way(directory: Path) -> str:
    """Return what is there instead of a directory, at its path or above it; nothing if nothing is."""
    for there in (directory, *directory.parents):
        if os.path.lexists(there) and not os.path.isdir(there):
            mode = os.lstat(there).st_mode
            if stat.S_ISLNK(mode):
                return f"{there} is a symbolic link that leads to no directory"
            return f"{there} is {kind_of_file(mode)}, not a directory"
    return ""
