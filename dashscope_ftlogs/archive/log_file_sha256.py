"""Whether a file is what its manifest vouches for. Everything here blocks, and is called in a thread."""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from dashscope_ftlogs.archive.manifest import Manifest

_PIECE = 2**20


class DamagedError(Exception):
    """The file is not what its manifest vouches for."""


class MissingError(Exception):
    """There is no file where a manifest vouches for one."""


class Digest(Protocol):
    """The hash of what a log holds so far."""

    def update(self, data: bytes | bytearray, /) -> None:
        """Take in more content."""

    def hexdigest(self) -> str:
        """Return the hash of all content so far."""
        ...


def check(descriptor: int, manifest: Manifest) -> Digest:
    """Return the hash of a log's content as far as its manifest vouches for it.

    Raises:
        DamagedError: that much is not there, or is something else.
    """
    size = os.fstat(descriptor).st_size
    if size < manifest.file_bytes:
        raise DamagedError(f"it has {size:,} bytes of the {manifest.file_bytes:,} that were committed")
    found, content, newlines = hashlib.sha256(), 0, 0
    try:
        for piece in _content(descriptor, manifest):
            found.update(piece)
            content += len(piece)
            newlines += piece.count(b"\n")
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise DamagedError(f"its compressed data is broken: {error}") from None
    if found.hexdigest() != manifest.sha256:
        raise DamagedError("its content is not what was committed")
    # A line may hold newlines of its own; in JSON they are escaped.
    fits = newlines >= manifest.lines if manifest.format == "text" else newlines == manifest.lines
    if content != manifest.bytes or not fits:
        raise DamagedError("its manifest was changed: it counts what is not there")
    return found


def begins_with(descriptor: int, manifest: Manifest, data: bytes) -> bool:
    """Whether a log's content begins with that; it was checked before."""
    for piece in _content(descriptor, manifest):
        if not data.startswith(piece):
            return piece.startswith(data)
        data = data[len(piece) :]
    return not data


def _content(descriptor: int, manifest: Manifest) -> Iterator[bytes]:
    """Yield what the committed part of a log holds, decompressed."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    committed = beginning(descriptor, manifest.file_bytes)
    reader = gzip.GzipFile(fileobj=committed) if manifest.compression else committed
    while piece := reader.read(_PIECE):
        yield piece


def beginning(descriptor: int, size: int) -> io.BufferedReader:
    """Return a reader of the first `size` bytes of a file."""
    return io.BufferedReader(_Beginning(descriptor, size), _PIECE)


class _Beginning(io.RawIOBase):
    """The first `size` bytes of a file."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._file = descriptor
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = os.read(self._file, min(len(view), self._left))
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)
