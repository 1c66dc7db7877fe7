"""One log on disk: checked, continued, and committed piece by piece.

A commit writes the data, syncs it, and only then replaces the manifest that vouches for it. So whatever
instant the process dies at, the manifest is true; what the file holds beyond is cut off on resume.

A piece of the content, which has a hash of its own, ends with the line by which it is full, however the
lines came. So one log gives one row of hashes, whoever wrote it, in how many runs and commits.

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
from dashscope_ftlogs.archive.local.generations import withdraw
from dashscope_ftlogs.archive.local.log_file_sha256 import (
    Digest,
    begins_with,
    check,
    check_last_piece,
    without_end,
)
from dashscope_ftlogs.archive.manifest import Manifest, Piece
from dashscope_ftlogs.archive.store import MissingError
from dashscope_ftlogs.archive.when_a_log_is_complete import stamp
from dashscope_ftlogs.errors import LogGoneError
from dashscope_ftlogs.text import TAIL, digests, jsonl_bytes, text_bytes

_DUE = 2**19


@attrs.define
class _Filling:
    """A piece to which lines are still added, or that is not yet written as a whole."""

    lines: int = 0
    bytes: int = 0
    file_bytes: int = 0
    hash: Digest = attrs.Factory(hashlib.sha256)
    unwritten: bytearray = attrs.Factory(bytearray)

    def written(self) -> Piece:
        return Piece(
            lines=self.lines,
            bytes=self.bytes,
            file_bytes=self.file_bytes,
            sha256=self.hash.hexdigest(),
        )


class LogFile:
    """A log that is being written. Nothing counts until it is committed.

    Args:
        archive: Where it is.
        manifest: What vouches for it so far.
        whole: Whether all of it is checked before it is gone on with, and not only its last piece.
    """

    def __init__(self, archive: Archive, manifest: Manifest, *, whole: bool = False) -> None:
        self.manifest = manifest
        self._archive = archive
        self._check = check if whole else check_last_piece
        self._unproved = manifest if manifest.pieces and not whole else None
        self._file = -1
        self._lines = manifest.lines
        self._last: deque[str] = deque(maxlen=TAIL)
        self._full = manifest.pieces
        last = manifest.last_piece
        self._filling = deque([_Filling(last.lines, last.bytes, last.file_bytes)])
        """Of all but the last of these, all lines are known, and wait to be written."""
        self._packer: Any = None
        self._held = 0
        """The size of the last line, which is written last: compressed, it is a member of its own."""
        self.sound = False
        """Whether it is open, and everything was written so far. Else nothing more is committed."""

    def open(self) -> None:
        """Open the file, check it, and cut off what no manifest vouches for.

        Raises:
            MissingError: the file is gone.
            DamagedError: the file is shorter, or holds something else in what is checked.
        """
        create = 0 if self.manifest.file_bytes else os.O_CREAT
        try:
            self._file = self._archive.open(self.manifest.file, os.O_RDWR | create)
        except FileNotFoundError:
            self._archive.check_is_ours()
            raise MissingError from None
        self._filling[-1].hash = self._check(self._file, self.manifest)
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
        return sum(len(piece.unwritten) for piece in self._filling) >= _DUE

    def prove(self) -> None:
        """Check what was there before this was opened, as far as that was not done then.

        Raises:
            DamagedError: it is not what was committed.
        """
        if self._unproved is not None:
            try:
                check(self._file, self._unproved)
            finally:
                os.lseek(self._file, 0, os.SEEK_END)
            self._unproved = None

    def begins_with(self, lines: Sequence[str]) -> bool:
        """Whether these are the first lines of what was committed.

        Raises:
            DamagedError: they are not, since the file holds something else.
        """
        try:
            return begins_with(self._file, self.manifest, self._encoded(lines, 0))
        finally:
            os.lseek(self._file, 0, os.SEEK_END)

    def append(self, lines: Sequence[str]) -> None:
        """Take lines for the end of the file; does not block."""
        with self._writing():
            self._last.extend(lines)
            if lines and self.manifest.compression:
                self._held = len(self._encoded(lines[-1:], self._lines + len(lines) - 1))
            data = self._encoded(lines, self._lines)
            if self._filling[-1].bytes + len(data) <= self.manifest.piece_bytes:
                self._add(len(lines), data)
                return
            for line in lines:
                if self._filling[-1].bytes >= self.manifest.piece_bytes:
                    self._filling.append(_Filling())
                self._add(1, self._encoded([line], self._lines))

    def write(self) -> None:
        """Write what was appended."""
        with self._writing():
            while len(self._filling) > 1:
                self._write_out(self._filling[0])
                self._end_member(self._filling[0])
                self._full += (self._filling.popleft().written(),)
            self._write_out(self._filling[0], self._held)

    def commit(self, **facts: Any) -> None:
        """Make what was appended last, and vouch for it; `facts` change other fields of the manifest.

        Raises:
            LogGoneError: what was written to is no longer the log's file.
        """
        if facts.get("complete"):
            self._held = 0  # it goes on no more
        self.write()
        with self._writing():
            self._end_member(self._filling[0])
            self._held = 0
            self._write_out(self._filling[0])
            self._end_member(self._filling[0])
            os.fsync(self._file)
            last = self._filling[0].written()
            manifest = attrs.evolve(
                self.manifest,
                lines=self._lines,
                bytes=sum(piece.bytes for piece in (*self._full, last)),
                file_bytes=sum(piece.file_bytes for piece in (*self._full, last)),
                sha256=last.sha256,
                pieces=self._full,
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

    def take_back(self, line: str) -> bool:
        """Vouch for what is committed but its last line, which is that one, and cut it off.

        A compressed log that an earlier version has written may not end with a member of one line. Then
        that can't be done, and this is False.
        """
        before = self.manifest
        data = self._encoded([line], before.lines - 1)
        try:
            found = without_end(self._file, before, data)
        finally:
            os.lseek(self._file, 0, os.SEEK_END)
        if found is None:
            return False
        with self._writing():
            file_bytes, digest = found
            self.manifest = self._archive.put(
                attrs.evolve(
                    before,
                    lines=before.lines - 1,
                    bytes=before.bytes - len(data),
                    file_bytes=file_bytes,
                    sha256=digest.hexdigest(),
                    tail=before.tail[:-1],
                )
            )
            os.ftruncate(self._file, file_bytes)
            os.lseek(self._file, 0, os.SEEK_END)
            self._lines = self.manifest.lines
            last = self.manifest.last_piece
            self._filling = deque([_Filling(last.lines, last.bytes, last.file_bytes, digest)])
            self._unproved = self._unproved and self.manifest
        return True

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

    def _add(self, count: int, data: bytes) -> None:
        """Take so many lines for the end of the last piece."""
        self._lines += count
        piece = self._filling[-1]
        piece.lines += count
        piece.bytes += len(data)
        piece.unwritten += data

    @contextmanager
    def _writing(self) -> Generator[None]:
        self.sound = False
        try:
            yield
        except OSError as error:
            # That a descriptor can't be written to says nothing of which file it is.
            error.filename = error.filename or str(self._archive.directory / self.manifest.file)
            raise
        self.sound = True

    def _write_out(self, piece: _Filling, held: int = 0) -> None:
        """Write what waits in a piece, but for so many bytes at its end."""
        data = piece.unwritten[: len(piece.unwritten) - held]
        del piece.unwritten[: len(data)]
        piece.hash.update(data)
        if self.manifest.compression is None:
            self._write(piece, data)
        elif data:
            if self._packer is None:
                self._packer = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)
            self._write(piece, self._packer.compress(data))

    def _end_member(self, piece: _Filling) -> None:
        """End a gzip member, with each piece and each commit: any number in a row is a gzip file."""
        if self._packer is not None:
            self._write(piece, self._packer.flush())
            self._packer = None

    def _write(self, piece: _Filling, data: bytes | bytearray) -> None:
        write_all(self._file, data)
        piece.file_bytes += len(data)
