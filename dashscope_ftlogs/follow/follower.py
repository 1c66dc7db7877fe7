"""The logs of live jobs, as they grow, until each job has ended.

One task for each job reads what is new. What they find goes through one small queue to the consumer;
while that is full, nobody reads on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.callers_side.left_by_block import LeftByBlock
from dashscope_ftlogs.client.fed_iterators import Feed, Stream, Unfolded
from dashscope_ftlogs.client.many_jobs.fetch_many import Jobs, id_of, once_each
from dashscope_ftlogs.errors import InvalidArgumentError, SessionStateError
from dashscope_ftlogs.follow.events import EventKind, Followed, FollowEvent, FollowOptions
from dashscope_ftlogs.follow.live_log import LiveLog
from dashscope_ftlogs.models import Job, LogLine, LogPage
from dashscope_ftlogs.text import counted, escaped, without_keys

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

_log = logging.getLogger("dashscope_ftlogs")

_Item = LogPage | FollowEvent


class LogFollower(LeftByBlock):
    """The lines of live jobs as they come, each once and in order per job, until every job has ended.

    Iterate over it for each `LogLine`, over `pages()` for whole answers; either once. A step that is
    cancelled, by `wait_for(anext(it), 1)` of `it = aiter(lines)`, costs nothing. Leave it early by
    `aclose`, or as an `async with` block. What is known of each job is in `jobs`, during and
    afterwards: its `offset` counts a line once it is handed out, so whoever keeps lines saves that after
    keeping each.

    Made by `LogSession.follow`, which says what the arguments mean.
    """

    def __init__(
        self,
        service: "Service",
        jobs: Jobs,
        options: FollowOptions,
        on_event: Callable[[FollowEvent], None] | None,
    ) -> None:
        if isinstance(jobs, str | Job | Collection):
            jobs = [jobs] if isinstance(jobs, str | Job) else list(jobs)
            # Ids that the service gave are not the caller's: one that is refused fails by itself.
            options.refuse_others(
                [checks.job_id(job) if isinstance(job, str) else checks.job(job).job_id for job in jobs]
            )
        if "" in options.positions and (not isinstance(jobs, list) or len(jobs) != 1):
            raise InvalidArgumentError("at: one position is for one job; give a mapping by job id")
        self.jobs: dict[str, Followed] = {}
        """The jobs, by id, from the time on when each is first looked at."""
        self._service = service
        self._coming = jobs
        self._options = options
        self._on_event = on_event or _log_event
        self._feed: Feed[_Item, LogPage] | None = None

    def __repr__(self) -> str:
        return f"<LogFollower {counted(len(self.jobs), 'job')}>"

    def __aiter__(self) -> Unfolded[LogPage, LogLine]:
        return Unfolded(self.pages(), self._unfold)

    def _unfold(self, page: LogPage) -> Iterator[LogLine]:
        followed = self.jobs[page.job_id]
        for offset, text in enumerate(page.lines, page.offset):
            followed.offset = offset + 1
            yield LogLine(page.job_id, offset, text)

    def pages(self) -> Stream[LogPage]:
        """Return an async iterator over new lines as pages, none of them empty, as they come.

        Raises:
            AuthenticationError: at once; no job could be followed any further.
            FTLogsError: when all jobs have ended, the first error that kept one from being followed
                to its end; `jobs` has them all.
        """
        return Stream(Feed(self._service.tasks, self._begin, self._hand_out, "these jobs were followed"))

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left; `jobs` stays."""
        if self._feed is not None:
            await self._feed.aclose()

    def _begin(self, feed: Feed[_Item, LogPage]) -> AsyncGenerator[deque[_Item], None]:
        if self._feed is not None:
            raise SessionStateError("these jobs were followed already: ask for them once more")
        self._feed = feed
        return self._items()

    def _hand_out(self, item: _Item) -> LogPage | None:
        followed = self.jobs[item.job_id]
        if isinstance(item, LogPage):
            followed.take(item)
            followed.offset = item.next_offset
            return item
        if item.position is not None:
            followed.stands_at(item.position)
        self._on_event(item)
        return None

    async def _items(self) -> AsyncGenerator[deque[_Item], None]:
        """Yield what is found, until all that looks for it has ended."""
        queue: asyncio.Queue[_Item | None] = asyncio.Queue(maxsize=1)
        running: set[asyncio.Task[None]] = set()
        ended: list[asyncio.Task[None]] = []
        parent = asyncio.current_task()

        def end_of(task: asyncio.Task[None]) -> None:
            ended.append(task)
            if queue.empty():
                queue.put_nowait(None)  # whoever waits for an item sees that

        def begin(work: Coroutine[Any, Any, None]) -> None:
            task = self._service.tasks.spawn(work, parent)
            running.add(task)
            task.add_done_callback(end_of)

        try:
            begin(self._join(begin, queue.put))
            while running or not queue.empty():
                item = await queue.get()
                if item is not None:
                    yield deque((item,))
                if isinstance(item, LogPage):
                    self.jobs[item.job_id].rest()
                while ended:
                    running.remove(task := ended.pop())
                    self._service.tasks.result(task, "a job was followed")
        finally:
            await self._service.tasks.leave(running)
        errors = [followed.error for followed in self.jobs.values() if followed.error is not None]
        if errors:
            raise errors[0]

    async def _join(
        self,
        begin: Callable[[Coroutine[Any, Any, None]], None],
        put: Callable[[_Item], Awaitable[None]],
    ) -> None:
        """Begin to follow each job when it comes."""
        async with aclosing(once_each(self._coming)) as coming:
            async for job in coming:
                try:
                    followed = Followed(checks.job_id(id_of(job)))
                except InvalidArgumentError as error:
                    await put(self._refused(id_of(job), error))
                else:
                    self.jobs[followed.job_id] = followed
                    begin(LiveLog(self._service, followed, self._options, put, self._width).follow())

    def _refused(self, job_id: str, error: InvalidArgumentError) -> FollowEvent:
        """Take note of a job that can't be asked for, and return what is told of it."""
        safe = escaped(without_keys(job_id))
        self.jobs[safe] = Followed(safe, error=error)
        return FollowEvent(safe, EventKind.FAILED, str(error))

    def _width(self) -> int:
        """Return how many pages of each log are read at once."""
        return max(1, self._service.concurrency // len(self.jobs))


def _log_event(event: FollowEvent) -> None:
    quiet = event.kind in {EventKind.STATUS, EventKind.CONNECTED, EventKind.FINISHED}
    level = logging.INFO if quiet else logging.WARNING
    _log.log(level, "%s: %s: %s", event.job_id, event.kind, event.message)
