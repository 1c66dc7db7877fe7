"""Many logs to disk: each continued where it ended, and provably complete in the end.

For each job the log is read from a few lines before the place where the archive ends. If those lines
are still the same, what follows is appended, and committed every second or so. If they are not, the log
was rewritten: what is on disk is kept under another name, and a new generation begins.
"""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive import Archive
from dashscope_ftlogs.errors import ArchiveError, ArchiveWriteError, FTLogsError, LogRewrittenError
from dashscope_ftlogs.logfile import DamagedError, LogFile
from dashscope_ftlogs.manifest import (
    Compression,
    Format,
    Manifest,
    digests,
    facts,
    log_name,
    manifest_name,
    stem,
)
from dashscope_ftlogs.models import Job, LogPage
from dashscope_ftlogs.pool import each

if TYPE_CHECKING:
    from dashscope_ftlogs.session import LogSession

T = TypeVar("T")

State = Literal["complete", "running", "failed", "skipped"]

COMMIT_EVERY: Final = 1.0
"""Seconds between commits: what a killed download has to fetch again."""

_GENERATIONS: Final = 3
"""How often one run begins a log afresh before it gives the job up."""


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
    """Under what names older generations, which the service no longer has, are kept."""
    error: FTLogsError | None = None


@attrs.define
class Progress:
    """How far a download has come; give one to `LogSession.download`, and look at it at any time."""

    jobs: int = 0
    """Jobs that were begun."""
    jobs_done: int = 0
    lines: int = 0
    """Lines fetched."""
    reading: dict[str, tuple[int, int | None]] = attrs.Factory(dict[str, tuple[int, int | None]])
    """Jobs being read: how many lines are here, and how many there are."""


class Download:
    """One run into one archive, which must be open."""

    def __init__(
        self,
        session: "LogSession",
        archive: Archive,
        *,
        form: Format | None,
        compression: Compression | None,
        progress: Progress,
    ) -> None:
        self._session = session
        self._archive = archive
        self._form = form
        self._compression = compression
        self._progress = progress

    async def run(self, jobs: AsyncIterator[str | Job]) -> list[Downloaded]:
        """Download every job once, in the order in which they come; return what became of each."""
        outcomes: list[Downloaded] = []
        # Twice as many jobs as requests, so that no request waits for a disk.
        at_once = 2 * self._session.concurrency
        done = each(_once_each(jobs), self._job, at_once=at_once, spawn=self._session.spawn)
        async with aclosing(done):
            async for outcome in done:
                outcomes.append(outcome)
                self._progress.jobs_done += 1
        return outcomes

    async def _job(self, wanted: str | Job) -> Downloaded:
        job_id = wanted if isinstance(wanted, str) else wanted.job_id
        self._progress.jobs += 1
        try:
            return await self._log(job_id, None if isinstance(wanted, str) else wanted)
        except FTLogsError as error:
            if isinstance(error, ArchiveWriteError):
                raise  # nothing more can be kept, of any job
            return await self._failed(job_id, error)
        finally:
            self._progress.reading.pop(job_id, None)

    async def _failed(self, job_id: str, error: FTLogsError) -> Downloaded:
        try:
            manifest = await self._thread(self._archive.manifest, job_id)
        except FTLogsError:
            manifest = None
        lines = 0 if manifest is None else manifest.lines
        return Downloaded(job_id=job_id, state="failed", lines=lines, error=error)

    async def _log(self, job_id: str, job: Job | None) -> Downloaded:
        manifest = await self._thread(self._archive.manifest, job_id)
        if manifest is not None:
            self._check_form(manifest)
            name = _file_of(manifest)
            if manifest.complete and await self._thread(self._archive.size, name) == manifest.file_bytes:
                return Downloaded(job_id=job_id, state="skipped", lines=manifest.lines, file=name)
        if job is None:
            job = await self._session.job(job_id)
        if manifest is None:
            manifest = await self._thread(self._begin, job_id)
        set_aside: list[str] = []
        before = manifest.lines
        for _ in range(_GENERATIONS):
            try:
                manifest = await self._continue(manifest, job)
            except FileNotFoundError:
                manifest = self._fresh(job_id)
            except (LogRewrittenError, DamagedError) as error:
                why = "damaged" if isinstance(error, DamagedError) else "rewritten"
                set_aside.append(await self._thread(self._archive.set_aside, manifest, why))
                manifest = self._fresh(job_id)
            else:
                break
            before = 0
        else:
            raise ArchiveError(f"job {job_id}: its log is rewritten faster than it can be read")
        return Downloaded(
            job_id=job_id,
            state="complete" if manifest.complete else "running",
            lines=manifest.lines,
            new_lines=manifest.lines - before,
            file=_file_of(manifest),
            set_aside=tuple(set_aside),
        )

    def _fresh(self, job_id: str) -> Manifest:
        return Manifest(
            job_id=job_id,
            endpoint=self._session.base_url,
            format=self._form or "text",
            compression=self._compression,
        )

    def _begin(self, job_id: str) -> Manifest:
        """Put a first manifest in place: from then on, a file of the log's name is ours."""
        manifest = self._fresh(job_id)
        if self._archive.size(_file_of(manifest)) is not None:
            raise ArchiveError(
                f"{self._archive.directory / _file_of(manifest)} is there without a manifest, so it is "
                "not this tool's: move it away"
            )
        self._archive.replace(manifest_name(stem(job_id)), manifest.encode())
        return manifest

    def _check_form(self, manifest: Manifest) -> None:
        wanted = (self._form or manifest.format, self._compression or manifest.compression)
        if wanted != (manifest.format, manifest.compression):
            raise ArchiveError(
                f"{_file_of(manifest)} is there already: continue it in its own format, or download "
                "into another directory"
            )

    async def _continue(self, manifest: Manifest, job: Job) -> Manifest:
        """Read what the archive does not have yet; return the manifest as committed."""
        file = await self._thread(LogFile, self._archive, manifest)
        try:
            read = _Read(file, job)
            try:
                await self._read(read)
            finally:
                # On success, failure and cancellation alike: what has arrived is kept.
                if read.is_news:
                    await self._thread(read.commit)
        finally:
            file.close()
        return file.manifest

    async def _read(self, read: "_Read") -> None:
        clock = asyncio.get_running_loop().time
        lines = self._session.lines(read.job.job_id, offset=read.start)
        committed_at = clock()
        async with aclosing(lines.pages()) as pages:
            async for page in pages:
                await self._thread(read.take, page)
                self._progress.lines += len(page.lines)
                self._progress.reading[read.job.job_id] = (page.next_offset, lines.total)
                if clock() - committed_at >= COMMIT_EVERY:
                    await self._thread(read.commit)
                    committed_at = clock()
        read.ended(lines.offset, lines.total)

    async def _thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run what blocks in a thread, to its end even when cancelled: files can't be left half way."""
        task = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ArchiveWriteError(
                f"cannot write to {self._archive.directory}: {error.strerror or error}"
            ) from None


