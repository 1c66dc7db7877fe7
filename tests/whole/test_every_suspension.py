"""Closed, cancelled once or twice, or timed out wherever it waits: each call ends as it should.

And nothing is left: no task, no connection, no place at the gate taken, and no line lost or doubled.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest
from suspensions import Counted, Points, counted

from dashscope_ftlogs import (
    Job,
    LogSession,
    RetryPolicy,
    SessionStateError,
    Verdict,
    verify_archive,
    verify_remotely,
)
from dashscope_ftlogs.emulator import EmulatedCheckpoint, EmulatedJob, Emulator, Fault, Refuse

LOG = [f"line {n}" for n in range(25)]
RETRY = RetryPolicy(base_delay=0.001, max_delay=0.001, lag=0.02)
CONCURRENCY = 2
POLLS = {"shortest_poll": 0.001, "longest_poll": 0.002, "settle": 0}


@attrs.define(eq=False)
class Run:
    """One call, from its beginning to its end, whatever that is."""

    emulator: Emulator
    session: LogSession
    later: LogSession
    """Another one, in which reads are taken up where they were left."""
    folder: Path
    verdicts: list[Verdict]
    """Of an archive."""
    got: list[Any] = attrs.Factory(list)
    limit: asyncio.Timeout | None = None
    """The time limit of the step that is under way."""
    timeouts: int = 0
    task: "asyncio.Task[None] | None" = None
    go_on: Callable[[], Coroutine[Any, Any, list[str]]] | None = None
    """Read what is left, in another session."""
    ends: list["asyncio.Task[Any]"] = attrs.Factory(list)
    """What was done to it."""

    async def step(self, one: Awaitable[Any]) -> Any:
        async with asyncio.timeout(None) as self.limit:
            return await one

    async def steps(self, items: Any, unfold: Callable[[Any], Any]) -> None:
        """Take all, and go on after each step that was timed out."""
        async with items:
            while True:
                try:
                    found = await self.step(anext(items))
                except TimeoutError:
                    self.timeouts += 1
                except StopAsyncIteration:
                    return
                else:
                    self.got.extend(unfold(found))

    def let_time_pass(self) -> None:
        if self.limit is not None and not self.limit.expired():
            try:
                self.limit.reschedule(asyncio.get_running_loop().time())
            except RuntimeError:  # this step has ended
                pass


async def lines(run: Run) -> None:
    reader = run.session.lines("ft-1", page_size=10)
    run.go_on = lambda: run.later.lines("ft-1", offset=reader.offset).collect()
    await run.steps(aiter(reader), lambda line: [line])


async def with_options(run: Run) -> None:
    """In a session that shares what this one has."""
    reader = run.session.with_options(timeout=60).lines("ft-1", page_size=10)
    run.go_on = lambda: run.later.lines("ft-1", offset=reader.offset).collect()
    await run.steps(aiter(reader), lambda line: [line])


async def pages(run: Run) -> None:
    reader = run.session.lines("ft-1", page_size=10)
    run.go_on = lambda: run.later.lines("ft-1", at=reader.position).collect()
    await run.steps(reader.pages(), lambda page: page.lines)


async def in_doubt(run: Run) -> None:
    """The log is looked at again, since it is taken up."""
    reader = run.session.lines("ft-1", page_size=10, at={"offset": 0, "last": []})
    reader.look_for_more()
    run.go_on = lambda: run.later.lines("ft-1", at=reader.position).collect()
    await run.steps(reader.pages(), lambda page: page.lines)


async def collect(run: Run) -> None:
    run.got = await run.step(run.session.lines("ft-1", page_size=10).collect())


async def page(run: Run) -> None:
    """Three at once, of which one waits at the gate."""
    asked = asyncio.gather(*(run.session.page("ft-1") for _ in range(3)))
    run.got = list((await run.step(asked))[2].lines)


async def job(run: Run) -> None:
    assert (await run.step(run.session.job("ft-1"))).job_id == "ft-1"
    run.got = LOG


async def checkpoints(run: Run) -> None:
    (saved,) = await run.step(run.session.checkpoints("ft-1"))
    assert saved.checkpoint == "checkpoint-00010001"
    run.got = LOG


async def jobs(run: Run) -> None:
    found: list[Any] = []
    await run.steps(run.session.jobs(), lambda job: found.append(job.job_id) or [])
    assert found == ["ft-1", "ft-2"]
    run.got = LOG


async def fetch_many(run: Run) -> None:
    found: dict[str, Any] = {}
    logs = run.session.fetch_many(run.session.jobs())
    await run.steps(logs, lambda log: found.update({log.job_id: log}) or [])
    assert sorted(found) == ["ft-1", "ft-2"]
    run.got = list(found["ft-1"].lines)


async def fetch_what_comes(run: Run) -> None:
    """The jobs come of an iterator of the caller's own, which takes its time, and to end, too."""
    found: dict[str, Any] = {}
    begun_and_ended: list[int] = []

    async def ids() -> AsyncIterator[str]:
        try:
            begun_and_ended.append(1)
            for job_id in ("ft-1", "ft-2"):
                await asyncio.sleep(0)
                yield job_id
            while "ft-2" not in found:
                await asyncio.sleep(0.001)
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                begun_and_ended.append(-1)

    try:
        logs = run.session.fetch_many(ids())
        await run.steps(logs, lambda log: found.update({log.job_id: log}) or [])
    finally:
        assert sum(begun_and_ended) == 0
    run.got = list(found["ft-1"].lines)


