"""One job's log as an async iterator of lines or pages, read ahead of the consumer.

The log is cut into spans of one page each. Up to `concurrency` spans are read at the same time, each
by a task that goes on until its span is whole, however short the server's pages are; their pages are
handed out in order. Nothing is kept but the spans in flight. Where the consumer is the slower one, it is
given a few of them before others have their turn of the loop.

An answer whose total is below one that was heard before it was asked for is in doubt, and so is all that
is in flight. From then on, for as long as machines of the service may lag, the log is read page by page,
and each answer has to repeat the last lines that were handed out before it: no two logs are joined. What
was joined shortly before is looked at again.
"""

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial
from itertools import islice
from math import inf
from operator import length_hint

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.callers_side.left_by_block import LeftByBlock
from dashscope_ftlogs.client.cursor import Cursor, HandedOut, Span
from dashscope_ftlogs.client.doubt import LAG, Contradiction, Doubt, Growth, InDoubtError, Known, Verdict
from dashscope_ftlogs.client.fed_iterators import Feed, Stream, Unfolded
from dashscope_ftlogs.client.page_source import PageSource, smaller_page
from dashscope_ftlogs.client.spans_ahead import SpansAhead
from dashscope_ftlogs.errors import FTLogsError, IncompleteLogError, ResponseTooLargeError
from dashscope_ftlogs.models import LogPage
from dashscope_ftlogs.text import Position

_log = logging.getLogger("dashscope_ftlogs")

_Read = tuple[LogPage, bool]
"""A page, and whether its answer has proven that it is of the log that was read before."""


