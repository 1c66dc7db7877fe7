"""One traceback while it is being read: which further lines belong to it, and what went wrong.

The rule. A traceback begins where a line ends with `Traceback (most recent call last):`. What stands
before that is the line's prefix; further lines have the same but for the time in it, or as much of it as
is left where a logger's own part is taken off. Behind the prefix,

- frames are indented: `  File "…"`, and below it code, `^^^^` and local variables, by four blanks or
more;
- other indented lines belong to it as long as they are nothing else that a log tells, such as a bar;
- the error is the first line without indentation, and has the syntax of one: a dotted name, or one that
  begins with a capital, alone or followed by a colon. That is the last line, unless a chained traceback
  follows: blank lines, the sentence that announces it, its own `Traceback`;
- in a group of exceptions every line begins with the group's margin, up to the line that closes it.

Anything else ends it, and is none of it. A message that goes on over more lines, and notes that were
added to an error, can't be told from what is printed next, so they are not taken either: rather too
little than too much.
"""

import re
from enum import Enum, auto
from json import JSONDecodeError, loads
from typing import Final

import attrs

from dashscope_ftlogs.reading.line_prefixes import Prefix, heads
from dashscope_ftlogs.reading.records import Text, Traceback, records

BEGIN: Final = "Traceback (most recent call last):"
_LONGEST: Final = 1000
"""Lines. What goes on for longer is no traceback, whatever its first line says."""
_AWAY: Final = 64
"""Lines in a row of other programs. After so many, no more is expected of the one that failed."""
_GROUP: Final = "  + Exception Group "
_FILE: Final = re.compile(r'  File \\?["\'<]')
_FRAME: Final = re.compile(r"  File(?!\w)|  \[Previous line repeated ")
_CHAINED: Final = (
    "During handling of the above exception",
    "The above exception was the direct cause",
)
_QUOTED: Final = re.compile(r'\\n"')
_IN_QUOTES: Final = re.compile(r'(?:[^"\\]|\\.)*(?=")', re.DOTALL)
_MARGIN: Final = re.compile(r" {2,}(?:\| ?|\+-\+-+ |\+-+ |\+ |\+-+$)")
_CLOSED: Final = re.compile(r" {2,}\+-{20,}$")
_ANOTHER: Final = re.compile(r" {2,}(?:\+-)?\+-{8,} (?:\d+|\.\.\.) -{8,}$")
_NAME: Final = r"(?:[^\W\d]\w*|<locals>)(?:\.(?:[^\W\d]\w*|<locals>))*(?:\(\w+\))?"
_ERROR: Final = re.compile(rf"({_NAME})(:(?=\s|$)|\s*$)")
_LEVELS: Final = frozenset(
    {"TRACE", "DEBUG", "INFO", "NOTE", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL"}
)
_SURE: Final = re.compile(
    r"(?:Error|Exception|Interrupt|Warning|Exit|Iteration|Timeout|ExceptionGroup|Empty|Full)(?:\(\w+\))?$"
)


def begins(part: str) -> bool:
    """Whether a traceback begins with it: a line that only speaks of one goes on after the word."""
    tail = part.rpartition(BEGIN)[2]
    return not tail.strip() or _QUOTED.match(tail) is not None


def error_name(text: str) -> str | None:
    """Return the name of an error if a text has the form of the line that tells one.

    >>> error_name("OSError: disk full"), error_name("_queue.Empty"), error_name("end of run")
    ('OSError', '_queue.Empty', None)
    """
    found = _ERROR.match(text)
    if found is None:
        return None
    name, end = found.groups()
    last = name.rpartition(".")[2]
    capital = last[0].isupper() or (bool(end.strip()) and not last[0].islower() and last[0] != "_")
    return name if name not in _LEVELS and (capital or "." in name) else None


def is_surely_error(name: str) -> bool:
    """Whether hardly anything but an error is called so."""
    return "." in name or _SURE.search(name) is not None


class Taken(Enum):
    """What a traceback says to a line."""

    MINE = auto()
    MAYBE = auto()
    """A blank line after the error, which is its own only if a chained traceback follows."""
    ANOTHER_S = auto()
    """It may go on later: this is the line of another program."""
    OVER = auto()
    """It is over, and this line is no more of it."""


@attrs.define(eq=False)
class Blank:
    """A blank line that a traceback may take."""

    number: int
    part: str
    is_taken: bool = False


class _At(Enum):
    FRAMES = auto()
    ERROR = auto()
    """It was there, and only a chained traceback can follow."""
    CHAIN = auto()
    """One was announced."""
    CLOSED = auto()
    """A group was."""


class Block:
    """A traceback that is being read."""

    def __init__(self, number: int, part: str) -> None:
        """Begin with the line that announces it."""
        self.number = self._last = number
        self.before, _, tail = part.rpartition(BEGIN)
        self._parts = [part]
        self._quoted = _QUOTED.match(tail) is not None
        self._in_group = self.before.endswith(_GROUP)
        self._heads = [Prefix(head) for head in heads(self.before.removesuffix(_GROUP))]
        self._prefix: Prefix | None = None
        self._at = _At.FRAMES
        self._in_code = False
        self._errors: list[str] = []
        self._led_to_it: list[str] = []
        self._away = 0
        self.blanks: list[Blank] = []
        """What is its own if a chained traceback follows."""

    def offer(self, number: int, part: str) -> Taken:
        """Take a further part of the log, if it belongs to this."""
        if len(self._parts) + len(self.blanks) >= _LONGEST:
            return Taken.OVER
        text = self._text(part) if part.strip() else ""
        if text is not None and not text.strip() and self._at in {_At.ERROR, _At.CLOSED}:
            self.blanks.append(Blank(number, part))
            return Taken.MAYBE
        if text is None:
            self._away += 1
            return Taken.ANOTHER_S if self._at is _At.FRAMES and self._away <= _AWAY else Taken.OVER
        if not all(map(self._goes_on, text.split("\n"))):
            return Taken.OVER
        self._away = 0
        for blank in self.blanks:
            blank.is_taken = True
            self._parts.append(blank.part)
        self.blanks = []
        self._parts.append(part)
        self._last = number if text.strip() else self._last
        return Taken.MINE

    def traceback(self) -> Traceback:
        """Return what it was, as far as it came."""
        raw = "\n".join(self._parts).rstrip()
        return Traceback("\n".join(self._errors), raw, self._last, tuple(self._led_to_it))

    def _text(self, part: str) -> str | None:
        """Return what a line of the same program says, without its prefix and its quotes."""
        if self._prefix is None:
            self._prefix = self._found_prefix(part)
            if self._prefix is None:
                return None
        text = self._prefix.behind(part)
        if text is None or not self._quoted:
            return text
        inside = _IN_QUOTES.match(text)
        if inside is None:
            return None
        try:
            said: str = loads(f'"{inside[0]}"')
        except JSONDecodeError:
            return None
        return said

    def _found_prefix(self, part: str) -> Prefix | None:
        """Return what the lines after the first begin with; None if this one is of another program."""
        frame = not self._in_group and _FILE.search(part, 0, len(self._heads[0].text) + 100)
        for prefix in self._heads:
            if (text := prefix.behind(part)) is None:
                continue
            if frame:  # whose indentation is known
                if _FILE.match(text):
                    return prefix
            elif prefix is self._heads[0] or text.startswith(("  ", "\t")) or error_name(text):
                return prefix
        return None

    def _goes_on(self, text: str) -> bool:
        if not text.strip():
            return True
        if self._in_group:
            return self._goes_on_in_group(text)
        match self._at:
            case _At.FRAMES:
                return self._is_frame(text) or self._is_error(text)
            case _At.CHAIN if BEGIN in text:
                self._begin_another(text)
                return True
            case _At.CHAIN:
                return self._is_error(text)
            case _:
                return self._is_announced(text)

    def _goes_on_in_group(self, text: str) -> bool:
        if (margin := _MARGIN.match(text)) is None:
            if self._is_announced(text) and self._errors:
                self._in_group = False
                return True
            return False
        behind = text[margin.end() :]
        if self._at is _At.CLOSED:
            if _ANOTHER.match(text) is None:
                return self._is_blank_or_announced(behind)
            self._at = _At.FRAMES
        elif _CLOSED.match(text):
            self._at = _At.CLOSED
        elif self._at is _At.CHAIN and BEGIN in behind:
            self._at = _At.FRAMES
        elif error_name(behind) is not None and not behind.startswith(_CHAINED):
            self._errors.append(behind.rstrip())
        return True

    def _is_blank_or_announced(self, text: str) -> bool:
        return not text.strip() or self._is_announced(text)

    def _is_announced(self, text: str) -> bool:
        if not text.startswith(_CHAINED):
            return False
        self._at = _At.CHAIN
        self._led_to_it += self._errors
        return True

    def _begin_another(self, text: str) -> None:
        self._at, self._in_code = _At.FRAMES, False
        self._in_group = text.partition(BEGIN)[0].endswith(_GROUP)
        if self._in_group:
            self._errors = []

    def _is_frame(self, text: str) -> bool:
        indented = len(text) - len(text.lstrip(" \t"))
        if _FRAME.match(text):
            self._in_code = True
        elif not (indented >= 4 or text[0] == "\t") or not self._in_code:
            self._in_code = False
            return (indented >= 2 or text[0] == "\t") and _is_text(text)
        return True

    def _is_error(self, text: str) -> bool:
        name = error_name(text)
        if name is None or not (is_surely_error(name) or _is_text(text)):
            return False
        self._errors = [text.rstrip()]
        self._at = _At.ERROR
        return True


def _is_text(text: str) -> bool:
    """Whether it is nothing that a log tells otherwise: a metric, a bar, a message."""
    return all(isinstance(record, Text) for record in records(text))
