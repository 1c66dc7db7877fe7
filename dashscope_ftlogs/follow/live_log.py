"""The log of one live job: read what is new, wait for as long as its rhythm says, read again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from dashscope_ftlogs.client.retry_on_429_and_5xx import worth_a_retry
from dashscope_ftlogs.errors import (
    AuthenticationError,
    FTLogsError,
    InvalidParameterError,
    LogRewrittenError,
    NotFoundError,
    ThrottlingError,
    UnsupportedOperationError,
)
from dashscope_ftlogs.follow.events import EventKind, Followed, FollowEvent, FollowOptions
from dashscope_ftlogs.follow.when_to_poll import Rhythm
from dashscope_ftlogs.models import Job, LogPage
from dashscope_ftlogs.text import escaped

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

T = TypeVar("T")

_DOUBTFUL: Final = 2
"""After so many reads in a row without a new line, the job may have ended."""
_CERTAIN: Final = 3
"""So many answers in a row have to say that a log was rewritten: a single one may be out of date."""
_QUIET: Final = 60.0
"""A silence is worth a word after so many seconds, if it is also twice as long as any before."""
_HINTS: Final = ("##FT_COMPLETE##", "finetune-job ")
"""What a job's last lines hold, though others may follow: a reason to ask for its status."""


class LiveLog:
    """The reading of one log."""

    def __init__(
        self,
        service: "Service",
        followed: Followed,
        options: FollowOptions,
        put: Callable[[LogPage | FollowEvent], Awaitable[None]],
        width: int,
    ) -> None:
        self._service = service
        self._followed = followed
        self._job_id = followed.job_id
        self._options = options
        self._put = put
        self._width = width
        self._now = asyncio.get_running_loop().time
        self._rhythm = Rhythm(options.shortest_poll, options.longest_poll)
        self._next = 0
        self._last: tuple[str, ...] = ()
        """The line before `_next`, if it was read: the proof that the log is still the same one."""
        self._caught_up = False
        self._hinted = False
        self._asked_at = self._heard_at = self._now()
        self._quiet_after = _QUIET

    async def follow(self) -> None:
        """Deliver all there is and all that comes, until the job has ended."""
        try:
            job = await self._status()
            self._next = self._followed.offset = await self._start(job)
            late = job.ended  # we came after its end
            final = False
            while await self._read(job) or not final:
                if not job.ended and self._in_doubt():
                    job = await self._status()
                final = job.ended
                await asyncio.sleep(self._pause(job, late=late))
        except AuthenticationError:
            raise
        except FTLogsError as error:
            self._followed.error = error
            await self._tell(EventKind.FAILED, str(error))
        else:
            await self._tell(EventKind.FINISHED, f"{escaped(job.status)}, {self._next:,} lines")

    def _in_doubt(self) -> bool:
        """Whether the job may have ended, and it is time to ask."""
        return self._hinted or (self._rhythm.misses >= _DOUBTFUL and self._until_asking() <= 0)

    def _until_asking(self) -> float:
        """Return for how many seconds the status that was last heard is good enough."""
        return self._asked_at + self._options.longest_poll - self._now()

    def _pause(self, job: Job, *, late: bool) -> float:
        """Return how long to wait before the next read."""
        if not job.ended:
            wait = self._rhythm.wait(self._now(), random.random())  # noqa: S311  (spreads, guards nothing)
            if self._rhythm.misses < _DOUBTFUL:
                return wait
            return min(wait, max(self._until_asking(), self._options.shortest_poll))
        # The last lines may become visible only after the status that is final.
        return self._options.shortest_poll if late else self._options.longest_poll / 3

    async def _start(self, job: Job) -> int:
        """Return the offset to begin at."""
        offset, tail = self._options.offset, self._options.tail
        if isinstance(offset, int):
            begin = offset
        elif self._job_id in offset:
            return offset[self._job_id]
        else:
            begin = 0
        if tail is None:
            return begin
        if job.unstarted:
            return 0
        page = await self._persist(lambda: self._service.page(self._job_id, 0, 1))
        return max(0, page.total - tail)

    async def _status(self) -> Job:
        """Ask what the service says of the job."""
        before = self._followed.job
        job = await self._persist(lambda: self._service.job(self._job_id))
        self._followed.job, self._hinted, self._asked_at = job, False, self._now()
        if before is None or before.status != job.status:
            await self._tell(EventKind.STATUS, escaped(job.status))
        return job

    async def _read(self, job: Job) -> int:
        """Deliver all that is new, and learn from it; return how many lines that were."""
        lines = await self._deliver(job)
        now = self._now()
        if lines and self._caught_up:
            self._rhythm = self._rhythm.heard(now, lines)
            self._followed.lags.add(self._rhythm.lag)
        else:
            self._rhythm = self._rhythm.quiet(now)
            self._caught_up = True
        if lines or job.unstarted:
            self._quiet_after = max(self._quiet_after, 2 * (now - self._heard_at))
            self._heard_at = now
        self._followed.silence = now - self._heard_at
        if self._followed.silence >= self._quiet_after:
            self._quiet_after = 2 * self._followed.silence
            await self._tell(EventKind.QUIET, f"no new line for {self._followed.silence:.0f} s")
        return lines

    async def _deliver(self, job: Job) -> int:
        """Deliver all that is new, from the first line on if the log is another one than before."""
        before, doubts = self._followed.found, 0
        while True:
            try:
                await self._persist(lambda: self._drain(job))
            except LogRewrittenError as error:
                doubts += 1
                if doubts == _CERTAIN:
                    await self._tell(EventKind.REWRITTEN, error.summary())
                    self._next, self._last, self._caught_up, doubts = 0, (), False, 0
                await asyncio.sleep(self._options.shortest_poll)
            else:
                return self._followed.found - before

    async def _drain(self, job: Job) -> None:
        """Read to the end of what there is; what is delivered stays so, if this fails on the way.

        Raises:
            LogRewrittenError: the log does not go on from where it was.
        """
        reader = self._service.lines(
            self._job_id, offset=self._next - len(self._last), concurrency=self._width
        )
        try:
            async with aclosing(reader.pages()) as pages:
                async for page in pages:
                    await self._take(page)
        except (InvalidParameterError, NotFoundError, UnsupportedOperationError):
            if not job.unstarted:
                raise
            return  # a job that waits for its turn may have no log yet
        if reader.total is not None and reader.total < self._next:
            raise LogRewrittenError(self._next, reader.total)

    async def _take(self, page: LogPage) -> None:
        """Deliver a page, less the line in it that was delivered before."""
        if page.offset < self._next:
            # A line that grew was read while it was still being written.
            if not page.lines[0].startswith(self._last[0]):
                raise LogRewrittenError(self._next, page.total)
            page = attrs.evolve(page, offset=page.offset + 1, lines=page.lines[1:])
        if not page.lines:
            return
        self._next, self._last = page.next_offset, page.lines[-1:]
        self._followed.found += len(page.lines)
        self._hinted = self._hinted or any(hint in line for line in page.lines[-20:] for hint in _HINTS)
        await self._put(page)

    async def _persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, however long the service is out of order or out of reach."""
        began = self._now()
        while True:
            try:
                answer = await ask()
            except FTLogsError as error:
                if not worth_a_retry(error):
                    raise
                if self._gives_up(self._now() - began):
                    raise
                await self._tell_of_trouble(error)
                asked = error.retry_after if isinstance(error, ThrottlingError) else None
                await asyncio.sleep(max(self._options.longest_poll, asked or 0.0))
            else:
                if self._followed.error is not None:
                    self._followed.error = None
                    await self._tell(EventKind.CONNECTED, f"again, after {self._now() - began:.0f} s")
                return answer

    def _gives_up(self, lasted: float) -> bool:
        return self._options.give_up_after is not None and lasted >= self._options.give_up_after

    async def _tell_of_trouble(self, error: FTLogsError) -> None:
        """Say what keeps the job from being read, if that is news."""
        before, self._followed.error = self._followed.error, error
        throttled = isinstance(error, ThrottlingError)
        if before is None or isinstance(before, ThrottlingError) != throttled:
            kind = EventKind.THROTTLED if throttled else EventKind.DISCONNECTED
            await self._tell(kind, error.summary())

    async def _tell(self, kind: EventKind, message: str) -> None:
        await self._put(FollowEvent(self._job_id, kind, message))
