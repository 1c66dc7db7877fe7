"""Parquet files beside an archive: what they hold, and when they are made anew."""

import asyncio
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pages import blocks

from dashscope_ftlogs import ConfigError, InvalidArgumentError, LogSession, MetricsTable, metrics
from dashscope_ftlogs.archive.local_log_reader import StoredLog
from dashscope_ftlogs.dataset.parquet_dataset import Dataset
from dashscope_ftlogs.dataset.parquet_file import write_points
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.reading.own_pattern import own_pattern

Connect = Callable[..., LogSession]
PAGE = Path(__file__).parents[2] / "docs/howto/datasets.md"
LINES = [
    "{'loss': 2.5, 'epoch': 0.5, 'month': 7}",
    "{'loss': '1.5', 'train_runtime': '5s', 'status': 'odd', 'learning_rate': 'auto\ud800'}",
    "{'loss': nan, 'learning_rate': 1e-05}",
]
JOB = EmulatedJob(
    "ft-1",
    LINES,
    model="qwen3-8b",
    job_name="夜间\ud800",
    create_time="2026-03-01 10:00:00",
    hyper_parameters={"learning_rate": "1.6e-5"},
)


def metrics_points(lines: list[str]) -> PointColumns:
    points = LogPoints(None)
    points.read_numbered(list(enumerate(lines)))
    return points.columns()


async def archived(connect: Connect, folder: Path, *jobs: EmulatedJob) -> Path:
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(session.jobs(), folder, settle=0)
    return folder