class _Read:
    """Reading one log from where its file ends: checks the lines that are there, appends the others."""

    def __init__(self, file: LogFile, job: Job) -> None:
        self.job = job
        self.start = file.manifest.lines - len(file.manifest.tail)
        self._file = file
        self._known = file.manifest.lines
        self._tail = file.manifest.tail
        self._changes: dict[str, Any] = {"job": facts(job)}

    @property
    def is_news(self) -> bool:
        """Whether the manifest has anything new to say."""
        manifest = self._file.manifest
        return self._file.has_uncommitted or any(
            getattr(manifest, name) != value for name, value in self._changes.items()
        )

    def take(self, page: LogPage) -> None:
        """Append a page; raise LogRewrittenError where it is not what is known."""
        seen = page.lines[: max(0, self._known - page.offset)]
        place = page.offset - self.start
        if page.total < self._known or digests(seen) != self._tail[place : place + len(seen)]:
            raise LogRewrittenError(self._known, page.total)
        self._file.append(page.lines[len(seen) :])
        manifest, changes = self._file.manifest, self._changes
        changes["total"] = page.total
        changes["last_request_id"] = page.request_id
        changes.setdefault("first_request_id", manifest.first_request_id or page.request_id)
        changes["retries"] = changes.get("retries", manifest.retries) + page.attempts - 1

    def ended(self, offset: int, total: int | None) -> None:
        """Take note that the service has no more lines."""
        if offset < self._known:
            raise LogRewrittenError(self._known, total or 0)
        # The job was asked for before its lines: whatever came in between was read.
        self._changes |= {"total": total, "complete": self.job.ended}

    def commit(self) -> None:
        """Make what was taken last."""
        self._file.commit(**self._changes)


def _file_of(manifest: Manifest) -> str:
    return log_name(stem(manifest.job_id), manifest.format, manifest.compression)


async def _once_each(jobs: AsyncIterator[str | Job]) -> AsyncIterator[str | Job]:
    seen: set[str] = set()
    async for job in jobs:
        job_id = job if isinstance(job, str) else job.job_id
        if job_id not in seen:
            seen.add(job_id)
            yield job


async def as_they_come(
    jobs: str | Iterable[str | Job] | AsyncIterable[str | Job],
) -> AsyncIterator[str | Job]:
    """Yield jobs from any kind of iterable; a single id counts as one."""
    if isinstance(jobs, str):
        yield jobs
    elif isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield job
    else:
        for job in jobs:
            yield job
