"""The file that a command writes: all of it at once, and not where another user leads us."""

import os
import stat
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

from dashscope_ftlogs import ConfigError, InvalidArgumentError


def check_output(path: Path, endings: Collection[str] = ()) -> None:
    """Refuse a name under which nothing can be written.

    Raises:
        InvalidArgumentError: it has another ending, is a directory's, or lies in none.
    """
    if endings and path.suffix not in endings:
        raise InvalidArgumentError(f"-o {str(path)!r}: must end with {', '.join(endings)}")
    target = _meant(path)
    if target.is_dir():
        raise InvalidArgumentError(f"-o {str(path)!r}: that is a directory; name a file")
    if not target.parent.is_dir():
        raise InvalidArgumentError(f"-o {str(path)!r}: there is no directory {str(target.parent)!r}")


def extra(name: str, *modules: str) -> list[Any]:
    """Return modules that come with an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return [import_module(module) for module in modules]
    except ModuleNotFoundError:
        raise ConfigError(
            f"{modules[0]} is not installed: pip install 'dashscope-ftlogs[{name}]'"
        ) from None


def put(path: Path, data: bytes) -> None:
    """Write a file so that under its name there is never half of it.

    What a link stands for is replaced, and the link stays. A device, a pipe, and what a name such as
    /dev/stdout stands for are written to, never replaced.
    """
    if _is_no_file(path):
        with path.open("wb") as end:
            end.write(data)
        return
    path = _meant(path)
    new = _beside(path)
    with new.open("xb") as file:
        file.write(data)
    new.replace(path)


def _meant(path: Path) -> Path:
    """Return where a link leads, if it may lead us."""
    return Path(os.path.realpath(path)) if path.is_symlink() and not _is_trap(path) else path


def _is_trap(path: Path) -> bool:
    user = os.geteuid() if hasattr(os, "geteuid") else 0  # on Windows, every file is user 0's
    return path.is_symlink() and is_laid_by_another(path.lstat(), path.parent.stat(), user)


def is_laid_by_another(link: os.stat_result, folder: os.stat_result, user: int) -> bool:
    """Whether a link may be a trap: another user's, where everyone may lay some, as in /tmp.

    It is replaced, not followed. This is the rule by which Linux follows links (fs.protected_symlinks).
    """
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    return bool(shared) and link.st_uid not in {user, folder.st_uid}


def _is_no_file(path: Path) -> bool:
    if path.parent.resolve().parts[1:2] in (("dev",), ("proc",)):
        return True
    try:
        kind = (path.lstat() if _is_trap(path) else path.stat()).st_mode
    except OSError:
        return False
    return stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)


def _beside(path: Path) -> Path:
    """Return a free name beside `path`; a link that waited there would lead the data elsewhere."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    return new
