"""`ftlogs metrics ARCHIVE -o DATASET/`: what is made anew, what is refused, and how it ends."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
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
    EmulatedJob("ft-3", ["{'loss': 1.5}"], status="RUNNING", create_time="2024-10-29 10:00:00"),
]


async def archived(connect: Connect, folder: Path, jobs: list[EmulatedJob]) -> str:
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(session.jobs(), folder, settle=0)
    return str(folder)


SMALL = [EmulatedJob("ft-2", LOG[:2_000]), JOBS[3]]


def there(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def written(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def files(dataset: Path) -> dict[str, int]:
    """The jobs of a dataset, with when their files were made."""
    return {
        path.parent.name.removeprefix("job="): path.stat().st_mtime_ns
        for path in dataset.rglob("metrics.parquet")
    }


@pytest.mark.covered
@pytest.mark.extras
async def test_only_what_is_new_is_read_again(connect: Connect, ftlogs: Any, tmp_path: Path) -> None:
    logs, out = await archived(connect, tmp_path / "logs", JOBS), tmp_path / "data"
    ended = await ftlogs("metrics", logs, "-o", f"{out}/")
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == f"ftlogs: 4 new of 4 logs, 90,001 points in {out}/\n"
    before = files(out)
    assert sorted(before) == ["ft-0", "ft-1", "ft-2", "ft-3"]
    lines = ["{'loss': 1.5}", "{'loss': 1.25}"]
    longer = EmulatedJob("ft-3", lines, status="RUNNING", create_time="2024-10-29 10:00:00")
    await archived(connect, tmp_path / "logs", [longer])
    ended = await ftlogs("metrics", logs, logs, "-o", str(out))
    assert ended.err == f"ftlogs: 1 new of 4 logs, 2 points in {out}\n"
    after = files(out)
    assert {job for job, when in after.items() if before[job] != when} == {"ft-3"}


@pytest.mark.extras
async def test_a_log_whose_job_is_of_another_month_by_now_is_there_once(
    connect: Connect, ftlogs: Any, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    for month in ("2024-10", "2024-11"):
        job = EmulatedJob("ft-3", ["{'loss': 1.5}"], create_time=f"{month}-29 10:00:00")
        ended = await ftlogs(
            "metrics", await archived(connect, tmp_path / month, [job]), "-o", f"{out}/"
        )
        assert ended.err.startswith("ftlogs: 1 new of 1 log")
        assert [path.parent.parent.name for path in out.rglob("metrics.parquet")] == [f"month={month}"]


@pytest.mark.covered
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


@pytest.mark.covered
@pytest.mark.extras
async def test_a_pattern_that_fits_nothing_is_told_when_all_logs_are_read_for_it(
    connect: Connect, ftlogs: Any, tmp_path: Path
) -> None:
    logs, out = await archived(connect, tmp_path / "logs", SMALL), tmp_path / "data"
    typo = ("--pattern", r"never (?P<x>seen)")
    told = r"ftlogs: --pattern 'never (?P<x>seen)': fits no line"
    assert told not in (await ftlogs("metrics", logs, "-o", f"{out}/")).err
    assert told in (await ftlogs("metrics", logs, "-o", f"{out}/", *typo)).err  # another one: all anew
    assert told not in (await ftlogs("metrics", logs, "-o", f"{out}/", *typo)).err
    await archived(connect, tmp_path / "logs", [EmulatedJob("ft-9", ["x"])])
    last = await ftlogs("metrics", logs, "-o", f"{out}/", *typo)
    assert "1 new of" in last.err
    assert told not in last.err


@pytest.mark.extras
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
async def test_good_points_are_never_replaced_by_those_of_a_damaged_log(
    connect: Connect, ftlogs: Any, tmp_path: Path, harm: str
) -> None:
    logs, out = await archived(connect, tmp_path / "logs", SMALL), tmp_path / "data"
    words = ("metrics", logs, "-o", f"{out}/")
    assert (await ftlogs(*words)).code == 0
    before = files(out)
    log = tmp_path / "logs" / "ft-2.log"
    whole = log.read_bytes()
    if harm == "gone":
        log.unlink()
    else:
        log.write_bytes(whole[:9_000] if harm == "cut" else whole.replace(b"'loss': 1.", b"'loss': 7."))
    # Another pattern, so that each log is to be read again.
    ended = await ftlogs(*words, "--pattern", "(?P<loss>never seen)")
    assert ended.code == 6
    assert f"ftlogs: ft-2: cannot read {log}: " in ended.err
    assert "`ftlogs verify`" in ended.err
    assert "1 new of 2 logs, 1 point" in ended.err
    assert files(out)["ft-2"] == before["ft-2"]
    assert files(out)["ft-3"] != before["ft-3"]


@pytest.mark.covered
@pytest.mark.extras
@pytest.mark.parametrize("harm", ["cut", "gone", "linked", "growing"])
async def test_a_log_that_is_in_already_is_told_of_if_its_file_is_gone_or_cut(
    connect: Connect, ftlogs: Any, tmp_path: Path, harm: str
) -> None:
    logs, out = await archived(connect, tmp_path / "logs", SMALL), tmp_path / "data"
    words = ("metrics", logs, "-o", f"{out}/")
    assert (await ftlogs(*words)).code == 0
    before = files(out)
    log = tmp_path / "logs" / "ft-2.log"
    whole = log.read_bytes()
    log.unlink()
    if harm in {"cut", "growing"}:
        log.write_bytes(whole[:-1] if harm == "cut" else whole + b"not yet committed\n")
    elif harm == "linked":
        log.symlink_to("ft-3.log")
    for _ in range(2):
        ended = await ftlogs(*words)
        assert ended.code == (0 if harm == "growing" else 6)
        assert ended.err.endswith(f"ftlogs: 0 new of 2 logs, 0 points in {out}/\n")
        assert ("ftlogs: ft-2: " in ended.err) == (harm != "growing")
        assert str(log) in ended.err or harm == "growing"
        assert files(out) == before


@pytest.mark.extras
async def test_a_damaged_manifest_costs_its_own_log_only(
    connect: Connect, ftlogs: Any, tmp_path: Path
) -> None:
    logs, out = await archived(connect, tmp_path / "logs", SMALL), tmp_path / "data"
    for name in ("ft-2", "ft-9~0123456789abcdef"):
        (tmp_path / "logs" / f"{name}.manifest.json").write_text("{}")
    ended = await ftlogs("metrics", logs, "-o", f"{out}/")
    assert ended.code == 6
    assert ended.err.count("is not a manifest as it was written") == 2
    assert "1 new of 3 logs, 1 point" in ended.err
    assert list(files(out)) == ["ft-3"]


@pytest.mark.extras
@pytest.mark.parametrize(
    "output", ["logs/", "logs/data/", "./", "logs/../logs", "other/../logs/x/y/", "link/data/"]
)
async def test_archive_and_dataset_may_not_lie_in_each_other(
    connect: Connect, ftlogs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    await archived(connect, tmp_path / "logs", JOBS[3:])
    (tmp_path / "other").mkdir()
    if output.startswith("link"):
        pytest.importorskip("fcntl", reason="links need a right there")
        (tmp_path / "link").symlink_to("logs")
    before = written(tmp_path)
    for source in ("logs", "logs/ft-3.log"):
        ended = await ftlogs("metrics", source, "-o", output)
        assert (ended.code, ended.out) == (2, b"")
        assert ended.err.startswith(f"ftlogs: -o {output!r}: ")
        assert "another place" in ended.err
    assert written(tmp_path) == before


@pytest.mark.extras
@pytest.mark.parametrize(
    "name", [".ftlogs-lock", ".ftlogs-archive", "ft-1.manifest.json", ".ftlogs-dataset"]
)
async def test_nothing_is_written_into_another_archive_or_a_copy_from_a_bucket(
    connect: Connect, ftlogs: Any, tmp_path: Path, name: str
) -> None:
    logs, out = await archived(connect, tmp_path / "logs", JOBS[3:]), tmp_path / "data"
    out.mkdir()
    (out / name).touch()
    ended = await ftlogs("metrics", logs, "-o", f"{out}/")
    assert (ended.code, ended.out, there(out)) == (2, b"", {name})
    assert f"{out} is a" in ended.err
    assert ended.err.endswith(f", by {name}. Name another place for the dataset.\n")


@pytest.mark.covered
@pytest.mark.extras
@pytest.mark.parametrize("name", ["x.parquet/", "x.csv/", "x.jsonl/"])
async def test_a_slash_says_that_it_is_a_dataset_however_its_name_ends(
    connect: Connect, ftlogs: Any, tmp_path: Path, name: str
) -> None:
    logs = await archived(connect, tmp_path / "logs", JOBS[3:])
    for new in (1, 0):
        ended = await ftlogs("metrics", logs, "-o", f"{tmp_path}/{name}")
        assert ended.code == 0
        assert ended.err.startswith(f"ftlogs: {new} new of 1 log")
    assert list(files(tmp_path / name)) == ["ft-3"]


@pytest.mark.covered
@pytest.mark.extras
async def test_a_cluster_makes_the_same(connect: Connect, ftlogs: Any, tmp_path: Path) -> None:
    from distributed import LocalCluster

    logs, out = await archived(connect, tmp_path / "logs", JOBS[2:]), tmp_path / "data"
    how: dict[str, Any] = {"processes": False, "protocol": "tcp", "dashboard_address": ":0"}
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


@pytest.mark.covered
@pytest.mark.extras
async def test_a_dataset_that_finds_no_room_keeps_what_was_added(
    connect: Connect, start_ftlogs: Any, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    chance = Random(1)
    jobs = [JOBS[3], EmulatedJob("ft-4", [f"{{'loss': {chance.random()}}}" for _ in range(30_000)])]
    logs, out = await archived(connect, tmp_path / "logs", jobs), tmp_path / "data"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_050, limits[1]))
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
        (["logs", "-o", "s3://bucket/data.csv"], "is a URL"),
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


# Writes a file and stays there, until it is told to go on; in the other processes, too.
STAYS = """
import sys
from pathlib import Path
from dashscope_ftlogs.cli import main, reading_processes
from dashscope_ftlogs.dataset import parquet_dataset

