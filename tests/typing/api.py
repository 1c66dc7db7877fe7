"""The public API as its users' type checkers see it. Checked by mypy and pyright, never run."""

from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal, assert_type

import dashscope_ftlogs
from dashscope_ftlogs import (
    APIError,
    ArchiveGoneError,
    Checkpoint,
    Compression,
    Downloaded,
    EventKind,
    Followed,
    FollowEvent,
    Format,
    FTLogsError,
    IncompleteLogError,
    InvalidArgumentError,
    Job,
    JobLog,
    Jobs,
    Lags,
    LogFollower,
    LogLine,
    LogPage,
    LogPaginator,
    LogSession,
    Message,
    Metrics,
    MetricsTable,
    MetricValues,
    Position,
    Progress,
    ProgressBar,
    Record,
    RequestEvent,
    RetryDecision,
    RetryPolicy,
    Stream,
    Text,
    Tokens,
    Traceback,
    Unfolded,
    Verdict,
    parse_line,
    verify_archive,
    verify_remotely,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Exchange, Fault, Refuse, Reset

What = Literal["page", "job", "jobs", "checkpoints"]


async def read() -> None:
    policy = RetryPolicy(
        max_tries=3, base_delay=0.1, max_delay=1, max_retry_after=60, deadline=300, lag=45
    )
    async with LogSession("sk-1", region="cn-beijing", retry=policy, concurrency=4) as session:
        assert_type(session, LogSession)
        LogSession(proxy="none", ca_file=Path("company.pem"))
        page = await session.page("ft-1", offset=0, line=100)
        assert_type(page, LogPage)
        assert_type(page.lines, tuple[str, ...])
        assert_type(page.total, int)
        assert_type(page.request_id, str | None)

        lines = session.lines("ft-1", offset=5, limit=None, page_size=1000, concurrency=None)
        assert_type(lines, LogPaginator)
        async for line in lines:
            assert_type(line, str)
        async for one in lines.pages():
            assert_type(one, LogPage)
        assert_type(await lines.collect(), list[str])
        assert_type(lines.offset, int)
        assert_type(lines.total, int | None)
        assert_type(lines.position, Position)
        assert_type(session.lines("ft-1", at=lines.position), LogPaginator)
        kept: Position = {"offset": 5, "last": []}
        assert_type(session.lines("ft-1", at=kept), LogPaginator)

        async for job in session.jobs(status="RUNNING", model="qwen3-14b"):
            assert_type(job, Job)
        assert_type(session.jobs(status=["RUNNING", "QUEUING"]), Stream[Job])
        job = await session.job("ft-1")
        assert_type(job.hyper_parameters, Mapping[str, Any] | None)
        assert_type(job.ended, bool)
        assert_type(await session.checkpoints(job), tuple[Checkpoint, ...])
        # What was described stands for its id.
        assert_type(await session.page(job), LogPage)
        assert_type(session.lines(job), LogPaginator)
        assert_type(await session.job(job), Job)
        assert_type(await session.metrics(job), MetricsTable)
        assert_type((await session.metrics(job)).column_of("loss"), str | None)
        assert_type(await session.metrics(job, pattern=["(?P<loss>.)"]), MetricsTable)


async def leave() -> None:
    session = LogSession()
    async with session as entered:
        assert_type(entered, LogSession)
    async with aclosing(await session.__aenter__()):
        assert_type(session.closed, bool)
    assert_type(await session.aclose(), None)
    assert_type(session.with_options(timeout=5, retry=RetryPolicy(max_tries=1)), LogSession)
    assert_type(await session.with_options(timeout=0.5).job("ft-1"), Job)

    async with session.lines("ft-1") as lines, aclosing(session.lines("ft-2")) as others:
        assert_type(lines, LogPaginator)
        assert_type(others, LogPaginator)
        async with aiter(lines) as each, aclosing(aiter(lines)) as again:
            assert_type(await anext(each), str)
            assert_type(await anext(again), str)
        async with lines.pages() as pages, aclosing(lines.pages()) as more:
            assert_type(await anext(pages), LogPage)
            assert_type(await anext(more), LogPage)
    async with session.follow("ft-1") as follower, aclosing(session.follow("ft-1")) as other:
        assert_type(follower, LogFollower)
        assert_type(other, LogFollower)
        async with aiter(follower) as live, follower.pages() as live_pages, aclosing(aiter(other)):
            assert_type(await anext(live), LogLine)
            assert_type(await anext(live_pages), LogPage)
    async with session.running_jobs(every=5, until=lambda running: not running) as coming:
        assert_type(await anext(coming), Job)
        assert_type(session.follow(coming), LogFollower)
    async with session.jobs() as jobs, aclosing(session.fetch_many(jobs)) as logs:
        assert_type(await anext(jobs), Job)
        assert_type(await anext(logs), JobLog)


def names_of_what_users_meet(
    jobs: Jobs, stream: Stream[Job], form: Format, compression: Compression, lags: Lags
) -> set[Job]:
    session = LogSession()
    assert_type(session.jobs(), Stream[Job])
    assert_type(aiter(session.lines("ft-1")), Unfolded[LogPage, str])
    assert_type(session.fetch_many(jobs), Stream[JobLog])
    assert_type(parse_line("x", pattern="(?P<loss>.)"), tuple[Record, ...])
    error = dashscope_ftlogs.errors.TransportError("reset")
    assert_type(RetryPolicy().decide(error, tries=1, lasted=0, draw=1), RetryDecision)
    assert_type((form, compression), tuple[Format, Compression])
    assert_type(lags.median, float)
    return {Job("ft-1", "RUNNING")}


def understand(record: Record) -> str | None:
    match record:
        case Metrics(values=values):
            assert_type(values, MetricValues)
            return None
        case (
            ProgressBar(raw=raw)
            | Message(raw=raw)
            | Text(raw=raw)
            | Tokens(raw=raw)
            | Traceback(raw=raw)
        ):
            return raw


def count(event: RequestEvent) -> None:
    assert_type((event.what, event.job_id), tuple[What, str | None])
    assert_type((event.offset, event.attempt), tuple[int | None, int])
    assert_type((event.seconds, event.wait), tuple[float, float | None])
    assert_type((event.status, event.code, event.error), tuple[int | None, str | None, str | None])


def be_told() -> list[LogSession]:
    events: list[RequestEvent] = []
    return [LogSession(on_request=count), LogSession(on_request=events.append)]


async def keep(session: LogSession) -> None:
    progress = Progress()
    done = await session.download(
        ["ft-1"], "logs", format="jsonl", compression="gzip", progress=progress
    )
    assert_type(done, list[Downloaded])
    assert_type(progress.outcomes, list[Downloaded])
    assert_type(progress.waiting, tuple[int, float] | None)
    assert_type(await session.download("ft-1", "logs", settle=0, recheck=True), list[Downloaded])
    await session.download(session.jobs(), Path("logs"))
    assert_type(done[0].error, FTLogsError | None)
    async for log in session.fetch_many(["ft-1", "ft-2"]):
        assert_type(log, JobLog)
        assert_type(log.lines, tuple[str, ...])
    for verdict in verify_archive("logs"):
        assert_type(verdict, Verdict)
    async for verdict in verify_remotely(session, verify_archive("logs"), every_job=True):
        assert_type(verdict.lines, int)
    assert_type(session.rate, float | None)
    assert_type(session.throttled, bool)
    assert_type(session.requests, int)


async def watch(session: LogSession) -> None:
    def tell(event: FollowEvent) -> None:
        assert_type(event.kind, EventKind)

    follower = session.follow(["ft-1", "ft-2"], offset={"ft-1": 5}, tail=10, on_event=tell)
    assert_type(follower, LogFollower)
    async for line in follower:
        assert_type(line, LogLine)
        assert_type((line.job_id, line.offset, line.text), tuple[str, int, str])
    async for page in follower.pages():
        assert_type(page, LogPage)
    assert_type(follower.jobs["ft-1"], Followed)
    assert_type(follower.jobs["ft-1"].job, Job | None)
    left = {job_id: followed.position for job_id, followed in follower.jobs.items()}
    assert_type(left, dict[str, Position])
    assert_type(session.follow(list(left), at=left, settle=10.5), LogFollower)
    assert_type(session.follow("ft-1", at=left["ft-1"], settle=None), LogFollower)


def tell(error: FTLogsError) -> None:
    assert_type(error.offset, int | None)
    assert_type(error.position, Position | None)
    if isinstance(error, APIError):
        assert_type(error.status, int)
        assert_type(error.retry_after, float | None)
    if isinstance(error, ArchiveGoneError):
        assert_type(error.advice, str)
    if isinstance(error, InvalidArgumentError):
        assert_type(error.argument, str | None)
    if isinstance(error, IncompleteLogError):
        assert_type(error.next_offset, int)


async def emulate() -> None:
    faults = [Fault(Reset(), probability=0.1), Fault(Refuse(429), on={1, 2}, job_id="ft-1")]
    async with Emulator([EmulatedJob("ft-1", ["x"])], faults=faults) as emulator:
        assert_type(emulator, Emulator)
        assert_type(emulator.base_url, str)
        assert_type(emulator.journal, list[Exchange])


def emulate_for_callers_without_a_loop() -> None:
    with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        assert_type(emulator, Emulator)
        assert_type(emulator.environ, dict[str, str])