def followed_again(run: Run, follower: Any) -> Callable[[], Coroutine[Any, Any, list[str]]]:
    async def go_on() -> list[str]:
        at = {job_id: followed.position for job_id, followed in follower.jobs.items()}
        return [line.text async for line in run.later.follow("ft-1", at=at, **POLLS)]

    return go_on


async def follow(run: Run) -> None:
    follower = run.session.follow("ft-1", on_event=lambda event: None, **POLLS)
    run.go_on = followed_again(run, follower)
    await run.steps(aiter(follower), lambda line: [line.text])


async def follow_running(run: Run) -> None:
    """Which jobs run is looked for meanwhile, until none does."""
    job = run.emulator.jobs["ft-1"]
    job.status = "RUNNING"

    def look(jobs: Sequence[Job]) -> bool:
        job.status = "SUCCEEDED"
        return not jobs

    async def go_on() -> list[str]:
        job.status = "SUCCEEDED"
        return await followed_again(run, follower)()

    follower = run.session.follow(
        run.session.running_jobs(every=0.001, until=look), on_event=lambda event: None, **POLLS
    )
    run.go_on = go_on
    await run.steps(aiter(follower), lambda line: [line.text])


async def follow_pages(run: Run) -> None:
    follower = run.session.follow("ft-1", on_event=lambda event: None, **POLLS)
    run.go_on = followed_again(run, follower)
    await run.steps(follower.pages(), lambda page: page.lines)


async def download(run: Run) -> None:
    await run.step(run.session.download(["ft-1", "ft-2"], run.folder, settle=0))
    run.got = (run.folder / "ft-1.log").read_text().splitlines()


async def leave(run: Run) -> None:
    """Close the session under a call, which ends, however this one does."""
    reading = asyncio.create_task(run.session.lines("ft-1", page_size=10).collect())
    try:
        await run.step(run.session.aclose())
    finally:
        assert run.session.closed
        assert isinstance(reading.exception(), SessionStateError)
    run.got = LOG


async def metrics(run: Run) -> None:
    assert len(await run.step(run.session.metrics("ft-1"))) == 0
    run.got = LOG


async def verify(run: Run) -> None:
    found: list[Any] = []
    verdicts = verify_remotely(run.session, run.verdicts)
    await run.steps(verdicts, lambda verdict: found.append(verdict) or [])
    assert [verdict.state for verdict in found] == ["ok", "ok"]
    run.got = LOG


CALLS = [
    *(lines, with_options, pages, in_doubt, jobs, fetch_many, fetch_what_comes, follow, follow_pages),
    *(follow_running, verify, collect, page, job, checkpoints, metrics, download, leave),
]
STEPPED = set(CALLS[: CALLS.index(verify) + 1])


def close(run: Run) -> None:
    # By somebody else: what an iterator of jobs has begun would not wait for it.
    elsewhere = Context()
    run.ends.append(asyncio.get_running_loop().create_task(run.session.aclose(), context=elsewhere))


def cancel(run: Run) -> None:
    assert run.task is not None
    run.task.cancel()


