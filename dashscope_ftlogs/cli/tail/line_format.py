"""How the lines of `ftlogs tail` are chosen and shown."""

import enum
import os
import sys
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import attrs
import msgspec
import typer

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.cli.options import Raw
from dashscope_ftlogs.cli.terminal.stdout import Format
from dashscope_ftlogs.reading.own_pattern import compiled
from dashscope_ftlogs.reading.records import Message, parse_line
from dashscope_ftlogs.text import escaped, escaped_jsonl_bytes, jsonl_bytes, shown

if TYPE_CHECKING:
    import re

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


@attrs.frozen
class Lines:
    """What the options say about the lines that are shown."""

    prefix: Annotated[
        When, typer.Option(help="Each line's job before it; auto: if there are several.")
    ] = When.AUTO
    grep: Annotated[str | None, typer.Option(metavar="RE", help="Only lines that match.")] = None
    exclude: Annotated[str | None, typer.Option(metavar="RE", help="Only lines that do not match.")] = (
        None
    )
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
    timestamps: Annotated[bool, typer.Option("--timestamps", help="When each line was received.")] = (
        False
    )
    colour: Annotated[When, typer.Option("--color", help="auto: on a terminal.")] = When.AUTO
    raw: Raw = False

    def view(self, *, several: bool) -> "View":
        """Return the way to show them, of one job or of several.

        Raises:
            InvalidArgumentError: what should match is no regular expression.
        """
        on_terminal = sys.stdout.isatty()
        return View(
            form=self.form,
            prefix=self.prefix.means(auto=several),
            colour=self.colour.means(auto=on_terminal and not os.environ.get("NO_COLOR")),
            for_terminal=on_terminal and not self.raw,
            collapse=on_terminal and self.form is Format.TEXT
            if self.collapse is None
            else self.collapse,
            timestamps=self.timestamps,
            grep=_pattern("--grep", self.grep),
            exclude=_pattern("--exclude", self.exclude),
            highlight=_pattern("--highlight", self.highlight),
            level=self.level,
        )


def _pattern(option: str, text: str | None) -> "re.Pattern[str] | None":
    if text is None:
        return None
    try:
        return compiled(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{option} {shown(text)}: {error}") from None


@attrs.define
class View:
    """Which lines are shown, and as what. It remembers the level of each job's last message."""

    form: Format
    prefix: bool
    colour: bool
    for_terminal: bool
    collapse: bool
    timestamps: bool
    grep: "re.Pattern[str] | None"
    exclude: "re.Pattern[str] | None"
    highlight: "re.Pattern[str] | None"
    level: Level | None
    _levels: dict[str, int] = attrs.field(factory=dict[str, int], init=False)

    def shown(self, job_id: str, lines: Sequence[str], offset: int, now: datetime) -> bytes:
        """Return as bytes what is to be seen of these lines, numbered from `offset`."""
        return b"".join(
            self._line(job_id, line, number, now)
            for number, line in enumerate(lines, offset)
            if self._wanted(job_id, line)
        )

    def _wanted(self, job_id: str, line: str) -> bool:
        # Each of a job's lines passes here in turn: those without a level belong to the message before.
        if self.level is not None and not self._loud_enough(job_id, line, self.level):
            return False
        if self.grep is not None and not self.grep.search(line):
            return False
        return self.exclude is None or not self.exclude.search(line)

    def _loud_enough(self, job_id: str, line: str, level: Level) -> bool:
        for record in parse_line(line):
            if isinstance(record, Message):
                self._levels[job_id] = _RANKS[Level(record.level)]
        return self._levels.get(job_id, _RANKS[Level.INFO]) >= _RANKS[level]

    def _line(self, job_id: str, line: str, offset: int, now: datetime) -> bytes:
        if self.collapse:
            line = last_state(line)
        if self.form is Format.JSONL:
            return self._row(job_id, line, offset, now)
        head = f"{now:%Y-%m-%d %H:%M:%S} " if self.timestamps else ""
        if self.prefix:
            head += self._coloured(job_id, f"[{job_id}]") + " "
        text = self._highlighted(line)
        return f"{head}{text}\n".encode("utf-8", "backslashreplace")

    def _row(self, job_id: str, line: str, offset: int, now: datetime) -> bytes:
        encode = escaped_jsonl_bytes if self.for_terminal else jsonl_bytes
        facts = b'{"job_id": ' + msgspec.json.encode(job_id) + b", "
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
        # By its id, so that a job has the same colour in every window and every run.
        return f"\x1b[{_COLOURS[zlib.crc32(job_id.encode()) % len(_COLOURS)]}m{text}{_PLAIN}"


def last_state(line: str) -> str:
    r"""Return what is seen in the end of a line that was redrawn.

    >>> last_state(" 10%|█\r 20%|██\r")
    ' 20%|██'
    """
    if "\r" not in line:
        return line
    states = [state for state in line.split("\r") if state.strip()]
    return states[-1] if states else ""
