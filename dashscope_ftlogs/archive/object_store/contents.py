"""What the objects of a log hold: packed, and checked piece by piece. Pure."""

import gzip
import hashlib
import zlib
from typing import Any

import attrs

from dashscope_ftlogs.archive.manifest import Compression, Format
from dashscope_ftlogs.archive.object_store.commits import DataObject
from dashscope_ftlogs.archive.store import DamagedError

_CHUNK = 2**20
"""Bytes that are unpacked at once."""


def packed(data: bytes, compression: Compression | None) -> tuple[bytes, str]:
    """Return content as it is stored, and its hash."""
    sha256 = hashlib.sha256(data).hexdigest()
    return (gzip.compress(data, 6, mtime=0) if compression else data), sha256


def unpacked(stored: bytes, compression: Compression | None) -> bytes:
    """Return the content of what is stored."""
    return gzip.decompress(stored) if compression else stored


def joined(parts: list[bytes], compression: Compression | None) -> tuple[bytes, str]:
    """Return what some objects hold, as one, and the hash of its content; gzip members stay."""
    stored = b"".join(parts)
    return stored, hashlib.sha256(unpacked(stored, compression)).hexdigest()


class Content:
    """Takes what an object holds, and tells whether that is what was committed."""

    def __init__(self, of: DataObject, form: Format, compression: Compression | None) -> None:
        self._of = of
        self._form = form
        self._unpack: Any = _unpacker() if compression else None
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._newlines = 0
        self._stored = 0

    def take(self, data: bytes) -> None:
        """Take the next bytes of the object.

        Raises:
            DamagedError: they can't be what was committed.
        """
        self._stored += len(data)
        if self._unpack is None:
            self._add(data)
            return
        try:
            while data:
                if self._unpack.eof:
                    self._unpack = _unpacker()
                self._add(self._unpack.decompress(data, _CHUNK))
                data = self._unpack.unconsumed_tail or self._unpack.unused_data
        except zlib.error as error:
            raise DamagedError(f"its compressed data is broken: {error}") from None

    def end(self) -> None:
        """Raise DamagedError unless this was all, and what was committed."""
        of, lines = self._of, self._of.to_line - self._of.from_line
        if self._unpack is not None and not self._unpack.eof:
            raise DamagedError("its compressed data is broken: it ends too early")
        if self._hash.hexdigest() != of.sha256:
            raise DamagedError(f"the content of {of.name} is not what was committed")
        # A line may hold newlines of its own; in JSON they are escaped.
        fits = self._newlines >= lines if self._form == "text" else self._newlines == lines
        if (self._bytes, self._stored) != (of.bytes, of.stored_bytes) or not fits:
            raise DamagedError("its commit counts what is not there")

    def _add(self, content: bytes) -> None:
        self._hash.update(content)
        self._bytes += len(content)
        self._newlines += content.count(b"\n")


def _unpacker() -> Any:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


@attrs.define
class Filling:
    """Lines that wait to be committed, as content."""

    lines: int = 0
    data: bytearray = attrs.Factory(bytearray)

    def add(self, count: int, data: bytes) -> None:
        """Take so many more."""
        self.lines += count
        self.data += data
