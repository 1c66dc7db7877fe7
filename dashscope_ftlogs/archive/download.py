"""Many logs to disk: each continued where it ended, and provably complete in the end.

Each log is gone on with from the lines that are there, by digests of the last of them. If what the
service gives contradicts them, it is in doubt: the job steps back, others go on, and it is asked again
until every machine has caught up. Only then the log counts as rewritten: what is on disk is kept under
another name, and a new generation begins. What follows is appended, and committed every second or so.

A job that ended just now is looked at once more, at the end of the run: see `completeness`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from math import inf
from typing import TYPE_CHECKING, Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.additions import Additions
from dashscope_ftlogs.archive.completeness import seconds_since
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.disk import Disk
from dashscope_ftlogs.archive.endpoint import same_service
from dashscope_ftlogs.archive.generations import set_aside
from dashscope_ftlogs.archive.hash_check import DamagedError
from dashscope_ftlogs.archive.log_writer import LogFile
from dashscope_ftlogs.archive.manifest import Compression, Format, Manifest
from dashscope_ftlogs.archive.outcomes import Downloaded, Progress, State
from dashscope_ftlogs.archive.threads import Threads
from dashscope_ftlogs.client.doubt import InDoubtError, Known
from dashscope_ftlogs.client.fetch_many import Jobs, each, id_of, once_each
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.errors import (
    ArchiveError,
    ArchiveMismatchError,
    ArchiveWriteError,
    AuthenticationError,
    FTLogsError,
    IncompleteLogError,
    LogRewrittenError,
    NotFoundError,
    SessionStateError,
)
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import Position, shown

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

_COMMIT_AFTER: Final = 0.05
_COMMIT_EVERY: Final = 1.0
"""Seconds between commits: what a killed download has to fetch again. The first ones come sooner, each
after twice the time, so that a download that is killed again and again gets ahead all the same."""

_GENERATIONS: Final = 3
"""How often one run begins a log afresh before it gives the job up."""

_LOOKS: Final = 3
"""How often one run looks at a log again that has ended, and has grown since all the same."""

_THREADS: Final = 8
"""How many files are written at the same time."""


@attrs.define(eq=False)
class _Turn:
    """A job that is to be looked at, and what this run knows of it from earlier looks."""

    job: str | Job
    due: float = 0.0
    """When; the clock is the event loop's."""
    ended_at: float | None = None
    """When its end was first heard."""
    before: int | None = None
    """How many lines there were before this run."""
    older: list[str] = attrs.Factory(list[str])
    """The names of what was set aside."""
    doubted: LogPaginator | None = None
    """The read that is in doubt. None in a later turn: the log is settling."""
    looks: int = 0
    """How often it was looked at only to see whether the log has settled."""

    def hear_of(self, job: Job, manifest: Manifest | None) -> None:
        """Take note of when the end was first heard, by this run or an earlier one."""
        if self.ended_at is None and job.ended:
            heard = "" if manifest is None else manifest.ended_by
            self.ended_at = _now() - seconds_since(heard, job.http_date)


