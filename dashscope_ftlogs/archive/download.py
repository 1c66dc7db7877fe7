"""Many logs to disk: each continued where it ended, and provably complete in the end.

For each job the log is read from a few lines before the place where the archive ends. If those lines
are still the same, what follows is appended, and committed every second or so. If they are not, the log
was rewritten: what is on disk is kept under another name, and a new generation begins.
"""

import asyncio
import errno
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import attrs

from dashscope_ftlogs.archive.completeness import is_complete
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.endpoint import same_service
from dashscope_ftlogs.archive.generations import set_aside
from dashscope_ftlogs.archive.hash_check import DamagedError
from dashscope_ftlogs.archive.log_writer import LogFile
from dashscope_ftlogs.archive.manifest import (
    Compression,
    Format,
    Manifest,
    facts,
)
from dashscope_ftlogs.archive.threads import Thread, Threads
from dashscope_ftlogs.client.fetch_many import Jobs, each, id_of, once_each
from dashscope_ftlogs.errors import (
    ArchiveError,
    ArchiveMismatchError,
    ArchiveWriteError,
    AuthenticationError,
    FTLogsError,
    LogRewrittenError,
)
from dashscope_ftlogs.models import Job, LogPage
from dashscope_ftlogs.text import digests, shown

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

T = TypeVar("T")

State = Literal["complete", "running", "failed", "skipped"]

_COMMIT_AFTER: Final = 0.05
_COMMIT_EVERY: Final = 1.0
"""Seconds between commits: what a killed download has to fetch again. The first ones come sooner, each
after twice the time, so that a download that is killed again and again gets ahead all the same."""

_GENERATIONS: Final = 3
"""How often one run begins a log afresh before it gives the job up."""

_THREADS: Final = 8
"""How many files are written at the same time."""

_HOPELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""What no other file in the archive will fare better with."""


@attrs.frozen(kw_only=True)
class Downloaded:
    """What became of one job's log."""

    job_id: str
    state: State
    """`complete`: the job had ended, and all its lines are here. `running`: all lines so far are here,
    more will come. `skipped`: it was complete before. `failed`: see `error`; what came before it is
    kept."""
    lines: int = 0
    """How many lines are in the archive now."""
    new_lines: int = 0
    """How many of them this run has fetched."""
    file: str = ""
    """The log's name in the directory."""
    set_aside: tuple[str, ...] = ()
    """Under what names older generations are kept, and files that were damaged."""
    error: FTLogsError | None = None


@attrs.define
class Progress:
    """How far a download has come; give one to `LogSession.download`, and look at it at any time."""

    jobs: int | None = None
    """How many there are to do, where that is known."""
    jobs_done: int = 0
    lines: int = 0
    """Lines fetched."""
    reading: dict[str, tuple[int, int]] = attrs.Factory(dict[str, tuple[int, int]])
    """Jobs being read: the next line's number, and how many lines the service says exist."""


