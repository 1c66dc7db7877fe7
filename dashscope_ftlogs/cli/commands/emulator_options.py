"""A local Model Studio as the command line describes it, served until it is told to stop."""

import asyncio
import math
import shlex
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import typer

from dashscope_ftlogs.cli.options import seconds_in
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.cli.signals import takes_more
from dashscope_ftlogs.cli.terminal.stdout import write
from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Exchange,
    Fault,
    Machine,
    RateLimit,
    generate_job,
    parse_fault,
    ten_ways_to_fail,
)
from dashscope_ftlogs.emulator.jobs import TIME_FORMAT
from dashscope_ftlogs.emulator.jobs_from_files import jobs_from_paths
from dashscope_ftlogs.emulator.machines import MachineBy, machine
from dashscope_ftlogs.text import counted, shown

_MOST_NAMED = 20
_SHOWN: Final = ("2025-12-06 20:26:40", "2025-12-06 21:40:05", "2025-12-07 09:12:31")
"""When the made-up jobs were created: their ids, which the documentation shows, begin so."""
_OF_LATE: Final = (timedelta(days=3), timedelta(days=2), timedelta())
"""How long ago, where that is wished for: those that have ended have ended long ago."""
_CHINA: Final = timezone(timedelta(hours=8))


@contextmanager
def refusals() -> Generator[None, None, None]:
    """Exit with 2 if the options make no sense."""
    try:
        yield
    except OSError as error:
        complain(f"can't read {error.filename}: {error.strerror}")
        raise typer.Exit(2) from None
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(2) from None


def jobs(paths: Sequence[Path], seed: int, now: datetime | None = None) -> list[EmulatedJob]:
    """Return the jobs whose logs lie there, or some that are made up; of late, where that is told."""
    if not paths:
        return _made_up(seed, now)
    dates = {} if now is None else {"create_time": f"{now - _OF_LATE[1]:{TIME_FORMAT}}"}
    found = jobs_from_paths(paths, **dates)
    if not found:
        raise ValueError("there is no log file in what was named")
    return found


def now() -> datetime:
    """Return the time that it is where most jobs run: the service's times carry no zone."""
    return datetime.now(_CHINA).replace(microsecond=0, tzinfo=None)


def _made_up(seed: int, now: datetime | None) -> list[EmulatedJob]:
    begun = _SHOWN if now is None else [now - ago for ago in _OF_LATE]
    return [
        generate_job("sft", seed=seed, start=begun[0]),
        generate_job("dpo", outcome="failed", seed=seed, start=begun[1]),
        generate_job("cpt", outcome="running", seed=seed, start=begun[2]),
    ]


def latency(text: str) -> float | tuple[float, float]:
    """Return the seconds before each answer, or between which they lie."""
    return _seconds("--latency", text)


def machines(lags: Iterable[str]) -> list[Machine]:
    """Return one machine for each lag."""
    with _about("--lag"):
        return [machine(_seconds("a lag", text)) for text in lags]


def machine_by(chosen: MachineBy | None, lags: Collection[str]) -> MachineBy:
    """Return what a machine is chosen for."""
    if chosen is not None and not lags:
        raise ValueError("--machine-by means nothing without --lag")
    return chosen or "request"


def _seconds(what: str, text: str) -> float | tuple[float, float]:
    low, dash, high = text.partition("-")
    lowest, highest = seconds_in(low), seconds_in(high if dash else low)
    if lowest is None or highest is None or math.inf in {lowest, highest}:
        raise ValueError(f"{what} must be a duration or LOWEST-HIGHEST, not {shown(text)}")
    return (lowest, highest) if dash else lowest


def faults(specs: Iterable[str], flaky: float) -> list[Fault]:
    """Return those that were named, and those of which some share of the requests dies."""
    named = [parse_fault(spec) for spec in specs]
    with _about("--flaky"):
        return [*named, *ten_ways_to_fail(flaky)]


def rate_limit(per_second: float | None, burst: float | None) -> RateLimit | None:
    """Return the limit that both options describe."""
    if per_second is not None:
        with _about("--rate-limit"):
            return RateLimit(per_second, 1 if burst is None else burst)
    if burst is not None:
        raise ValueError("--burst means nothing without --rate-limit")
    return None


@contextmanager
def _about(option: str) -> Generator[None, None, None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


async def serve(local: Emulator, host: str, port: int) -> int:
    """Serve until it is told to stop; return the exit code if that can't be."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(local)
        except OSError as error:
            reason = error.strerror or str(error)
            complain(f"can't listen on {host} port {port}; choose another: {reason}")
            return 2
        exports = (f"export {name}={shlex.quote(value)}\n" for name, value in local.environ.items())
        write("".join(exports).encode())
        _introduce(list(local.jobs.values()))
        complain(f"serving at {local.base_url}; stop it with Ctrl-C")
        until_stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await until_stopped


def _introduce(jobs: Sequence[EmulatedJob]) -> None:
    for job in jobs[:_MOST_NAMED]:
        lines = counted(len(job.lines), "line")
        what = lines if job.schedule is None else f"{lines} in the end"
        complain(f"{job.job_id}  {job.status}  {what}")
    if len(jobs) > _MOST_NAMED:
        complain(f"and {counted(len(jobs) - _MOST_NAMED, 'more job')}")


def show(exchange: Exchange) -> None:
    """Say what was asked, and what came of it; not to a full pipe, which would hold up all answers."""
    if not takes_more(2):
        return
    query = f"?{urlencode(exchange.query)}" if exchange.query else ""
    status = exchange.status or "broken off"
    lines = f" {exchange.lines} lines" if exchange.lines else ""
    fault = f" {exchange.fault}" if exchange.fault else ""
    lag = f" {exchange.lag:.1f} s behind" if exchange.lag else ""
    complain(f"{exchange.number} {exchange.method} {exchange.path}{query} {status}{lines}{fault}{lag}")


def ignore(_: Exchange) -> None:
    """Say nothing of it."""
