"""`ftlogs metrics ARCHIVE -o s3://BUCKET/DATASET/`: the dataset on object storage, from the command."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_store import KEY_ID, SECRET, SmallStore, Stored

from dashscope_ftlogs import LogSession, metrics
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = pytest.mark.extras

Connect = Callable[..., LogSession]
LOG = [f"{{'loss': {number / 7}, 'epoch': 0.5}}" for number in range(200)]
JOBS = [
    *(EmulatedJob(f"ft-{n}", LOG[n:], create_time=f"2026-0{1 + n % 2}-01 10:00:00") for n in range(6)),
    EmulatedJob("ft-6", ["{'loss': 1.5}"], status="RUNNING", create_time="2026-02-01 10:00:00"),
]
DATA = "s3://bucket/data/"


async def archived(connect: Connect, place: str | Path, jobs: list[EmulatedJob]) -> None:
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(session.jobs(), place, settle=0)


def counted(store: SmallStore) -> dict[str, int]:
    """How many rows each job has, to who takes the files that count."""
    import pyarrow.parquet as pq

    found: dict[str, int] = {}
    for url in metrics.dataset_files(DATA):
        table = pq.read_table(io.BytesIO(store.objects[url.removeprefix("s3://")].data))
        for job_id in table["job_id"].to_pylist():
            found[job_id] = found.get(job_id, 0) + 1
    return found


ALL = {f"ft-{n}": 200 - n for n in range(6)} | {"ft-6": 1}


@pytest.mark.parametrize("archive", ["s3://bucket/logs", "logs"])
async def test_only_what_is_new_is_read_and_a_month_is_one_object(
    connect: Connect,
    ftlogs: Any,
    store: SmallStore,
    archive: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    await archived(connect, archive, JOBS)
    ended = await ftlogs("metrics", archive, "-o", DATA)
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == f"ftlogs: 7 new of 7 logs, {sum(ALL.values()):,} points in {DATA}\n"
    assert counted(store) == ALL
    assert [url.split("/")[5] for url in metrics.dataset_files(DATA)] == [
        "month=2026-01",
        "month=2026-02",
    ]
    before = set(store.objects)
    ended = await ftlogs("metrics", archive, "-o", DATA)
    assert ended.err == f"ftlogs: 0 new of 7 logs, 0 points in {DATA}\n"
    assert set(store.objects) == before
    longer = EmulatedJob(
        "ft-6", ["{'loss': 1.5}"] * 2, status="RUNNING", create_time="2026-02-01 10:00:00"
    )
    await archived(connect, archive, [longer])
    ended = await ftlogs("metrics", archive, archive, "-o", DATA)
    assert ended.err == f"ftlogs: 1 new of 7 logs, 2 points in {DATA}\n"
    assert counted(store) == ALL | {"ft-6": 2}
    assert len(metrics.dataset_files(DATA)) == 2


async def test_a_damaged_log_keeps_the_points_that_there_are(
    connect: Connect, ftlogs: Any, store: SmallStore, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    await archived(connect, logs, JOBS)
    assert (await ftlogs("metrics", str(logs), "-o", DATA)).code == 0
    (logs / "ft-1.log").write_bytes((logs / "ft-1.log").read_bytes()[:99])
    (logs / "ft-2.manifest.json").write_text("{}")
    ended = await ftlogs("metrics", str(logs), "-o", DATA)
    assert (ended.code, "ftlogs: ft-1: cannot read" in ended.err) == (6, True)
    # Another pattern, so that each log is to be read again.
    ended = await ftlogs("metrics", str(logs), "-o", DATA, "--pattern", "(?P<loss>never seen)")
    assert ended.code == 6
    assert "ftlogs: ft-1: cannot read" in ended.err
    assert "is not a manifest as it was written" in ended.err
    assert "5 new of 7 logs" in ended.err
    assert counted(store) == ALL


async def test_a_cluster_makes_the_same(
    connect: Connect, ftlogs: Any, store: SmallStore, tmp_path: Path
) -> None:
    from distributed import LocalCluster

    await archived(connect, tmp_path / "logs", JOBS)
    how: dict[str, Any] = {"processes": False, "protocol": "tcp", "dashboard_address": ":0"}
    async with LocalCluster(n_workers=1, asynchronous=True, **how) as cluster:
        words = ("metrics", str(tmp_path / "logs"), "-o", DATA, "--dask", cluster.scheduler_address)
        ended = await ftlogs(*words)
    assert ended.code == 0, ended.err
    assert counted(store) == ALL


@pytest.mark.posix
async def test_ctrl_c_keeps_what_was_read(
    connect: Connect, start_ftlogs: Any, ftlogs: Any, store: SmallStore
) -> None:
    """A log that never comes holds the command up; those before it are put when it is interrupted."""
    await archived(connect, "s3://bucket/logs", JOBS)
    asked: list[str] = []

    def fault(method: str, path: str) -> Any:
        if method == "GET" and "ft-6/data-" in path:
            asked.append(path)
            return "hang"
        return None

    store.fault = fault
    process = await start_ftlogs(("metrics", "s3://bucket/logs", "-o", DATA), None)
    while not asked:
        await asyncio.sleep(0.01)
    process.send_signal(2)
    _, err = await process.communicate()
    assert process.returncode == 130, err
    assert counted(store) == {job: count for job, count in ALL.items() if job != "ft-6"}
    store.fault = lambda _method, _path: None
    ended = await ftlogs("metrics", "s3://bucket/logs", "-o", DATA)
    assert ended.err == f"ftlogs: 1 new of 7 logs, 1 point in {DATA}\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("logs", "-o", "s3://none/data/"), 4, "there is no such bucket"),
        (("logs", "-o", "s3://b@d/data/"), 2, "is not the URL of an archive"),
        (("logs", "-o", "ftp://bucket/data/"), 2, "is a URL"),
        (("logs", "-o", "s3://bucket/data.parquet"), 2, "is a URL"),
        (("logs", "-o", "oss://bucket/data/"), 2, "OSS needs OSS_ACCESS_KEY_ID"),
        (("s3://bucket/logs", "-o", "s3://bucket/logs/"), 2, "holds the archive"),
        (("s3://bucket/logs", "-o", "s3://bucket/logs/data"), 2, "holds the archive"),
        (("s3://bucket/logs/ft-1.log", "-o", "s3://bucket/logs"), 2, "holds the archive"),
        (("s3://bucket/logs", "-o", "s3://bucket"), 2, "holds the archive"),
        (("logs", "-o", DATA, "--columns", "loss"), 2, "-o DATASET/: not with --columns or"),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, tuple) else "",
)
async def test_what_can_t_be_is_refused_in_words_and_nothing_is_written(
    connect: Connect,
    ftlogs: Any,
    store: SmallStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("logs", "s3://bucket/logs"):
        await archived(connect, place, JOBS[:2])
    before = {name: one.modified for name, one in store.objects.items()}
    ended = await ftlogs("metrics", *words)
    assert (ended.code, ended.out) == (code, b""), ended.err
    assert said in " ".join(ended.err.split())
    assert not [word for word in (SECRET, KEY_ID, "Traceback") if word in ended.err]
    assert {name: one.modified for name, one in store.objects.items()} == before


@pytest.mark.parametrize(
    "name", [".ftlogs-lock", ".ftlogs-archive", "month=2026-01/job=ft-1/metrics.parquet"]
)
async def test_nothing_is_written_into_another_archive_or_a_copy_from_disk(
    connect: Connect, ftlogs: Any, store: SmallStore, name: str
) -> None:
    await archived(connect, "s3://bucket/logs", JOBS[:2])
    store.objects[f"bucket/data/{name}"] = Stored(b"", store.now())
    before = dict(store.objects)
    ended = await ftlogs("metrics", "s3://bucket/logs", "-o", DATA)
    assert (ended.code, ended.out, store.objects) == (2, b"", before)
    assert "s3://bucket/data is a" in ended.err
    assert ended.err.endswith("Name another place for the dataset.\n")


@pytest.mark.covered
async def test_a_sibling_whose_name_begins_alike_is_another_place(
    connect: Connect, ftlogs: Any, store: SmallStore
) -> None:
    await archived(connect, "s3://bucket/logs", JOBS[:2])
    assert (await ftlogs("metrics", "s3://bucket/logs", "-o", "s3://bucket/logs-data/")).code == 0


@pytest.mark.covered
async def test_a_dataset_is_no_archive(connect: Connect, ftlogs: Any, store: SmallStore) -> None:
    await archived(connect, "s3://bucket/logs", JOBS[:2])
    assert (await ftlogs("metrics", "s3://bucket/logs", "-o", DATA)).code == 0
    for command in ("show", "verify"):
        ended = await ftlogs(command, DATA)
        assert (ended.code, ended.out) == (2, b"")
        assert "s3://bucket/data holds no commit, so it is no archive" in ended.err
