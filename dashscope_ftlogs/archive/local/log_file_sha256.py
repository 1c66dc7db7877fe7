"""Whether a file is what its manifest vouches for, as a whole or at its end.

The state of a hash can't be kept from one run to the next. So a log is hashed by pieces, and who goes on
with it reads no more than the last one again.

Everything here blocks, and is called in a thread.
"""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Protocol

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.manifest import Manifest, Piece
from dashscope_ftlogs.archive.store import DamagedError

_CHUNK = 2**20
_BROKEN = (zlib.error, EOFError, gzip.BadGzipFile)


class Digest(Protocol):
    """The hash of what a piece of a log holds so far."""

    def update(self, data: bytes | bytearray, /) -> None:
        """Take in more content."""

    def hexdigest(self) -> str:
        """Return the hash of all content so far."""
        ...


def check_file(archive: Archive, name: str, manifest: Manifest) -> int:
    """Return how many bytes a file holds beyond those that its manifest vouches for, rightly.

    Raises:
        DamagedError: what it vouches for is not there, or is something else.
        FileNotFoundError: there is no such file.
    """
    descriptor = archive.open(name, os.O_RDONLY)
    try:
        check(descriptor, manifest)
        return os.fstat(descriptor).st_size - manifest.file_bytes
    finally:
        os.close(descriptor)


def check(descriptor: int, manifest: Manifest) -> Digest:
    """Read all that a manifest vouches for; return the hash of the last piece.

    Raises:
        DamagedError: that much is not there, or is something else.
    """
    last = check_last_piece(descriptor, manifest)
    begin = 0
    for piece in manifest.pieces:
        _check_piece(descriptor, manifest, begin, piece)
        begin += piece.file_bytes
    return last


def check_last_piece(descriptor: int, manifest: Manifest) -> Digest:
    """Return the hash of a log's last piece, which alone is read; of those before, the size is checked.

    Raises:
        DamagedError: that much is not there, or is something else.
    """
    _check_size(descriptor, manifest)
    last = manifest.last_piece
    return _check_piece(descriptor, manifest, manifest.file_bytes - last.file_bytes, last)


def proved(descriptor: int, manifest: Manifest) -> Iterator[bytes]:
    """Yield the content of a log, some at a time; each piece is proved with its end.

    Raises:
        DamagedError: that much is not there, or is something else.
    """
    _check_size(descriptor, manifest)
    begin = 0
    for piece in (*manifest.pieces, manifest.last_piece):
        yield from _proved_piece(descriptor, manifest, begin, piece, hashlib.sha256())
        begin += piece.file_bytes


def _check_size(descriptor: int, manifest: Manifest) -> None:
    size = os.fstat(descriptor).st_size
    if size < manifest.file_bytes:
        raise DamagedError(f"it has {size:,} bytes of the {manifest.file_bytes:,} that were committed")


def _check_piece(descriptor: int, manifest: Manifest, begin: int, piece: Piece) -> Digest:
    """Return the hash of a piece that begins at that byte of the file."""
    found = hashlib.sha256()
    for _ in _proved_piece(descriptor, manifest, begin, piece, found):
        pass
    return found


def _proved_piece(
    descriptor: int, manifest: Manifest, begin: int, piece: Piece, found: Digest
) -> Iterator[bytes]:
    """Yield the content of a piece, taking it into a hash that in the end has to be the piece's."""
    size, newlines = 0, 0
    try:
        content = _content(descriptor, manifest, begin, piece.file_bytes)
        while chunk := content.read(_CHUNK):
            found.update(chunk)
            size += len(chunk)
            newlines += chunk.count(b"\n")
            yield chunk
    except _BROKEN as error:
        raise DamagedError(f"its compressed data is broken: {error}") from None
    if found.hexdigest() != piece.sha256:
        raise DamagedError("its content is not what was committed")
    # A line may hold newlines of its own; in JSON they are escaped.
    fits = newlines >= piece.lines if manifest.format == "text" else newlines == piece.lines
    if size != piece.bytes or not fits:
        raise DamagedError("its manifest was changed: it counts what is not there")


def begins_with(descriptor: int, manifest: Manifest, data: bytes) -> bool:
    """Whether a log's content begins with that.

    Raises:
        DamagedError: it does not, since it is not what was committed.
    """
    with suppress(*_BROKEN):
        if _content(descriptor, manifest, 0, manifest.file_bytes).read(len(data)) == data:
            return True
    # Whoever went on with the log has not read its beginning: it may have changed here, not there.
    check(descriptor, manifest)
    return False


def without_end(descriptor: int, manifest: Manifest, data: bytes) -> tuple[int, Digest] | None:
    """Return how much of a log's file is left without `data` at its end, and the hash of its last piece.

    None if the content does not end so or, compressed, if that is no member of its own.
    """
    last = manifest.last_piece
    begin = manifest.file_bytes - last.file_bytes
    left = last.file_bytes - len(data)
    if manifest.compression:
        left = _last_member(stretch(descriptor, begin, last.file_bytes))
    if left < 0 or _content(descriptor, manifest, begin + left, last.file_bytes - left).read() != data:
        return None
    found, content = hashlib.sha256(), _content(descriptor, manifest, begin, left)
    while chunk := content.read(_CHUNK):
        found.update(chunk)
    return begin + left, found


def _last_member(stored: io.BufferedReader) -> int:
    """Return where the last gzip member begins."""
    unpack, begin, read = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), 0, 0
    while data := stored.read(_CHUNK):
        while data:
            if unpack.eof:
                unpack, begin = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), read
            unpack.decompress(data, _CHUNK)
            rest = unpack.unconsumed_tail or unpack.unused_data
            read += len(data) - len(rest)
            data = rest
    return begin


def _content(descriptor: int, manifest: Manifest, begin: int, size: int) -> io.BufferedIOBase:
    """Return a reader of what a stretch of a log's file holds, decompressed."""
    stored = stretch(descriptor, begin, size)
    return gzip.GzipFile(fileobj=stored) if manifest.compression else stored


def stretch(descriptor: int, begin: int, size: int) -> io.BufferedReader:
    """Return a reader of `size` bytes of a file, or as many as there are; it moves the file's place."""
    os.lseek(descriptor, begin, os.SEEK_SET)
    return io.BufferedReader(_Next(descriptor, size), _CHUNK)


class _Next(io.RawIOBase):
    """The next `size` bytes of a file."""

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
