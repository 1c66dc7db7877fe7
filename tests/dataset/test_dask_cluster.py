"""A dataset that is made by a cluster: as by this machine, and as clear an end where it can't be."""

import io
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import attrs
import pytest

from dashscope_ftlogs import ArchiveError, ConfigError, LogSession, metrics
from dashscope_ftlogs.dataset.dask_cluster import made_by_cluster
from dashscope_ftlogs.dataset.parquet_dataset import Added, Dataset
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

Connect = Callable[..., LogSession]
JOBS = [EmulatedJob(f"ft-{number}", ["{'loss': 1.5}"] * number) for number in range(1, 6)]


@pytest.fixture
async def scheduler() -> AsyncIterator[str]:
    from distributed import LocalCluster

    how: dict[str, Any] = {"processes": False, "asynchronous": True, "dashboard_address": ":0"}
    async with LocalCluster(n_workers=2, threads_per_worker=1, **how) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
async def logs(connect: Connect, tmp_path: Path) -> list[metrics.Partition]:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        await session.download(session.jobs(), tmp_path / "logs", settle=0)
    return metrics.partitions(tmp_path / "logs")


async def outcomes(
    address: str, make: Callable[..., int], logs: list[metrics.Partition]
) -> dict[str, tuple[metrics.Partition, Any]]:
    async with aclosing(made_by_cluster(address, make, logs)) as coming:
        return {one.job_id: (one, outcome) async for one, outcome in coming}


@pytest.mark.covered
@pytest.mark.extras
async def test_it_is_the_same_as_if_it_were_made_here(
    scheduler: str, logs: list[metrics.Partition], tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    there, here = Dataset(tmp_path / "there"), Dataset(tmp_path / "here")
    made = await outcomes(scheduler, there.add, logs)
    assert {job_id: outcome for job_id, (_, outcome) in made.items()} == {
        one.job_id: here.add(one.job_id, one.log) for one in logs
    }
    for one in logs:
        files = (io.BytesIO(dataset.path(one).read_bytes()) for dataset in (there, here))
        made_there, made_here = (pq.ParquetFile(file).read() for file in files)
        assert made_there.equals(made_here)


@pytest.mark.extras
async def test_a_log_that_can_t_be_read_stops_no_other(
    scheduler: str, logs: list[metrics.Partition], tmp_path: Path
) -> None:
    logs[2].log.path.unlink()
    made = await outcomes(scheduler, Dataset(tmp_path / "data").add, logs)
    failed = {job_id: outcome for job_id, (_, outcome) in made.items() if not isinstance(outcome, Added)}
    assert list(failed) == ["ft-3"]
    assert isinstance(failed["ft-3"], ArchiveError)
    assert len(made) == len(logs)


@pytest.mark.extras
async def test_a_dataset_that_can_t_be_written_ends_it(
    scheduler: str, logs: list[metrics.Partition], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(OSError, match="file"):
        await outcomes(scheduler, Dataset(tmp_path / "file").add, logs)


@pytest.mark.extras
async def test_a_worker_that_can_t_do_it_is_told_by_its_own_words(
    scheduler: str, logs: list[metrics.Partition], tmp_path: Path
) -> None:
    def not_installed(*_: object) -> int:
        raise ConfigError("a dataset needs pyarrow")

    with pytest.raises(ConfigError, match="needs pyarrow"):
        await outcomes(scheduler, not_installed, logs)
    version: Any = unknown_there
    odd = metrics.Partition("ft-9", attrs.evolve(logs[0].log, version=version))
    with pytest.raises(ConfigError, match=r"a worker failed at ft-9: TypeError"):
        await outcomes(scheduler, Dataset(tmp_path / "data").add, [odd])


def unknown_there() -> None:
    """Nothing that JSON has a word for."""


@pytest.mark.extras
async def test_who_leaves_early_leaves_nothing(
    scheduler: str, logs: list[metrics.Partition], tmp_path: Path
) -> None:
    async with aclosing(made_by_cluster(scheduler, Dataset(tmp_path / "data").add, logs)) as coming:
        await anext(coming)


@pytest.mark.extras
@pytest.mark.parametrize("address", ["nonsense://x", "tcp://127.0.0.1:1", "tcp://"])
async def test_where_no_scheduler_answers_that_is_told(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("dashscope_ftlogs.dataset.dask_cluster._PATIENCE", 0.2)
    with pytest.raises(ConfigError, match="no scheduler answers there"):
        await outcomes(address, Dataset(tmp_path).add, [])


async def test_without_dask_it_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dashscope-ftlogs\[dask\]"):
        await outcomes("tcp://127.0.0.1:1", Dataset(tmp_path).add, [])
