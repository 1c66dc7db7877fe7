"""Hundreds of jobs, followed and downloaded together, while all that can fail does: `soak.py MINUTES`.

The server is killed and comes back; downloading processes are killed, and go on; requests fail in ten
ways; the wall clock jumps. Every line is checked as it arrives. Ends with a verdict: 0 if no line was
lost, doubled or changed, and memory, tasks and descriptors stayed level.
"""

import asyncio
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import attrs
from jumping_clock import let_it_jump
from logs import FINISHED, FOLLOWED, LENGTHS, RATE, RUNNING, line

from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy, verify_archive

HERE = Path(__file__).parent
PATIENT = RetryPolicy(max_tries=200, base_delay=0.01, max_delay=0.3, deadline=300)
REPORT_EVERY = 5.0
SPARE = {"RSS, MiB": 12.0, "tasks": 40.0, "descriptors": 25.0, "blocks, thousands": 25.0}
"""By how much the highest of the last third may exceed the highest of the third before."""


class LostError(Exception):
    """A line is not the one that was due."""


def check(job_id: str, number: int, expected: int, text: str) -> None:
    if number != expected or text != line(job_id, number):
        raise LostError(f"{job_id}: line {number} where {expected} was due: {text!r}")


@attrs.define
class Figures:
    """What happened so far."""

    followed: int = 0
    read: int = 0
    archives: int = 0
    archived: int = 0
    kills: int = 0
    cancelled: int = 0
    restarts: int = 0


class Server:
    """The emulator's process, and the place where it is."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.base_url = self.key = ""
        self._port = "0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, total: int | None = None) -> None:
        words = [
            self._port,
            str(time.monotonic() - self.began),
            *([] if total is None else [str(total)]),
        ]
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "server.py"), *words), stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.base_url, self.key = (await self._process.stdout.readline()).decode().split()
        self._port = self.base_url.rpartition(":")[2].partition("/")[0]

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()


async def restarting(server: Server, figures: Figures, rng: random.Random) -> None:
    while True:
        await asyncio.sleep(rng.uniform(3, 10))
        await server.kill()
        await asyncio.sleep(rng.uniform(0, 1.5))
        await server.start()
        figures.restarts += 1


async def following(session: LogSession, figures: Figures) -> dict[str, int]:
    """Follow all that run to their end; return how many lines came of each."""
    due = dict.fromkeys(RUNNING, 0)
    follower = session.follow(
        RUNNING, shortest_poll=0.2, longest_poll=1.5, settle=3.0, on_event=lambda _: None
    )
    async with aclosing(follower.pages()) as pages:
        async for page in pages:
            for number, text in enumerate(page.lines, page.offset):
                check(page.job_id, number, due[page.job_id], text)
                due[page.job_id] += 1
            figures.followed += len(page.lines)
    return due


async def reading(session: LogSession, figures: Figures, rng: random.Random) -> None:
    """Read logs in memory, leaving some early."""
    while True:
        job_id = rng.choice(list(LENGTHS))
        due, leave = 0, rng.choice([10**9, rng.randrange(1, 2_000)])
        async with aclosing(session.lines(job_id, page_size=rng.randrange(50, 1_000)).pages()) as pages:
            async for page in pages:
                for number, text in enumerate(page.lines, page.offset):
                    check(job_id, number, due, text)
                    due += 1
                figures.read += len(page.lines)
                if due >= leave:
                    break
        if due < min(leave, LENGTHS[job_id]):
            raise LostError(f"{job_id}: {due} of {LENGTHS[job_id]} lines")


def archived(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield each log of an archive and how many of its lines are committed, after checking them all."""
    for path in folder.glob("*.manifest.json"):
        manifest = json.loads(path.read_text())
        job_id, count = manifest["job_id"], manifest["lines"]
        log = path.with_name(f"{job_id}.jsonl")
        rows = log.read_bytes()[: manifest["file_bytes"]].split(b"\n")[:-1] if count else []
        if len(rows) != count:
            raise LostError(f"{job_id}: {len(rows)} rows, and the manifest counts {count}")
        for expected, row in enumerate(map(json.loads, rows)):
            check(job_id, row["offset"], expected, row["line"])
        yield job_id, count


def whole(folder: Path) -> int:
    """Return how many lines a complete archive holds."""
    counts = dict(archived(folder))
    if counts != LENGTHS or {verdict.state for verdict in verify_archive(folder)} != {"ok"}:
        raise LostError(f"{folder}: not all of it is there")
    shutil.rmtree(folder)
    return sum(counts.values())


def patience(rng: random.Random) -> float:
    """Return seconds: mostly too few for all the logs, so that each goes on where the last one ended."""
    return rng.choice([rng.uniform(0.3, 3), rng.uniform(3, 30)])


