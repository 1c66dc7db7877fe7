"""A file of the user's is read at once or refused, and never quoted: there may be a key in it."""

import codecs
import os
import select
import stat
from pathlib import Path
from typing import Final

from dashscope_ftlogs.checks import kind_of_file
from dashscope_ftlogs.errors import ConfigError
from dashscope_ftlogs.text import without_keys

LARGEST: Final = 64 * 2**10
"""Bytes of a file that holds a key or settings."""
_PATIENCE: Final = 30.0
"""Seconds for whoever writes a key to a pipe: a password manager may ask for a password first."""
_READ_ONLY: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def small_text(path: str) -> str | None:
    """Return the text of a file (`~` allowed), or None if there is no such file.

    Raises:
        ConfigError: it is no plain file or no text, is too large, or can't be read.
    """
    try:
        return _text(_content(Path(path).expanduser()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RuntimeError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read {without_keys(path)}: {told}") from None


def key_in(path: str, option: str, patience: float = _PATIENCE) -> str:
    """Return the key in a file, or out of a pipe such as a shell makes of what a command prints.

    Raises:
        ConfigError: see `small_text`; or it is not there, or empty, or nothing comes.
    """
    try:
        key = _text(_content(Path(path), patience)).strip()
    except (OSError, ValueError) as error:  # what no system can name
        told = getattr(error, "strerror", None) or error
        raise ConfigError(f"{option} {path}: {told}") from None
    if not key:
        raise ConfigError(f"{option} {path}: it is empty")
    return key


def check_is_plain(path: str, largest: int) -> None:
    """Raise OSError unless a plain file is there, and no larger than that."""
    _check(Path(path).stat(), largest)


def _check(found: os.stat_result, largest: int) -> None:
    # The null device is how to say that there shall be no file, by a variable or by a link.
    is_null = stat.S_ISCHR(found.st_mode) and found.st_rdev == Path(os.devnull).stat().st_rdev
    if not stat.S_ISREG(found.st_mode) and not is_null:
        raise OSError(f"it is {kind_of_file(found.st_mode)}, and must be a plain file")
    if found.st_size > largest:
        raise OSError(f"it is larger than {largest // 2**10:,} KiB, so it is another kind of file")


def _content(file: Path, patience: float | None = None) -> bytes:
    # Looked at before it is opened, too: opening a device can do things.
    found = file.stat()
    is_pipe = patience is not None and stat.S_ISFIFO(found.st_mode)
    if not is_pipe:
        _check(found, LARGEST)
    descriptor = os.open(file, _READ_ONLY)
    try:
        return _piped(descriptor, patience) if is_pipe and patience else os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)


def _piped(descriptor: int, patience: float) -> bytes:
    """Return what comes through a pipe that was opened without waiting for a writer."""
    data = b""
    while len(data) < LARGEST:
        try:
            some = os.read(descriptor, LARGEST)
        except BlockingIOError:
            if not select.select([descriptor], [], [], patience)[0]:
                raise OSError(f"nothing has come through that pipe for {patience:g} s") from None
            continue
        if not some:
            break
        data += some
    return data


def _text(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise OSError("it is UTF-16, as some programs of Windows write; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OSError(f"line {line} is not UTF-8; save it as UTF-8") from None
