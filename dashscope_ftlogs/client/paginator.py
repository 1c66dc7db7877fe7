"""One job's log as an async iterator of lines or pages, read ahead of the consumer.

The log is cut into spans of one page each. Up to `concurrency` spans are read at the same time, each
by a task that goes on until its span is whole, however short the server's pages are; their pages are
handed out in order. Nothing is kept but the spans in flight.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing
from operator import length_hint
from typing import Any, Protocol, Self

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.cursor import Cursor
from dashscope_ftlogs.errors import FTLogsError, ResponseTooLargeError, SessionStateError
from dashscope_ftlogs.models import LogPage


class PageSource(Protocol):
    """What a paginator needs of a session."""

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        """Return a page that is empty only if the log has ended before `offset`."""
        ...

    def spawn(self, work: Coroutine[Any, Any, "_Span"]) -> "asyncio.Task[_Span]":
        """Run `work` as a task that does not outlive the session."""
        ...


@attrs.define
class _Span:
    """What reading a span gave: its pages in order, then perhaps what ended it early."""

    stop: int
    pages: list[LogPage]
    error: FTLogsError | None = None


class LogPaginator:
    """Every line of a job's log from an offset on: each once, and in order.

    Iterate over it for lines, over `pages()` for pages. Both can be left at any time; iterating again
    goes on from `offset`. Iteration ends where the service says that the log ends, or after `limit`
    lines. The offset is at hand after every line and every error, so a read can be taken up again,
    by `session.lines(job_id, offset=paginator.offset)` in another process too.

    Made by `LogSession.lines`, which says what the arguments mean.
    """

    def __init__(
        self,
        source: PageSource,
        job_id: str,
        *,
        offset: int,
        limit: int | None,
        page_size: int,
        concurrency: int,
    ) -> None:
        self.job_id = checks.job_id(job_id)
        checks.whole_number("offset", offset, 0)
        if limit is not None:
            checks.whole_number("limit", limit, 0)
        checks.whole_number("page_size", page_size, 1, checks.MAX_LINE)
        self._concurrency = checks.whole_number("concurrency", concurrency, 1)
        self._source = source
        stop = None if limit is None else offset + limit
        self._cursor = Cursor(offset, page_size, stop)
        self._heard: int | None = None
        self._unread: Iterator[str] = iter(())
        self._readers = 0

    @property
    def total(self) -> int | None:
        """How many lines the service said exist, as last heard; None before the first answer."""
        return self._heard

    @property
    def offset(self) -> int:
        """The number of the next line that was not yet handed out: the place to resume from."""
        return self._cursor.offset - length_hint(self._unread)

    def __repr__(self) -> str:
        return f"<LogPaginator {self.job_id} offset={self.offset} total={self.total}>"

    async def collect(self) -> list[str]:
        """Return all lines that are left, in memory at once."""
        lines: list[str] = []
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                lines.extend(page.lines)
        return lines

    def __aiter__(self) -> "LineIterator":
        return LineIterator(self)

    def unfold(self, page: LogPage) -> Iterator[str]:
        """Return the lines of a page that was handed out; for line iterators.

        `offset` is worked out from what is left of them: no cost per line.
        """
        self._unread = iter(page.lines)
        return self._unread

    async def pages(self) -> AsyncGenerator[LogPage, None]:
        """Yield the log as pages, none of them empty.

        Raises:
            IncompleteLogError: lines that the service says exist are not given.
            LogRewrittenError: the log became shorter than what was read.
            FTLogsError: whatever else ended the read, with `job_id` and `offset`.
        """
        self._readers += 1
        reader = self._readers
        self._cursor = self._cursor.at(self.offset)
        self._unread = iter(())
        window: deque[asyncio.Task[_Span]] = deque()
        planned = self._cursor.offset
        room = 1
        try:
            while not self._latest().finished:
                planned = self._read_ahead(window, planned, room)
                span = await self._first(window)
                # The next spans are asked for before the consumer gets to work on this one.
                room = self._concurrency
                planned = self._read_ahead(window, planned, room)
                begin = self._cursor.offset
                for page in span.pages:
                    self._cursor = self._cursor.past(page)
                    if page.lines:
                        yield page
                        if self._readers != reader:
                            raise SessionStateError("this read was replaced by a newer one")
                if span.error is not None:
                    raise span.error
                if self._cursor.offset < span.stop:
                    # The log ended inside this span, so the spans behind it are void. If an answer
                    # said more, ask again; after an answer without a line, ask once and alone, so that
                    # the next one has the last word and no server can keep this going.
                    await _drop(window)
                    planned = self._cursor.offset
                    room = 1 if planned == begin else self._concurrency
        finally:
            await _drop(window)

    def _latest(self) -> Cursor:
        """Return the place as it is after all that any answer said of the total."""
        return self._cursor if self._heard is None else self._cursor.heard(self._heard)

    def _read_ahead(self, window: "deque[asyncio.Task[_Span]]", planned: int, room: int) -> int:
        """Fill the window with spans from `planned` on; return where the next one will begin."""
        self._cursor = self._latest()
        while len(window) < room and (span := self._cursor.span(planned)) is not None:
            window.append(self._source.spawn(self._read_span(span)))
            planned += span.wanted
        return planned

    async def _first(self, window: "deque[asyncio.Task[_Span]]") -> _Span:
        """Wait for the first span of the window and take it out."""
        try:
            span = await window[0]
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise SessionStateError("the session was closed while this log was read") from None
        window.popleft()
        return span

    async def _read_span(self, left: Cursor) -> _Span:
        """Read until the span is whole or the log ends; a failure keeps what was read before it."""
        span = _Span(left.offset + left.wanted, [])
        most = left.page_size
        try:
            while not left.finished:
                try:
                    page = await self._source.read_page(self.job_id, left.offset, min(most, left.wanted))
                except ResponseTooLargeError:
                    if most == 1:
                        raise
                    most = (min(most, left.wanted) + 1) // 2
                    continue
                self._heard = page.total
                left = left.after(page)
                span.pages.append(page)
        except FTLogsError as error:
            error.job_id, error.offset = self.job_id, left.offset
            span.error = error
        return span


class LineIterator:
    """The lines of a paginator's pages.

    A class, since a coroutine for each line costs little more than half of what an asynchronous
    generator does.
    """

    def __init__(self, paginator: LogPaginator) -> None:
        self._paginator = paginator
        self._pages = paginator.pages()
        self._unread: Iterator[str] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            for line in self._unread:
                return line
            self._unread = self._paginator.unfold(await anext(self._pages))

    async def aclose(self) -> None:
        """Leave the log early."""
        self._unread = iter(())
        await self._pages.aclose()


async def _drop(window: "deque[asyncio.Task[_Span]]") -> None:
    """Cancel what is in flight and wait until it is gone."""
    for task in window:
        task.cancel()
    await asyncio.gather(*window, return_exceptions=True)
    window.clear()