async def downloading(server: Server, figures: Figures, rng: random.Random, folder: Path) -> None:
    """Download by a command that is killed again and again, into one archive after the other."""
    ids = folder / "ids"
    ids.write_text("\n".join(LENGTHS))
    archive = folder / "killed"
    command = ("download", "--from-file", str(ids), "--out", str(archive), "--format", "jsonl", "-q")
    while True:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(HERE / "jumping_clock.py"), *command),
            env={**os.environ, "DASHSCOPE_API_KEY": server.key, "DASHSCOPE_BASE_URL": server.base_url},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(patience(rng)):
                code = await process.wait()
        except TimeoutError:
            code = 0
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            code = await process.wait()
        if code == -signal.SIGKILL:
            figures.kills += 1
            await asyncio.to_thread(lambda: list(archived(archive)))
        elif code == 0:
            figures.archived += await asyncio.to_thread(whole, archive)
            figures.archives += 1


async def cancelling(session: LogSession, figures: Figures, rng: random.Random, archive: Path) -> None:
    """Download in this process, cancelled again and again."""
    while True:
        try:
            async with asyncio.timeout(patience(rng)):
                done = await session.download(list(LENGTHS), archive, format="jsonl")
        except TimeoutError:
            figures.cancelled += 1
            await asyncio.to_thread(lambda: list(archived(archive)))
            continue
        errors = [one.error for one in done if one.error is not None]
        if not errors:
            figures.archived += await asyncio.to_thread(whole, archive)
            figures.archives += 1


def level() -> dict[str, float]:
    """Return what must not grow."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "RSS, MiB": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "tasks": len(asyncio.all_tasks()),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "blocks, thousands": sys.getallocatedblocks() / 1000,
    }


async def reporting(
    session: LogSession, figures: Figures, levels: list[dict[str, float]], began: float
) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY)
        levels.append(level())
        said = {name.partition(",")[0]: round(value) for name, value in levels[-1].items()}
        facts = attrs.asdict(figures) | {"requests": session.requests} | said
        words = ", ".join(f"{name} {value:,}" for name, value in facts.items())
        print(f"{time.monotonic() - began:5.0f} s: {words}", flush=True)


def grown(levels: list[dict[str, float]]) -> list[str]:
    """Return what did not stay level from the second third of the run to the last."""
    third = len(levels) // 3
    if not third:
        return ["too short a run to tell"]
    found = []
    for name, spare in SPARE.items():
        before, after = (
            max(one[name] for one in part) for part in (levels[third:-third], levels[-third:])
        )
        if after > before + spare:
            found.append(f"{name}: at most {before:,.0f} in the second third, {after:,.0f} in the last")
    return found


async def soak(seconds: float, folder: Path) -> list[str]:
    """Run for so long; return what is wrong."""
    rng, figures, server = random.Random(1), Figures(), Server()
    levels: list[dict[str, float]] = []
    await server.start()
    began = time.monotonic()
    try:
        async with LogSession(server.key, base_url=server.base_url, retry=PATIENT, timeout=5) as session:
            async with asyncio.TaskGroup() as group:
                spawn = group.create_task
                follower = spawn(following(session, figures))
                others = [
                    spawn(restarting(server, figures, rng)),
                    spawn(reading(session, figures, rng)),
                    spawn(reading(session, figures, rng)),
                    spawn(downloading(server, figures, rng, folder)),
                    spawn(cancelling(session, figures, rng, folder / "cancelled")),
                    spawn(reporting(session, figures, levels, began)),
                ]
                await asyncio.sleep(seconds)
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                with suppress(ProcessLookupError):
                    await server.kill()
                total = int((time.monotonic() - server.began) * RATE) + 1
                await server.start(total)
                async with asyncio.timeout(60):
                    came = await follower
            wrong = [
                f"{job_id}: {count} of {total} lines" for job_id, count in came.items() if count != total
            ]
            if session.tasks:
                wrong.append(f"{len(session.tasks)} tasks are left")
        await asyncio.sleep(0.1)
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            wrong.append(f"tasks are left: {left}")
    finally:
        with suppress(ProcessLookupError):
            await server.kill()
    if not (
        figures.kills and figures.restarts and figures.cancelled and figures.followed and figures.read
    ):
        wrong.append(f"not everything happened: {figures}")
    print(f"{FOLLOWED} jobs followed, {FINISHED} downloaded: {figures}")
    return wrong + grown(levels)


def main() -> int:
    """Run; print the verdict."""
    let_it_jump()
    minutes = float(sys.argv[1]) if sys.argv[1:] else 0.5
    with tempfile.TemporaryDirectory() as folder:
        try:
            wrong = asyncio.run(soak(minutes * 60, Path(folder)))
        except* (LostError, FTLogsError, TimeoutError) as errors:
            wrong = [str(error) for error in errors.exceptions]
    print("\n".join(f"WRONG: {one}" for one in wrong) or "Nothing was lost, and nothing grew.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
