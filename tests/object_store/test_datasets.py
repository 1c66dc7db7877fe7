"""Datasets on object storage that nobody here wrote: each row once, whatever dies, whoever writes."""

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import ArchivePathError, LogSession, metrics
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = pytest.mark.extras

Connect = Callable[..., LogSession]


def job(number: int, count: int = 400, status: str = "SUCCEEDED") -> EmulatedJob:
    lines = [f"{{'loss': {1 + n / count:.6f}, 'epoch': {n / count:.4f}}}" for n in range(count)]
    month = f"2026-{1 + number % 3:02d}-01 00:00:00"
    return EmulatedJob(f"ft-{number}", lines, status=status, create_time=month)


def archive(connect: Connect, folder: Path, jobs: list[EmulatedJob]) -> None:
    async def download() -> None:
        async with connect(emulator) as session:
            await session.download(session.jobs(), folder, settle=0)

    with Emulator(jobs) as emulator:
        asyncio.run(download())


def adding(logs: Path, url: str) -> list[str]:
    return [sys.executable, "-m", "dashscope_ftlogs", "metrics", str(logs), "-o", f"{url}/"]


def counted_by_polars(storage: Any, url: str) -> Counter[str]:
    """How many rows each job has, to who takes the files that count."""
    import polars as pl

    plain = {"aws_endpoint_url": storage.endpoint, "aws_allow_http": "true", "aws_region": "us-east-1"}
    scans = [pl.scan_parquet(file, storage_options=plain) for file in metrics.dataset_files(url)]
    rows = pl.concat(scans, how="diagonal").group_by("job_id").len().collect()
    return Counter(dict(rows.iter_rows()))


def counted_by_pyarrow(storage: Any, url: str) -> Counter[str]:
    import pyarrow as pa
    from pyarrow import dataset, fs

    s3 = fs.S3FileSystem(endpoint_override=storage.endpoint, region="us-east-1")
    files = [url.removeprefix("s3://") for url in metrics.dataset_files(url)]
    schema = pa.unify_schemas([dataset.dataset(file, filesystem=s3).schema for file in files])
    found = dataset.dataset(files, filesystem=s3, schema=schema).to_table(columns=["job_id"])
    return Counter(found["job_id"].to_pylist())


def test_each_row_is_read_once_and_a_month_is_one_object(
    storage: Any, connect: Connect, tmp_path: Path
) -> None:
    url, logs = storage.url, tmp_path / "logs"
    archive(connect, logs, [job(n) for n in range(12)])
    for new in (12, 0):
        done = subprocess.run(adding(logs, url), capture_output=True, text=True, check=True)
        assert f"{new} new of 12 logs" in done.stderr
    archive(connect, logs, [job(12), job(13, 7, "RUNNING")])
    subprocess.run(adding(logs, url), check=True)
    archive(connect, logs, [job(13, 9)])
    subprocess.run(adding(logs, url), check=True)
    assert len(metrics.dataset_files(url)) == 3
    if storage.kind == "s3":
        expected = Counter({f"ft-{n}": 400 for n in range(13)} | {"ft-13": 9})
        assert counted_by_polars(storage, url) == counted_by_pyarrow(storage, url) == expected


@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.long)])
def test_killed_again_and_again_and_two_at_once_no_reader_ever_sees_half_of_it(
    one_storage: Any, connect: Connect, tmp_path: Path, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    url, logs, rng = one_storage.url, tmp_path / "logs", random.Random(kills)
    jobs, count = [job(n) for n in range(20)], 20
    archive(connect, logs, jobs)
    looks, wrong, done = 0, list[Counter[str]](), threading.Event()

    def watch() -> None:
        nonlocal looks
        while not done.is_set():
            try:
                found = counted_by_polars(one_storage, url)
            except ArchivePathError:  # there is no dataset yet
                continue
            looks += 1
            if set(found.values()) != {400}:
                wrong.append(found)

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for _ in range(kills):
            process = subprocess.Popen(adding(logs, url), stderr=subprocess.DEVNULL)
            time.sleep(0.5 + rng.random() * 2)
            process.kill()
            process.wait()
            archive(connect, logs, [job(count), job(count + 1)])
            count += 2
        two = [subprocess.Popen(adding(logs, url)) for _ in range(2)]
        assert {process.wait() for process in two} == {0}
        time.sleep(0.5)
    finally:
        done.set()
        reader.join()
    assert not wrong
    assert looks
    assert counted_by_polars(one_storage, url) == Counter({f"ft-{n}": 400 for n in range(count)})
    assert len(metrics.dataset_files(url)) == 3
    again = subprocess.run(adding(logs, url), capture_output=True, text=True, check=True)
    assert f"0 new of {count} logs" in again.stderr
    with capsys.disabled():
        said = f"\n{kills} kills of a writer, {looks} looks of a reader beside it"
        print(said, file=sys.stderr)  # which workers have, too


def test_two_writers_with_logs_of_their_own_lose_none(
    one_storage: Any, connect: Connect, tmp_path: Path
) -> None:
    url = one_storage.url
    for half in range(2):
        archive(connect, tmp_path / f"{half}", [job(n) for n in range(half, 16, 2)])
    writers = [
        subprocess.Popen(adding(tmp_path / f"{half}", url), env=os.environ) for half in (0, 1, 0, 1)
    ]
    assert {writer.wait() for writer in writers} == {0}
    assert counted_by_polars(one_storage, url) == Counter({f"ft-{n}": 400 for n in range(16)})