@pytest.mark.extras
async def test_a_file_holds_the_points_of_a_log_and_the_facts_of_its_job(
    connect: Connect, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    (log,) = metrics.partitions(await archived(connect, tmp_path / "logs", JOB))
    dataset = Dataset(tmp_path / "data")
    assert not dataset.has(log)
    assert dataset.add(log.job_id, log.log).count == 3
    assert dataset.has(log)
    path = tmp_path / "data" / "month=2026-03" / "job=ft-1" / "metrics.parquet"
    assert list((tmp_path / "data").rglob("*.*")) == [path]
    assert metrics.dataset_files(tmp_path / "data") == [str(path)]
    with path.open("rb") as file:
        table = pq.ParquetFile(file).read()
    rows = table.to_pylist()
    assert rows[0] | {"job_id": "ft-1", "model": "qwen3-8b", "loss": 2.5, "month_": 7.0} == rows[0]
    assert {row["job_name"] for row in rows} == {"夜间\\ud800"}
    assert json.loads(rows[0]["hyper_parameters"]) == {"learning_rate": "1.6e-5"}
    assert [row["learning_rate"] for row in rows] == [None, None, 1e-05]
    assert json.loads(rows[1]["text_metrics"])["train_runtime"] == "5s"
    assert "status_" not in table.schema.names, "it is a text: of columns, only numbers are metrics"
    told = MetricsTable.from_lines(LINES, "ft-1")
    assert [row["kind"] for row in rows] == told["kind"]
    types = {field.name: str(field.type) for field in table.schema}
    assert {types[name] for name in ("loss", "month_", "learning_rate", "epoch")} == {"double"}


@pytest.mark.covered
@pytest.mark.extras
async def test_files_with_other_metrics_and_none_are_read_together(
    connect: Connect, tmp_path: Path
) -> None:
    import duckdb

    jobs = [
        JOB,
        EmulatedJob("ft-2", ["{'loss': 0.5, 'reward': 1}"]),
        EmulatedJob("ft-3", ["no metrics"]),
        EmulatedJob("ft-4", ["{'learning_rate': 'auto', 'loss': 3}"], create_time="2026-04-01 00:00:00"),
    ]
    dataset = Dataset(tmp_path / "data")
    one, undated, *others = metrics.partitions(await archived(connect, tmp_path / "logs", *jobs))
    undated = metrics.Partition("ft-2", attrs.evolve(undated.log, job=None))
    for log in (one, undated, *others):
        dataset.add(log.job_id, log.log)
    how = "union_by_name = true, hive_partitioning = true, hive_types_autocast = false"
    found = duckdb.sql(
        "select month, job, count(*), min(loss), max(reward) "
        f"from read_parquet('{dataset.directory}/*/*/*.parquet', {how}) "
        "group by all order by job"
    ).fetchall()
    assert found == [
        ("2026-03", "ft-1", 3, 1.5, None),
        ("unknown", "ft-2", 1, 0.5, 1.0),
        ("2026-04", "ft-4", 1, 3.0, None),
    ]


@pytest.mark.extras
async def test_readers_for_whom_capitals_count_for_nothing_take_no_metric_for_another(
    connect: Connect, tmp_path: Path
) -> None:
    import duckdb

    jobs = [
        EmulatedJob("ft-1", ["{'loss': 1.0, 'Loss': 9.0}"]),
        EmulatedJob("ft-2", ["{'Loss': 9.0, 'learning_rate': 1}", "{'loss': 1.0, 'Loss': 9.0}"]),
        # Of PyTorch's example of images: what it calls `Time` is not when that was.
        EmulatedJob("ft-3", ["Epoch: [0][10/100]\tTime 0.125 (0.2)\tData 0.01 (0.01)\tloss 1.0 (1.0)"]),
    ]
    dataset = Dataset(tmp_path / "data")
    for log in metrics.partitions(await archived(connect, tmp_path / "logs", *jobs)):
        dataset.add(log.job_id, log.log)
    found = duckdb.sql(
        "select min(loss), max(loss), min(Loss_), max(Loss_), max(Time_), max(time) "
        f"from read_parquet('{dataset.directory}/*/*/*.parquet', union_by_name = true)"
    ).fetchall()
    assert found == [(1.0, 1.0, 9.0, 9.0, 0.125, None)]


@pytest.mark.covered
@pytest.mark.extras
@given(
    told=st.lists(
        st.text("aA\u212ak_", max_size=3) | st.sampled_from(["Time", "Month", "month_", "Job_Id"]),
        max_size=8,
        unique=True,
    ).filter(any)
)
@example(told=["Kind", "\u212aind"])
def test_whatever_a_log_names_no_columns_differ_in_capitals_only(told: list[str]) -> None:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    values = {name: float(number) for number, name in enumerate(told)}
    points = metrics_points([json.dumps({"loss": 0.5, **values})])
    log = metrics.Partition("ft-1", StoredLog("ft-1", Path("ft-1.log"), "ft-1", None, "", "", 0))
    write_points(file, log, points, None)
    names = pq.read_schema(file).names
    assert len({name.lower() for name in names}) == len(names)
    assert {"job_id", "time", "kind", "step", "main_loss"} <= set(names)


@pytest.mark.covered
@pytest.mark.extras
@pytest.mark.parametrize("caption", ["best_losses.py", "with_polars.py"])
async def test_documented_readers_take_the_columns_of_all_files(
    connect: Connect, tmp_path: Path, caption: str
) -> None:
    await with_other_columns(connect, tmp_path)
    (code,) = (block.content for block in blocks(PAGE.read_text("utf-8")) if block.caption == caption)
    words = (sys.executable, "-c", code)
    process = await asyncio.create_subprocess_exec(*words, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert "0.125" in out.decode()


@pytest.mark.extras
async def test_the_losses_of_several_trainers_are_asked_for_by_one_name(
    connect: Connect, tmp_path: Path
) -> None:
    import duckdb

    logs = {
        "ft-1": ["{'loss': 2.0, 'step': 1}", "{'eval_loss': 1.5, 'step': 1}"],
        "ft-2": ["{'train/loss': 2.5, 'step': 1}", "{'valid_loss': 0.5, 'step': 1}"],
        "ft-3": ["step 1 loss 3.5", "Eval step 1: loss=0.25"],
        "ft-4": ["{'reward': 1.0, 'step': 1}", "{'eval_reward': 0.5, 'step': 1}"],
    }
    dataset = Dataset(tmp_path / "data")
    jobs = [EmulatedJob(job_id, lines) for job_id, lines in logs.items()]
    for log in metrics.partitions(await archived(connect, tmp_path / "logs", *jobs)):
        dataset.add(log.job_id, log.log)
    found = duckdb.sql(
        "select job_id, min(main_loss), min(main_eval_loss) "
        f"from read_parquet('{dataset.directory}/*/*/*.parquet', union_by_name = true) "
        "group by all order by job_id"
    ).fetchall()
    assert found == [("ft-1", 2.0, 1.5), ("ft-2", 2.5, 0.5), ("ft-3", 3.5, 0.25), ("ft-4", None, None)]


@pytest.mark.extras
async def test_the_last_loss_of_a_bar_that_is_redrawn_in_one_line_is_the_last_row(
    connect: Connect, tmp_path: Path
) -> None:
    import duckdb

    bar = "SFT: {0}%|3 | {0}/100 [02:09<1:13:19, 12.05s/it, loss={1}]"
    line = "\r".join(bar.format(step, 9 - step) for step in range(1, 6))
    (log,) = metrics.partitions(await archived(connect, tmp_path / "logs", EmulatedJob("ft-1", [line])))
    dataset = Dataset(tmp_path / "data")
    dataset.add(log.job_id, log.log)
    found = duckdb.sql(
        'select count(distinct "offset"), arg_max(main_loss, file_row_number) '
        f"from read_parquet('{dataset.directory}/*/*/*.parquet', file_row_number = true)"
    ).fetchall()
    assert found == [(1, 4.0)]


async def with_other_columns(connect: Connect, folder: Path) -> list[str]:
    """Make a dataset `data` whose first file lacks a column of the second; return its files."""
    jobs = [EmulatedJob("ft-1", ["{'loss': 2}"]), EmulatedJob("ft-2", ["{'eval_loss': 0.125, 'kl': 1}"])]
    dataset = Dataset(folder / "data")
    for log in metrics.partitions(await archived(connect, folder / "logs", *jobs)):
        dataset.add(log.job_id, log.log)
    return metrics.dataset_files(folder / "data")


@pytest.mark.extras
async def test_pyarrow_and_pandas_take_the_columns_of_all_files_by_their_schema(
    connect: Connect, tmp_path: Path
) -> None:
    import pandas as pd
    import pyarrow as pa
    from pyarrow.dataset import dataset
    from pyarrow.parquet import read_schema

    files = await with_other_columns(connect, tmp_path)
    schema = pa.unify_schemas([read_schema(file) for file in files])
    for found in (pd.read_parquet(files, schema=schema), dataset(files, schema=schema).to_table()):
        assert found["eval_loss"].to_numpy()[1] == 0.125
        assert found["loss"].to_numpy()[0] == 2


@pytest.mark.extras
async def test_a_log_is_read_again_once_anything_of_it_is_another(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "logs"
    (log,) = metrics.partitions(await archived(connect, folder, JOB))
    dataset = Dataset(tmp_path / "data")
    dataset.add(log.job_id, log.log)
    own = Dataset(tmp_path / "data", own_pattern("at (?P<step>[0-9]+) cost (?P<loss>.*)"))
    assert not own.has(log), "another pattern"
    failed = EmulatedJob("ft-1", LINES, status="FAILED", create_time=JOB.create_time)
    (same_lines,) = metrics.partitions(await archived(connect, tmp_path / "failed", failed))
    assert not dataset.has(same_lines), "other facts"
    longer = EmulatedJob("ft-1", [*LINES, "more"], create_time=JOB.create_time, status="RUNNING")
    (more,) = metrics.partitions(await archived(connect, tmp_path / "longer", longer))
    assert not dataset.has(more), "other lines"
    monkeypatch.setattr("dashscope_ftlogs.dataset.parquet_file.__version__", "99")
    assert not dataset.has(log), "read by another version"


@pytest.mark.extras
@pytest.mark.parametrize("cut", [0, 4, 100, -1])
async def test_a_damaged_file_is_made_anew(connect: Connect, tmp_path: Path, cut: int) -> None:
    (log,) = metrics.partitions(await archived(connect, tmp_path / "logs", JOB))
    dataset = Dataset(tmp_path / "data")
    dataset.add(log.job_id, log.log)
    path = dataset.path(log)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    assert not dataset.has(log)
    dataset.add(log.job_id, log.log)
    assert dataset.has(log)


@pytest.mark.extras
async def test_a_file_that_can_t_be_written_leaves_what_was_there(
    connect: Connect, tmp_path: Path
) -> None:
    (log,) = metrics.partitions(await archived(connect, tmp_path / "logs", JOB))
    dataset = Dataset(tmp_path / "data")
    dataset.path(log).mkdir(parents=True)
    with pytest.raises(OSError, match=r"metrics\.parquet"):
        dataset.add(log.job_id, log.log)
    assert [path.name for path in dataset.path(log).parent.iterdir()] == ["metrics.parquet"]


@attrs.frozen
class SweptMeanwhile:
    """A log at whose look another run sweeps away what is being written, so many times."""

    job: None
    directory: Path
    left: list[int]
    profile: str = ""

    @property
    def version(self) -> str:
        if self.left and self.left.pop():
            for path in self.directory.glob(".ftlogs-new-*"):
                path.unlink()
        return "1"


@pytest.mark.extras
@pytest.mark.parametrize(("times", "is_written"), [(3, True), (4, False)])
def test_a_file_that_was_swept_by_mistake_is_written_again(
    tmp_path: Path, times: int, is_written: bool
) -> None:
    """As may happen before it is locked; but not for ever."""
    log: Any = SweptMeanwhile(None, tmp_path, [1] * times)
    dataset = Dataset(tmp_path)
    points = metrics_points(LINES)
    one = metrics.Partition("ft-1", log)
    if is_written:
        assert dataset.put(one, points) == 3
        assert dataset.has(one)
    else:
        with pytest.raises(FileNotFoundError):
            dataset.put(one, points)
    assert not list(tmp_path.glob(".*"))


async def test_without_pyarrow_it_is_told_what_to_install(connect: Connect, tmp_path: Path) -> None:
    (log,) = metrics.partitions(await archived(connect, tmp_path / "logs", JOB))
    dataset = Dataset(tmp_path / "data")
    for do in (lambda: dataset.has(log), lambda: dataset.add(log.job_id, log.log)):
        with pytest.raises(ConfigError, match=r"dashscope-ftlogs\[data\]"):
            do()
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").rglob("*.*"))


def test_names_of_jobs_lead_nowhere_else() -> None:
    log = metrics.Partition("../../etc/x", StoredLog("x", Path("x.log")))
    with pytest.raises(InvalidArgumentError, match="job id"):
        Dataset(Path("data")).path(log)