class Download:
    """One run into one archive."""

    def __init__(
        self,
        service: "Service",
        archive: Archive,
        *,
        form: Format | None,
        compression: Compression | None,
        progress: Progress,
    ) -> None:
        self._service = service
        self._archive = archive
        self._form: Format | None = form
        self._compression: Compression | None = compression
        self._progress = progress

    async def run(self, jobs: Jobs) -> list[Downloaded]:
        """Download every job once; return what became of each, in the order in which they were done."""
        with Threads(_THREADS) as threads:
            lock = _Disk(threads.next(), self._archive)
            try:
                await lock.run(self._archive.lock)
                return await self._run(jobs, threads)
            finally:
                await lock.run_surely(self._archive.unlock)

    async def _run(self, jobs: Jobs, threads: Threads) -> list[Downloaded]:
        outcomes: list[Downloaded] = []
        # Twice as many jobs as requests, so that no request waits for a disk.
        at_once = 2 * self._service.concurrency
        done = each(
            once_each(jobs),
            lambda job: self._job(job, _Disk(threads.next(), self._archive)),
            at_once=at_once,
            spawn=self._service.spawn,
        )
        async with aclosing(done):
            async for outcome in done:
                outcomes.append(outcome)
                self._progress.jobs_done += 1
        return outcomes

    async def _job(self, wanted: str | Job, disk: "_Disk") -> Downloaded:
        job_id = id_of(wanted)
        try:
            return await self._log(job_id, None if isinstance(wanted, str) else wanted, disk)
        except (ArchiveWriteError, AuthenticationError):
            raise  # no other job would fare better
        except FTLogsError as error:
            try:
                manifest = await disk.run(self._archive.manifest, job_id)
            except FTLogsError:
                manifest = None
            lines = 0 if manifest is None else manifest.lines
            return Downloaded(job_id=job_id, state="failed", lines=lines, error=error)
        finally:
            self._progress.reading.pop(job_id, None)

    async def _log(self, job_id: str, job: Job | None, disk: "_Disk") -> Downloaded:
        manifest = await disk.run(self._known, job_id)
        if manifest is not None:
            size = await disk.run(self._archive.size, manifest.file)
            if manifest.complete and size == manifest.file_bytes:
                return Downloaded(
                    job_id=job_id, state="skipped", lines=manifest.lines, file=manifest.file
                )
        if job is None:
            job = await self._service.job(job_id)
        if manifest is None:
            manifest = self._fresh(job_id, self._form or "text", self._compression)
            manifest = await disk.run(self._archive.begin, manifest)
        older: list[str] = []
        before = manifest.lines
        while True:
            try:
                manifest = await self._continue(manifest, job, disk)
            except FileNotFoundError:
                pass
            except (LogRewrittenError, DamagedError) as error:
                older.append(await disk.run(self._set_aside, job_id, error))
                if len(older) == _GENERATIONS:
                    raise ArchiveError(
                        f"job {job_id}: its log changes faster than it can be read"
                    ) from error
            else:
                return Downloaded(
                    job_id=job_id,
                    state="complete" if manifest.complete else "running",
                    lines=manifest.lines,
                    new_lines=manifest.lines - before,
                    file=manifest.file,
                    set_aside=tuple(older),
                )
            before = 0
            manifest = self._fresh(job_id, manifest.format, manifest.compression)
            manifest = await disk.run(self._archive.begin, manifest)

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

    async def _continue(self, manifest: Manifest, job: Job, disk: "_Disk") -> Manifest:
        """Read what the archive does not have yet; return the manifest as committed."""
        file = LogFile(self._archive, manifest)
        read = _Read(file, job)
        try:
            await disk.run(file.open)
            await self._read(read, disk)
        finally:
            # After success, failure and cancellation alike: what has arrived is kept.
            await disk.run_surely(read.finish)
        return file.manifest

    async def _read(self, read: "_Read", disk: "_Disk") -> None:
        clock = asyncio.get_running_loop().time
        lines = self._service.lines(read.job.job_id, offset=read.start)
        committed_at, patience = clock(), _COMMIT_AFTER
        async with aclosing(lines.pages()) as pages:
            async for page in pages:
                read.take(page)
                self._progress.lines += len(page.lines)
                self._progress.reading[read.job.job_id] = (page.next_offset, page.total)
                if clock() - committed_at >= patience:
                    await disk.run(read.commit)
                    committed_at, patience = clock(), min(2 * patience, _COMMIT_EVERY)
                elif read.file.is_due:
                    await disk.run(read.file.write)
        read.ended(lines.offset, lines.total)


@attrs.frozen
class _Disk:
    """The thread of one log's file."""

    _thread: Thread
    _archive: Archive

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._thread.run(self._in_our_words, work, *arguments)

    async def run_surely(self, work: Callable[..., T], *arguments: Any) -> T:
        return await self._thread.run_surely(self._in_our_words, work, *arguments)

    def _in_our_words(self, work: Callable[..., T], *arguments: Any) -> T:
        directory = self._archive.directory
        try:
            return work(*arguments)
        except FileNotFoundError:
            if directory.is_dir():
                raise
            raise ArchiveWriteError(f"{directory} has gone: it was moved or removed") from None
        except OSError as error:
            kind = ArchiveWriteError if error.errno in _HOPELESS else ArchiveError
            raise kind(f"cannot write to {directory}: {error}") from None


class _Read:
    """Reading one log from where its file ends: checks the lines that are there, appends the others."""

    def __init__(self, file: LogFile, job: Job) -> None:
        self.job = job
        self.start = file.manifest.lines - len(file.manifest.tail)
        self.file = file
        self._known = file.manifest.lines
        self._tail = file.manifest.tail
        self._news: dict[str, Any] = {"job": facts(job)}

    def take(self, page: LogPage) -> None:
        """Append a page; raise LogRewrittenError where it is not what is known."""
        seen = page.lines[: max(0, self._known - page.offset)]
        place = page.offset - self.start
        if page.total < self._known or digests(seen) != self._tail[place : place + len(seen)]:
            raise LogRewrittenError(self._known, page.total)
        self.file.append(page.lines[len(seen) :])
        manifest, news = self.file.manifest, self._news
        news["total"] = page.total
        news["last_request_id"] = page.request_id
        news.setdefault("first_request_id", manifest.first_request_id or page.request_id)
        news["retries"] = news.get("retries", manifest.retries) + page.attempts - 1

    def ended(self, offset: int, total: int | None) -> None:
        """Take note that the service has no more lines."""
        if offset < self._known:
            raise LogRewrittenError(self._known, total or 0)
        # The job was asked for before its lines.
        self._news |= {"total": total, "complete": is_complete(self.job)}

    def commit(self) -> None:
        """Make what was taken last, if there is news and all of it could be written."""
        file = self.file
        is_news = any(getattr(file.manifest, name) != value for name, value in self._news.items())
        if file.sound and (file.has_uncommitted or is_news):
            file.commit(**self._news)

    def finish(self) -> None:
        """Commit, and let go of the file whatever comes of that."""
        try:
            self.commit()
        finally:
            self.file.close()
