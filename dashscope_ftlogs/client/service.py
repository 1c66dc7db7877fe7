"""What is asked of the service, and the owner of all that runs for it: tasks, and connections."""

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, NoReturn, Self, SupportsIndex
from weakref import WeakSet

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.callers_side.driven_iterators import begun_by_what_is_driven
from dashscope_ftlogs.client.callers_side.left_by_block import LeftByBlock
from dashscope_ftlogs.client.config import resolve
from dashscope_ftlogs.client.connection_owner import Transport
from dashscope_ftlogs.client.fed_iterators import Stream, stream
from dashscope_ftlogs.client.many_jobs.fetch_many import JobLog, Jobs, each, fetch, once_each
from dashscope_ftlogs.client.many_jobs.job_list import JobList
from dashscope_ftlogs.client.network.connection_pool import check_given
from dashscope_ftlogs.client.network.proxies import NONE
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.redaction import Secret
from dashscope_ftlogs.client.retry_on_429_and_5xx import RetryPolicy
from dashscope_ftlogs.client.settings.small_file import small_text
from dashscope_ftlogs.client.tasks import Tasks, ended
from dashscope_ftlogs.client.wire import (
    CheckpointsRequest,
    JobRequest,
    JobsRequest,
    LogsRequest,
    RawRequest,
)
from dashscope_ftlogs.errors import ConfigError, InvalidArgumentError, SessionStateError
from dashscope_ftlogs.models import STATUSES, Checkpoint, Job, LogPage, matches
from dashscope_ftlogs.text import Position, excerpt, shown

if TYPE_CHECKING:
    import aiohttp

    from dashscope_ftlogs.client.exchange.request_events import RequestEvent

_log = logging.getLogger("dashscope_ftlogs")

DEFAULT_TIMEOUT = 60.0
MAX_ANSWER = 16 * 2**20


