"""What a download leaves behind when it is killed, interrupted, or out of disk."""

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from logs_in_pieces import begin

from dashscope_ftlogs import ArchiveWriteError, LogSession, RetryPolicy, verify_archive
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, ten_ways_to_fail
from dashscope_ftlogs.text import TAIL

pytestmark = pytest.mark.posix


def committed(folder: Path) -> dict[str, int]:
    """Return how many lines the manifests vouch for, and check that they do so rightly."""
    found = {}
    for path in folder.glob("*.manifest.json"):
        known = json.loads(path.read_text())
        found[known["job_id"]] = known["lines"]
    if found:
        assert not [verdict for verdict in verify_archive(folder) if verdict.state == "damaged"]
    return found


def is_exact(folder: Path, jobs: list[EmulatedJob]) -> bool:
    return all(
        (folder / f"{job.job_id}.log").read_bytes() == "".join(f"{x}\n" for x in job.lines).encode()
        for job in jobs
    )


@pytest.mark.unmeasured
@pytest.mark.chance
async def test_killed_at_any_instant_nothing_is_lost_doubled_torn_or_fetched_twice(
    pytestconfig: pytest.Config, start_ftlogs: Any, tmp_path: Path
) -> None:
    kills: int = pytestconfig.getoption("--kills")
    async with asyncio.TaskGroup() as group:
        for seed in (1, 2):
            folder = tmp_path / f"archive-{seed}"
            group.create_task(killing(start_ftlogs, folder, random.Random(seed), kills // 2))


async def killing(start_ftlogs: Any, folder: Path, rng: random.Random, kills: int) -> None:
    """Kill downloads into one archive after another, until there were so many kills."""
    jobs = [
        EmulatedJob(f"ft-{n}", [f"line {i} of {n}" for i in range(1_000 * size)])
        for n, size in enumerate([30, 60, 1, 9])
    ]
    while kills > 0:
        faults = ten_ways_to_fail(0.02)
        async with Emulator(jobs, faults=faults, seed=kills, latency=0.03) as emulator:
            begin(folder, emulator.base_url, "ft-0", "ft-2", piece_bytes=9_999)
            before: dict[str, int] = {}
            while True:
                emulator.journal.clear()
                process = await start_ftlogs(("download", "--all", "--out", str(folder), "-q"), emulator)
                while process.returncode is None and not emulator.journal:
                    await asyncio.sleep(0.005)
                try:
                    async with asyncio.timeout(rng.uniform(0, 0.4)):
                        _, err = await process.communicate()
                except TimeoutError:
                    process.kill()
                    _, err = await process.communicate()
                    kills -= 1
                for exchange in emulator.journal:
                    if exchange.offset and exchange.job_id in before:
                        assert exchange.offset >= before[exchange.job_id] - TAIL
                # The first page alone is looked at again, once, before the log counts as complete.
                begun = Counter(
                    exchange.job_id
                    for exchange in emulator.journal
                    if exchange.offset == 0 and exchange.lines == 1_000 and exchange.fault is None
                )
                assert all(begun[job_id] <= 1 for job_id, lines in before.items() if lines)
                if process.returncode != -signal.SIGKILL:
                    assert process.returncode == 0, err.decode()
                    break
                before = committed(folder)
        assert is_exact(folder, jobs)
        assert {verdict.state for verdict in verify_archive(folder)} == {"ok"}
        shutil.rmtree(folder)


AGAIN_AND_AGAIN = """
import asyncio, sys
from dashscope_ftlogs import LogSession, RetryPolicy

async def main():
    base_url, key, folder, *job_ids = sys.argv[1:]
    async with LogSession(key, base_url=base_url, retry=RetryPolicy(lag=0.01)) as session:
        while True:
            await session.download(job_ids, folder)

asyncio.run(main())
"""


@pytest.mark.unmeasured
@pytest.mark.chance
async def test_killed_at_any_instant_while_logs_are_rewritten_nothing_is_damaged_or_mixed(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    kills: int = pytestconfig.getoption("--kills") // 2
    rng = random.Random(3)
    jobs = [EmulatedJob(f"ft-{n}", ["life 0"], status="RUNNING") for n in range(3)]
    async with Emulator(jobs) as emulator:
        arguments = (emulator.base_url, emulator.api_key, str(tmp_path / "a"), *emulator.jobs)
        lives = 0

        async def rewrite() -> None:
            nonlocal lives
            while True:
                await asyncio.sleep(0.03)
                lives += 1
                for job in jobs:
                    # One page at most: between two pages, a new life may go unseen.
                    job.rewrite([f"life {lives}"] * rng.randrange(1, 1_000))

        rewriting = asyncio.create_task(rewrite())
        try:
            states: set[str] = set()
            while kills > 0 or "superseded" not in states:  # a slow machine may see no rewrite for long
                kills -= 1
                emulator.journal.clear()
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", AGAIN_AND_AGAIN, *arguments
                )
                while not emulator.journal:
                    await asyncio.sleep(0.005)
                await asyncio.sleep(rng.uniform(0, 0.3))
                process.kill()
                await process.wait()
                states |= {verdict.state for verdict in verify_archive(tmp_path / "a")}
                assert states <= {"incomplete", "superseded"}
        finally:
            rewriting.cancel()
        # What the last kill has left is between two generations, as like as not.
        retry = RetryPolicy(lag=0.01)
        async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=retry) as session:
            await session.download(list(emulator.jobs), tmp_path / "a")
    kept = [verdict for verdict in verify_archive(tmp_path / "a") if verdict.lines]
    assert {verdict.state for verdict in kept} == {"incomplete", "superseded"}
    texts = {verdict.file: (tmp_path / "a" / verdict.file).read_text() for verdict in kept}
    for job in jobs:
        assert texts[f"{job.job_id}.log"] == "".join(f"{line}\n" for line in job.lines)
    for verdict in kept:
        assert len(set(texts[verdict.file].split("\n")[: verdict.lines])) == 1


@pytest.mark.covered
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_interrupt_commits_what_has_arrived_and_says_how_to_go_on(
    ftlogs: Any, start_ftlogs: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    jobs = [EmulatedJob("ft-1", [f"line {n}" for n in range(100_000)])]
    words = ("download", "ft-1", "--concurrency", "8", "--out", str(tmp_path / "a"))
    async with Emulator(jobs, latency=0.02) as emulator:
        process = await start_ftlogs(words, emulator)
        while sum(exchange.status == 200 for exchange in emulator.journal) < 30:
            await asyncio.sleep(0.01)
        process.send_signal(number)
        out, err = await process.communicate()
        arrived = [exchange for exchange in emulator.journal if exchange.lines]
        assert process.returncode == code
        assert out == b""
        assert err.decode().splitlines()[-1] == (
            "ftlogs: stopped; what has arrived is kept. The same command goes on from there."
        )
        kept = committed(tmp_path / "a")["ft-1"]
        # Pages that arrived out of their order could not be appended yet.
        assert 0 < len(arrived) * 1_000 - kept <= 16_000 or kept == len(arrived) * 1_000
        ended = await ftlogs(*words, emulator=emulator)
    assert ended.code == 0
    assert is_exact(tmp_path / "a", jobs)


async def test_a_file_that_may_not_grow_fails_its_job_and_the_next_run_completes(
    ftlogs: Any, tmp_path: Path
) -> None:
    jobs = [EmulatedJob("ft-1", ["x" * 99] * 9_000), EmulatedJob("ft-2", ["y" * 99] * 3_000)]
    words = ("download", "--all", "--out", str(tmp_path / "a"))
    import resource  # does not exist on Windows

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with Emulator(jobs, latency=0.01) as emulator:
        resource.setrlimit(resource.RLIMIT_FSIZE, (450_000, limits[1]))
        try:
            ended = await ftlogs(*words, emulator=emulator)
            alone = await ftlogs("download", "ft-1", "--out", str(tmp_path / "b"), emulator=emulator)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (ended.code, alone.code) == (6, 6)
        assert b"ft-1.log: File too large" in ended.out
        assert "ulimit -f" in alone.err
        assert "Traceback" not in ended.err
        assert committed(tmp_path / "a")["ft-1"] <= 4_500
        assert committed(tmp_path / "a")["ft-2"] == 3_000
        ended = await ftlogs(*words, emulator=emulator)
    assert ended.code == 0
    assert is_exact(tmp_path / "a", jobs)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        # Only an administrator may mount; what a full disk does to one file, the test above holds.
        pytest.skip(f"can't make a small disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def make_room(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", str(folder)], check=True)


async def test_a_full_disk_ends_the_run_clearly_and_the_next_one_completes(
    ftlogs: Any, connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", ["x" * 99] * 4_000) for n in range(4)]
    folder = tmp_path / "disk"
    words = ("download", "--all", "--out", str(folder))
    async with Emulator(jobs, latency=0.01) as emulator:
        with small_disk(folder, "1m"):
            ended = await ftlogs(*words, emulator=emulator)
            assert ended.code == 6
            assert "No space left on device" in ended.err
            assert "go on" in ended.err or "goes on" in ended.err
            assert "Traceback" not in ended.err
            assert committed(folder)
            async with connect(emulator) as session:
                with pytest.raises(ArchiveWriteError):
                    await session.download(session.jobs(), folder)
            make_room(folder)
            ended = await ftlogs(*words, emulator=emulator)
            assert ended.code == 0
            assert is_exact(folder, jobs)
