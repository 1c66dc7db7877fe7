"""What many lines mean: their records, with each traceback as one."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.reading.records import Record, Traceback, parts, records

_BEGIN: Final = "Traceback (most recent call last):"
_ERROR: Final = re.compile(r"[A-Za-z_][\w.]*(?:: |:$|(?<=Error)$|(?<=Exception)$|(?<=Interrupt)$)")
_CHAINED: Final = (
    "During handling of the above exception",
    "The above exception was the direct cause",
)
_LONGEST: Final = 1000
"""Lines. What goes on for longer is no traceback, whatever its first line says."""


def parse_lines(lines: Iterable[str], offset: int = 0) -> Iterator[tuple[int, Record]]:
    """Yield the records of consecutive lines, each with the number of the line where it begins.

    Args:
        lines: As the service sent them.
        offset: The number of the first one.

    >>> log = ["Traceback (most recent call last):", "  File 'a.py', line 3", "OSError: full", "bye"]
    >>> for number, record in parse_lines(log):
    ...     print(number, type(record).__name__)
    0 Traceback
    3 Text
    """
    reader = RecordReader()
    checks.whole_number("offset", offset, 0)
    for number, line in enumerate(checks.many("lines", lines), offset):
        yield from reader.read(number, line)
    yield from reader.end()


class RecordReader:
    """Takes the lines of one log in turn, and tells their records as soon as they are complete."""

    def __init__(self) -> None:
        self._block: _Block | None = None

    @property
    def idle(self) -> bool:
        """Whether no traceback has begun."""
        return self._block is None

    def read(self, number: int, line: str) -> Iterable[tuple[int, Record]]:
        """Return what is complete with this line, each record with the number where it begins."""
        if type(line) is not str:  # in no time, unlike the check itself
            checks.kind_of("line", line, str)
        if self._block is None and _BEGIN not in line:
            return ((number, record) for record in records(line))
        return self._in_parts(number, line)

    def end(self) -> Iterable[tuple[int, Record]]:
        """Return what was not complete when the log ended."""
        block, self._block = self._block, None
        return [] if block is None else [(block.number, block.traceback())]

    def _in_parts(self, number: int, line: str) -> Iterator[tuple[int, Record]]:
        for part in parts(line):
            if self._block is not None and not self._block.takes(part):
                yield from self.end()
            if self._block is None:
                if _BEGIN in part:
                    self._block = _Block(number, part)
                else:
                    for record in records(part):
                        yield number, record


class _Block:
    """A traceback that is being read."""

    def __init__(self, number: int, part: str) -> None:
        self.number = number
        self._prefix = part.partition(_BEGIN)[0]
        self._parts = [part]
        self._error = ""
        """Once it is there, the traceback is over, unless another one is chained to it."""

    def takes(self, part: str) -> bool:
        """Whether a further part belongs to it, and if so, take it in."""
        text = part.removeprefix(self._prefix)
        if len(self._parts) >= _LONGEST or (self._error and not self._goes_on(text)):
            return False
        if _BEGIN in text or text.startswith(_CHAINED):
            self._error = ""
        elif not self._error and not text[:1].isspace() and _ERROR.match(text):
            self._error = text.rstrip()
        self._parts.append(part)
        return True

    def traceback(self) -> Traceback:
        """Return what it was, as far as it came."""
        return Traceback(self._error, "\n".join(self._parts).rstrip())

    def _goes_on(self, text: str) -> bool:
        return not text.strip() or text.startswith(_CHAINED)