class Service(LeftByBlock):
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
        profile: str | None = None,
        retry: RetryPolicy | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
        max_answer: int = MAX_ANSWER,
        max_rate: float | None = None,
        allow_http: bool = False,
        proxy: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        client_session: "aiohttp.ClientSession | None" = None,
        on_request: "Callable[[RequestEvent], object] | None" = None,
    ) -> None:
        if isinstance(api_key, str):
            api_key = Secret(api_key)  # for whoever prints the local variables of this frame
        if isinstance(proxy, str):
            proxy = Secret(proxy)  # there may be a password in it
        if client_session is not None:
            check_given(client_session, proxy, ca_file)
            proxy = NONE  # but for its own
        try:
            settings = resolve(
                environ=os.environ,
                read_text=small_text,
                api_key=api_key,
                base_url=base_url,
                region=region,
                workspace=workspace,
                profile=profile,
                proxy=proxy,
                allow_http=checks.flag("allow_http", allow_http),
            )
        except (ConfigError, InvalidArgumentError) as error:
            # Its own frames hold the environment and the text of files, with the key in them.
            raise error.with_traceback(None) from None
        if retry is not None:
            checks.kind_of("retry", retry, RetryPolicy)
        else:
            retries = settings.max_retries
            retry = RetryPolicy() if retries is None else RetryPolicy(max_tries=retries + 1)
        if timeout is None:
            timeout = settings.timeout or DEFAULT_TIMEOUT
        self.base_url, self.profile = settings.base_url, profile
        self.places, self.proxy = settings.places, settings.proxy
        self.lag = retry.lag
        if concurrency is not None:
            checks.whole_number("concurrency", concurrency, 1)
        self._transport = Transport(
            settings,
            by_profile=profile is not None,
            retry=retry,
            concurrency=concurrency,
            timeout=checks.seconds("timeout", timeout),
            max_answer=checks.whole_number("max_answer", max_answer, 1024),
            max_rate=None if max_rate is None else checks.above_zero("max_rate", max_rate),
            client_session=client_session,
            ca_file=None if ca_file is None else checks.path("ca_file", ca_file),
            on_request=checks.function("on_request", on_request),
        )
        self.tasks = Tasks()
        """Own whatever runs for a caller; for what is built on the service."""
        self._closing: asyncio.Task[None] | None = None
        self._first: Self | None = None
        """The session that this one shares connections with, and whose end is its own."""
        self._others: WeakSet[Tasks] = WeakSet()
        """What the sessions that share these run, for as long as they need it."""

    def with_options(self, *, timeout: float | None = None, retry: RetryPolicy | None = None) -> Self:
        """Return a session like this one with another patience, for some calls.

        It shares connections, concurrency, rate and what is counted of them with this one, is open while
        this one is, and needs no closing: `await session.with_options(timeout=5).job(job_id)`. Closing
        it ends what runs in it, and nothing else; closing this one ends both.

        Args:
            timeout: Seconds that one request may take once its turn has come, for which it waits as long
                as it takes: `asyncio.timeout` bounds a whole call. None leaves it as it is here.
            retry: Which failures are retried, and how patiently; None leaves it as it is here.
        """
        if timeout is not None:
            checks.seconds("timeout", timeout)
        if retry is not None:
            checks.kind_of("retry", retry, RetryPolicy)
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other._first = self._first or self
        other._transport = self._transport.with_options(retry, timeout)
        other.lag = other._transport.retry.lag
        other.tasks, other._closing = Tasks(), None
        other._join(other._first)
        return other

    def _join(self, first: "Service") -> None:
        """Be open from now on while that one is."""
        self._others.add(self.tasks)
        if first.tasks.is_open:
            self.tasks.open(first.tasks.loop)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be pickled: the key would be in it."""
        raise TypeError(
            f"a {type(self).__name__} is not pickled, since it holds the key: make one there"
        )

    @property
    def requests(self) -> int:
        """How many requests were sent so far, failed ones included."""
        return self._transport.connections.requests

    @property
    def concurrency(self) -> int:
        """How many requests may be in flight at present.

        What was given, or else learned: as many as bring more lines a second, at most 32, and so few
        that their answers hold no more than 64 MiB together.
        """
        return self._transport.gate.in_flight.limit

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

    @property
    def closed(self) -> bool:
        """Whether the session was closed, or is being closed; not so before it is opened."""
        return self._closing is not None or (self._first is not None and self._first.closed)

    async def __aenter__(self) -> Self:
        (self._first or self).tasks.check_loop()
        is_closing = self._closing is not None and not self._closing.done()
        if is_closing or (self.tasks.is_open and self._first is None):
            raise SessionStateError("the session is open already")
        if self._first is None:
            self._transport.connections.open()
            for tasks in (self.tasks, *self._others):
                tasks.open(asyncio.get_running_loop())
        elif not self._first.tasks.is_open:
            raise SessionStateError("the session that this one came from is not open")
        elif not self.tasks.is_open:
            self._join(self._first)
        self._closing = None
        return self

    async def aclose(self) -> None:
        """End whatever is under way, with `SessionStateError`, and wait until nothing of it is left.

        Leaving the `async with` block does the same. Only what an iterator of jobs has begun does not
        wait, since that may wait for it: all is ended then, as soon as the iterator has ended.
        """
        if any(asyncio.current_task() in tasks for tasks in self._all_that_ends()):
            raise SessionStateError(
                "a session is not closed by what runs in it, an iterator of jobs say"
            )
        self.tasks.check_loop()
        if self._closing is None:
            if not self.tasks.is_open and not self.tasks:
                return  # it never was, or ends with the session that it came from
            self._closing = asyncio.get_running_loop().create_task(self._close())
        family = (*self._others, (self._first or self).tasks)
        if not begun_by_what_is_driven(family):
            await ended([self._closing], self.tasks)
            self._closing.result()

    def _all_that_ends(self) -> tuple[Tasks, ...]:
        """Return what ends with this session: its own tasks, and those of sessions that came from it."""
        return (self.tasks,) if self._first else (self.tasks, *self._others)

    async def _close(self) -> None:
        ends = self._all_that_ends()
        try:
            # All of them before any is waited for: what one reads is not handed out while another ends.
            for running in [tasks.close() for tasks in ends]:
                await ended(running)
            self._transport.time_limit.rest()
            if self._first is None:
                await self._transport.connections.close()
        finally:
            for tasks in ends:
                tasks.loop = None
            if self._first is not None:
                self._others.discard(self.tasks)

    def __del__(self) -> None:
        # A constructor that failed leaves no tasks behind.
        if "_others" in self.__dict__ and self._first is None and self.tasks.is_open:
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
        request = LogsRequest(
            checks.job_id(job_id),
            checks.whole_number("offset", offset, 0),
            checks.whole_number("line", line, 1, checks.MAX_LINE),
        )
        return await self.tasks.run(self._transport.fetch(request), "a page was asked for")

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
            concurrency: Pages in flight for this job; default the session's, whatever that is meanwhile.
            at: Where an earlier read stood, its `position`; in place of `offset`. A log that is another
                one by now is an error.
        """
        job_id = checks.job_id(job_id)
        self._transport.refuse_key(job_id)  # here: the errors of a paginator name the job
        in_flight = self._transport.gate.in_flight
        return LogPaginator(
            self,
            job_id,
            offset=offset,
            limit=limit,
            page_size=page_size,
            concurrency=(lambda: in_flight.limit) if concurrency is None else concurrency,
            lag=self.lag,
            at=at,
        )

    async def job(self, job_id: str | Job) -> Job:
        """Return one job, with its status as it is now."""
        request = JobRequest(checks.job_id(job_id))
        return await self.tasks.run(self._transport.fetch(request), "a job was asked for")

    async def checkpoints(self, job_id: str | Job) -> tuple[Checkpoint, ...]:
        """Return what a job saved of its model so far, in the service's order: the furthest first.

        The service has such a list for few models; of others it tells an `APIError`.
        """
        request = CheckpointsRequest(checks.job_id(job_id))
        return await self.tasks.run(self._transport.fetch(request), "checkpoints were asked for")

    def jobs(
        self, *, status: str | Iterable[str] | None = None, model: str | None = None
    ) -> Stream[Job]:
        """Return an async iterator over the jobs of the workspace, in the service's order, each once.

        A list of more than one page is read twice, and a third time where that differs: pages shift when
        jobs come and go.

        Args:
            status: Only jobs with this status, such as `RUNNING`, or with any of several; any case. One
                that no job has, and the service's documentation does not know, is warned of: the logger
                `dashscope_ftlogs`.
            model: Only jobs that fine-tune this model.

        Raises:
            MalformedResponseError: the list stays incomplete, or repeats itself.
        """
        wanted = checks.words("status", status)
        checks.word("model", model)
        models = () if model is None else (model,)
        return stream(self.tasks, self._jobs(wanted, models), "jobs were listed")

    async def _jobs(self, wanted: Sequence[str], models: Sequence[str]) -> AsyncGenerator[Job, None]:
        statuses = set(STATUSES)
        whole = JobList(lambda no, size: self._transport.fetch(JobsRequest(no, size)), self.lag)
        async with aclosing(whole.jobs()) as jobs:
            async for job in jobs:
                statuses.add(job.status.upper())
                if matches(job, wanted, models):
                    yield job
        known = ", ".join(excerpt(one, 40) for one in sorted(statuses))
        for status in wanted:
            if status.upper() not in statuses:
                _log.warning("no job has the status %s; those there are: %s", shown(status), known)

    def fetch_many(self, jobs: Jobs) -> Stream[JobLog]:
        """Return an async iterator over the whole log of each job, in the order in which they arrive.

        An error in one log leaves the others alone: see `JobLog.error`. At most twice `concurrency`
        logs are in memory at once.

        Args:
            jobs: Job ids or jobs, from any iterable or async iterable; repeated ones are read once.

        Raises:
            AuthenticationError: at once; the key is not accepted.
        """
        logs = each(
            once_each(checks.jobs(jobs)),
            lambda job: fetch(self.lines, job),
            at_once=lambda: 2 * self.concurrency,
            tasks=self.tasks,
        )
        return stream(self.tasks, logs, "logs were fetched")

    def read_page(self, job_id: str, offset: int, line: int) -> Awaitable[LogPage]:
        """Return a page that is empty only if the log has ended before `offset`; for paginators."""
        return self._transport.fetch(LogsRequest(job_id, offset, line, lines_due=True))

    async def answer(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Return the status, headers and body that answer a path and query; for a diagnosis.

        They are as they came, but for names of headers, which are in lower case, and the key, which is
        blacked out.
        """
        return await self.tasks.run(self._transport.fetch(RawRequest(path)), "an answer was asked for")

    async def certificate(self) -> tuple[str, str]:
        """Return whom the endpoint's certificate is for, and who issued it; for a diagnosis."""
        return await self.tasks.run(self._transport.certificate(), "a certificate was asked for")
