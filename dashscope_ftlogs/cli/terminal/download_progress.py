"""A download as it goes, on stderr: bars on a terminal, elsewhere a plain line every few seconds."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from dashscope_ftlogs import FTLogsError, Job, Progress
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.cli.terminal.read_progress import MOST
from dashscope_ftlogs.cli.terminal.speed_and_eta import Meter, Reading
from dashscope_ftlogs.text import counted

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

_BARS_EVERY = 0.1
_BAR = 8
"""Of how many columns of a terminal a bar takes one."""
_BARS = 5
"""How many jobs are shown with a bar of their own."""


@attrs.define(eq=False)
class Run:
    """A download, of the jobs of one profile or of the only ones."""

    profile: str
    session: "LogSession"
    progress: Progress = attrs.Factory(Progress)
    jobs: Sequence[str | Job] | None = None
    """Where they were named: which of them this profile has."""
    ended: bool = False
    error: FTLogsError | None = None


@asynccontextmanager
async def watched(runs: Sequence[Run], every: float) -> AsyncGenerator[None, None]:
    """Show how downloads come on while the block runs; plain lines come `every` so many seconds."""
    show = _bars(runs) if sys.stderr.isatty() else _lines(runs, every)
    showing = asyncio.create_task(show)
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)


async def _lines(runs: Sequence[Run], every: float) -> None:
    clock = asyncio.get_running_loop().time
    meters = [(run, Meter(clock())) for run in runs]
    for run, meter in meters:
        meter.read(clock(), run.progress, run.session.requests)
    while True:
        await asyncio.sleep(every)
        for run, meter in meters:
            if not run.ended:
                progress = run.progress
                done, jobs = progress.jobs_done, progress.jobs
                of = counted(done, "job") if jobs is None else f"{done:,} of {counted(jobs, 'job')}"
                whose = f"{run.profile}: " if run.profile else ""
                complain(f"{whose}{of}, {_note(run, meter, clock())}")


async def _bars(runs: Sequence[Run]) -> None:
    from rich.console import Console  # noqa: PLC0415  (takes long to import)
    from rich.progress import BarColumn, TaskID, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    clock = asyncio.get_running_loop().time
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(console.width // _BAR),
        TextColumn("{task.fields[note]}", markup=False),
    )
    shown: dict[str, TaskID] = {}
    with Bars(*columns, console=console, transient=True, auto_refresh=False) as bars:
        overall = [
            (run, Meter(clock()), bars.add_task(run.profile or "jobs", total=run.progress.jobs, note=""))
            for run in runs
        ]
        while True:
            reading: dict[str, tuple[int, int]] = {}
            for run, _, _ in overall:
                reading |= {label(run.profile, job): at for job, at in run.progress.reading.items()}
            for name in [name for name in shown if name not in reading]:
                bars.remove_task(shown.pop(name))
            for name, (offset, said) in reading.items():
                total = min(said, MOST)
                if name not in shown and len(shown) < _BARS:
                    # The end of an id tells it from others.
                    most = console.width // 2
                    short = name if len(name) <= most else f"…{name[1 - most :]}"
                    shown[name] = bars.add_task(short, total=total, note="")
                if name in shown:
                    note = f"{offset:,}/{total:,}"
                    bars.update(shown[name], total=total, completed=offset, note=note)
            widest = max(len(task.description) for task in bars.tasks)
            for run, meter, bar in overall:
                progress = run.progress
                jobs = "" if progress.jobs is None else f"/{progress.jobs:,}"
                done = f"{progress.jobs_done:,}{jobs}  "
                room = console.width - console.width // _BAR - widest - len(done) - 2
                note = f"{done}{_note(run, meter, clock(), room)}"
                bars.update(bar, total=progress.jobs, completed=progress.jobs_done, note=note)
            bars.refresh()
            await asyncio.sleep(_BARS_EVERY)


def _note(run: Run, meter: Meter, now: float, room: int | None = None) -> str:
    """Say how it goes; of speeds what there is room for, if that is bounded."""
    reading = meter.read(now, run.progress, run.session.requests)
    return _waiting(run.progress, now) or _speeds(run.session, run.progress, reading, room)


def _waiting(progress: Progress, now: float) -> str:
    """Say what a download waits for, if it does: for no answer, but for machines that may be late."""
    if progress.waiting is None:
        return ""
    logs, due = progress.waiting
    what = counted(logs, "log")
    return (
        f"{what} to be looked at once more in {duration(max(0.0, due - now))}, when all machines agree"
    )


def _speeds(session: "LogSession", progress: Progress, reading: Reading, room: int | None = None) -> str:
    left = [] if reading.seconds_left is None else [f"{duration(reading.seconds_left)} left"]
    parts = [
        f"{progress.lines:,} lines",
        f"{reading.lines_per_second:,.0f} lines/s",
        f"{'throttled, ' if session.throttled else ''}{reading.requests_per_second:,.1f} requests/s",
        f"{session.concurrency} at once",
    ]
    while parts and room is not None and len(", ".join(parts + left)) > room:
        parts.pop()
    return ", ".join(parts + left)


def duration(seconds: float) -> str:
    """Return a duration as a clock shows it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