write = parquet_dataset.write_points

def stays(file, *rest):
    write(file, *rest)
    file.flush()
    while not Path("go on").exists():
        pass

parquet_dataset.write_points = stays
reading_processes.processors = lambda: 2

if __name__ == "__main__":
    main()
"""
LARGE = [EmulatedJob(f"ft-{n}", [*LOG[:99], *("x" * 999 for _ in range(9_000))]) for n in range(3)]


@pytest.fixture
async def staying(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command that writes files of a dataset, in this process or in two others."""
    monkeypatch.chdir(tmp_path)
    await archived(connect, tmp_path / "logs", LARGE if request.param == "others" else JOBS[3:])
    (tmp_path / "stays.py").write_text(STAYS)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "stays.py", "metrics", "logs", "-o", "data/"), stderr=asyncio.subprocess.PIPE
    )
    count = 2 if request.param == "others" else 1
    while len(left_behind()) < count:
        await asyncio.sleep(0.01)
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


def go_on() -> None:
    Path("go on").touch()


def left_behind() -> list[str]:
    return [path.name for path in Path("data").rglob("*") if path.name.startswith(".")]


def eventually(what: Callable[[], bool]) -> None:
    for _ in range(3000):
        if what():
            return
        time.sleep(0.01)
    raise TimeoutError


