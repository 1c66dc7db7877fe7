"""The log of one live job: read what is new, wait for as long as its rhythm says, read again."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.doubt import Contradiction, Doubt, Growth, InDoubtError, Verdict
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.retry_on_429_and_5xx import worth_a_retry
from dashscope_ftlogs.errors import (
    AuthenticationError,
    FTLogsError,
    IncompleteLogError,
    InvalidParameterError,
    LogRewrittenError,
    NotFoundError,
    SessionStateError,
    ThrottlingError,
    UnsupportedOperationError,
)
from dashscope_ftlogs.follow.answer_in_time import in_time
from dashscope_ftlogs.follow.events import EventKind, Followed, FollowEvent, FollowOptions
from dashscope_ftlogs.follow.last_word import asked_wait, left_for, may_pass
from dashscope_ftlogs.follow.late_lines import Settling
from dashscope_ftlogs.follow.when_to_poll import Rhythm
from dashscope_ftlogs.models import Job, LogPage, is_same_end
from dashscope_ftlogs.text import Position, counted, escaped

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

T = TypeVar("T")

_DOUBTFUL: Final = 2
"""After so many reads in a row without a new line, the job may have ended."""
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
        width: Callable[[], int],
    ) -> None:
        self._service = service
        self._followed = followed
        self._job_id = followed.job_id
        self._options = options
        self._put = put
        self._width = width
        self._now = asyncio.get_running_loop().time
        self._rhythm = Rhythm(options.shortest_poll, options.longest_poll)
        self._begin(Position(offset=0, last=[]))
        self._wait: float | None = None
        """How long to wait before an answer that is in doubt is asked for again; None without doubt."""
        self._settling = Settling(options.settle)
        self._doubt = Doubt(service.lag)
        self._absent_at = 0.0
        self._absent_until = -math.inf
        self._told_of_absence = self._told_of_waiting = False
        self._missing_since: float | None = None
        self._grown: tuple[int, Position] | None = None
        self._joined: LogPaginator | None = None
        """Reads again where the first of several pages ended that were joined, until that is proven."""
        self._caught_up = False
        self._hinted = False
        self._asked_at = self._heard_at = self._now()
        self._quiet_after = _QUIET

    async def follow(self) -> None:
        """Deliver all there is and all that comes, until the job has ended."""
        try:
            job = await self._status()
            await self._start(job)
            while True:
                looked_at = self._now()
                lines = await self._read(job)
                if self._wait is None and self._settling.is_over(looked_at=looked_at, lines=lines):
                    before = job
                    if not self._settling.long_ago:
                        job = await self._status()  # it may run again
                    if job is before:
                        checks.within(self._job_id, self._awaited, self._log.total)
                        break
                if not job.ended and self._in_doubt():
                    job = await self._status()
                await asyncio.sleep(self._pause())
        except (AuthenticationError, SessionStateError):
            raise  # no other job would fare better
        except FTLogsError as error:
            self._followed.error, self._followed.settling = error, False
            error.position = self._log.position
            await self._tell(EventKind.FAILED, str(error))
        else:
            self._followed.settling = False
            await self._tell(
                EventKind.FINISHED, f"{escaped(job.status)}, {counted(self._log.offset, 'line')}"
            )

    def _in_doubt(self) -> bool:
        """Whether the job may have ended, and it is time to ask."""
        return self._hinted or (self._rhythm.misses >= _DOUBTFUL and self._until_asking() <= 0)

    def _until_asking(self) -> float:
        """Return for how many seconds the status that was last heard is good enough."""
        return self._asked_at + self._options.longest_poll - self._now()

    def _pause(self) -> float:
        """Return how long to wait before the next read."""
        if self._wait is not None:
            return self._wait
        now = self._now()
        if self._settling.ended_at is None:
            wait = self._rhythm.wait(now, random.random())  # noqa: S311  (spreads, guards nothing)
            if self._rhythm.misses < _DOUBTFUL:
                return wait
            return min(wait, max(self._until_asking(), self._options.shortest_poll))
        return self._settling.wait(now, self._options.shortest_poll, self._options.longest_poll)

    async def _start(self, job: Job) -> None:
        """Begin where the options say."""
        options = self._options
        position = options.place(self._job_id)
        if position is None:
            begin = options.offset if isinstance(options.offset, int) else 0
            if options.tail is not None:
                begin = 0
                if not job.unstarted:
                    page = await self._persist(lambda _: self._service.page(self._job_id, 0, 1))
                    begin = max(0, page.total - options.tail)
            position = Position(offset=begin, last=[])
        self._followed.stands_at(position)
        self._followed.first = position["offset"]
        self._begin(position)

    def _begin(self, position: Position) -> None:
        self._log, self._joined = self._reader(position), None
        self._awaited = 0 if position["last"] else position["offset"]

    def _reader(self, position: Position, **more: Any) -> LogPaginator:
        return LogPaginator(
            self._service,
            self._job_id,
            at=position,
            # A plain offset is a wish, and says nothing of what there was.
            heard=position["offset"] if position["last"] else None,
            concurrency=self._width,
            lag=self._service.lag,
            steps_back=True,
            on_growth=self._note_growth,
            **more,
        )

    async def _tell_if_it_is_awaited(self) -> None:
        """Say once if the first line that is to be delivered does not exist yet."""
        total = self._log.total
        if total is not None and total < self._awaited and not self._told_of_waiting:
            self._told_of_waiting = True
            message = (
                f"it has {counted(total, 'line')} so far, and is followed from line {self._awaited:,} on"
            )
            await self._tell(EventKind.AWAITED, message)

    def _note_growth(self, growth: Growth) -> None:
        self._grown = growth.number, self._log.position

    async def _status(self) -> Job:
        """Ask what the service says of the job."""
        before = self._followed.job
        job = await self._persist(lambda _: self._service.job(self._job_id))
        if before is not None and is_same_end(job, before.status, before.end_time):
            return before  # which tells when that was heard
        self._followed.job, self._hinted, self._asked_at = job, False, self._now()
        if before is None or before.status != job.status:
            await self._tell(EventKind.STATUS, escaped(job.status))
        self._settling = self._settling.heard(job, first=before is None, now=self._now())
        self._followed.settling = job.ended and not self._settling.long_ago
        return job

    async def _read(self, job: Job) -> int:
        """Deliver all that is new, and learn from it; return how many lines that were."""
        lines = await self._deliver(job)
        await self._tell_if_it_is_awaited()
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
        if job.ended:  # so that no line is due
            return lines
        self._followed.silence = now - self._heard_at
        if self._followed.silence >= self._quiet_after:
            self._quiet_after = 2 * self._followed.silence
            await self._tell(EventKind.QUIET, f"no new line for {self._followed.silence:.0f} s")
        return lines

    async def _deliver(self, job: Job) -> int:
        """Deliver all that is new, from the first line on if the log is another one than before."""
        before, asked_at = self._followed.found, self._now()
        self._wait = None
        try:
            await self._persist(lambda patience: self._drain(job, patience))
        except InDoubtError as doubt:
            self._wait = doubt.wait
        except LogRewrittenError as error:
            await self._begin_afresh(error.summary())
        except IncompleteLogError as error:
            if error.total <= self._log.offset:
                # It has not reached the line from which it is followed, so none is missing.
                self._begin(self._log.position)
            else:
                await self._miss(error, job, asked_at)
        else:
            self._missing_since = None
        return self._followed.found - before

    async def _begin_afresh(self, message: str) -> None:
        """Say that the log is another one, and read it from its first line, at once."""
        position = Position(offset=0, last=[])
        await self._put(FollowEvent(self._job_id, EventKind.REWRITTEN, message, position=position))
        self._begin(position)
        self._caught_up, self._missing_since, self._wait = False, None, 0.0

    async def _miss(self, error: IncompleteLogError, job: Job, asked_at: float) -> None:
        """Go on waiting for lines that the service does not give, unless that has no end.

        Raises:
            IncompleteLogError: the job has ended long ago, or this has lasted as long as was allowed.
        """
        now = self._now()
        if self._missing_since is None:
            self._missing_since = asked_at  # and it was asked for again since
            await self._tell(EventKind.MISSING, error.summary())
        ended_at = self._settling.ended_at
        if ended_at is not None and now >= ended_at + self._options.settle + self._service.lag:
            raise error
        left = left_for(error, now - self._missing_since, self._options.give_up_after)
        if left <= 0:
            raise error
        self._wait = min(self._options.longest_poll, left)
        if not job.ended:
            self._hinted = self._hinted or self._until_asking() <= 0

    async def _drain(self, job: Job, patience: asyncio.Timeout) -> None:
        """Read to the end of what there is; what is delivered stays so, if this fails on the way.

        Whoever takes it may take his time: once there is an answer, none is waited for in haste.

        Raises:
            LogRewrittenError: the log does not go on from where it was.
            IncompleteLogError: lines that the service says exist are not given.
            InDoubtError: what was heard has to be asked for again.
        """
        try:
            self._log.look_for_more()
            first: Position | None = None
            async with self._log.pages() as pages:
                async for page in pages:
                    patience.reschedule(None)
                    await self._tell_of_growth()
                    await self._take(page)
                    if first is None:
                        first = self._log.position
                    elif self._joined is None:
                        self._joined = self._reader(first, limit=1)
            patience.reschedule(None)
            await self._tell_of_growth()
            await self._prove_joined()
        except (InvalidParameterError, NotFoundError, UnsupportedOperationError):
            if not job.unstarted:
                raise
            # A job that waits for its turn may have no log yet.

    async def _prove_joined(self) -> None:
        """Look again where the first of several pages ended.

        A log that is started afresh while it is read, and has outgrown the old one by the next answer,
        shows in no answer.
        """
        if self._joined is not None:
            await self._joined.collect()
            self._joined = None
            await self._tell_of_growth()

    async def _tell_of_growth(self) -> None:
        if self._grown is None:
            return
        number, position = self._grown
        self._grown = None
        message = f"line {number:,} goes on; it was delivered as it was before"
        await self._put(FollowEvent(self._job_id, EventKind.GREW, message, number, position))

    async def _take(self, page: LogPage) -> None:
        """Deliver a page."""
        self._followed.found += len(page.lines)
        self._hinted = self._hinted or any(hint in line for line in page.lines[-20:] for hint in _HINTS)
        await self._put(page)

    async def _persist(self, ask: Callable[[asyncio.Timeout], Awaitable[T]]) -> T:
        """Ask until there is an answer, however long the service is out of order or out of reach."""
        began, odd = self._now(), self._options.shortest_poll
        failure: FTLogsError | None = None
        while True:
            self._absent_at = self._now()
            try:
                async with in_time(failure, began, self._options.give_up_after) as patience:
                    answer = await ask(patience)
            except IncompleteLogError:
                raise
            except FTLogsError as error:
                if not may_pass(error, answered=self._followed.job is not None):
                    if not isinstance(error, NotFoundError):
                        raise
                    failure = None  # but an answer
                    await self._doubt_absence(error)
                    continue
                left = left_for(error, self._now() - began, self._options.give_up_after)
                if left <= 0:
                    raise
                failure = error
                await self._tell_of_trouble(error)
                wait = min(self._options.longest_poll, left)
                if not worth_a_retry(error):  # so nobody has asked again yet
                    wait, odd = min(wait, odd), odd * 2
                await asyncio.sleep(max(wait, asked_wait(error)))
            else:
                self._doubt, self._told_of_absence = Doubt(self._service.lag), False
                if self._followed.error is not None:
                    self._followed.error = None
                    await self._tell(EventKind.CONNECTED, f"again, after {self._now() - began:.0f} s")
                return answer

    async def _doubt_absence(self, error: NotFoundError) -> None:
        """Wait before asking again for what was there before.

        Raises:
            NotFoundError: it was never there, or is gone since so long that every machine says so.
        """
        job = self._followed.job
        if job is None or job.unstarted:
            raise error
        now = self._now()
        decision = self._doubt.after(
            Contradiction.ANOTHER_LOG, repeated=False, asked_at=self._absent_at, now=now
        )
        self._doubt = decision.doubt
        if decision.verdict is Verdict.BELIEVED:
            raise error
        if not self._told_of_absence:
            self._told_of_absence = True
            if now - self._absent_until > self._service.lag:
                await self._tell(EventKind.MISSING, "the service knows no such job any more")
        self._absent_until = now
        await asyncio.sleep(decision.wait)

    async def _tell_of_trouble(self, error: FTLogsError) -> None:
        """Say what keeps the job from being read, if that is news."""
        before, self._followed.error = self._followed.error, error
        throttled = isinstance(error, ThrottlingError)
        if before is None or isinstance(before, ThrottlingError) != throttled:
            kind = EventKind.THROTTLED if throttled else EventKind.DISCONNECTED
            await self._tell(kind, error.summary())

    async def _tell(self, kind: EventKind, message: str) -> None:
        await self._put(FollowEvent(self._job_id, kind, message))
