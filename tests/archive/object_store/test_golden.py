"""An archive on object storage that every later version has to read.

`python tests/archive/object_store/test_golden.py` writes it once for each schema of commits; later
versions leave it as it is.
"""

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_store import SmallStore, Stored

from dashscope_ftlogs import LogSession, RetryPolicy, verify_archive
from dashscope_ftlogs.archive.object_store.commits import SCHEMA
from dashscope_ftlogs.archive.object_store.remote_logs import remote_logs
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

GOLDEN = Path(__file__).with_name("golden")
LINES = {
    "ft-complete": [f"{{'loss': {n / 7:.4f}, 'step': '{n}/30'}}" for n in range(30)],
    "ft-running": [f"line {n}" for n in range(12)],
    "FT-1.log": ["an id that is no name", "", "  spaces  ", "tab\t\x1b[31mred", "é 微调 🚀"],
    "ft-again": [f"second life {n}" for n in range(9)],
}
FIRST_LIFE = [f"first life {n}" for n in range(21)]


@pytest.fixture(params=sorted(path.name for path in GOLDEN.glob("*")))
def golden(request: pytest.FixtureRequest, store: SmallStore) -> SmallStore:
    folder = GOLDEN / request.param
    for path in folder.glob("*/*"):
        name = path.relative_to(folder).as_posix()
        store.objects[f"bucket/logs/{name}"] = Stored(path.read_bytes(), datetime.now(UTC))
    return store


@pytest.mark.extras
def test_it_is_read_and_proved(golden: SmallStore) -> None:
    assert {log.name: [line for _, line in log.lines()] for log in remote_logs(golden.url)} == LINES
    (older,) = remote_logs(f"{golden.url}/ft-again.rewritten-1.log.gz")
    assert [line for _, line in older.lines()] == FIRST_LIFE
    assert sorted(verdict.state for verdict in verify_archive(golden.url)) == [
        *("incomplete", "incomplete", "ok", "ok", "superseded")
    ]


@pytest.mark.extras
async def test_a_download_goes_on_with_it_and_leaves_what_is_complete(
    golden: SmallStore, connect: Callable[..., LogSession]
) -> None:
    jobs = [EmulatedJob(job_id, [*lines, "more"]) for job_id, lines in LINES.items()]
    with Emulator(jobs) as emulator:
        async with connect(emulator) as session:
            outcomes = await session.download([job.job_id for job in jobs], golden.url, settle=0.05)
    assert {one.job_id: (one.state, one.new_lines) for one in outcomes} == {
        "ft-complete": ("skipped", 0),
        "FT-1.log": ("skipped", 0),
        "ft-running": ("complete", 1),
        "ft-again": ("complete", 1),
    }
    assert {verdict.state for verdict in verify_archive(golden.url)} == {"ok", "superseded"}


async def write(folder: Path, store: SmallStore) -> None:
    jobs = {job_id: EmulatedJob(job_id, lines) for job_id, lines in LINES.items()}
    jobs["ft-again"].rewrite(FIRST_LIFE)
    jobs["ft-again"].status = "RUNNING"
    jobs["ft-running"].truncate(7)
    jobs["ft-running"].status = "RUNNING"
    with Emulator(list(jobs.values())) as emulator:
        policy = RetryPolicy(base_delay=0.001, max_delay=0.002, lag=0.05)
        async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=policy) as session:
            for job_id in jobs:
                await session.download(
                    job_id, store.url, compression="gzip" if "again" in job_id else None
                )
            jobs["ft-again"].rewrite(LINES["ft-again"])
            jobs["ft-running"].append(*LINES["ft-running"][7:])
            await session.download(list(jobs), store.url)
    for name in store.names():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.objects[f"bucket/logs/{name}"].data)


if __name__ == "__main__":
    with SmallStore().serving() as one:
        os.environ |= one.environ
        asyncio.run(write(GOLDEN / f"schema-{SCHEMA}", one))
