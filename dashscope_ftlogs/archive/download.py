"""Many logs into an archive: each continued where it ended, and provably complete in the end.

Each log is gone on with from the lines that are there, by digests of the last of them. If what the
service gives contradicts them, it is in doubt: the job steps back, others go on, and it is asked again
until every machine has caught up. Only then the log counts as rewritten: what is there is kept under
another name, and a new generation begins. What follows is appended, and committed now and then.

A job that ended just now is looked at once more, at the end of the run: see `when_a_log_is_complete`.

A log that is started afresh between two answers may show in none of them: it has outgrown the old one,
or the lines by which a log is known again are alike. So before a log that came by more than one answer
counts as complete, its first page is asked for again, unless its job had ended long before the first.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.compare import another_service, difference
from dashscope_ftlogs.archive.job_turns import Turn, doubled, next_round, pages_ahead
from dashscope_ftlogs.archive.manifest import COMPRESSIONS, FORMATS, Compression, Format, Manifest
from dashscope_ftlogs.archive.new_lines import Additions
from dashscope_ftlogs.archive.outcomes import Downloaded, Progress
from dashscope_ftlogs.archive.store import DamagedError, MissingError, OvertakenError, Place, Store
from dashscope_ftlogs.archive.when_a_log_is_complete import is_end_in
from dashscope_ftlogs.client.doubt import Contradiction, Doubt, InDoubtError, Verdict
from dashscope_ftlogs.client.many_jobs.fetch_many import Jobs, each, how_many, id_of, once_each
from dashscope_ftlogs.client.page_source import first_lines
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.errors import (
    ArchiveBusyError,
    ArchiveError,
    ArchiveMismatchError,
    ArchiveStoreError,
    ArchiveWriteError,
    AuthenticationError,
    FTLogsError,
    IncompleteLogError,
    LogGoneError,
    LogRewrittenError,
    NotFoundError,
    SessionStateError,
)
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import Position

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

_GENERATIONS: Final = 3
"""How often one run begins a log afresh before it gives the job up."""

_LOOKS: Final = 3
"""How often one run looks at a log again that has ended, and has grown since all the same."""

_LOOK_EVERY: Final = 1.0
"""Seconds from one look whether the archive is still there to the next, while jobs are waited for."""

_OVERTAKEN: Final = 100
"""How often one run takes up a log again with which another writer has gone on meanwhile."""


class Download:
    """One run into one archive."""

    def __init__(
        self,
        service: "Service",
        store: Store,
        *,
        form: Format | None,
        compression: Compression | None,
        settle: float | None,
        recheck: bool,
        progress: Progress,
    ) -> None:
        self._service = service
        self._store = store
        # Of logs that begin: one that is there keeps its own, since lines are only ever added to it.
        self._form: Format | None = checks.word("format", form, FORMATS)
        self._compression: Compression | None = checks.word("compression", compression, COMPRESSIONS)
        settle = service.lag if settle is None else checks.seconds("settle", settle, or_zero=True)
        self._looks_again = settle != 0
        self._settle = settle or service.lag
        self._recheck = checks.flag("recheck", recheck)
        self._progress = checks.kind_of("progress", progress, Progress)
        self._waiting: dict[str, Downloaded] = {}
        """What is known of jobs that have yet to be looked at once more, by id."""
        self._at_work = 0
        """On how many jobs."""

    async def run(self, jobs: Jobs) -> list[Downloaded]:
        """Download every job once; return what became of each, in the order in which they were done."""
        return await self._service.tasks.run(self._locked(jobs), "logs were downloaded")

    async def _locked(self, jobs: Jobs) -> list[Downloaded]:
        async with self._store:
            try:
                outcomes = await self._run(jobs)
                await self._store.check()
            except BaseException:  # be it the caller's own, or a cancellation
                self._progress.outcomes.extend(self._waiting.values())
                raise
            return outcomes

    async def _run(self, jobs: Jobs) -> list[Downloaded]:
        outcomes: list[Downloaded] = []
        later: list[Turn] = []
        turns = _first_turns(jobs, self._service.profile or "", self._progress)
        while True:
            done = each(
                turns,
                self._job,
                # Twice as many jobs as requests, so that no request waits for a disk.
                at_once=lambda: 2 * self._service.concurrency,
                tasks=self._service.tasks,
                surely=True,
            )
            async with aclosing(done):
                async for found in done:
                    if isinstance(found, Turn):
                        later.append(found)
                        if found.so_far is not None:
                            self._waiting[found.so_far.job_id] = found.so_far
                    else:
                        outcomes.append(found)
                        self._waiting.pop(found.job_id, None)
                        self._progress.outcomes.append(found)
                        self._progress.jobs_done += 1
            if not later:
                return outcomes
            due, now, later = next_round(later)
            turns = self._at(due, now, len(now) + len(later))

    async def _at(self, due: float, turns: list[Turn], waiting: int) -> AsyncGenerator[Turn, None]:
        """Yield turns when it is time for the last of them: one wait for all."""
        self._progress.waiting = (waiting, due)
        try:
            await self._wait(due)
        finally:
            self._progress.waiting = None
        for turn in turns:
            yield turn

    async def _wait(self, due: float) -> None:
        """Wait, unless the archive goes away in the meantime."""
        while (wait := due - _now()) > 0:
            await asyncio.sleep(min(wait, _LOOK_EVERY))
            await self._store.check()

    async def _job(self, turn: Turn) -> Downloaded | Turn:
        job_id = id_of(turn.job)
        self._at_work += 1
        place = self._store.place(job_id)
        try:
            return await self._taken_up(job_id, turn, place)
        except (ArchiveStoreError, ArchiveWriteError, AuthenticationError, SessionStateError):
            raise  # no other job would fare better
        except FTLogsError as error:
            try:
                manifest = await place.manifest()
            except FTLogsError:
                manifest = None
            return turn.failed(job_id, manifest, error)
        finally:
            self._at_work -= 1
            self._progress.reading.pop(job_id, None)

    async def _taken_up(self, job_id: str, turn: Turn, place: Place) -> Downloaded | Turn:
        for _ in range(_OVERTAKEN):
            try:
                return await self._log(job_id, turn, place)
            except OvertakenError:  # by which that one got ahead
                continue
        raise ArchiveBusyError(f"job {job_id}: another process goes on with its log all the time")

    async def _log(self, job_id: str, turn: Turn, place: Place) -> Downloaded | Turn:
        manifest = await self._known(turn.so_far, place)
        if manifest is not None and manifest.complete and await place.holds_all(manifest):
            if (again := await self._rechecked(turn, manifest, place)) is None:
                with suppress(DamagedError):  # of which `verify` tells, and which a recheck mends
                    await place.tidy()
                return turn.outcome(manifest, skipped=True)
            manifest = again
        job = await self._asked(turn, 0 if manifest is None else manifest.lines)
        if job is None:
            return turn
        turn.hear_of(job, manifest, _now())
        if manifest is None:
            manifest = await place.put(self._fresh(job_id, self._form or "text", self._compression))
        if turn.before is None:
            turn.before = manifest.lines
        try:
            manifest = await self._up_to_date(manifest, turn, job, place)
        except InDoubtError as doubt:
            turn.due = _now() + doubt.wait
            return turn
        if manifest.settling and self._looks_again and turn.looks < _LOOKS:
            return await self._to_settle(turn, manifest)
        return turn.outcome(manifest)

    async def _to_settle(self, turn: Turn, manifest: Manifest) -> Turn:
        """Set when to look again: of a job that was given, the end may have been heard long before."""
        if not turn.asked:
            turn.asked = True
            with suppress(FTLogsError):  # it is waited for as if the end had been heard now
                turn.date_end(await self._service.job(manifest.job_id), manifest, _now())
        turn.looks += 1
        turn.due = (turn.ended_at or 0.0) + self._settle
        turn.so_far = turn.outcome(manifest)
        return turn

    async def _rechecked(self, turn: Turn, manifest: Manifest, place: Place) -> Manifest | None:
        """Return from what to go on, where a complete log is damaged here, or goes on there."""
        if isinstance(turn.job, Job) and not is_end_in(manifest, turn.job):
            with suppress(NotFoundError):  # what is here stays, as what is given by its id does
                turn.job, turn.asked = await self._service.job(manifest.job_id), True
                if not is_end_in(manifest, turn.job):  # nor was it only given as it was before
                    return await place.put(attrs.evolve(manifest, complete=False))
        if not self._recheck:
            return None
        if await place.is_damaged(manifest):
            await self._service.page(manifest.job_id, 0, 1)  # or what is here is all that is left
            return manifest
        if not await difference(self._service, manifest.job_id, manifest.lines, manifest.tail):
            return None
        return await place.put(attrs.evolve(manifest, complete=False))

    async def _asked(self, turn: Turn, lines: int) -> Job | None:
        """Return what is said of a job; None if it has lines here, and is to be asked for once more."""
        if isinstance(turn.job, Job):
            return turn.job
        asked_at, turn.asked = _now(), True
        try:
            return await self._service.job(turn.job)
        except NotFoundError:
            if not lines or turn.is_gone(self._service.lag, asked_at, _now()):
                raise
            return None

    async def _up_to_date(self, manifest: Manifest, turn: Turn, job: Job, place: Place) -> Manifest:
        """Read a log to its end, as a new generation where it is another one; return its manifest."""
        while True:
            try:
                return await self._continue(manifest, turn, job, place)
            except MissingError:
                if turn.so_far is not None:
                    raise self._log_gone(turn.so_far) from None
            except (LogRewrittenError, DamagedError) as error:
                damaged = isinstance(error, DamagedError)
                turn.older.append(await place.set_aside("damaged" if damaged else "rewritten"))
                if len(turn.older) == _GENERATIONS:
                    raise ArchiveError(
                        f"job {manifest.job_id}: its log changes faster than it can be read"
                    ) from error
            turn.before = 0
            manifest = self._fresh(manifest.job_id, manifest.format, manifest.compression)
            manifest = await place.put(manifest)

    def _log_gone(self, before: Downloaded) -> LogGoneError:
        """Return the error for what was there earlier in this run."""
        name = self._store.name_of(before.file)
        return LogGoneError(f"{name} has gone: it was moved or removed while this download ran")

    def _fresh(self, job_id: str, form: Format, compression: Compression | None) -> Manifest:
        endpoint = self._service.base_url
        return Manifest(job_id=job_id, endpoint=endpoint, format=form, compression=compression)

    async def _known(self, before: Downloaded | None, place: Place) -> Manifest | None:
        """Return a job's manifest, if there is one and this run may go on with its log."""
        manifest = await place.manifest()
        if manifest is None:
            if before is not None:
                raise self._log_gone(before)
            return None
        if why := another_service(manifest.endpoint, self._service.base_url):
            raise ArchiveMismatchError(f"{manifest.file} {why}: logs of two services are not mixed")
        return manifest

    async def _continue(self, manifest: Manifest, turn: Turn, job: Job, place: Place) -> Manifest:
        """Read what the archive does not have yet; return the manifest as committed."""
        news = Additions(place.log(manifest, whole=self._recheck), job)
        lines, is_taken_up = self._lines(manifest, turn)
        try:
            if not is_taken_up:
                await news.open()
            await self._read(lines, news, turn, job)
        except InDoubtError:
            lines.look_for_more()
            turn.doubted = lines
            raise
        finally:
            # After success, failure and cancellation alike: what has arrived is kept.
            await news.finish()
        turn.doubted = None
        if news.log.manifest.complete:
            await place.tidy()
        return news.log.manifest

    def _lines(self, manifest: Manifest, turn: Turn) -> tuple[LogPaginator, bool]:
        """Return what is to be read, and whether it is in doubt, and all that it gave was kept."""
        lines, turn.doubted = turn.doubted, None
        if lines is not None and lines.offset == manifest.lines:
            return lines, True
        total, turn.growth = manifest.total, None
        lines = LogPaginator(
            self._service,
            manifest.job_id,
            concurrency=self._pages_ahead,
            lag=self._service.lag,
            at=Position(offset=manifest.lines, last=list(manifest.tail)),
            heard=None if total is None or total <= manifest.lines else total,
            steps_back=True,
            on_growth=turn.grew,
        )
        return lines, False

    def _pages_ahead(self) -> int:
        return pages_ahead(self._service.concurrency, self._at_work)

    async def _read(self, lines: LogPaginator, news: Additions, turn: Turn, job: Job) -> None:
        began_at = committed_at = _now()
        pauses = doubled(self._store.first_commit_after, self._store.commit_every)
        pause = next(pauses)
        try:
            async with lines.pages() as pages:
                async for page in pages:
                    # Of a read that was taken up. While it is in doubt, no file is checked again.
                    await news.open()
                    await self._grow(news, turn, page.offset)
                    news.take(page)
                    self._progress.lines += len(page.lines)
                    self._progress.reading[page.job_id] = (page.next_offset, page.total)
                    if _now() - committed_at >= pause:
                        await news.commit()
                        committed_at, pause = _now(), next(pauses)
                    elif news.log.is_due:
                        await news.write()
        except IncompleteLogError as error:
            if error.attempts == 0:  # no single answer, but a doubt that has lasted
                await news.open()
                news.fewer()
            raise
        await news.open()
        await self._grow(news, turn, lines.offset)
        ended_for = 0.0 if turn.ended_at is None else began_at - turn.ended_at
        complete = news.would_complete(lines.offset, ended_for, self._settle)
        if complete:
            await news.log.prove()
            if turn.may_be_of_two(lines.offset, job):
                await self._prove_beginning(news, turn)
        news.ended(lines.total, complete=complete)

    async def _grow(self, news: Additions, turn: Turn, offset: int) -> None:
        """Put the whole of the line before that in its place, if it was read while it was written."""
        if (growth := turn.growth) is not None and growth.number < offset:
            turn.growth = None
            await news.grow(growth)

    async def _prove_beginning(self, news: Additions, turn: Turn) -> None:
        """Ask again for as many of the first lines as a page may hold.

        Raises:
            InDoubtError: it is another one, and has to be asked for once more.
            LogRewrittenError: it is another one for as long as machines may lag.
        """
        await news.commit()
        asked_at, manifest = _now(), news.log.manifest
        count = min(checks.MAX_LINE, manifest.lines)
        lines, total = await first_lines(self._service, manifest.job_id, count)
        same = len(lines) == count and await news.log.begins_with(lines)
        decision = (turn.beginning or Doubt(self._service.lag)).after(
            None if same else Contradiction.ANOTHER_LOG,
            repeated=same,
            asked_at=asked_at,
            now=_now(),
        )
        turn.beginning = decision.doubt
        if decision.verdict is Verdict.BELIEVED:
            raise LogRewrittenError(manifest.lines, total)
        if not same:
            raise InDoubtError(decision.wait)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _first_turns(jobs: Jobs, profile: str, progress: Progress) -> AsyncGenerator[Turn, None]:
    progress.jobs, count = how_many(jobs), 0
    async with aclosing(once_each(jobs)) as coming:
        async for job in coming:
            count += 1
            # What comes by and by is a listing, and was described just now.
            yield Turn(job, profile, asked=isinstance(jobs, AsyncIterable))
    progress.jobs = count
