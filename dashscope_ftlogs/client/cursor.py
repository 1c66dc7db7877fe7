"""Where a read of a log stands: what to ask for next, and when to stop.

Three facts shape it. A page may be shorter than asked, so the offset advances by what was received. A
running job's `total` grows, so the end is where `offset` meets the highest total that was heard. And
lines are promised once and in order, so what contradicts that is never read on: see `doubt`.
"""

import attrs
import msgspec

from dashscope_ftlogs.errors import FTLogsError
from dashscope_ftlogs.models import LogPage


class Cursor(msgspec.Struct, frozen=True):
    """A place in a log, and how far to read.

    Three are made for every page, so it is a Struct: a frozen attrs class takes six times as long.
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
        if self.stop is not None and self.offset >= self.stop:
            return True
        return self.total is not None and self.offset >= self.total

    @property
    def wanted(self) -> int:
        """How many lines to ask for at `offset`."""
        return self.page_size if self.stop is None else min(self.page_size, self.stop - self.offset)

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

    def span(self, offset: int) -> "Cursor | None":
        """Return the span of one page from `offset`, or None if nothing is known to exist there.

        Spans do not overlap, so they can be read at the same time. The last one asks for a whole page
        though the log ends before: what was added in the meantime then comes in the same answer.
        """
        stop = offset + self.page_size
        if self.stop is not None:
            stop = min(stop, self.stop)
        span = Cursor(offset, self.page_size, stop, self.total)
        return None if span.finished else span


@attrs.define
class Span:
    """What reading some of the log gave: its pages in order, then perhaps what ended it early."""

    stop: int
    most: int
    """So many lines are asked for at once; fewer where so many are too large to hold."""
    pages: list[LogPage] = attrs.Factory(list[LogPage])
    error: FTLogsError | None = None
    asked_at: float = 0.0
