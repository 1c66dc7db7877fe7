"""Archives on object storage that nobody here wrote: exact, whatever dies and whoever else writes."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import LogSession, verify_archive
from dashscope_ftlogs.archive.object_store.bucket import AlreadyThereError, Bucket
from dashscope_ftlogs.archive.object_store.remote_logs import remote_logs
from dashscope_ftlogs.archive.object_store.url import store_url
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, ten_ways_to_fail
from dashscope_ftlogs.emulator.lazy_lines import Computed

pytestmark = pytest.mark.extras

Connect = Callable[..., LogSession]


def lines_of(count: int, what: str = "line") -> list[str]:
    return [f"{what} {number}" for number in range(count)]


def kept(url: str) -> dict[str, list[str]]:
    return {log.name: [line for _, line in log.lines()] for log in remote_logs(url)}


def states(url: str) -> dict[str, str]:
    return {verdict.file: verdict.state for verdict in verify_archive(url)}


def names(url: str, folder: str) -> list[str]:
    return [one.name for one in Bucket(store_url(url)).listed(folder)]


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_a_log_is_gone_on_with_compacted_proved_and_read(
    storage: Any, connect: Connect, compression: Any
) -> None:
    url = storage.url
    job = EmulatedJob("ft-1", lines_of(1500), status="RUNNING")
    done = EmulatedJob("ft-2", [*lines_of(2500), "日志 \x1b[2J\ud800"])
    with Emulator([job, done]) as emulator:
        async with connect(emulator) as session:
            for count in (10, 700):
                await session.download(["ft-1", "ft-2"], url, compression=compression, settle=0)
                job.append(*lines_of(count, "more"))
            job.finish("SUCCEEDED")
            outcomes = await session.download(
                ["ft-1", "ft-2"], url, compression=compression, settle=0.1, recheck=True
            )
    assert {one.job_id: one.state for one in outcomes} == {"ft-1": "complete", "ft-2": "skipped"}
    assert kept(url) == {"ft-1": job.lines, "ft-2": [*lines_of(2500), "日志 \x1b[2J\\ud800"]}
    assert set(states(url).values()) == {"ok"}
    assert sum(name.startswith("commit-") for name in names(url, "ft-2")) == 1
    newest = Bucket(store_url(url)).get(f"ft-1/{min(names(url, 'ft-1'))}")
    assert len(json.loads(newest)["objects"]) == 1


async def test_an_older_generation_is_kept_and_a_damaged_one_is_noticed(
    storage: Any, connect: Connect
) -> None:
    url = storage.url
    job = EmulatedJob("ft-1", lines_of(30), status="RUNNING")
    with Emulator([job]) as emulator:
        async with connect(emulator) as session:
            await session.download("ft-1", url)
            job.rewrite(lines_of(40, "other"))
            job.finish("SUCCEEDED")
            (outcome,) = await session.download("ft-1", url, settle=0.1)
    assert (outcome.state, outcome.set_aside) == ("complete", ("ft-1.rewritten-1.log",))
    assert states(url) == {"ft-1.log": "ok", "ft-1.rewritten-1.log": "superseded"}
    (data,) = (name for name in names(url, "ft-1") if name.startswith("data-0001"))
    await Bucket(store_url(url)).aput(f"ft-1/{data}", b"x")
    assert states(url) == {"ft-1.log": "damaged", "ft-1.rewritten-1.log": "superseded"}


async def test_of_racing_creates_one_wins(storage: Any) -> None:
    bucket = Bucket(store_url(storage.url))

    async def create(number: int) -> bool:
        try:
            await bucket.acreate("one", str(number).encode())
        except AlreadyThereError:
            return False
        return True

    won = await asyncio.gather(*map(create, range(16)))
    assert won.count(True) == 1
    assert bucket.get("one") == str(won.index(True)).encode()


async def test_writers_at_once_cost_work_and_never_truth(storage: Any, connect: Connect) -> None:
    url = storage.url
    jobs = [EmulatedJob(f"ft-{n}", lines_of(900 * n, f"{n}"), status="RUNNING") for n in range(1, 4)]
    ids = [job.job_id for job in jobs]

    async def one(emulator: Emulator) -> None:
        async with connect(emulator) as session:
            for _ in range(3):
                await session.download(ids, url, settle=0.05)

    with Emulator(jobs) as emulator:
        writers = asyncio.gather(*(one(emulator) for _ in range(4)))
        for job in jobs:
            await asyncio.sleep(0.1)
            job.append(*lines_of(50, "more"))
            job.finish("SUCCEEDED")
        await writers
        await one(emulator)
    assert kept(url) == {job.job_id: job.lines for job in jobs}
    assert set(states(url).values()) == {"ok"}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "dashscope_ftlogs", *words]


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.long)])
def test_killed_again_and_again_and_then_four_at_once_it_is_exact(
    one_storage: Any, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    url, rng = one_storage.url, random.Random(kills)
    jobs = [
        EmulatedJob(f"ft-{n}", lines_of(4_000 * n, f"job {n}"), status="RUNNING") for n in range(1, 6)
    ]
    committed: dict[str, int] = {}
    with Emulator(jobs, faults=ten_ways_to_fail(0.05), latency=0.005) as emulator:
        environ = {**os.environ, **emulator.environ}
        words = command("download", "--all", "--out", url, "--quiet", "--settle", "0")
        for number in range(kills):
            process = subprocess.Popen(
                words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            asked = len(emulator.journal)
            while process.poll() is None and len(emulator.journal) < asked + 2:
                time.sleep(0.01)
            time.sleep(rng.random() * 1.5)
            process.kill()
            process.communicate()
            for job in rng.sample(jobs, 2):
                job.append(*lines_of(rng.randrange(300), f"more {number}"))
            for verdict in verify_archive(url):
                assert verdict.state in {"incomplete", "settling"}, verdict
                assert verdict.lines >= committed.get(verdict.file, 0)
                committed[verdict.file] = verdict.lines
        for job in jobs:
            job.finish("SUCCEEDED")
        four = [subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL) for _ in range(4)]
        assert {process.wait() for process in four} <= {0, 6}
        last = [*words[:-1], "0.2"]
        assert subprocess.run(last, env=environ, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert kept(url) == {job.job_id: list(job.lines) for job in jobs}
    assert states(url) == {f"{job.job_id}.log": "ok" for job in jobs}
    with capsys.disabled():
        said = f"\n{kills} kills; committed before the last runs: {sum(committed.values())} lines"
        print(said, file=sys.stderr)  # which workers have, too


def metric_line(number: int) -> str:
    return f"{{'loss': {1 / (number + 1):.6f}, 'learning_rate': 1e-05, 'step': {number}, 'epoch': 0.5}}"


def downloaded(emulator: Emulator, out: str) -> tuple[float, int]:
    """How many seconds a download takes, and how many MiB at the most."""
    code = (
        "import resource, time; from dashscope_ftlogs.cli import main; began = time.perf_counter()\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    words = ("download", "ft-1", "--out", out, "--quiet", "--json", "--settle", "0.1")
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, **emulator.environ},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    seconds, mebibytes = done.stdout.splitlines()[-1].split()
    return float(seconds), int(mebibytes)


@pytest.mark.long
def test_a_million_lines_take_at_most_twice_as_long_as_to_disk_and_no_more_memory_than_a_few(
    one_storage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Computed(1_000_000, metric_line)
    with Emulator([EmulatedJob("ft-1", lines)]) as emulator:
        disk = [downloaded(emulator, str(tmp_path / f"{n}"))[0] for n in range(3)]
        urls = [one_storage.url for _ in range(3)]
        found = [downloaded(emulator, url) for url in urls]
    with Emulator([EmulatedJob("ft-1", Computed(200_000, metric_line))]) as emulator:
        fewer = downloaded(emulator, one_storage.url)[1]
    assert set(states(urls[0]).values()) == {"ok"}
    ratio, most = min(disk) / min(seconds for seconds, _ in found), max(size for _, size in found)
    with capsys.disabled():
        print(
            f"\nto disk {min(disk):.1f} s, to the store {ratio:.2f} of that speed; {fewer}, {most} MiB"
        )
    assert ratio >= 0.5
    assert most < fewer + 40