class Download:
    """One run into one archive."""

    def __init__(
        self,
        service: "Service",
        archive: Archive,
        *,
        form: Format | None,
        compression: Compression | None,
        settle: float | None,
        recheck: bool,
        progress: Progress,
    ) -> None:
        self._service = service
        self._archive = archive
        self._form: Format | None = form
        self._compression: Compression | None = compression
        settle = service.lag if settle is None else settle
        self._looks_again = settle != 0
        self._settle = checks.seconds("settle", settle) if self._looks_again else service.lag
        self._recheck = recheck
        self._progress = progress

    async def run(self, jobs: Jobs) -> list[Downloaded]:
        """Download every job once; return what became of each, in the order in which they were done."""
        return await self._service.tasks.run(self._locked(jobs), "logs were downloaded")

    async def _locked(self, jobs: Jobs) -> list[Downloaded]:
        with Threads(_THREADS) as threads:
            lock = Disk(threads.next(), self._archive)
            try:
                await lock.run(self._archive.lock)
                return await self._run(jobs, threads)
            finally:
                await lock.run_surely(self._archive.unlock)

    async def _run(self, jobs: Jobs, threads: Threads) -> list[Downloaded]:
        outcomes: list[Downloaded] = []
        later: list[_Turn] = []
        turns = _first_turns(jobs)
        while True:
            done = each(
                turns,
                lambda turn: self._job(turn, Disk(threads.next(), self._archive)),
                # Twice as many jobs as requests, so that no request waits for a disk.
                at_once=2 * self._service.concurrency,
                tasks=self._service.tasks,
            )
            async with aclosing(done):
                async for found in done:
                    if isinstance(found, _Turn):
                        later.append(found)
                    else:
                        outcomes.append(found)
                        self._progress.jobs_done += 1
            if not later:
                return outcomes
            due, now, later = _next_round(later)
            turns = self._at(due, now, len(now) + len(later))

    async def _at(self, due: float, turns: list[_Turn], waiting: int) -> AsyncGenerator[_Turn, None]:
        """Yield turns when it is time for the last of them: one wait for all."""
        wait = due - _now()
        if wait > 0:
            self._progress.waiting = (waiting, due)
            try:
                await asyncio.sleep(wait)
            finally:
                self._progress.waiting = None
        for turn in turns:
            yield turn

    async def _job(self, turn: _Turn, disk: Disk) -> Downloaded | _Turn:
        job_id = id_of(turn.job)
        try:
            return await self._log(job_id, turn, disk)
        except (ArchiveWriteError, AuthenticationError, SessionStateError):
            raise  # no other job would fare better
        except FTLogsError as error:
            try:
                manifest = await disk.run(self._archive.manifest, job_id)
            except FTLogsError:
                manifest = None
            lines = 0 if manifest is None else manifest.lines
            return Downloaded(
                job_id=job_id, state="failed", lines=lines, set_aside=tuple(turn.older), error=error
            )
        finally:
            self._progress.reading.pop(job_id, None)

    async def _log(self, job_id: str, turn: _Turn, disk: Disk) -> Downloaded | _Turn:
        manifest = await disk.run(self._known, job_id)
        if manifest is not None:
            size = await disk.run(self._archive.size, manifest.file)
            if manifest.complete and size == manifest.file_bytes:
                if not self._recheck or await self._is_still(manifest):
                    return _outcome(manifest, turn, "skipped")
                manifest = await disk.run(self._archive.put, attrs.evolve(manifest, complete=False))
        if isinstance(turn.job, str):
            turn.job = await self._service.job(job_id)
        turn.hear_of(turn.job, manifest)
        if manifest is None:
            manifest = self._fresh(job_id, self._form or "text", self._compression)
            manifest = await disk.run(self._archive.put, manifest)
        if turn.before is None:
            turn.before = manifest.lines
        try:
            manifest = await self._up_to_date(manifest, turn, turn.job, disk)
        except InDoubtError as doubt:
            turn.due = _now() + doubt.wait
            return turn
        if manifest.settling and self._looks_again and turn.looks < _LOOKS:
            turn.looks += 1
            turn.due = (turn.ended_at or 0.0) + self._settle
            return turn
        if manifest.complete:
            return _outcome(manifest, turn, "complete")
        return _outcome(manifest, turn, "settling" if manifest.settling else "running")

    async def _up_to_date(self, manifest: Manifest, turn: _Turn, job: Job, disk: Disk) -> Manifest:
        """Read a log to its end, as a new generation where it is another one; return its manifest."""
        while True:
            try:
                return await self._continue(manifest, turn, job, disk)
            except FileNotFoundError:
                pass
            except (LogRewrittenError, DamagedError) as error:
                turn.older.append(await disk.run(self._set_aside, manifest.job_id, error))
                if len(turn.older) == _GENERATIONS:
                    raise ArchiveError(
                        f"job {manifest.job_id}: its log changes faster than it can be read"
                    ) from error
            turn.before = 0
            manifest = self._fresh(manifest.job_id, manifest.format, manifest.compression)
            manifest = await disk.run(self._archive.put, manifest)

    async def _is_still(self, manifest: Manifest) -> bool:
        """Whether the service has the same lines as a log that is complete, as far as one answer tells.

        A job that it no longer knows counts as the same: what is here may be all that is left.
        """
        begin = manifest.lines - len(manifest.tail)
        try:
            page = await self._service.page(manifest.job_id, begin, len(manifest.tail) + 1)
        except NotFoundError:
            return True
        known = Known(manifest.lines, manifest.tail, manifest.lines)
        return known.contradiction(page) is None and page.total == manifest.lines

    def _fresh(self, job_id: str, form: Format, compression: Compression | None) -> Manifest:
        endpoint = self._service.base_url
        return Manifest(job_id=job_id, endpoint=endpoint, format=form, compression=compression)

    def _known(self, job_id: str) -> Manifest | None:
        """Return a job's manifest, if there is one and this run may go on with its log."""
        manifest = self._archive.manifest(job_id)
        if manifest is None:
            self._archive.refuse_unvouched(job_id)
            return None
        self._check_form(manifest)
        if not same_service(manifest.endpoint, self._service.base_url):
            raise ArchiveMismatchError(
                f"{manifest.file} is of {shown(manifest.endpoint)}, and this run asks "
                f"{shown(self._service.base_url)}: logs of two services are not mixed"
            )
        return manifest

    def _set_aside(self, job_id: str, error: Exception) -> str:
        damaged = isinstance(error, DamagedError)
        return set_aside(self._archive, job_id, "damaged" if damaged else "rewritten")

    def _check_form(self, manifest: Manifest) -> None:
        if (self._form or manifest.format) != manifest.format or (
            self._compression or manifest.compression
        ) != manifest.compression:
            raise ArchiveError(
                f"{manifest.file} is there already: go on in its format, or download into another "
                "directory"
            )

    async def _continue(self, manifest: Manifest, turn: _Turn, job: Job, disk: Disk) -> Manifest:
        """Read what the archive does not have yet; return the manifest as committed."""
        news = Additions(LogFile(self._archive, manifest), job)
        lines, is_taken_up = self._lines(manifest, turn)
        try:
            if not is_taken_up:
                await disk.run(news.open)
            await self._read(lines, news, turn, disk)
        except InDoubtError:
            lines.rest()
            turn.doubted = lines
            raise
        finally:
            # After success, failure and cancellation alike: what has arrived is kept.
            await disk.run_surely(news.finish)
        turn.doubted = None
        return news.file.manifest

    def _lines(self, manifest: Manifest, turn: _Turn) -> tuple[LogPaginator, bool]:
        """Return what is to be read, and whether it is in doubt, and all that it gave was kept."""
        lines, turn.doubted = turn.doubted, None
        if lines is not None and lines.offset == manifest.lines:
            return lines, True
        total = manifest.total
        lines = LogPaginator(
            self._service,
            manifest.job_id,
            concurrency=self._service.concurrency,
            lag=self._service.lag,
            at=Position(offset=manifest.lines, last=list(manifest.tail)),
            heard=None if total is None or total <= manifest.lines else total,
            steps_back=True,
        )
        return lines, False

    async def _read(self, lines: LogPaginator, news: Additions, turn: _Turn, disk: Disk) -> None:
        began_at = committed_at = _now()
        patience = _COMMIT_AFTER
        try:
            async with lines.pages() as pages:
                async for page in pages:
                    if not news.is_open:
                        # Of a read that was taken up. While it is in doubt, no file is checked again.
                        await disk.run(news.open)
                    news.take(page)
                    self._progress.lines += len(page.lines)
                    self._progress.reading[page.job_id] = (page.next_offset, page.total)
                    if _now() - committed_at >= patience:
                        await disk.run(news.commit)
                        committed_at, patience = _now(), min(2 * patience, _COMMIT_EVERY)
                    elif news.file.is_due:
                        await disk.run(news.file.write)
        except IncompleteLogError as error:
            if error.attempts == 0:  # no single answer, but a doubt that has lasted
                await disk.run(news.open)
                news.fewer()
            raise
        await disk.run(news.open)
        ended_for = 0.0 if turn.ended_at is None else began_at - turn.ended_at
        news.ended(lines.offset, lines.total, ended_for, self._settle)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _first_turns(jobs: Jobs) -> AsyncGenerator[_Turn, None]:
    async with aclosing(once_each(jobs)) as coming:
        async for job in coming:
            yield _Turn(job)


def _outcome(manifest: Manifest, turn: _Turn, state: State) -> Downloaded:
    return Downloaded(
        job_id=manifest.job_id,
        state=state,
        lines=manifest.lines,
        new_lines=manifest.lines - (manifest.lines if turn.before is None else turn.before),
        file=manifest.file,
        set_aside=tuple(turn.older),
    )


def _next_round(later: list[_Turn]) -> tuple[float, list[_Turn], list[_Turn]]:
    """Return when the next turns are to be taken, which those are, and the others.

    All that is in doubt is asked for together, and so is all that has to settle.
    """
    doubted = [turn for turn in later if turn.doubted is not None]
    settling = [turn for turn in later if turn.doubted is None]
    ask_at, look_at = (max((turn.due for turn in turns), default=inf) for turns in (doubted, settling))
    if ask_at <= look_at:
        return ask_at, doubted, settling
    return look_at, settling, doubted
