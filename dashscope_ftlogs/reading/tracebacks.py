"""What many lines mean: their records, with each traceback as one.

`traceback_block` says which lines are a traceback's. Here they are told from those of others, which may
be between them: ranks fail at once, and go on printing meanwhile.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.reading.records import Message, Record, Text, records
from dashscope_ftlogs.reading.redrawn_lines import parts
from dashscope_ftlogs.reading.traceback_block import BEGIN, Blank, Block, Taken, begins

_AT_ONCE: Final = 64
"""Tracebacks. More ranks than that seldom fail within each other's lines, and each costs time."""


class RecordReader:
    """Takes the lines of one log in turn, and tells their records as soon as they are complete.

    A traceback holds up what stands between its lines: records come in the order of the lines where they
    begin.
    """

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        """Tracebacks that are not over yet, the oldest first."""
        self._waiting: deque[tuple[int, Record] | Block | Blank] = deque()
        """What can't be told before the oldest of them is over."""

    @property
    def in_traceback(self) -> bool:
        """Whether a traceback goes on, or may: what a line means depends on those before it."""
        return bool(self._blocks)

    def read(self, number: int, line: str) -> Iterable[tuple[int, Record]]:
        """Return what is complete with this line, each record with the number where it begins."""
        if type(line) is not str:  # in no time, unlike the check itself
            checks.kind_of("line", line, str)
        if not self._blocks and BEGIN not in line:
            return ((number, record) for record in records(line))
        return self._in_parts(number, line)

    def end(self) -> Iterable[tuple[int, Record]]:
        """Return what was not complete when the log ended."""
        self._blocks.clear()
        return list(self._complete())

    def _in_parts(self, number: int, line: str) -> Iterator[tuple[int, Record]]:
        found = parts(line)
        alone = sum(map(bool, found)) == 1
        for part in found:
            if not self._is_taken(number, part):
                if BEGIN in part and begins(part):
                    self._begin(number, part)
                else:
                    told = records(line if alone and part else part)
                    self._waiting += [(number, record) for record in told]
            yield from self._complete()

    def _is_taken(self, number: int, part: str) -> bool:
        for block in tuple(self._blocks):
            taken = block.offer(number, part)
            if taken is Taken.MAYBE:
                self._waiting.append(block.blanks[-1])
                return True
            if taken is Taken.MINE:
                return True
            if taken is Taken.OVER:
                self._blocks.remove(block)
        return False

    def _begin(self, number: int, part: str) -> None:
        block = Block(number, part)
        # What it is glued to is none of it; a logger's own words are.
        self._waiting += [
            (number, record)
            for record in records(block.before)
            if not isinstance(record, Text | Message)
        ]
        self._waiting.append(block)
        self._blocks.append(block)
        if len(self._blocks) > _AT_ONCE:
            del self._blocks[0]

    def _complete(self) -> Iterator[tuple[int, Record]]:
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, Block):
                if first in self._blocks:
                    return
                yield first.number, first.traceback()
            elif isinstance(first, Blank):
                if not first.is_taken:
                    yield from ((first.number, record) for record in records(first.part))
            else:
                yield first
            self._waiting.popleft()
