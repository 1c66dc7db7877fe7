"""Follow jobs of an emulator in virtual time, and look at what came of it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import attrs
from virtual_time import VirtualTimeLoop

from dashscope_ftlogs import EventKind, FollowEvent, LogFollower, LogLine, LogSession
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Schedule

JOB = "ft-1"


POLL = 15.0
"""Seconds: the longest interval, by default."""


def live(
    times: Sequence[float], job_id: str = JOB, *, status: str = "SUCCEEDED", end: float | None = None
) -> EmulatedJob:
    """A running job with a line at each of these times, which ends at `end` or with its last line."""
    end = times[-1] if end is None else end
    lines = [f"{job_id} line {n}" for n in range(len(times))]
    schedule = Schedule(times, [(end, status)])
    return EmulatedJob(job_id, lines, status="RUNNING", schedule=schedule)


@attrs.define
class Seen:
    """What following brought, and when, in seconds of job time."""

    lines: list[LogLine] = attrs.field(factory=list)
    at: list[float] = attrs.field(factory=list)
    events: list[FollowEvent] = attrs.field(factory=list)
    ended_at: float = 0.0
    requests: int = 0
    refused: int = 0
    follower: LogFollower | None = None

    def of(self, job_id: str) -> list[str]:
        return [line.text for line in self.lines if line.job_id == job_id]

    def lags(self, job: EmulatedJob) -> list[float]:
        assert job.schedule is not None
        return [
            at - job.schedule.line_times[line.offset]
            for at, line in zip(self.at, self.lines, strict=True)
            if line.job_id == job.job_id
        ]

    def kinds(self, job_id: str = JOB) -> list[EventKind]:
        return [event.kind for event in self.events if event.job_id == job_id]


def in_virtual_time(work: Coroutine[Any, Any, Any], debug: bool | None = None) -> Any:
    """Run work on a clock that jumps; without asyncio's debug mode, long runs take a quarter as long."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop, debug=debug) as runner:
        return runner.run(work)


def follow(
    *jobs: EmulatedJob,
    during: Callable[[Emulator], Coroutine[Any, Any, None]] | None = None,
    emulator: dict[str, Any] | None = None,
    session: dict[str, Any] | None = None,
    debug: bool | None = None,
    **options: Any,
) -> Seen:
    """Follow these jobs to their end, while `during` changes things."""

    async def run() -> Seen:
        seen = Seen()
        loop = asyncio.get_running_loop()
        settings = {"clock": loop.time, "compress": False, **(emulator or {})}
        async with Emulator(jobs, **settings) as server:
            change = asyncio.create_task(during(server)) if during else None
            async with LogSession(server.api_key, base_url=server.base_url, **(session or {})) as client:
                ids = [job.job_id for job in jobs]
                # No machine of this service lags; what settling means has tests of its own.
                options.setdefault("settle", POLL / 3)
                seen.follower = client.follow(ids, on_event=seen.events.append, **options)
                async for line in seen.follower:
                    seen.lines.append(line)
                    seen.at.append(server.job_time)
                seen.ended_at = server.job_time
                seen.requests = client.requests
            seen.refused = sum(exchange.status == 429 for exchange in server.journal)
            if change is not None:
                await change
        return seen

    seen: Seen = in_virtual_time(run(), debug)
    return seen


def assert_whole(seen: Seen, *jobs: EmulatedJob) -> None:
    """Every line once, in order per job, with its number; and the job as it ended."""
    assert seen.follower is not None
    for job in jobs:
        lines = [line for line in seen.lines if line.job_id == job.job_id]
        assert [line.text for line in lines] == list(job.lines)
        assert [line.offset for line in lines] == list(range(len(job.lines)))
        followed = seen.follower.jobs[job.job_id]
        assert followed.offset == len(job.lines)
        assert followed.job is not None
        assert followed.job.ended
        assert seen.kinds(job.job_id)[-1] is EventKind.FINISHED
