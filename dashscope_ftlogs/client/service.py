"""What is asked of the service, and the owner of all that runs for it: tasks, and connections."""

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.config import Secret, resolve
from dashscope_ftlogs.client.connection_pool import Transport
from dashscope_ftlogs.client.fetch_many import JobLog, Jobs, each, fetch, once_each
from dashscope_ftlogs.client.job_list import PER_PAGE, JobList
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.retry_on_429_and_5xx import RetryPolicy
from dashscope_ftlogs.client.wire import JobRequest, JobsRequest, LogsRequest
from dashscope_ftlogs.errors import ConfigError, SessionStateError
from dashscope_ftlogs.models import STATUSES, Job, LogPage
from dashscope_ftlogs.text import Position, excerpt, shown

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger("dashscope_ftlogs")

DEFAULT_TIMEOUT = 60.0
MAX_ANSWER = 64 * 2**20

T = TypeVar("T")


class Service:
    """What is asked of the service: pages, lines, jobs; and the owner of all that runs for it.

    An application opens `dashscope_ftlogs.LogSession`, which is this and more, and says what the
    arguments mean. What is built on the service asks for no more than this.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        region: str | None = None,
        workspace: str | None = None,
        retry: RetryPolicy | None = None,
        concurrency: int = 8,
        timeout: float | None = None,
        max_answer: int = MAX_ANSWER,
        max_rate: float | None = None,
        allow_http: bool = False,
        client_session: "aiohttp.ClientSession | None" = None,
    ) -> None:
        if isinstance(api_key, str):
            api_key = Secret(api_key)  # for whoever prints the local variables of this frame
        try:
            settings = resolve(
                environ=os.environ,
                read_text=_read_text,
                api_key=api_key,
                base_url=base_url,
                region=region,
                workspace=workspace,
                allow_http=checks.flag("allow_http", allow_http),
            )
        except ConfigError as error:
            # Its own frames hold the environment and the text of files, with the key in them.
            raise error.with_traceback(None) from None
        if retry is not None:
            checks.kind_of("retry", retry, RetryPolicy)
        else:
            retries = settings.max_retries
            retry = RetryPolicy() if retries is None else RetryPolicy(max_tries=retries + 1)
        if timeout is None:
            timeout = settings.timeout or DEFAULT_TIMEOUT
        if client_session is not None and not callable(getattr(client_session, "get", None)):
            raise checks.refused("client_session", client_session, "an aiohttp.ClientSession")
        self.base_url = settings.base_url
        self.lag = retry.lag
        self.concurrency = checks.whole_number("concurrency", concurrency, 1)
        self._transport = Transport(
            settings,
            retry=retry,
            concurrency=concurrency,
            timeout=checks.seconds("timeout", timeout),
            max_answer=checks.whole_number("max_answer", max_answer, 1024),
            max_rate=None if max_rate is None else checks.above_zero("max_rate", max_rate),
            client_session=client_session,
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    @property
    def requests(self) -> int:
        """How many requests were sent so far, failed ones included."""
        return self._transport.gate.sent

    @property
    def rate(self) -> float | None:
        """How many requests a second are sent at most at present; None while nothing limits them.

        It is learned from what the service refuses with 429, and follows it up and down.
        """
        return self._transport.gate.rate.limit

    @property
    def throttled(self) -> bool:
        """Whether the service has refused requests of late, so that fewer are sent."""
        return self._transport.gate.rate.throttled

    async def __aenter__(self) -> Self:
        if self._transport.is_open:
            raise SessionStateError("the session is open already")
        self._transport.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            await self._transport.close()

    def __del__(self) -> None:
        # A constructor that failed leaves no transport behind.
        if "_transport" in self.__dict__ and self._transport.is_open:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)

    async def page(self, job_id: str | Job, offset: int = 0, line: int = 100) -> LogPage:
        """Return one page of a job's log: the plain call, with the service's own defaults.

        Args:
            job_id: The job, such as `ft-202410291653-1c7f`; or a `Job`, as everywhere.
            offset: How many lines to skip; the page begins with line number `offset`, from 0.
            line: The most lines to return, 1 to 1000. Past the end there are none, which is no error.

        Raises:
            FTLogsError: see the tree in `dashscope_ftlogs.errors`.
        """
        return await self._transport.fetch(
            LogsRequest(
                checks.job_id(job_id),
                checks.whole_number("offset", offset, 0),
                checks.whole_number("line", line, 1, checks.MAX_LINE),
            )
        )

    def lines(
        self,
        job_id: str | Job,
        *,
        offset: int = 0,
        limit: int | None = None,
        page_size: int = checks.MAX_LINE,
        concurrency: int | None = None,
        at: Position | None = None,
    ) -> LogPaginator:
        """Return an async iterator over every line of a job's log, once and in order.

        Args:
            job_id: The job.
            offset: The first line wanted, from 0.
            limit: The most lines to return; None means all there are when the end is reached.
            page_size: Lines asked for at once, 1 to 1000.
            concurrency: Pages in flight for this job; default the session's.
            at: Where an earlier read stood, its `position`; in place of `offset`. A log that is another
                one by now is an error.
        """
        return LogPaginator(
            self,
            checks.job_id(job_id),
            offset=offset,
            limit=limit,
            page_size=page_size,
            concurrency=self.concurrency if concurrency is None else concurrency,
            lag=self.lag,
            at=at,
        )

    async def job(self, job_id: str | Job) -> Job:
        """Return one job, with its status as it is now."""
        return await self._transport.fetch(JobRequest(checks.job_id(job_id)))

    async def jobs(
        self, *, status: str | None = None, model: str | None = None
    ) -> AsyncGenerator[Job, None]:
        """Yield the jobs of the workspace, in the service's order, each once.

        A list of more than one page is read twice, and a third time where that differs: pages shift when
        jobs come and go.

        Args:
            status: Only jobs with this status, such as `RUNNING`; any case. One that no job has, and the
                service's documentation does not know, is warned of: the logger `dashscope_ftlogs`.
            model: Only jobs that fine-tune this model.

        Raises:
            MalformedResponseError: the list stays incomplete, or repeats itself.
        """
        checks.word("status", status)
        checks.word("model", model)
        statuses = set(STATUSES)
        whole = JobList(lambda page_no: self._transport.fetch(JobsRequest(page_no, PER_PAGE)), self.lag)
        async with aclosing(whole.jobs()) as jobs:
            async for job in jobs:
                statuses.add(job.status.upper())
                if _matches(job, status, model):
                    yield job
        if status is not None and status.upper() not in statuses:
            known = ", ".join(excerpt(one, 40) for one in sorted(statuses))
            _log.warning("no job has the status %s; those there are: %s", shown(status), known)

    async def fetch_many(self, jobs: Jobs) -> AsyncGenerator[JobLog, None]:
        """Yield the whole log of each job, in the order in which they arrive.

        An error in one log leaves the others alone: see `JobLog.error`. At most twice `concurrency`
        logs are in memory at once. Leave it early through `contextlib.aclosing`.

        Args:
            jobs: Job ids or jobs, from any iterable or async iterable; repeated ones are read once.
        """
        reads = each(
            once_each(checks.jobs(jobs)),
            lambda job: fetch(self.lines, job),
            at_once=2 * self.concurrency,
            spawn=self.spawn,
        )
        async with aclosing(reads):
            async for log in reads:
                yield log

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        """Return a page that is empty only if the log has ended before `offset`; for paginators."""
        return await self._transport.fetch(LogsRequest(job_id, offset, line, lines_due=True))

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run `work` as a task that does not outlive the session; for paginators."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _matches(job: Job, status: str | None, model: str | None) -> bool:
    return (status is None or job.status.upper() == status.upper()) and (
        model is None or model in {job.model, job.base_model}
    )


def _read_text(path: str) -> str | None:
    try:
        return Path(path).expanduser().read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
