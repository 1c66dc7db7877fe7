"""How the lines of `ftlogs tail` are chosen and shown."""

import enum
import re
import sys
import zlib
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Annotated

import attrs
import msgspec
import typer

from dashscope_ftlogs import InvalidArgumentError, LogPage
from dashscope_ftlogs.cli.options import Raw
from dashscope_ftlogs.cli.terminal.stdout import FilePage, Format, has_colours
from dashscope_ftlogs.reading.failure_signs import sign_of
from dashscope_ftlogs.reading.own_pattern import compiled, parse_line
from dashscope_ftlogs.reading.records import Message, Text
from dashscope_ftlogs.reading.tracebacks import RecordReader
from dashscope_ftlogs.text import (
    escaped,
    escaped_jsonl_bytes,
    file_bytes,
    jsonl_bytes,
    shown,
    text_bytes,
)

_COLOURS = (36, 33, 32, 35, 34, 31, 96, 93, 92, 95, 94, 91)
_HIGHLIGHT = "\x1b[1;7m"
_PLAIN = "\x1b[0m"


class When(enum.StrEnum):
    """Whether to do what a terminal is usually wanted for."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"

    def means(self, *, auto: bool) -> bool:
        """Return the decision, with what `auto` stands for."""
        return auto if self is When.AUTO else self is When.ALWAYS


class Level(enum.StrEnum):
    """How important a message is."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


_RANKS = {level: rank for rank, level in enumerate(Level)}
_SAID = re.compile(
    r"[^{}'\"]{0,200}?\b(?P<level>DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL|\w{0,60}Warning):"
)
"""A level as loggers without a format, shells and Python's own warnings say it: `WARNING:root:`."""
_OTHER_WORDS = {"WARN": Level.WARNING, "FATAL": Level.CRITICAL}


@attrs.frozen
class Lines:
    """What the options say about the lines that are shown."""

    prefix: Annotated[
        When, typer.Option(help="Each line's job before it; auto: if there are several.")
    ] = When.AUTO
    grep: Annotated[
        list[str] | None,
        typer.Option(metavar="RE", help="Only lines that match; repeat it for any of several."),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="RE", help="Only lines that do not match; nor any other, if repeated."),
    ] = None
    highlight: Annotated[str | None, typer.Option(metavar="RE", help="Make what matches stand out.")] = (
        None
    )
    level: Annotated[
        Level | None,
        typer.Option(help="Only messages of this level and above.", case_sensitive=False),
    ] = None
    collapse: Annotated[
        bool | None,
        typer.Option(
            "--collapse/--no-collapse",
            help="Of a progress bar that is redrawn, show the last state; default on a terminal.",
        ),
    ] = None
    form: Annotated[Format, typer.Option("--format", help="Plain lines, or JSON objects.")] = Format.TEXT
    timestamps: Annotated[
        bool, typer.Option("--timestamps", "-t", help="When each line was received.")
    ] = False
    colour: Annotated[When, typer.Option("--color", help="auto: on a terminal.")] = When.AUTO
    raw: Raw = False

    def view(self, *, several: bool, profiles: Collection[str] = ()) -> "View":
        """Return the way to show them, of one job or of several, perhaps of these profiles.

        Raises:
            InvalidArgumentError: what should match is no regular expression.
        """
        on_terminal = sys.stdout.isatty()
        return View(
            form=self.form,
            several=several,
            profiles=profiles,
            prefix=self.prefix.means(auto=several),
            colour=self.colour.means(auto=has_colours()),
            for_terminal=on_terminal and not self.raw,
            collapse=on_terminal and self.form is Format.TEXT
            if self.collapse is None
            else self.collapse,
            timestamps=self.timestamps,
            grep=[_pattern("--grep", one) for one in self.grep or ()],
            exclude=[_pattern("--exclude", one) for one in self.exclude or ()],
            highlight=None if self.highlight is None else _pattern("--highlight", self.highlight),
            level=self.level,
        )