class LogPaginator(LeftByBlock):
    """Every line of a job's log from an offset on: each once, and in order.

    Iterate over it for lines, over `pages()` for pages. Both can be left at any time; iterating again
    goes on from `offset`, and an older iterator then raises `SessionStateError`. A step that is
    cancelled, by `wait_for(anext(it), 1)` of `it = aiter(lines)`, costs nothing. Iteration ends where
    the service says that the log ends, or after `limit` lines.

    `offset` counts a line once it is handed out: whoever keeps lines saves it after keeping each. Then a
    read can be taken up again, by `session.lines(job_id, offset=saved)` in another process too; with
    `at=` and `position`, another log in the same place is noticed.

    Made by `LogSession.lines`, which says what the arguments mean.
    """

    def __init__(
        self,
        source: PageSource,
        job_id: str,
        *,
        concurrency: int | Callable[[], int],
        offset: int = 0,
        limit: int | None = None,
        page_size: int = checks.MAX_LINE,
        lag: float = LAG,
        at: Position | None = None,
        heard: int | None = None,
        steps_back: bool = False,
        on_growth: Callable[[Growth], None] | None = None,
    ) -> None:
        self.job_id = checks.job_id(job_id)
        offset, last = checks.place(offset, at)
        if limit is not None:
            checks.whole_number("limit", limit, 0)
        checks.whole_number("page_size", page_size, 1, checks.MAX_LINE)
        if not callable(concurrency):
            concurrency = partial(checks.whole_number, "concurrency", concurrency, 1)
            concurrency()
        self._room = concurrency
        self._source = source
        stop = None if limit is None else offset + limit
        self._cursor = Cursor(offset, page_size, stop)
        self._heard = heard
        """The highest total, from before this read too."""
        self._steps_back = steps_back
        """Whether to raise InDoubtError instead of waiting; iterating again asks again."""
        self._on_growth = on_growth or partial(_log_growth, self.job_id)
        self.grown: int | None = None
        """The number of a line that was handed out while it was being written, and goes on, if one was:
        by this read, or before the position at which it began. It is not handed out again;
        `session.page(job_id, lines.grown, 1)` has the whole of it."""
        self._handed_out = HandedOut(last)
        self._doubt, self._wait = Doubt(lag), 0.0
        self._proven = not last
        """Whether nothing was heard since the last proof that would call for another one."""
        self._careful_until = -inf
        self._ahead: SpansAhead
        self._unread: Iterator[str] = iter(())
        self._collected: list[str] = []
        """What `collect` has read, until it has come to an end."""
        self._feed: Callable[[], Feed[_Read, LogPage] | None] = lambda: None
        """Returns that of the last iteration, as long as somebody needs it; so there is no circle."""

    @property
    def total(self) -> int | None:
        """How many lines exist: the highest that any answer named; None before the first answer."""
        return self._heard

    @property
    def offset(self) -> int:
        """The number of the next line that was not yet handed out: the place to resume from."""
        return self._cursor.offset - length_hint(self._unread)

    @property
    def position(self) -> Position:
        """The offset, with digests of the last lines that were handed out.

        JSON can hold it. `session.lines(job_id, at=position)` goes on from it, in another process too,
        and notices if the log was started afresh meanwhile.
        """
        return self._handed_out.position(self.offset)

    def rest(self) -> None:
        """Let go of the last page, if it was handed out; where the read stands, and its doubt, stay."""
        if not length_hint(self._unread):
            self._handed_out = self._handed_out.without_page(self.offset)

    def look_for_more(self) -> None:
        """Let the next iteration ask what has come, with proof that the log is the same."""
        self.rest()
        self._proven = False

    def __repr__(self) -> str:
        return f"<LogPaginator {self.job_id} offset={self.offset} total={self.total}>"

    async def collect(self) -> list[str]:
        """Return all lines that are left, in memory at once.

        If that fails, or is cancelled, nothing is lost: the next call goes on, and returns what was read
        before, too. It is the error's `lines` as well, and `offset` counts it.
        """
        async with self.pages() as pages:
            async for page in pages:
                self._collected.extend(page.lines)
        lines, self._collected = self._collected, []
        return lines

    def __aiter__(self) -> Unfolded[LogPage, str]:
        return Unfolded(self.pages(), self._unfold)

    def _unfold(self, page: LogPage) -> Iterator[str]:
        """Return the lines of a page. `offset` is worked out from what is left: no cost per line."""
        self._unread = iter(page.lines)
        return self._unread

    def pages(self) -> Stream[LogPage]:
        """Return an async iterator over the log as pages, none of them empty.

        Raises:
            IncompleteLogError: lines that the service says exist are not given.
            LogRewrittenError: the log is another one than was read so far, or shorter than that.
            FTLogsError: whatever else ended the read, with `job_id` and `offset`.
        """
        tasks, doing = self._source.tasks, "this log was read"
        return Stream(Feed(tasks, self._take_over, self._hand_out, doing, self._look_ahead))

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left; `offset` stays."""
        if (feed := self._feed()) is not None:
            await feed.aclose()

    def _take_over(self, feed: Feed[_Read, LogPage]) -> AsyncGenerator[deque[_Read], None]:
        """Begin an iteration, in the place of the one before."""
        before, self._feed = self._feed(), weakref.ref(feed)
        if before is not None:
            before.replace()
        self._cursor = self._cursor.at(self.offset)
        deque(self._unread, maxlen=0)  # what an older iterator still holds of its page
        return self._read(before)

    async def _read(self, before: Feed[_Read, LogPage] | None) -> AsyncGenerator[deque[_Read], None]:
        if before is not None:
            await before.aclose()
        ahead = self._ahead = SpansAhead(self._source.tasks, self._cursor.offset)
        room = 1
        try:
            while not self._has_ended():
                if careful := self._is_careful():
                    await ahead.drop()
                    span = await self._look_again(ahead)
                    await ahead.restart(span.stop)
                else:
                    ahead.fill(self._read_span, self._latest(), room)
                    span, room = await ahead.first(), self._room()
                read = deque((page, careful) for page in span.pages if page.lines)
                span.pages = []  # what was handed out is held here no longer
                if read:
                    yield read
                if self._cursor.offset < span.stop and not self._is_careful():
                    if span.error is not None:
                        raise self._with_position(span.error)
                    # The log ended inside this span, so the spans behind it are void.
                    await ahead.restart(self._cursor.offset)
        finally:
            await ahead.drop()

    def _look_ahead(self) -> "deque[_Read] | asyncio.Task[Span] | None":
        """Return whole spans that are there, or the task that reads the next; else `_read` goes on."""
        ahead = self._ahead
        if ahead.offset != self._cursor.offset or self._is_careful():
            return None
        room = self._room()
        if spans := ahead.whole_ones(room):
            return deque([(page, False) for span in spans for page in span.pages])
        if (reading := ahead.awaited) is not None:
            ahead.fill(self._read_span, self._latest(), room)
        return reading

    def _hand_out(self, read: _Read) -> LogPage | None:
        page, proven = read
        now = self._now()
        if not proven and self._is_careful(now):
            return None  # what was in flight may be of another log
        self._handed_out.add(page, now, self._doubt.lag, proven=proven)
        self._cursor = self._cursor.past(page)
        if not proven:  # The next ones are asked for before the consumer gets to work on this.
            self._ahead.fill(self._read_span, self._cursor, self._room())
        return page

    def _is_careful(self, now: float | None = None) -> bool:
        """Whether answers have to prove that they are of the log that was read so far."""
        return not self._proven or (self._now() if now is None else now) < self._careful_until

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _be_careful(self) -> None:
        """Take note of a contradiction."""
        self._proven = False
        self._careful_until = self._now() + self._doubt.lag

    def _has_ended(self) -> bool:
        """Whether all that was asked for was handed out; without proof, not because of a total alone."""
        place = self._latest()
        return place.finished and (self._proven or place.offset == place.stop)

    def _latest(self) -> Cursor:
        return self._cursor if self._heard is None else self._cursor.heard(self._heard)

    async def _read_span(self, offset: int, stop: int) -> Span:
        """Read until the span is whole or the log ends; a failure keeps what was read before it."""
        span = Span(stop, self._cursor.page_size)
        try:
            while offset < stop:
                heard = self._heard or 0
                page = await self._ask(span, offset, stop - offset)
                if page.total < heard:
                    self._be_careful()
                    if self._doubt.since is None:
                        self._doubt = Doubt(self._doubt.lag, self._now())
                    break
                span.pages.append(page)
                offset = page.next_offset
                if offset >= page.total:
                    break
            span.is_whole = offset == stop
        except FTLogsError as error:
            error.job_id, error.offset = self.job_id, offset
            span.error = error
        return span

    async def _ask(self, span: Span, offset: int, wanted: int) -> LogPage:
        """Return one page, of fewer lines than wanted where so many are too large to hold."""
        line = min(span.most, wanted)
        try:
            page = await self._source.read_page(self.job_id, offset, line)
        except ResponseTooLargeError as error:
            page, span.most = await smaller_page(self._source, self.job_id, offset, line, error)
        if self._heard is None or page.total > self._heard:
            self._heard = page.total
        return page

    async def _look_again(self, window: SpansAhead) -> Span:
        """Read on with proof that the log is still the same; what comes of that may be no line.

        Raises:
            FTLogsError: what contradicts what was heard has lasted, or the log could not be read.
        """
        if self._doubt.since is not None or self._now() < self._careful_until:
            await self._prove_seams(window)
        known = self._known()
        stop = self._cursor.span_end(known.offset)
        window.begin(self._look(known.begin, known.offset + 1, stop))
        span, page = await self._seen(window)
        if page.total < known.total:
            self._be_careful()
        if growth := known.grown(page):
            known, self.grown = growth.known, growth.number
            self._handed_out = HandedOut(known.last, known.length, self._handed_out.seams)
            self._on_growth(growth)
        contradiction, repeated = known.contradiction(page), known.repeated_by(page)
        news = page.next_offset > known.offset
        if repeated and news:
            contradiction = None  # Where the log ends is another question, and will come up there.
        self._judge(known, page, contradiction, repeated=repeated, asked_at=span.asked_at)
        self._proven = contradiction is None
        span.pages, span.stop = [], known.offset
        if self._proven and news:
            lines = page.lines[known.offset - known.begin :]
            span.pages = [attrs.evolve(page, offset=known.offset, lines=lines)]
            span.stop = page.next_offset
        return span

    async def _prove_seams(self, window: SpansAhead) -> None:
        """Ask again for the lines around what was joined of late.

        Before the contradiction was heard, a page of another log may have been taken for the next one.
        """
        seams = self._handed_out.seams
        while seams:
            for seam in list(islice(seams, len(window), self._room())):
                window.begin(self._look(seam.begin, seam.end, seam.end))
            span, page = await self._seen(window)
            repeated = seams[0].joins(page.lines)
            if repeated:
                seams.popleft()
            else:
                await window.drop()
            contradiction = None if repeated else Contradiction.ANOTHER_LOG
            self._judge(self._known(), page, contradiction, repeated=repeated, asked_at=span.asked_at)

    async def _look(self, begin: int, enough: int, stop: int) -> Span:
        """Wait, then read from `begin` to line `enough - 1` or the end: a page with the last total."""
        await asyncio.sleep(self._wait)
        span = Span(stop, checks.MAX_LINE)
        span.asked_at = self._now()
        lines: tuple[str, ...] = ()
        try:
            while True:
                page = await self._ask(span, begin + len(lines), stop - begin - len(lines))
                lines += page.lines
                if not page.lines or begin + len(lines) >= min(enough, page.total):
                    break
        except FTLogsError as error:
            error.job_id, error.offset = self.job_id, self._cursor.offset
            if isinstance(error, IncompleteLogError):
                error.next_offset = self._cursor.offset
            span.error = error
        else:
            span.pages = [attrs.evolve(page, offset=begin, lines=lines)]
        return span

    async def _seen(self, window: SpansAhead) -> tuple[Span, LogPage]:
        """Return what the first look of the window saw."""
        span = await window.first()
        if span.error is not None:
            raise self._with_position(span.error)
        (page,) = span.pages
        return span, page

    def _known(self) -> Known:
        offset, handed_out = self._cursor.offset, self._handed_out
        last, length = handed_out.digests_before(offset), handed_out.length_before(offset)
        return Known(offset, last, self._heard or 0, length)

    def _judge(
        self,
        known: Known,
        page: LogPage,
        contradiction: Contradiction | None,
        *,
        repeated: bool,
        asked_at: float,
    ) -> None:
        """Raise what an answer means if it has to be believed, else take note of when to ask again."""
        decision = self._doubt.after(
            contradiction, repeated=repeated, asked_at=asked_at, now=self._now()
        )
        self._doubt, self._wait = decision.doubt, decision.wait
        if contradiction is not None:
            self._be_careful()
        if decision.verdict is Verdict.BELIEVED:
            error = known.error(contradiction, page)
            error.job_id, error.offset = self.job_id, known.offset
            raise self._with_position(error)
        if self._wait and self._steps_back:
            wait, self._wait = self._wait, 0.0
            raise InDoubtError(wait)

    def _with_position(self, error: FTLogsError) -> FTLogsError:
        error.position, error.lines = self.position, tuple(self._collected)
        return error


def _log_growth(job_id: str, growth: Growth) -> None:
    _log.warning("%s: line %s goes on; it was handed out as it was before", job_id, f"{growth.number:,}")