def cancel_twice(run: Run) -> None:
    cancel(run)
    asyncio.get_running_loop().call_soon(cancel, run)


def close_and_cancel(run: Run) -> None:
    close(run)
    cancel(run)


def time_out(run: Run) -> None:
    run.let_time_pass()


RIGHT_ENDS: dict[Callable[..., None], type[BaseException]] = {
    close: SessionStateError,
    cancel: asyncio.CancelledError,
    cancel_twice: asyncio.CancelledError,
    close_and_cancel: asyncio.CancelledError,
    time_out: TimeoutError,
}


def running() -> set["asyncio.Task[Any]"]:
    """The tasks that have come of a call."""
    return {task for task in asyncio.all_tasks() if isinstance(task.get_coro(), Counted)}


def connections() -> set["asyncio.Task[Any]"]:
    """The tasks of connections that the emulator has."""
    return {task for task in asyncio.all_tasks() if "RequestHandler" in repr(task.get_coro())}


async def at_each_point(
    call: Callable[[Run], Coroutine[Any, Any, None]],
    act: Callable[..., None],
    folder: Path,
    **options: Any,
) -> tuple[int, int]:
    """Do something at each point at which the call waits; return how many there are, and mattered.

    The options are for each task that comes of the call.
    """
    mattered = 0
    faults = [Fault(Refuse(503), on={1, 3})]
    jobs = [
        EmulatedJob("ft-1", LOG, checkpoints=[EmulatedCheckpoint(1, 1)]),
        EmulatedJob("ft-2", LOG[:3]),
    ]
    async with Emulator(jobs, compress=False) as emulator:

        def session() -> LogSession:
            return LogSession(
                emulator.api_key, base_url=emulator.base_url, retry=RETRY, concurrency=CONCURRENCY
            )

        async with session() as later:
            await later.download(["ft-1", "ft-2"], folder / "archive", settle=0)
        verdicts = list(verify_archive(folder / "archive"))
        for at in count():
            emulator.faults = faults
            one = session()
            async with session() as later:
                run = Run(emulator, await one.__aenter__(), later, folder / str(at), verdicts)
                points = Points(at, lambda run=run: act(run), options)
                async with counted(points):
                    run.task = task = asyncio.create_task(call(run))
                    (end,) = await asyncio.gather(task, return_exceptions=True)
                where = f"at point {at}: {end!r}"
                for closing in run.ends:
                    await closing
                # At once: no turn of the loop is needed.
                assert not running(), where
                assert one._transport.gate.inside == 0, where
                await one.aclose()
                assert not one.tasks, where
                assert end is None or type(end) is RIGHT_ENDS[act], where
                assert task.cancelled() == (type(end) is asyncio.CancelledError), where
                assert end is not None or run.got == LOG, where
                assert run.got == LOG[: len(run.got)], where
                if run.go_on is not None:
                    assert run.got + await run.go_on() == LOG, where
            mattered += end is not None or run.timeouts > 0
            while connections():
                await asyncio.sleep(0)
            if not points.were_reached:
                return at, mattered
    raise AssertionError


LOOPS = {"asyncio": (asyncio.SelectorEventLoop, {})}
if sys.version_info >= (3, 12):
    # As applications have it that let the loop begin each task at once.
    LOOPS["asyncio, eager"] = (asyncio.SelectorEventLoop, {"eager_start": True})
with contextlib.suppress(ImportError):  # Windows has none, and the newest Python may not have one yet
    import uvloop

    LOOPS["uvloop"] = (uvloop.new_event_loop, {})


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "loop", [pytest.param(name, marks=[pytest.mark.long] if name == "uvloop" else []) for name in LOOPS]
)
@pytest.mark.parametrize("act", RIGHT_ENDS)
@pytest.mark.parametrize("call", CALLS)
def test_at_every_point_it_ends_right_and_leaves_nothing(
    call: Any, act: Any, loop: str, tmp_path: Path
) -> None:
    factory, options = LOOPS[loop]
    with asyncio.Runner(loop_factory=factory, debug=False) as runner:
        points, mattered = runner.run(at_each_point(call, act, tmp_path, **options))
    assert points >= (3 if call is leave else 4)
    # One that waits for its own closing is not ended by another one.
    assert mattered >= points / 2 or (call, act) == (leave, close), (points, mattered)
