"""Logs that are on this machine: line by line, from an archive, a file, or a pipe. Everything blocks."""

import gzip
import io
import json
import os
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import msgspec

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.disk_failures import in_our_words, is_shut, why_unread
from dashscope_ftlogs.archive.local.generations import opened
from dashscope_ftlogs.archive.local.log_file_sha256 import proved
from dashscope_ftlogs.archive.local.profile_folder import check_is_archive, profile_of, unmarked_folders
from dashscope_ftlogs.archive.manifest import LOG_NAMES, Manifest, log_name, manifest_name, stem_of
from dashscope_ftlogs.archive.store import DamagedError, KeptLog, UnvouchedLog, no_log_yet
from dashscope_ftlogs.errors import ArchiveError, ArchivePathError, DamagedLogError
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import file_for_shell

_GZIP: Final = b"\x1f\x8b"
_LONGEST: Final = 64 * 2**20
"""Bytes. What has no newline for longer is read as several lines."""
_CHUNK: Final = 2**18
PACKED: Final = 8
"""So many times as long as it is stored is a compressed log, about."""
_ROWS: Final = (b'{"offset":', b'{"job_id":')


class _Row(msgspec.Struct):
    """A line as `ftlogs cat`, `tail` and `download` write it with `--format jsonl`."""

    line: str
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


# Both made before a second thread can be there; see archive/manifest.py.
_decode_row = msgspec.json.Decoder(_Row).decode
_JOB: Final = msgspec.json.Decoder(Job).type


@attrs.frozen
class Lines:
    """Some lines in a row."""

    offset: int
    lines: tuple[str, ...]
    ended: bool = True
    """Whether the last one ends with a newline."""


