"""`ftlogs metrics ARCHIVE -o DATASET/`: what is made anew, what is refused, and how it ends."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dashscope_ftlogs import LogSession
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

Connect = Callable[..., LogSession]
LOG = [f"{{'loss': {number / 7}, 'grad_norm': {number / 3}, 'epoch': 0.5}}" for number in range(30_000)]
JOBS = [
    *(EmulatedJob(f"ft-{number}", LOG, create_time="2026-03-01 10:00:00") for number in range(3)),
    EmulatedJob("ft-3", ["{'loss': 1.5}"], status="RUNNING"),
]


async def archived(connect: Connect, folder: Path, jobs: list[EmulatedJob]) -> str:
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(session.jobs(), folder, settle=0)
    return str(folder)


def there(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def files(dataset: Path) -> dict[str, int]:
    """The jobs of a dataset, with when their files were made."""
    return {
        path.parent.name.removeprefix("job="): path.stat().st_mtime_ns
        for path in dataset.rglob("metrics.parquet")
    }


@pytest.mark.extras
async def test_only_what_is_new_is_read_again(connect: Connect, ftlogs: Any, tmp_path: Path) -> None:
    logs, out = await archived(connect, tmp_path / "logs", JOBS), tmp_path / "data"
    ended = await ftlogs("metrics", logs, "-o", f"{out}/")
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == f"ftlogs: 4 new of 4 logs, 90,001 points in {out}/\n"
    before = files(out)
    assert sorted(before) == ["ft-0", "ft-1", "ft-2", "ft-3"]
    longer = EmulatedJob("ft-3", ["{'loss': 1.5}", "{'loss': 1.25}"], status="RUNNING")
    await archived(connect, tmp_path / "logs", [longer])
    ended = await ftlogs("metrics", logs, logs, "-o", str(out))
    assert ended.err == f"ftlogs: 1 new of 4 logs, 2 points in {out}\n"
    after = files(out)
    assert {job for job, when in after.items() if before[job] != when} == {"ft-3"}


@pytest.mark.extras
async def test_a_log_that_can_t_be_read_stops_no_other(
    connect: Connect, ftlogs: Any, tmp_path: Path
) -> None:
    logs, out = await archived(connect, tmp_path / "logs", JOBS), tmp_path / "data"
    (tmp_path / "logs" / "ft-1.log").unlink()
    ended = await ftlogs("metrics", logs, "-o", f"{out}/")
    assert ended.code == 6
    assert "ftlogs: ft-1: cannot read" in ended.err
    assert f"3 new of 4 logs, 60,001 points in {out}/" in ended.err
    assert sorted(files(out)) == ["ft-0", "ft-2", "ft-3"]


@pytest.mark.extras
async def test_a_cluster_makes_the_same(connect: Connect, ftlogs: Any, tmp_path: Path) -> None:
    from distributed import LocalCluster

    logs, out = await archived(connect, tmp_path / "logs", JOBS[2:]), tmp_path / "data"
    how: dict[str, Any] = {"processes": False, "protocol": "tcp", "dashboard_address": None}
    async with LocalCluster(n_workers=1, asynchronous=True, **how) as cluster:
        words = ("metrics", logs, "-o", f"{out}/", "--dask", cluster.scheduler_address)
        ended = await ftlogs(*words)
    assert ended.code == 0, ended.err
    assert f"2 new of 2 logs, 30,001 points in {out}/" in ended.err
    assert sorted(files(out)) == ["ft-2", "ft-3"]


@pytest.mark.extras
async def test_a_dataset_that_can_t_be_written_is_told_of_without_a_traceback(
    connect: Connect, ftlogs: Any, tmp_path: Path
) -> None:
    logs = await archived(connect, tmp_path / "logs", JOBS[3:])
    (tmp_path / "file").write_text("no directory")
    refused = await ftlogs("metrics", logs, "-o", f"{tmp_path}/file/data/")
    # What only turns out when the file is put in its place.
    out = tmp_path / "data" / "month=2024-10" / "job=ft-3" / "metrics.parquet"
    (out / "something").mkdir(parents=True)
    late = await ftlogs("metrics", logs, "-o", f"{tmp_path}/data/")
    assert (refused.code, late.code) == (2, 2)
    assert refused.err == f"ftlogs: -o '{tmp_path}/file/data/': '{tmp_path}/file' is no directory.\n"
    assert late.err == f"ftlogs: -o '{tmp_path}/data/': can't be written: Is a directory.\n"


@pytest.mark.extras
async def test_a_dataset_that_finds_no_room_keeps_what_was_added(
    connect: Connect, start_ftlogs: Any, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    chance = Random(1)
    jobs = [JOBS[3], EmulatedJob("ft-4", [f"{{'loss': {chance.random()}}}" for _ in range(150_000)])]
    logs, out = await archived(connect, tmp_path / "logs", jobs), tmp_path / "data"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_050, limits[1]))
    try:
        process = await start_ftlogs(("metrics", logs, "-o", f"{out}/"), None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    _, err = await process.communicate()
    assert process.returncode == 6
    assert f"-o '{out}/': can't be written: File too large. What was committed is whole" in err.decode()
    assert sorted(files(out)) == ["ft-3"]


@pytest.mark.extras
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ft-1", "-o", "data/"], "'ft-1' is no archive, of which datasets are made; `ftlogs download`"),
        (["-", "-o", "data/"], "'-' is no archive"),
        (["a.log", "-o", "data/"], "'a.log' is no archive"),
        (["empty", "-o", "data/"], "empty holds no manifest, so it is no archive"),
        (["logs", "-o", "data/", "--columns", "loss"], "-o DATASET/: not with --columns or"),
        (["logs", "-o", "data/", "--tensorboard", "t"], "-o DATASET/: not with --columns or"),
        (["logs", "-o", "data/", "--format", "csv"], "--format: only for what is printed"),
        (["logs", "--dask", "tcp://x"], "--dask: only with a dataset, -o DATASET/"),
        (["logs", "-o", "data"], "must end with .csv, .jsonl, .parquet; or with /, for a dataset"),
        (["logs", "-o", "s3://bucket/data/"], "is a URL"),
    ],
    ids=" ".join,
)
async def test_what_makes_no_dataset_is_refused_and_nothing_is_made(
    connect: Connect,
    ftlogs: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    await archived(connect, tmp_path / "logs", JOBS[3:])
    (tmp_path / "a.log").write_text("{'loss': 1}\n")
    (tmp_path / "empty").mkdir()
    ended = await ftlogs("metrics", *words)
    assert (ended.code, ended.out) == (2, b"")
    assert told in ended.err
    assert there(tmp_path) == {"a.log", "empty", "home", "logs"}


@pytest.mark.extras
@pytest.mark.posix
async def test_a_trap_is_not_followed(connect: Connect, ftlogs: Any, tmp_path: Path) -> None:
    logs = await archived(connect, tmp_path / "logs", JOBS[3:])
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o1777)
    shared.chmod(0o1777)
    (shared / "data").symlink_to(tmp_path / "elsewhere")
    ended = await ftlogs("metrics", logs, "-o", f"{shared}/data/")
    assert "Traceback" not in ended.err
