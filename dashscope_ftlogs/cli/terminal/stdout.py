"""Pages of lines to stdout: exact bytes for files and pipes, harmless ones for terminals."""

import enum
import errno
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any

import attrs
import msgspec

from dashscope_ftlogs import LogPage
from dashscope_ftlogs.archive.manifest import storable
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.cli.run_command import discard
from dashscope_ftlogs.text import (
    escaped,
    escaped_json,
    escaped_jsonl_bytes,
    file_bytes,
    jsonl_bytes,
    text_bytes,
)

_PATIENCE = 1.0
_LEAST = 8
"""Cells in which the beginning of a name still tells something."""

Encode = Callable[[LogPage], bytes]


class Format(enum.StrEnum):
    """How lines are written."""

    TEXT = "text"
    JSONL = "jsonl"


@attrs.frozen
class FilePage(LogPage):
    """Lines of a file that lies in no archive, or of stdin, to be given back as their bytes."""

    ended: bool = True
    """Whether the last one ends with a newline there."""


def part(page: LogPage, begin: int, end: int) -> LogPage:
    """Return a page of only these of its lines."""
    lines = page.lines[begin:end]
    if isinstance(page, FilePage):
        ended = page.ended or end < len(page.lines)
        return attrs.evolve(page, offset=page.offset + begin, lines=lines, ended=ended)
    return attrs.evolve(page, offset=page.offset + begin, lines=lines)


def encoder(form: Format, *, for_terminal: bool) -> Encode:
    """Return the function that turns a page into bytes."""
    if form is Format.JSONL:
        rows_of = escaped_jsonl_bytes if for_terminal else jsonl_bytes
        return lambda page: rows_of(page.lines, page.offset)
    if for_terminal:
        return lambda page: text_bytes([escaped(line) for line in page.lines])
    return _exact


def _exact(page: LogPage) -> bytes:
    if isinstance(page, FilePage):
        return file_bytes(page.lines, ended=page.ended)
    return text_bytes(page.lines)


def printing() -> Thread:
    """Return a thread to print in: whoever reads our output may take its time, and requests should not.

    An interrupt lets a write that has begun end, unless nobody takes what is written.
    """
    return Thread(patience=_PATIENCE)


def write(data: bytes) -> None:
    """Write to stdout at once: a reader behind a pipe sees every page when it comes."""
    rest = memoryview(data)
    while rest:  # unbuffered, a write may take a part only
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def write_if_open(data: bytes) -> None:
    """Write what is only a word besides; whoever closed stdout wants none."""
    try:
        write(data)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        discard(sys.stdout.fileno())


def has_colours(stream: IO[str] | None = None) -> bool:
    """Whether it is a terminal that shows colours, and its user wants them: https://no-color.org.

    Args:
        stream: stdout, if not given.
    """
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return (stream or sys.stdout).isatty() and not is_plain


def rows(objects: Iterable[Mapping[str, Any]]) -> bytes:
    """Return JSON objects, one on each line; harmless if stdout is a terminal."""
    data = b"".join(msgspec.json.encode(storable(dict(one))) + b"\n" for one in objects)
    return escaped_json(data.decode()).encode() if sys.stdout.isatty() else data


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """Return rows under their columns, aligned, harmless to a terminal; None shows as a dash."""
    lines = (columns, *rows)
    return aligned(lines, [width(column) for column in zip(*lines, strict=True)])


def wrapped_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """Return such rows; on a terminal that is narrower, cells of several words are wrapped.

    Each row's first, and what is one word, such as a state or a number, stays whole; where that leaves
    no room to wrap the others in, none is.
    """
    if not sys.stdout.isatty():
        return table(columns, rows)
    wraps = [
        number > 0 and any(" " in _cell(row[number]) for row in rows) for number in range(len(columns))
    ]
    room = shutil.get_terminal_size().columns
    for name, may_wrap, *column in zip(columns, wraps, *rows, strict=True):
        room -= _LEAST if may_wrap else width((name, *column)) + 2
    if room < -2:
        return table(columns, rows)
    from rich.console import Console  # noqa: PLC0415  (takes longer to import than most commands run)
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False, show_edge=False, header_style="", padding=(0, 2, 0, 0))
    for name, may_wrap in zip(columns, wraps, strict=True):
        drawn.add_column(name, no_wrap=not may_wrap, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_cell(cell)) for cell in row))
    console = Console(
        file=io.StringIO(), width=shutil.get_terminal_size().columns, color_system=None, highlight=False
    )
    with console.capture() as captured:
        console.print(drawn)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()).encode(
        "utf-8", "backslashreplace"
    )


def fitted(
    names: Sequence[str], rows: Sequence[Sequence[object]], *, elastic: str
) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    """Return the first of the columns, as many as fit beside each other on a terminal.

    The one that is called `elastic` is cut to the room that is left, if that is worth it.
    """
    room = shutil.get_terminal_size().columns
    for count, (name, *column) in enumerate(zip(names, *rows, strict=True)):
        needed = width((name, *column))
        if needed > room >= _LEAST and name == elastic:
            return names[: count + 1], [[*row[:count], cut(row[count], room)] for row in rows]
        if needed > room and count > 0:
            return names[:count], [row[:count] for row in rows]
        room -= needed + 2
    return names, rows


def cut(cell: object, room: int) -> str:
    """Return what is shown of a cell, cut to the room that there is for it."""
    text = _cell(cell)
    if _room(text) <= room:
        return text
    from rich.text import Text  # noqa: PLC0415  (takes longer to import than most commands run)

    short = Text(text)
    short.truncate(room, overflow="ellipsis")
    return short.plain


def aligned(rows: Iterable[Sequence[object]], widths: Sequence[int]) -> bytes:
    """Return rows, whose cells have these widths."""
    lines = (
        "  ".join(
            (text := _cell(cell)) + " " * (width - _room(text))
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def width(cells: Iterable[object]) -> int:
    """Return how much room cells take, of which each is a column's name or a value."""
    return max((_room(_cell(cell)) for cell in cells), default=0)


def _room(text: str) -> int:
    """Return how much room a text takes on a terminal: a Chinese character, say, twice as much."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  (few tables need it)

    return cell_len(text)


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else escaped(str(value)).replace("\t", " ")


def is_stderr_too() -> bool:
    """Whether stderr goes where stdout does, so that whoever reads one has read the other."""
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):  # one is closed, or no file of the system's
        return False
