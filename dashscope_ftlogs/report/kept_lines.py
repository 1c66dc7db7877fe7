"""Which lines of a log a report holds, where it can't hold all of them."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_OVERHEAD: Final = 8
"""What a line costs on top of its text."""
_MARKED_SHARE: Final = 8
"""One part in so many is for marked lines from before the end."""

Line = tuple[int, str]


class KeptLines:
    """The end of a log, and from before it the lines that were marked, as far as there is room.

    >>> kept = KeptLines(room=80)
    >>> for number in range(100):
    ...     kept.add(number, "x")
    ...     if number == 90:
    ...         kept.mark(number)
    >>> [number for number, line in kept]
    [90, 93, 94, 95, 96, 97, 98, 99]
    >>> kept.left_out
    92
    """

    def __init__(self, room: int) -> None:
        """Make room for so many characters; the last line is kept however long it is."""
        self._end = _Ring(room - room // _MARKED_SHARE, least=1)
        self._marked = _Ring(room // _MARKED_SHARE, least=0)
        self._marks: set[int] = set()
        self.seen = 0
        """How many lines the log has."""

    @property
    def size(self) -> int:
        """How much room is taken."""
        return self._end.size + self._marked.size

    @property
    def left_out(self) -> int:
        """How many lines are not kept."""
        return self.seen - len(self._end.lines) - len(self._marked.lines)

    def add(self, number: int, line: str) -> None:
        """Take the next line."""
        self.seen += 1
        self._end.add(number, line)
        self._move(self._end.surplus())

    def mark(self, number: int) -> None:
        """Keep this line for longer, if it is still there."""
        if self._end.lines and number >= self._end.lines[0][0]:
            self._marks.add(number)

    def shrink(self, room: int) -> None:
        """Make do with less room."""
        self._end.room = min(self._end.room, room - room // _MARKED_SHARE)
        self._marked.room = min(self._marked.room, room // _MARKED_SHARE)
        self._move(self._end.surplus())
        self._move(())

    def _move(self, lines: Iterable[Line]) -> None:
        for number, line in lines:
            if number in self._marks:
                self._marks.discard(number)
                self._marked.add(number, line)
        for _ in self._marked.surplus():
            pass

    def __iter__(self) -> Iterator[Line]:
        yield from self._marked.lines
        yield from self._end.lines


class _Ring:
    """Lines of which the oldest go when there is no room for more."""

    def __init__(self, room: int, least: int) -> None:
        self.room = room
        self.lines: deque[Line] = deque()
        self.size = 0
        self._least = least

    def add(self, number: int, line: str) -> None:
        self.lines.append((number, line))
        self.size += len(line) + _OVERHEAD

    def surplus(self) -> Iterator[Line]:
        while self.size > self.room and len(self.lines) > self._least:
            number, line = self.lines.popleft()
            self.size -= len(line) + _OVERHEAD
            yield number, line


def fair_room(sizes: Sequence[int], total: int) -> int:
    """Return how much room each log may take, so that all fit, and small ones are left whole.

    >>> fair_room([10, 500, 700], 1000)
    495
    """
    left = total
    for rank, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - rank)
        if size > share:
            return share
        left -= size
    return total
