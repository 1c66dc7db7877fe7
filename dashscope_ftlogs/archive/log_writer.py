"""One log on disk: checked, continued, and committed piece by piece.

A commit writes the data, syncs it, and only then replaces the manifest that vouches for it. So whatever
instant the process dies at, the manifest is true; what the file holds beyond is cut off on resume.
Everything here but `append` blocks, and is called in a thread.
"""

import hashlib
import os
import zlib
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import attrs

from dashscope_ftlogs.archive.directory import Archive, write_all
from dashscope_ftlogs.archive.generations import withdraw
from dashscope_ftlogs.archive.log_file_sha256 import Digest, MissingError, begins_with, check
from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.when_a_log_is_complete import stamp
from dashscope_ftlogs.errors import LogGoneError
from dashscope_ftlogs.text import TAIL, digests, jsonl_bytes, text_bytes

_DUE = 2**19


class LogFile:
    """A log that is being written. Nothing counts until it is committed."""

    def __init__(self, archive: Archive, manifest: Manifest) -> None:
        self.manifest = manifest
        self._archive = archive
        self._file = -1
        self._hash: Digest = hashlib.sha256()
        self._lines = manifest.lines
        self._bytes = manifest.bytes
        self._file_bytes = manifest.file_bytes
        self._last: deque[str] = deque(maxlen=TAIL)
        self._unwritten = bytearray()
        self._packer: Any = None
        self.sound = False
        """Whether it is open, and everything was written so far. Else nothing more is committed."""

    def open(self) -> None:
        """Open the file, check it against its manifest, and cut off what no manifest vouches for.

        Raises:
            MissingError: the file is gone.
            DamagedError: the file is shorter, or holds something else.
        """
        create = 0 if self.manifest.file_bytes else os.O_CREAT
        try:
            self._file = self._archive.open(self.manifest.file, os.O_RDWR | create)
        except FileNotFoundError:
            self._archive.check_is_ours()
            raise MissingError from None
        self._hash = check(self._file, self.manifest)
        withdraw(self._archive, self.manifest)
        os.ftruncate(self._file, self.manifest.file_bytes)
        os.lseek(self._file, 0, os.SEEK_END)
        self.sound = True

    @property
    def has_uncommitted(self) -> bool:
        """Whether lines were appended that no manifest vouches for yet."""
        return self._lines != self.manifest.lines

    @property
    def is_due(self) -> bool:
        """Whether so much was appended that it should be written."""
        return len(self._unwritten) >= _DUE

    def begins_with(self, lines: Sequence[str]) -> bool:
        """Whether these are the first lines of what was committed."""
        try:
            return begins_with(self._file, self.manifest, self._encoded(lines, 0))
        finally:
            os.lseek(self._file, 0, os.SEEK_END)

    def append(self, lines: Sequence[str]) -> None:
        """Take lines for the end of the file; does not block."""
        with self._writing():
            data = self._encoded(lines, self._lines)
            self._lines += len(lines)
            self._bytes += len(data)
            self._last.extend(lines)
            self._unwritten += data

    def write(self) -> None:
        """Write what was appended."""
        with self._writing():
            data, self._unwritten = self._unwritten, bytearray()
            self._hash.update(data)
            if self.manifest.compression is None:
                self._write(data)
            elif data:
                if self._packer is None:
                    self._packer = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)
                self._write(self._packer.compress(data))

    def commit(self, **facts: Any) -> None:
        """Make what was appended last, and vouch for it; `facts` change other fields of the manifest.

        Raises:
            LogGoneError: what was written to is no longer the log's file.
        """
        self.write()
        with self._writing():
            if self._packer is not None:
                # One gzip member per commit: any number of them in a row is a gzip file.
                self._write(self._packer.flush())
                self._packer = None
            os.fsync(self._file)
            manifest = attrs.evolve(
                self.manifest,
                lines=self._lines,
                bytes=self._bytes,
                file_bytes=self._file_bytes,
                sha256=self._hash.hexdigest(),
                tail=(*self.manifest.tail, *digests(self._last))[-TAIL:],
                updated=stamp(datetime.now(UTC)),
                **facts,
            )
            self.manifest = self._archive.put(manifest)
            self._last.clear()
            if not self._archive.holds(self.manifest.file, self._file):
                raise LogGoneError(
                    f"{self._archive.directory / self.manifest.file} has gone: it was moved, removed or "
                    "replaced while it was written to"
                )

    def close(self) -> None:
        """Let go of the file, if it is open. What was not committed will be cut off."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def __del__(self) -> None:
        # A loop that was closed under a download lets go of it without another await.
        self.close()

    def _encoded(self, lines: Sequence[str], offset: int) -> bytes:
        return text_bytes(lines) if self.manifest.format == "text" else jsonl_bytes(lines, offset)

    @contextmanager
    def _writing(self) -> Generator[None]:
        self.sound = False
        yield
        self.sound = True

    def _write(self, data: bytes | bytearray) -> None:
        write_all(self._file, data)
        self._file_bytes += len(data)