def _pattern(option: str, text: str) -> re.Pattern[str]:
    try:
        return compiled(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{option} {shown(text)}: {error}") from None


@attrs.define
class View:
    """Which lines are shown, and as what. It remembers what each job's lines belong to."""

    form: Format
    several: bool
    profiles: Collection[str]
    prefix: bool
    colour: bool
    for_terminal: bool
    collapse: bool
    timestamps: bool
    grep: Sequence[re.Pattern[str]]
    """Of which one has to match, if there are any."""
    exclude: Sequence[re.Pattern[str]]
    highlight: re.Pattern[str] | None
    level: Level | None
    _colours: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    _levels: "dict[str, _LogLevel]" = attrs.field(factory=dict[str, "_LogLevel"], init=False)

    def shown(self, page: LogPage, now: datetime) -> bytes:
        """Return as bytes what is to be seen of a page."""
        encode = file_bytes if isinstance(page, FilePage) else text_bytes
        wanted = [
            (number, line)
            for number, line in enumerate(page.lines, page.offset)
            if self._wanted(page.job_id, line, number)
        ]
        data = b"".join(self._line(page.job_id, line, number, now, encode) for number, line in wanted)
        has_last = bool(wanted) and wanted[-1][0] == page.next_offset - 1
        if isinstance(page, FilePage) and not page.ended and has_last and self._is_as_there:
            return data.removesuffix(b"\n")
        return data

    @property
    def _is_as_there(self) -> bool:
        """Whether what is shown of a line is that line, and there is no other log to come after it."""
        changed = self.form is Format.JSONL or self.prefix or self.for_terminal
        return not changed and not self.several

    def _wanted(self, job_id: str, line: str, number: int) -> bool:
        if self.level is not None:
            # Each of a job's lines passes here in turn: what it belongs to stands before it.
            log = self._levels.setdefault(job_id, _LogLevel())
            if log.read(number, line) < _RANKS[self.level]:
                return False
        if self.grep and not any(one.search(line) for one in self.grep):
            return False
        return not any(one.search(line) for one in self.exclude)

    def _line(
        self, job_id: str, line: str, offset: int, now: datetime, encode: Callable[[list[str]], bytes]
    ) -> bytes:
        if self.collapse:
            line = last_state(line)
        if self.form is Format.JSONL:
            return self._row(job_id, line, offset, now)
        head = f"{now:%Y-%m-%d %H:%M:%S} " if self.timestamps else ""
        if self.prefix:
            head += self._coloured(job_id, f"[{job_id}]") + " "
        return encode([head + self._highlighted(line)])

    def _row(self, job_id: str, line: str, offset: int, now: datetime) -> bytes:
        encode = escaped_jsonl_bytes if self.for_terminal else jsonl_bytes
        profile, _, own = job_id.rpartition("/")
        if profile in self.profiles:
            named = msgspec.json.encode(own) + b', "profile": ' + msgspec.json.encode(profile)
        else:
            named = msgspec.json.encode(job_id)
        facts = b'{"job_id": ' + named + b", "
        if self.timestamps:
            facts += b'"received": ' + msgspec.json.encode(now) + b", "
        return facts + encode([line], offset)[1:]

    def _highlighted(self, line: str) -> str:
        if self.highlight is None or not self.colour:
            return self._safe(line)
        shown, at = "", 0
        for found in self.highlight.finditer(line):
            if found[0]:
                shown += self._safe(line[at : found.start()])
                shown += f"{_HIGHLIGHT}{self._safe(found[0])}{_PLAIN}"
                at = found.end()
        return shown + self._safe(line[at:])

    def _safe(self, text: str) -> str:
        return escaped(text) if self.for_terminal else text

    def _coloured(self, job_id: str, text: str) -> str:
        if not self.colour:
            return text
        if job_id not in self._colours:
            # By its id, so that it is the same in every window, unless another job has it here.
            first = zlib.crc32(job_id.encode()) % len(_COLOURS)
            order = (*_COLOURS[first:], *_COLOURS[:first])
            taken = set(self._colours.values())
            self._colours[job_id] = next((one for one in order if one not in taken), order[0])
        return f"\x1b[{self._colours[job_id]}m{text}{_PLAIN}"


class _LogLevel:
    """How important the lines of one log are, which come in turn."""

    def __init__(self) -> None:
        self._reader = RecordReader()
        self._rank = _RANKS[Level.INFO]

    def read(self, number: int, line: str) -> int:
        """Return the rank of a line: its own, a failure's, or that of the message it belongs to."""
        was_in_traceback = self._reader.in_traceback
        deque(self._reader.read(number, line), maxlen=0)
        found = parse_line(line)
        told = next((record.level for record in found if isinstance(record, Message)), None)
        if told is None and (said := _SAID.match(line)) is not None:
            told = "WARNING" if said["level"].endswith("Warning") else said["level"]
        if self._reader.in_traceback and (was_in_traceback or told is None):
            self._rank = max(_RANKS[Level.ERROR], _ranked(told))
        elif told is not None:
            self._rank = _ranked(told)
        elif any(map(sign_of, found)):
            return _RANKS[Level.ERROR]
        elif not all(isinstance(record, Text) for record in found):
            self._rank = _RANKS[Level.INFO]  # what training prints belongs to no message
        return self._rank


def _ranked(level: str | None) -> int:
    return 0 if level is None else _RANKS[_OTHER_WORDS.get(level) or Level(level)]


def last_state(line: str) -> str:
    r"""Return what is seen in the end of a line that was redrawn.

    >>> last_state(" 10%|█\r 20%|██\r")
    ' 20%|██'
    """
    if "\r" not in line:
        return line
    states = [state for state in line.split("\r") if state.strip()]
    return states[-1] if states else ""
