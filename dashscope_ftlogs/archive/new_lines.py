"""What one look adds to a log in an archive: lines, and what is known of them."""

from typing import Any

from dashscope_ftlogs.archive.manifest import facts
from dashscope_ftlogs.archive.store import Log
from dashscope_ftlogs.archive.when_a_log_is_complete import end_heard, is_complete, stamp
from dashscope_ftlogs.client.doubt import Growth
from dashscope_ftlogs.errors import LogRewrittenError
from dashscope_ftlogs.models import Job, LogPage


class Additions:
    """Lines that go to the end of a log, and what its manifest is to say of them."""

    def __init__(self, log: Log, job: Job) -> None:
        self.log = log
        self.is_open = False
        self._job = job
        self._begin = log.manifest.lines
        self._news: dict[str, Any] = {"job": facts(job)}
        if not job.ended:
            self._news |= {"settling": False, "ended_by": ""}
        elif not end_heard(log.manifest, job):
            self._news["ended_by"] = stamp(job.http_date)

    async def open(self) -> None:
        """Open the log, once, and check what is there."""
        if not self.is_open:
            await self.log.open()
            self.is_open = True

    def take(self, page: LogPage) -> None:
        """Append the next page."""
        self.log.append(page.lines)
        manifest, news = self.log.manifest, self._news
        news["total"] = max(page.total, news.get("total", 0))
        news["last_request_id"] = page.request_id
        news.setdefault("first_request_id", manifest.first_request_id or page.request_id)
        news["retries"] = news.get("retries", manifest.retries) + page.attempts - 1

    async def grow(self, growth: Growth) -> None:
        """Put the whole of the last line in the place of its beginning, which is here.

        What is committed in between lacks the line, so that it is fetched again, and is never half true.

        Raises:
            LogRewrittenError: that is not how this log ends, or it can't be taken back.
        """
        await self.commit()
        if not await self.log.take_back(growth.line[: growth.length]):
            raise LogRewrittenError(growth.known.offset, growth.known.total)
        self.log.append([growth.line])
        self._begin = min(self._begin, growth.number)

    def would_complete(self, offset: int, ended_for: float, settled_after: float) -> bool:
        """Whether the log is complete if the service has no more lines.

        Args:
            offset: How many lines there are.
            ended_for: For how many seconds the job was known to have ended, when this look began.
            settled_after: After how many every machine knows all its lines.
        """
        brought = offset - self._begin
        return is_complete(self._job, brought=brought, ended_for=ended_for, settled_after=settled_after)

    def ended(self, total: int | None, *, complete: bool) -> None:
        """Take note that the service has no more lines than that, and whether those are all."""
        settling = self._job.ended and not complete
        self._news |= {"total": total, "complete": complete, "settling": settling}

    def fewer(self) -> None:
        """Take note that a total is believed which is lower than the one that was heard before.

        This run has to tell; the next one has nothing to expect.
        """
        self._news["total"] = None

    async def write(self) -> None:
        """Write what was taken."""
        await self.log.write(self._news)

    async def commit(self) -> None:
        """Make what was taken last, if there is news and all of it could be written."""
        if self._has_news:
            await self.log.commit(self._news)

    async def finish(self) -> None:
        """Commit, and let go of the log whatever comes of that."""
        await self.log.finish(self._news if self._has_news else None)

    @property
    def _has_news(self) -> bool:
        log = self.log
        is_news = any(getattr(log.manifest, name) != value for name, value in self._news.items())
        return log.sound and (log.has_uncommitted or is_news)
