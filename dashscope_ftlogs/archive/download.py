"""Many logs to disk: each continued where it ended, and provably complete in the end.

Each log is gone on with from the lines that are there, by digests of the last of them. If what the
service gives contradicts them, it is in doubt: the job steps back, others go on, and it is asked again
until every machine has caught up. Only then the log counts as rewritten: what is on disk is kept under
another name, and a new generation begins. What follows is appended, and committed every second or so.

A job that ended just now is looked at once more, at the end of the run: see `when_a_log_is_complete`.

A log that is started afresh between two answers may show in none of them: it has outgrown the old one,
or the lines by which a log is known again are alike. So before a log that came by more than one answer
counts as complete, its first page is asked for again, unless its job had ended long before the first.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.generations import set_aside
from dashscope_ftlogs.archive.job_turns import Turn, next_round
from dashscope_ftlogs.archive.log_file_sha256 import DamagedError, MissingError
from dashscope_ftlogs.archive.log_writer import LogFile
from dashscope_ftlogs.archive.manifest import COMPRESSIONS, FORMATS, Compression, Format, Manifest
from dashscope_ftlogs.archive.new_lines import Additions
from dashscope_ftlogs.archive.outcomes import Downloaded, Progress
from dashscope_ftlogs.archive.threads import Disk, Threads
from dashscope_ftlogs.archive.verify import difference, is_damaged
from dashscope_ftlogs.client.config import same_service
from dashscope_ftlogs.client.doubt import Contradiction, Doubt, InDoubtError, Verdict
from dashscope_ftlogs.client.fetch_many import Jobs, each, how_many, id_of, once_each
from dashscope_ftlogs.client.page_source import first_lines
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.errors import (
    ArchiveError,
    ArchiveMismatchError,
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

_LOOK_EVERY: Final = 1.0
"""Seconds from one look whether the directory is still there to the next, while jobs are waited for."""

_THREADS: Final = 8
"""How many files are written at the same time."""


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
        with Threads(_THREADS) as threads:
            lock = Disk(threads.next(), self._archive)
            try:
                await lock.run(self._archive.lock)
                outcomes = await self._run(jobs, threads)
                await lock.run(self._archive.check_is_ours)
            except BaseException:  # be it the caller's own, or a cancellation
                self._progress.outcomes.extend(self._waiting.values())
                raise
            else:
                return outcomes
            finally:
                await lock.run_surely(self._archive.unlock)

    async def _run(self, jobs: Jobs, threads: Threads) -> list[Downloaded]:
        outcomes: list[Downloaded] = []
        later: list[Turn] = []
        turns = _first_turns(jobs, self._progress)
        while True:
            done = each(
                turns,
                lambda turn: self._job(turn, Disk(threads.next(), self._archive)),
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
            turns = self._at(due, now, len(now) + len(later), Disk(threads.next(), self._archive))

    async def _at(
        self, due: float, turns: list[Turn], waiting: int, disk: Disk
    ) -> AsyncGenerator[Turn, None]:
        """Yield turns when it is time for the last of them: one wait for all."""
        if due > _now():
            self._progress.waiting = (waiting, due)
            try:
                await self._wait(due, disk)
            finally:
                self._progress.waiting = None
        for turn in turns:
            yield turn

    async def _wait(self, due: float, disk: Disk) -> None:
        """Wait, unless the directory goes away in the meantime."""
        while (wait := due - _now()) > 0:
            await asyncio.sleep(min(wait, _LOOK_EVERY))
            await disk.run(self._archive.check_is_ours)

    async def _job(self, turn: Turn, disk: Disk) -> Downloaded | Turn:
        job_id = id_of(turn.job)
        self._at_work += 1
        try:
            return await self._log(job_id, turn, disk)
        except (ArchiveWriteError, AuthenticationError, SessionStateError):
            raise  # no other job would fare better
        except FTLogsError as error:
            try:
                manifest = await disk.run(self._archive.manifest, job_id)
            except FTLogsError:
                manifest = None
            return turn.failed(job_id, manifest, error)
        finally:
            self._at_work -= 1
            self._progress.reading.pop(job_id, None)

    async def _log(self, job_id: str, turn: Turn, disk: Disk) -> Downloaded | Turn:
        manifest = await disk.run(self._known, job_id, turn.so_far)
        if manifest is not None:
            size = await disk.run(self._archive.size, manifest.file)
            if manifest.complete and size == manifest.file_bytes:
                again = await self._rechecked(manifest, disk) if self._recheck else None
                if again is None:
                    return turn.outcome(manifest, skipped=True)
                manifest = again
        job = await self._asked(turn, 0 if manifest is None else manifest.lines)
        if job is None:
            return turn
        turn.hear_of(job, manifest, _now())
        if manifest is None:
            manifest = self._fresh(job_id, self._form or "text", self._compression)
            manifest = await disk.run(self._archive.put, manifest)
        if turn.before is None:
            turn.before = manifest.lines
        try:
            manifest = await self._up_to_date(manifest, turn, job, disk)
        except InDoubtError as doubt:
            turn.due = _now() + doubt.wait
            return turn
        if manifest.settling and self._looks_again and turn.looks < _LOOKS:
            turn.looks += 1
            turn.due = (turn.ended_at or 0.0) + self._settle
            turn.so_far = turn.outcome(manifest)
            return turn
        return turn.outcome(manifest)

    async def _rechecked(self, manifest: Manifest, disk: Disk) -> Manifest | None:
        """Return from what to go on, where a complete log is damaged here, or another one there."""
        if await disk.run(is_damaged, self._archive, manifest):
            await self._service.page(manifest.job_id, 0, 1)  # or what is here is all that is left
            return manifest
        if not await difference(self._service, manifest.job_id, manifest.lines, manifest.tail):
            return None
        return await disk.run(self._archive.put, attrs.evolve(manifest, complete=False))

    async def _asked(self, turn: Turn, lines: int) -> Job | None:
        """Return what is said of a job; None if it has lines here, and is to be asked for once more."""
        if isinstance(turn.job, Job):
            return turn.job
        asked_at = _now()
        try:
            return await self._service.job(turn.job)
        except NotFoundError:
            if not lines or turn.is_gone(self._service.lag, asked_at, _now()):
                raise
            return None

    async def _up_to_date(self, manifest: Manifest, turn: Turn, job: Job, disk: Disk) -> Manifest:
        """Read a log to its end, as a new generation where it is another one; return its manifest."""
        while True:
            try:
                return await self._continue(manifest, turn, job, disk)
            except MissingError:
                if turn.so_far is not None:
                    raise self._log_gone(turn.so_far) from None
            except (LogRewrittenError, DamagedError) as error:
                turn.older.append(await disk.run(self._set_aside, manifest.job_id, error))
                if len(turn.older) == _GENERATIONS:
                    raise ArchiveError(
                        f"job {manifest.job_id}: its log changes faster than it can be read"
                    ) from error
            turn.before, turn.joined = 0, False
            manifest = self._fresh(manifest.job_id, manifest.format, manifest.compression)
            manifest = await disk.run(self._archive.put, manifest)

    def _log_gone(self, before: Downloaded) -> LogGoneError:
        """Return the error for what was there earlier in this run."""
        path = self._archive.directory / before.file
        return LogGoneError(f"{path} has gone: it was moved or removed while this download ran")

    def _fresh(self, job_id: str, form: Format, compression: Compression | None) -> Manifest:
        endpoint = self._service.base_url
        return Manifest(job_id=job_id, endpoint=endpoint, format=form, compression=compression)

    def _known(self, job_id: str, before: Downloaded | None) -> Manifest | None:
        """Return a job's manifest, if there is one and this run may go on with its log."""
        manifest = self._archive.manifest(job_id)
        if manifest is None:
            self._archive.refuse_unvouched(job_id)
            if before is not None:
                raise self._log_gone(before)
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
            raise ArchiveMismatchError(f"{manifest.file} is there already, in another format")

    async def _continue(self, manifest: Manifest, turn: Turn, job: Job, disk: Disk) -> Manifest:
        """Read what the archive does not have yet; return the manifest as committed."""
        news = Additions(LogFile(self._archive, manifest, whole=self._recheck), job)
        lines, is_taken_up = self._lines(manifest, turn)
        try:
            if not is_taken_up:
                await disk.run(news.open)
            await self._read(lines, news, turn, job, disk)
        except InDoubtError:
            lines.rest()
            turn.doubted = lines
            raise
        finally:
            # After success, failure and cancellation alike: what has arrived is kept.
            await disk.run_surely(news.finish)
        turn.doubted = None
        return news.file.manifest

    def _lines(self, manifest: Manifest, turn: Turn) -> tuple[LogPaginator, bool]:
        """Return what is to be read, and whether it is in doubt, and all that it gave was kept."""
        lines, turn.doubted = turn.doubted, None
        if lines is not None and lines.offset == manifest.lines:
            return lines, True
        total = manifest.total
        lines = LogPaginator(
            self._service,
            manifest.job_id,
            concurrency=self._pages_ahead,
            lag=self._service.lag,
            at=Position(offset=manifest.lines, last=list(manifest.tail)),
            heard=None if total is None or total <= manifest.lines else total,
            steps_back=True,
        )
        return lines, False

    def _pages_ahead(self) -> int:
        """Return how many pages of each log are read ahead: no request waits, and no more is held."""
        most = self._service.concurrency
        return max(1, min(most, 2 * most // self._at_work))

    async def _read(
        self, lines: LogPaginator, news: Additions, turn: Turn, job: Job, disk: Disk
    ) -> None:
        began_at = committed_at = _now()
        begin = lines.offset
        patience = _COMMIT_AFTER
        try:
            async with lines.pages() as pages:
                async for page in pages:
                    if not news.is_open:
                        # Of a read that was taken up. While it is in doubt, no file is checked again.
                        await disk.run(news.open)
                    news.take(page)
                    turn.joined = turn.joined or page.offset > begin
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
        complete = news.would_complete(lines.offset, ended_for, self._settle)
        if complete:
            await disk.run(news.file.prove)
            if turn.may_be_of_two(lines.offset, job):
                await self._prove_beginning(news, turn, disk)
        news.ended(lines.total, complete=complete)

    async def _prove_beginning(self, news: Additions, turn: Turn, disk: Disk) -> None:
        """Ask again for as many of the first lines as a page may hold.

        Raises:
            InDoubtError: it is another one, and has to be asked for once more.
            LogRewrittenError: it is another one for as long as machines may lag.
        """
        await disk.run(news.commit)
        asked_at, manifest = _now(), news.file.manifest
        count = min(checks.MAX_LINE, manifest.lines)
        lines, total = await first_lines(self._service, manifest.job_id, count)
        same = len(lines) == count and await disk.run(news.file.begins_with, lines)
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


async def _first_turns(jobs: Jobs, progress: Progress) -> AsyncGenerator[Turn, None]:
    progress.jobs, count = how_many(jobs), 0
    async with aclosing(once_each(jobs)) as coming:
        async for job in coming:
            count += 1
            yield Turn(job)
    progress.jobs = count
