"""The logs of live jobs, as they grow, until each job has ended.

One task for each job reads what is new. What they find goes through one small queue to the consumer;
while that is full, nobody reads on.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.fetch_many import Jobs, id_of, once_each
from dashscope_ftlogs.errors import FTLogsError, InvalidArgumentError, SessionStateError
from dashscope_ftlogs.follow.events import EventKind, Followed, FollowEvent, FollowOptions
from dashscope_ftlogs.follow.live_log import LiveLog
from dashscope_ftlogs.models import Job, LogLine, LogPage

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

_log = logging.getLogger("dashscope_ftlogs")

_Item = LogPage | FollowEvent


class LogFollower:
    """The lines of live jobs as they come, each once and in order per job, until every job has ended.

    Iterate over it for `LogLine`s, over `pages()` for whole answers; either once. Leave it early
    through `contextlib.aclosing`. What is known of each job is in `jobs`, during and afterwards.

    Made by `LogSession.follow`, which says what the arguments mean.
    """

    def __init__(
        self,
        service: "Service",
        jobs: Jobs,
        options: FollowOptions,
        on_event: Callable[[FollowEvent], None] | None,
    ) -> None:
        if not isinstance(jobs, AsyncIterable):
            jobs = [jobs] if isinstance(jobs, str | Job) else list(jobs)
            options.refuse_others([checks.job_id(checks.job(job)) for job in jobs])
        if "" in options.positions and (not isinstance(jobs, list) or len(jobs) != 1):
            raise InvalidArgumentError("at: one position is for one job; give a mapping by job id")
        self.jobs: dict[str, Followed] = {}
        """The jobs, by id, from the time on when each is first looked at."""
        self._service = service
        self._coming = jobs
        self._options = options
        self._on_event = on_event or _log_event

    def __repr__(self) -> str:
        return f"<LogFollower {len(self.jobs)} jobs>"

    def __aiter__(self) -> AsyncIterator[LogLine]:
        return self._lines()

    async def _lines(self) -> AsyncGenerator[LogLine, None]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                followed = self.jobs[page.job_id]
                for offset, text in enumerate(page.lines, page.offset):
                    followed.offset = offset + 1
                    yield LogLine(page.job_id, offset, text)

    async def pages(self) -> AsyncGenerator[LogPage, None]:
        """Yield new lines as pages, none of them empty, as they come.

        Raises:
            AuthenticationError: at once; no job could be followed any further.
            FTLogsError: when all jobs have ended, the first error that kept one from being followed
                to its end; `jobs` has them all.
        """
        if self.jobs:
            raise SessionStateError("these jobs were followed already: ask for them once more")
        queue: asyncio.Queue[_Item | None] = asyncio.Queue(maxsize=1)
        following = self._service.spawn(self._follow_all(queue))
        following.add_done_callback(lambda _: _wake(queue))
        try:
            while not (following.done() and queue.empty()):
                item = await queue.get()
                if isinstance(item, FollowEvent):
                    if item.position is not None:
                        self.jobs[item.job_id].stands_at(item.position)
                    self._on_event(item)
                elif item is not None:
                    followed = self.jobs[item.job_id]
                    followed.take(item)
                    followed.offset = item.next_offset
                    yield item
                    followed.rest()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        if following.cancelled():
            raise SessionStateError("the session was closed while these jobs were followed")
        following.result()
        errors = [followed.error for followed in self.jobs.values() if followed.error is not None]
        if errors:
            raise errors[0]

    async def _follow_all(self, queue: asyncio.Queue[_Item | None]) -> None:
        try:
            async with asyncio.TaskGroup() as group, aclosing(once_each(self._coming)) as coming:
                async for job in coming:
                    followed = Followed(checks.job_id(id_of(job)))
                    self.jobs[followed.job_id] = followed
                    width = max(1, self._service.concurrency // len(self.jobs))
                    one = LiveLog(self._service, followed, self._options, queue.put, width)
                    group.create_task(one.follow())
        except* FTLogsError as errors:
            raise errors.exceptions[0] from None


def _wake(queue: asyncio.Queue[_Item | None]) -> None:
    """Let who waits for the next item see that none will come."""
    if queue.empty():
        queue.put_nowait(None)


def _log_event(event: FollowEvent) -> None:
    quiet = event.kind in {EventKind.STATUS, EventKind.CONNECTED, EventKind.FINISHED}
    level = logging.INFO if quiet else logging.WARNING
    _log.log(level, "%s: %s: %s", event.job_id, event.kind, event.message)
