"""What was handed out of a log last: enough to know the log again, and to notice another one."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import Self

import attrs

from dashscope_ftlogs.models import LogPage
from dashscope_ftlogs.text import TAIL, Position, digests


@attrs.frozen
class Seam:
    """Where two answers meet. One answer that holds the lines of both sides proves them of one log."""

    begin: int
    end: int
    mark: int
    """The hash of the lines from `begin` to `end`: made for every page, so it has to be cheap."""
    made_at: float

    def joins(self, lines: tuple[str, ...]) -> bool:
        """Whether these are the lines around the seam."""
        return hash(lines) == self.mark


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

    def add(self, page: LogPage, now: float, *, proven: bool) -> None:
        """Take note of a page; it is proven if its answer repeated the lines before it."""
        before = self._lines_before(page.offset)
        if before and not proven:
            lines = before + page.lines[:TAIL]
            begin = page.offset - len(before)
            self.seams.append(Seam(begin, begin + len(lines), hash(lines), now))
        self._before, self._page = before, page

    def forget_seams(self, before: float) -> None:
        """Forget the seams that were made before that time."""
        while self.seams and self.seams[0].made_at < before:
            self.seams.popleft()

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


class LineIterator:
    """The lines of pages; `unfold` returns those of one, and notes how many are left of them.

    A class, since a coroutine for each line costs little more than half of what an asynchronous
    generator does.
    """

    def __init__(
        self, pages: AsyncGenerator[LogPage, None], unfold: Callable[[LogPage], Iterator[str]]
    ) -> None:
        self._pages = pages
        self._unfold = unfold
        self._unread: Iterator[str] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            for line in self._unread:
                return line
            self._unread = self._unfold(await anext(self._pages))

    async def aclose(self) -> None:
        """Leave the log early."""
        self._unread = iter(())
        await self._pages.aclose()