@attrs.frozen
class StoredLog:
    """One log, not yet opened."""

    name: str
    """The job's id where it is known, else the file's name."""
    path: Path
    stem: str = ""
    """By which its manifest is found; of a mere file empty."""
    job: Job | None = None
    """The job as the manifest has it."""
    version: str = ""
    """Another text once what was committed of it is another; of a mere file empty."""
    profile: str = ""
    """In whose folder of an archive it is."""
    file_bytes: int = 0
    """So long is the file at least."""

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    def size(self) -> int:
        """Return about how many bytes there are to read, after decompression; 0 if it can't be told."""
        try:
            size = self.path.stat().st_size
        except OSError:  # which is told when its turn has come
            return 0
        return size * PACKED if self.path.suffix == ".gz" else size

    def glance(self) -> None:
        """Look whether the file is there, and long enough; longer it may be, while a download writes.

        Raises:
            ArchiveError: it is not.
        """
        try:
            found = self.path.lstat().st_size
        except OSError:
            found = -1
        if found < self.file_bytes:
            next(self.lines(), None)  # which tells why, unless the log is kept under another name

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines, each with its number; in an archive, those that are committed by now.

        Raises:
            DamagedLogError: it is gone, or not what was committed.
            ArchiveError: the file can't be read, or its compressed data is broken.
        """
        if not self.stem:
            for some in loose_lines(self.path):
                yield from enumerate(some.lines, some.offset)
            return
        archive, manifest = Archive(self.path.parent), None
        try:
            with _in_words_about(self.path), opened(archive, self.stem) as (descriptor, manifest):
                file = as_file(proved(descriptor, manifest))
                # Its lines stand in rows of JSON only where the manifest says so.
                yield from numbered_lines(file, rows=manifest.format == "jsonl")
        except DamagedError as error:
            if manifest is not None and archive.at(self.stem) != manifest:
                raise ArchiveError(
                    f"the last line of {self.path} went on while it was read: read it again"
                ) from None
            raise DamagedLogError(f"cannot read {self.path}: {error}") from None


def is_stored(path: Path) -> bool:
    """Whether there is anything at a path, or a manifest that vouches for a log there.

    What lies in a folder that is shut is taken to be there; a name alone may be a job's.
    """
    is_hidden = len(path.parts) > 1 and is_shut(path.parent)
    return is_hidden or os.path.lexists(path) or _in_archive(path) is not None


def stored_logs(path: Path) -> list[KeptLog]:
    """Return the logs of an archive, or the one that a file holds.

    Raises:
        ArchiveError: there is none.
    """
    if not os.path.isdir(path):  # unlike Path's, it never raises
        return [_in_archive(path) or StoredLog(path.name, path)]
    archive = Archive(path)
    found: list[KeptLog] = [
        UnvouchedLog("", str(path / name), why, profile=name) for name, why in unmarked_folders(archive)
    ]
    for profile in ("", *archive.profiles()):
        folder = path / profile
        whose = profile or profile_of(folder)
        for stem, manifest in Archive(folder).manifests():
            if isinstance(manifest, ArchiveError):
                found.append(_unvouched(folder, stem, manifest, whose))
            elif not manifest.superseded:
                found.append(_stored(folder, stem, manifest, whose))
    if not found:
        files = f"{file_for_shell(str(path))}/*.log"
        check_is_archive(archive, f", or the log files themselves: {files}")
        raise no_log_yet(path, "manifest")
    return found


def _in_archive(path: Path) -> KeptLog | None:
    """Return a log as its manifest describes it, if there is one; either file stands for it."""
    stem, log = stem_of(path.name), LOG_NAMES.fullmatch(path.name)
    if stem is None and log is not None:
        stem = log["stem"]
    manifest = None if stem is None else Archive(path.parent).at(stem)
    if stem is None or manifest is None:
        return None
    if isinstance(manifest, ArchiveError):
        return _unvouched(path.parent, stem, manifest, profile_of(path.parent))
    found = _stored(path.parent, stem, manifest, profile_of(path.parent))
    return found if log is None or path == found.path else None


def _name(stem: str, manifest: Manifest) -> str:
    return log_name(stem, manifest.format, manifest.compression)


def _stored(folder: Path, stem: str, manifest: Manifest, profile: str) -> StoredLog:
    path = folder / _name(stem, manifest)
    return StoredLog(
        manifest.job_id, path, stem, job_of(manifest), manifest.version, profile, manifest.file_bytes
    )


def _unvouched(folder: Path, stem: str, why: ArchiveError, profile: str) -> UnvouchedLog:
    return UnvouchedLog(stem, str(folder / manifest_name(stem)), why, profile=profile)


def job_of(manifest: Manifest) -> Job | None:
    """Return the job as a manifest has it."""
    try:
        return msgspec.convert(manifest.job, _JOB)
    except msgspec.ValidationError:  # the service had left out what it always says, or people edited it
        return None


def piped_lines() -> Iterator[tuple[int, str]]:
    """Yield the lines that come through stdin, each with its number."""
    for some in loose_lines(None):
        yield from enumerate(some.lines, some.offset)


def loose_lines(path: Path | None) -> Iterator[Lines]:
    """Yield the lines of a file that lies in no archive, or of stdin where there is no path.

    Raises:
        ArchiveError: it can't be read, or its compressed data is broken.
    """
    with (
        _in_words_about(path),
        open(0, "rb", closefd=False) if path is None else path.open("rb") as file,
    ):
        yield from lines_as_they_come(file)


@contextmanager
def _in_words_about(path: Path | None) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if path is None:
            told = ArchivePathError(f"cannot read stdin: {why_unread(error)}")
            told.advice = "Pipe a log into it, or name a file."
            raise told from None
        raise in_our_words(error, "read", path.parent, path.name) from None
    except (EOFError, zlib.error) as error:
        raise ArchiveError(
            f"cannot read {path or 'stdin'}: its compressed data is broken: {error}"
        ) from None


def numbered_lines(file: io.BufferedReader, *, rows: bool = True) -> Iterator[tuple[int, str]]:
    """Yield the lines of `lines_as_they_come` one by one."""
    for some in lines_as_they_come(file, rows=rows):
        yield from enumerate(some.lines, some.offset)


def lines_as_they_come(file: io.BufferedReader, *, rows: bool = True) -> Iterator[Lines]:
    """Yield the lines of a file or pipe; of rows that this package wrote, the lines that they hold.

    It has written them if they begin the file: what a trainer prints among other lines is its own. A
    pipe's lines are yielded when they come: none waits for the next one. Bytes that are not UTF-8 become
    surrogates, of which `text.file_bytes` makes the same bytes again.
    """
    reader = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == _GZIP else file
    number = 0
    for data in _whole_lines(reader):
        first, lines = number, list[str]()
        for line in data.removesuffix(b"\n").split(b"\n"):
            row = _row(line) if rows and line.startswith(_ROWS) else None
            rows = row is not None
            if row is not None and row.offset != number:
                if lines:
                    yield Lines(first, tuple(lines))
                    lines.clear()
                first = number = row.offset
            lines.append(line.decode("utf-8", "surrogateescape") if row is None else row.line)
            number += 1
        yield Lines(first, tuple(lines), ended=rows or data.endswith(b"\n"))


def _whole_lines(reader: io.BufferedIOBase) -> Iterator[bytes]:
    """Yield what there is each time, up to its last newline; a line that is very long in pieces."""
    pieces: list[bytes] = []
    size = 0
    while chunk := reader.read1(_CHUNK):
        whole, newline, rest = chunk.rpartition(b"\n")
        size += len(chunk)
        pieces.append(whole + newline or rest)
        if newline or size >= _LONGEST:
            yield b"".join(pieces)
            pieces = [rest] if newline and rest else []
            size = sum(map(len, pieces))
    if pieces:
        yield b"".join(pieces)


def as_file(chunks: Iterator[bytes]) -> io.BufferedReader:
    """Return what comes in chunks as a file."""
    raw: io.RawIOBase = _Chunks(chunks)
    return io.BufferedReader(raw)


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        view = memoryview(buffer)
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _row(data: bytes) -> _Row | None:
    try:
        return _decode_row(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return msgspec.convert(json.loads(data), _Row)  # which may hold a lone surrogate
    except (ValueError, RecursionError):  # msgspec's own are such too
        return None
