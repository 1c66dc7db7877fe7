"""A download as it goes, on stderr: bars on a terminal, elsewhere a plain line every few seconds."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dashscope_ftlogs import Progress
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.cli.terminal.read_progress import MOST
from dashscope_ftlogs.cli.terminal.speed_and_eta import Meter, Reading

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

_BARS_EVERY = 0.1
_BARS = 5
"""How many jobs are shown with a bar of their own."""


@asynccontextmanager
async def watched(session: "LogSession", progress: Progress, every: float) -> AsyncGenerator[None, None]:
    """Show how a download comes on while the block runs; plain lines come `every` so many seconds."""
    show = _bars(session, progress) if sys.stderr.isatty() else _lines(session, progress, every)
    showing = asyncio.create_task(show)
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _lines(session: "LogSession", progress: Progress, every: float) -> None:
    clock = asyncio.get_running_loop().time
    meter = Meter(clock())
    meter.read(clock(), progress, session.requests)
    while True:
        await asyncio.sleep(every)
        reading = meter.read(clock(), progress, session.requests)
        jobs = "" if progress.jobs is None else f" of {progress.jobs:,}"
        note = _waiting(progress, clock()) or _speeds(session, progress, reading)
        complain(f"{progress.jobs_done:,}{jobs} jobs, {note}")


async def _bars(session: "LogSession", progress: Progress) -> None:
    from rich.console import Console  # noqa: PLC0415  (takes long to import)
    from rich.progress import BarColumn, TaskID, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    clock = asyncio.get_running_loop().time
    meter = Meter(clock())
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    shown: dict[str, TaskID] = {}
    console = Console(stderr=True)
    with Bars(*columns, console=console, transient=True, auto_refresh=False) as bars:
        overall = bars.add_task("jobs", total=progress.jobs, note="")
        while True:
            reading = meter.read(clock(), progress, session.requests)
            jobs = "" if progress.jobs is None else f"/{progress.jobs:,}"
            note = _waiting(progress, clock()) or _speeds(session, progress, reading)
            note = f"{progress.jobs_done:,}{jobs}  {note}"
            bars.update(overall, total=progress.jobs, completed=progress.jobs_done, note=note)
            for job_id in [job_id for job_id in shown if job_id not in progress.reading]:
                bars.remove_task(shown.pop(job_id))
            for job_id, (offset, said) in progress.reading.items():
                total = min(said, MOST)
                if job_id not in shown and len(shown) < _BARS:
                    shown[job_id] = bars.add_task(job_id, total=total, note="")
                if job_id in shown:
                    note = f"{offset:,}/{total:,}"
                    bars.update(shown[job_id], total=total, completed=offset, note=note)
            bars.refresh()
            await asyncio.sleep(_BARS_EVERY)


def _waiting(progress: Progress, now: float) -> str:
    """Say what a download waits for, if it does: for no answer, but for machines that may be late."""
    if progress.waiting is None:
        return ""
    logs, due = progress.waiting
    what = "1 log" if logs == 1 else f"{logs:,} logs"
    return (
        f"{what} to be looked at once more in {duration(max(0.0, due - now))}, when all machines agree"
    )


def _speeds(session: "LogSession", progress: Progress, reading: Reading) -> str:
    parts = [
        f"{progress.lines:,} lines",
        f"{reading.lines_per_second:,.0f} lines/s",
        f"{'throttled, ' if session.throttled else ''}{reading.requests_per_second:,.1f} requests/s",
        f"{session.concurrency} at once",
    ]
    if reading.seconds_left is not None:
        parts.append(f"{duration(reading.seconds_left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration as a clock shows it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
