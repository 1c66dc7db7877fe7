"""Jobs that grow while a command looks on."""

import asyncio
from collections.abc import Sequence
from typing import Any

from dashscope_ftlogs import LogSession, RetryPolicy
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Schedule

JOB = "ft-1"

FAST = ("--shortest-poll", "0.02s", "--longest-poll", "0.1s", "--settle", "0.1s")


def live(
    lines: Sequence[str], every: float = 0.05, job_id: str = JOB, status: str = "SUCCEEDED", **facts: Any
) -> EmulatedJob:
    times = [every * n for n in range(len(lines))]
    schedule = Schedule(times, [(times[-1] + 0.1, status)])
    return EmulatedJob(job_id, lines, status="RUNNING", schedule=schedule, **facts)


async def grow(
    emulator: Emulator, job: EmulatedJob, lines: Sequence[str], status: str = "SUCCEEDED"
) -> None:
    """Let each line come only when the one before was read, and then the end."""
    for line in lines:
        job.append(line)
        while not any(
            exchange.job_id == job.job_id
            and exchange.lines
            and (exchange.offset or 0) + exchange.lines == len(job.lines)
            for exchange in emulator.journal
        ):
            await asyncio.sleep(0.01)
    job.finish(status)


LINES = [f"line {n}" for n in range(20)]


class Impatient(Connection):
    """Believes what an answer says after a moment, where the command's own takes 45 seconds."""

    def session(self, concurrency: int = 8) -> LogSession:
        return LogSession(base_url=self.base_url, retry=RetryPolicy(lag=0.1), concurrency=concurrency)


async def read_to_the_end(emulator: Emulator, job: EmulatedJob) -> None:
    """Wait until what a log holds now was sent."""
    begin = len(emulator.journal)
    while not any(
        one.lines and (one.offset or 0) + one.lines == len(job.lines) for one in emulator.journal[begin:]
    ):
        await asyncio.sleep(0.01)