@pytest.mark.extras
@pytest.mark.posix
@pytest.mark.parametrize("staying", ["here", "others"], indirect=True)
async def test_ctrl_c_leaves_nothing_half_written(staying: asyncio.subprocess.Process) -> None:
    staying.send_signal(signal.SIGINT)
    go_on()
    _, err = await staying.communicate()
    assert staying.returncode == 130, err
    assert left_behind() == []


@pytest.mark.unmeasured
@pytest.mark.extras
@pytest.mark.posix
@pytest.mark.parametrize("staying", ["here", "others"], indirect=True)
async def test_what_a_kill_leaves_is_no_data_and_swept_by_the_next_run(
    ftlogs: Any, staying: asyncio.subprocess.Process
) -> None:
    import duckdb
    import polars as pl
    from pyarrow import dataset

    before = left_behind()
    beside = await ftlogs("metrics", "logs", "-o", "data/")
    assert beside.code == 0
    assert left_behind() == before, "their writers live"
    staying.kill()
    await staying.wait()
    eventually(lambda: all(map(can_be_locked, Path("data").glob(".*"))))
    rows = duckdb.sql("from read_parquet('data/**/*.parquet', union_by_name = true)").fetchall()
    assert len(rows) == len(pl.scan_parquet("data/**/*.parquet").collect())
    assert len(rows) == dataset.dataset("data").count_rows() > 0
    again = await ftlogs("metrics", "logs", "-o", "data/")
    assert (again.code, left_behind()) == (0, [])


def can_be_locked(path: Path) -> bool:
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
