"""Where a read of a log stands: what to ask for next, when to stop, and what was handed out last.

Three facts shape it. A page may be shorter than asked, so the offset advances by what was received. A
running job's `total` grows, so the end is where `offset` meets the highest total that was heard. And
lines are promised once and in order, so what contradicts that is never read on: see `doubt`. The last
lines that were handed out are enough to know the log again, and to notice another one.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from dashscope_ftlogs.errors import FTLogsError
from dashscope_ftlogs.models import LogPage
from dashscope_ftlogs.text import TAIL, Position, digests


class Cursor(msgspec.Struct, frozen=True):
    """A place in a log, and how far to read.

    One is made for every page, so it is a Struct: a frozen attrs class takes six times as long.
    """

    offset: int
    """The next line to read."""
    page_size: int
    """The most lines to ask for at once."""
    stop: int | None = None
    """Read no line from this number on; None means all there are."""
    total: int | None = None
    """How many lines exist, as last heard; None before the first answer."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for."""
        return not self.reaches(self.offset)

    def reaches(self, offset: int) -> bool:
        """Whether there is something to ask for from there on, as far as is known."""
        if self.stop is not None and offset >= self.stop:
            return False
        return self.total is None or offset < self.total

    def span_end(self, begin: int) -> int:
        """Return where the span of one page ends that begins there.

        Spans do not overlap, so they can be read at the same time. The last one asks for a whole page
        though the log ends before: what was added in the meantime then comes in the same answer.
        """
        end = begin + self.page_size
        return end if self.stop is None or end < self.stop else self.stop

    def at(self, offset: int) -> "Cursor":
        """Return another place, with the same end."""
        return Cursor(offset, self.page_size, self.stop, self.total)

    def past(self, page: LogPage) -> "Cursor":
        """Return the place after `page`, which was checked when it came."""
        return Cursor(page.next_offset, self.page_size, self.stop, page.total)

    def heard(self, total: int) -> "Cursor":
        """Return the same place, knowing that at least `total` lines were reported to exist."""
        if self.total is None or total > self.total:
            return Cursor(self.offset, self.page_size, self.stop, total)
        return self


class Span(msgspec.Struct):
    """What reading some of the log gave: its pages in order, then perhaps what ended it early.

    One is made for every page, as a Cursor is.
    """

    stop: int
    most: int
    """So many lines are asked for at once; fewer where so many are too large to hold."""
    pages: list[LogPage] = []
    error: FTLogsError | None = None
    asked_at: float = 0.0

    is_whole: bool = False
    """Whether no line of it is missing."""


class Seam(msgspec.Struct, frozen=True):
    """Where two answers meet. One answer that holds the lines of both sides proves them of one log.

    One is made for every page, as a Cursor is.
    """

    begin: int
    end: int
    mark: int
    """The hash of the lines from `begin` to `end`, but for the last if it may go on: made for every
    page, so it has to be cheap."""
    made_at: float
    may_go_on: tuple[int, str] | None = None
    """Length and digest of the last line, if the log ended with it when it was read."""

    def joins(self, lines: tuple[str, ...]) -> bool:
        """Whether these are the lines around the seam."""
        if self.may_go_on is None:
            return hash(lines) == self.mark
        length, digest = self.may_go_on
        last = lines[self.end - self.begin - 1 :]
        return hash(lines[:-1]) == self.mark and digests(line[:length] for line in last) == (digest,)


class HandedOut:
    """The last lines that were handed out, and the seams between answers that nothing has proven yet."""

    def __init__(
        self,
        last: Iterable[str] = (),
        length: int | None = None,
        seams: "deque[Seam] | None" = None,
    ) -> None:
        self._given = tuple(last)
        self._length = length
        self._before: tuple[str, ...] = ()
        self._page: LogPage | None = None
        self.seams: deque[Seam] = deque() if seams is None else seams

    def add(self, page: LogPage, now: float, lag: float, *, proven: bool) -> None:
        """Take note of a page; it is proven if its answer repeated the lines before it.

        Seams that are older than the lag are forgotten.
        """
        before = self._lines_before(page.offset)
        if before and not proven:
            lines = before + page.lines[:TAIL]
            begin = page.offset - len(before)
            if len(page.lines) <= TAIL and page.next_offset >= page.total:
                last = page.lines[-1]
                may_go_on = len(last), digests([last])[0]
                self.seams.append(Seam(begin, begin + len(lines), hash(lines[:-1]), now, may_go_on))
            else:
                self.seams.append(Seam(begin, begin + len(lines), hash(lines), now))
        while self.seams and self.seams[0].made_at < now - lag:
            self.seams.popleft()
        self._before, self._page = before, page

    def without_page(self, offset: int) -> "HandedOut":
        """Return the same, as far as it is needed to go on from `offset` later, and small."""
        return HandedOut(self.digests_before(offset), self.length_before(offset), self.seams)

    def position(self, offset: int) -> Position:
        """Return where a read stands whose next line is that one."""
        return Position(offset=offset, last=list(self.digests_before(offset)))

    def length_before(self, offset: int) -> int | None:
        """Return how many characters the line before `offset` has, if that is known."""
        lines = self._lines_before(offset)
        return len(lines[-1]) if lines else self._length

    def digests_before(self, offset: int) -> tuple[str, ...]:
        """Return the digests of the lines before `offset`, a place in the last page or at its end."""
        return (self._given + digests(self._lines_before(offset)))[-TAIL:]

    def _lines_before(self, offset: int) -> tuple[str, ...]:
        page = self._page
        if page is None:
            return ()
        end = offset - page.offset
        if end >= TAIL:
            return page.lines[end - TAIL : end]
        return (self._before + page.lines[:end])[-TAIL:]
