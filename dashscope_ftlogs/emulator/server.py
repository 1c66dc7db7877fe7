"""The emulator itself: one HTTP server, what it serves, and what it remembers."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import closing
from types import TracebackType
from typing import Self
from uuid import UUID

from aiohttp import web

from dashscope_ftlogs.emulator import answers
from dashscope_ftlogs.emulator.answers import Answer, Page, Refusal
from dashscope_ftlogs.emulator.argument_ranges import several
from dashscope_ftlogs.emulator.fate import Fate, Latency, lowest_and_highest, sources
from dashscope_ftlogs.emulator.fault_grammar import parse_fault
from dashscope_ftlogs.emulator.fault_rules import Fault, FaultChooser
from dashscope_ftlogs.emulator.faulty_answers import Refuse, Stall
from dashscope_ftlogs.emulator.jobs import EmulatedJob
from dashscope_ftlogs.emulator.loop_thread import LoopThread
from dashscope_ftlogs.emulator.machines import MachineBy, MachineChooser, Machines
from dashscope_ftlogs.emulator.rate_limit import Link, RateLimit, TokenBucket
from dashscope_ftlogs.emulator.request_journal import Exchange
from dashscope_ftlogs.emulator.served_jobs import ServedJobs
from dashscope_ftlogs.emulator.server_arguments import a_fault, check
from dashscope_ftlogs.emulator.transmission import deliver

_TURNS_TO_COME = 4
"""Turns of the loop until a connection is known that a client has made."""


class Emulator:
    """A local Model Studio that answers like the vendor's, and fails the way it is told to.

    Usable once at a time: as `async with`, in the loop that runs; or as plain `with`, in a thread of its
    own, for code that is not asyncio's or has a loop to itself. Afterwards no task, thread or connection
    is left, and requests still being answered are cut off. The journal outlives it. Jobs, faults and the
    other attributes may be changed while it runs, from any thread.

    Args:
        jobs: to be served.
        api_key: the only one that is accepted.
        host: where to listen, with `port`, of which 0 takes a free one.
        faults: rules, tried in turn for each request; as text too, see `parse_fault`.
        seed: of everything that is left to chance: request ids, faults, latency, ragged pages. Without
            it, request ids are new each time, as the service's are, and the rest is as with 0.
        latency: seconds before each answer, or a pair (lowest, highest) to draw from.
        bandwidth: bytes per second for all bodies together, like one line to the data centre.
        rate_limit: beyond it, 429.
        page_cap: gives at most so many lines whatever is asked for, and says nothing.
        ragged: the probability of a page being cut to a shorter one, never to an empty one.
        time_scale: seconds of job time per second, for jobs with a schedule.
        machines: each sees logs, jobs and the list as they were some seconds ago: a `Machine`, seconds,
            or a pair (lowest, highest) to draw from. None: one that is never behind.
        machine_by: "request" chooses a machine for each, "connection" for all requests of one.
        insist_on_content_type: 400 without the header that the vendor's example sends.
        compress: gzip bodies of more than 1 KiB for clients that accept it.
        clock: monotonic seconds: for schedules, the rate limit and the journal.
        on_end: is told of each exchange as it ends, however it ended, in its loop's thread.

    Raises:
        ValueError: an argument is out of its range, or of another type.
    """

    def __init__(
        self,
        jobs: Iterable[EmulatedJob] = (),
        *,
        api_key: str = "sk-emulator-0123456789abcdef",
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Iterable[Fault | str] = (),
        seed: int | None = None,
        latency: Latency = 0.0,
        bandwidth: float | None = None,
        rate_limit: RateLimit | None = None,
        page_cap: int | None = None,
        ragged: float = 0.0,
        time_scale: float = 1.0,
        machines: Machines = (),
        machine_by: MachineBy = "request",
        insist_on_content_type: bool = False,
        compress: bool = True,
        clock: Callable[[], float] = time.monotonic,
        on_end: Callable[[Exchange], None] = lambda _: None,
    ) -> None:
        check(api_key=api_key, host=host, port=port, seed=seed, bandwidth=bandwidth, clock=clock)
        check(page_cap=page_cap, ragged=ragged, time_scale=time_scale, compress=compress, on_end=on_end)
        check(insist_on_content_type=insist_on_content_type)
        self.api_key = api_key
        self.journal: list[Exchange] = []
        self.in_flight = self.peak_in_flight = 0
        self.page_cap = page_cap
        self.ragged = ragged
        self.compress = compress
        self._host, self._port = host, port
        self._insists = insist_on_content_type
        self._clock = clock
        self._on_end = on_end
        (self._ids,) = sources(secrets.randbits(64) if seed is None else seed, "ids")
        self._luck, self._waits, self._cuts, draws = sources(
            seed or 0, "faults", "latency", "ragged", "machines"
        )
        self._machines = MachineChooser(machines, machine_by, draws)
        self._served = ServedJobs(jobs, clock, time_scale, self._machines.longest)
        self.faults = faults
        self.latency = latency
        self.rate_limit = rate_limit
        self._link = None if bandwidth is None else Link(bandwidth)
        self._arrived = 0
        self._server: web.Server | None = None
        self._runner: web.ServerRunner | None = None
        self._thread: LoopThread | None = None
        self._base_url: str | None = None

    @property
    def base_url(self) -> str:
        """As a client's base URL, such as `http://127.0.0.1:8080/api/v1`."""
        if self._base_url is None:
            raise RuntimeError("the emulator has no address yet: enter it with `async with` first")
        return self._base_url

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables by which a client finds this emulator, the vendor's among them."""
        return {"DASHSCOPE_API_KEY": self.api_key} | dict.fromkeys(answers.URL_NAMES, self.base_url)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The rules in force. Putting others in place, as text too, starts their counts at 1.

        >>> emulator = Emulator()
        >>> emulator.faults = ["429:times=2,retry-after=0", "reset:p=0.05", Fault(Stall(5), on={7})]
        >>> emulator.faults[0].reply.status, emulator.faults[1].probability
        (429, 0.05)
        """
        return self._faults

    @faults.setter
    def faults(self, rules: Iterable[Fault | str]) -> None:
        self._faults = tuple(
            parse_fault(rule) if isinstance(rule, str) else a_fault(rule)
            for rule in several("faults", rules, "rules: a list of them")
        )
        self._chooser = FaultChooser(self._faults, self._luck)

    @property
    def latency(self) -> Latency:
        """Seconds before each answer, or the pair (lowest, highest) to draw from."""
        return self._latency

    @latency.setter
    def latency(self, latency: Latency) -> None:
        self._waits_between = lowest_and_highest(latency)
        self._latency = latency

    @property
    def rate_limit(self) -> RateLimit | None:
        """The limit in force. Putting another in place fills its bucket."""
        return self._rate_limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | None) -> None:
        check(rate_limit=limit)
        self._rate_limit = limit
        self._bucket = None if limit is None else TokenBucket(limit, self._clock)

    @property
    def jobs(self) -> MutableMapping[str, EmulatedJob]:
        """The jobs by id, in the order in which they are listed."""
        return self._served.jobs

    @jobs.setter
    def jobs(self, jobs: Mapping[str, EmulatedJob]) -> None:
        self._served.jobs = jobs

    @property
    def time_scale(self) -> float:
        """Seconds of job time per second."""
        return self._served.time_scale

    @time_scale.setter
    def time_scale(self, time_scale: float) -> None:
        self._served.time_scale = time_scale

    @property
    def job_time(self) -> float:
        """Seconds since the start, on the clock that schedules are written for."""
        return self._served.job_time

    def add(self, job: EmulatedJob) -> EmulatedJob:
        """Serve one more job, in the place of any of the same id."""
        self.jobs[job.job_id] = job
        return job

    def remove(self, job_id: str) -> EmulatedJob:
        """Serve that job no more, as if it had been deleted.

        Raises:
            KeyError: there is none.
        """
        return self.jobs.pop(job_id)

    async def __aenter__(self) -> Self:
        if self._runner is not None:
            raise RuntimeError("the emulator is running already")
        # A handler whose client is gone is cancelled: it would wait, or send, for nobody.
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(self._server, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._base_url = f"http://{host}:{runner.addresses[0][1]}{answers.BASE_PATH}"
        self._served.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._runner is not None  # noqa: S101 - __aenter__ came first
        assert self._server is not None  # noqa: S101 - likewise
        runner, self._runner = self._runner, None
        # asyncio loses a connection, unclosed, if it stops listening while one comes.
        for _ in range(_TURNS_TO_COME):
            await asyncio.sleep(0)
        for site in runner.sites:
            await site.stop()
        # Not gracefully: an answer that stalls or never ends would outlive its emulator.
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)  # the loop tells each connection that it is lost
        await runner.cleanup()

    def __enter__(self) -> Self:
        thread = LoopThread("ftlogs emulator")
        try:
            thread.run(self.__aenter__())
        except BaseException:
            thread.close()
            raise
        self._thread = thread
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._thread is not None  # noqa: S101 - __enter__ came first
        thread, self._thread = self._thread, None
        with closing(thread):
            thread.run(self.__aexit__(exc_type, exc, traceback))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        exchange, fate = self._arrive(request)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            return await self._reply(request, exchange, fate)
        finally:
            self.in_flight -= 1
            self._on_end(exchange)

    def _arrive(self, request: web.BaseRequest) -> tuple[Exchange, Fate]:
        path = request.rel_url.raw_path
        route = answers.route(path)
        reply = self._chooser.choose(route.endpoint, route.job_id)
        self._arrived += 1
        exchange = Exchange(
            number=self._arrived,
            at=self._clock(),
            method=request.method,
            path=path,
            query={name: request.query[name] for name in request.query},
            headers={name.lower(): value for name, value in request.headers.items()},
            endpoint=route.endpoint,
            job_id=route.job_id,
            fault=None if reply is None else type(reply).__name__,
            lag=self._machines.lag(request.transport),
        )
        self.journal.append(exchange)
        # Each attribute is read once, since another thread may put something else in its place.
        (low, high), bucket = self._waits_between, self._bucket
        cut, keep = self._cuts.random() < self.ragged, self._cuts.random()
        return exchange, Fate(
            request_id=str(UUID(int=self._ids.getrandbits(128), version=4)),
            reply=reply,
            beyond=None if bucket is None or bucket.take() else self._rate_limit,
            wait=self._waits.uniform(low, high),
            keep=keep if cut else None,
        )

    async def _reply(
        self, request: web.BaseRequest, exchange: Exchange, fate: Fate
    ) -> web.StreamResponse:
        wait = fate.wait + (fate.reply.seconds if isinstance(fate.reply, Stall) else 0.0)
        if wait:
            await asyncio.sleep(wait)
        answer, lines = self._answer(exchange, fate)
        proper = answer
        if fate.reply is not None:
            answer = fate.reply.alter_answer(proper, fate.request_id)
        breaks = fate.reply is not None and fate.reply.breaks
        # Noted before the last byte goes, since the client may look as soon as that arrives.
        if not breaks:
            exchange.status, exchange.lines = answer.status, lines if answer is proper else 0
        whole = False
        try:
            response = await deliver(
                request, answer, fate.reply, compress=self.compress, link=self._link
            )
            whole = not breaks
        except ConnectionError:
            # The client went away in mid-answer, which is its right.
            return web.Response()
        finally:
            if not whole:
                exchange.status, exchange.lines = None, 0
        return response

    def _answer(self, exchange: Exchange, fate: Fate) -> tuple[Answer, int]:
        """The proper answer, and how many log lines are in it."""
        if fate.beyond is not None:
            refuse = Refuse(429, retry_after=fate.beyond.retry_after)
            return refuse.alter_answer(Answer(429, b""), fate.request_id), 0
        try:
            output, lines = self._output(exchange, fate)
        except Refusal as refusal:
            return answers.failure(refusal.status, refusal.code, refusal.message, fate.request_id), 0
        return answers.success(output, fate.request_id), lines

    def _output(self, exchange: Exchange, fate: Fate) -> tuple[object, int]:
        answers.check_headers(exchange.headers, self.api_key, insists=self._insists)
        if exchange.method != "GET":
            raise Refusal(404)
        match exchange.endpoint:
            case "logs":
                page = self._page(exchange, fate)
                return {"total": page.total, "logs": list(page.lines)}, len(page.lines)
            case "list":
                jobs, seconds = self._served.listed(exchange.lag)
                return answers.page_of_jobs([job.facts(seconds) for job in jobs], exchange.query), 0
            case "job":
                job, seconds = self._served.job(exchange.job_id or "", exchange.lag)
                return job.facts(seconds), 0
            case "checkpoints":
                job, _ = self._served.job(exchange.job_id or "", exchange.lag)
                return answers.checkpoints(job), 0
            case _:
                raise Refusal(404)

    def _page(self, exchange: Exchange, fate: Fate) -> Page:
        exchange.offset, exchange.line = answers.window(exchange.query)
        job, seconds = self._served.job(exchange.job_id or "", exchange.lag)
        total = job.total_at(seconds)
        room = min(exchange.line, self.page_cap or exchange.line)
        end = max(exchange.offset, min(total, exchange.offset + room))
        lines = job.lines[exchange.offset : end]
        if fate.keep is not None and len(lines) > 1:
            lines = lines[: 1 + int(fate.keep * (len(lines) - 1))]
        page = Page(total, lines, exchange.offset)
        return page if fate.reply is None else fate.reply.alter_page(page)
