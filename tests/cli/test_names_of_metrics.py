"""Whatever a log calls a metric: each format holds it, and those who read the format find it there."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError, LogSession, MetricsTable, metrics
from dashscope_ftlogs.cli.terminal.table_export import write_events, write_table
from dashscope_ftlogs.dataset.parquet_dataset import Dataset
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.metrics.table import table_of

pytestmark = [pytest.mark.extras, pytest.mark.unmeasured]

OURS = ("source", "kind", "month", "job", "model", "text_metrics", "other_metrics")
NAMES = st.lists(
    st.sampled_from(
        [
            *(form.format(name) for name in OURS for form in ("{}", "{}_", "{}__")),
            *("Month", "JOB", "Source", "a b", "a_b", "/a_b", "=x", "'=x", "\0x", "x\0y", "x\\0y"),
            *("", "_", " ", "\n", "\r\n", "\ud800", "\\ud800", "\x1b[2J", "\u2028", '"', "'", ",", ";"),
        ]
    )
    | st.text(st.characters(codec=None), min_size=1, max_size=5),
    min_size=1,
    max_size=9,
    unique=True,
)


def log_of(names: list[str]) -> list[str]:
    told = {name: 1000.0 + number for number, name in enumerate(names)}
    return [json.dumps({"loss": 0.5, "step": step} | told) for step in (1, 2)]


def points_of(names: list[str]) -> Any:
    points = LogPoints(None)
    points.read_all(log_of(names), 0)
    return points.columns()


def by_csv(path: Path) -> dict[str, list[Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert len(head) == len(set(head))
    return dict(zip(head, zip(*rows, strict=True), strict=True))  # type: ignore[arg-type]


def by_duckdb(read: str) -> dict[str, list[Any]]:
    import duckdb

    found = duckdb.sql(f"select * from {read}")
    return dict(zip(found.columns, zip(*found.fetchall(), strict=True), strict=True))  # type: ignore[arg-type]


def readers(folder: Path) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    import pandas as pd
    import polars as pl
    import pyarrow.parquet as pq

    file = {form: folder / f"m.{form}" for form in ("parquet", "csv", "jsonl")}
    yield "pyarrow", lambda: pq.read_table(file["parquet"]).to_pydict()
    yield "Polars, Parquet", lambda: pl.read_parquet(file["parquet"]).to_dict(as_series=False)
    yield "DuckDB, Parquet", lambda: by_duckdb(f"'{file['parquet']}'")
    yield "csv", lambda: by_csv(file["csv"])
    yield "pandas, CSV", lambda: pd.read_csv(file["csv"]).to_dict("list")
    yield "json", lambda: json.loads(file["jsonl"].read_text().splitlines()[0])
    yield "Polars, JSON", lambda: pl.read_ndjson(file["jsonl"]).to_dict(as_series=False)
    yield "DuckDB, JSON", lambda: by_duckdb(f"'{file['jsonl']}'")


def values_in(found: dict[str, Any]) -> list[float]:
    """What a reader has of the metrics, each of which has one value of its own."""
    cells = [cell[0] if isinstance(cell, list | tuple) else cell for cell in found.values()]
    numbers = [float(cell) for cell in cells if cell is not None and str(cell).startswith("10")]
    return sorted(number for number in numbers if number >= 1000)


def test_each_reader_of_each_format_has_each_metric(tmp_path: Path) -> None:
    @given(NAMES)
    def check(names: list[str]) -> None:
        points = points_of(names)
        table = table_of([("s", points)])
        expected = [1000.0 + number for number in range(len(names))]
        for form in ("parquet", "csv", "jsonl"):
            write_table(table, tmp_path / f"m.{form}", ())
        for reader, read in readers(tmp_path):
            found = read()
            assert values_in(found) == expected, (reader, names, list(found))

    check()


async def test_a_dataset_has_each_metric_whatever_other_logs_have(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    jobs = [EmulatedJob(name, ["{'loss': 1}"]) for name in ("ft-1", "ft-2")]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(session.jobs(), tmp_path / "logs", settle=0)
    one, other = metrics.partitions(tmp_path / "logs")
    dataset = Dataset(tmp_path / "data")
    how = "union_by_name = true, hive_partitioning = true"

    @given(NAMES)
    def check(names: list[str]) -> None:
        import polars as pl

        half = names[::2]
        dataset.put(one, points_of(names))
        dataset.put(other, points_of(half))
        files = f"read_parquet('{tmp_path}/data/*/*/*.parquet', {how})"
        for job, told in (("ft-1", names), ("ft-2", half)):
            expected = [1000.0 + number for number in range(len(told))]
            found = by_duckdb(f"{files} where job = '{job}' and job_id = '{job}'")
            assert values_in(found) == expected, (names, list(found))
            file = next((tmp_path / "data").glob(f"*/job={job}/*"))
            frame = pl.read_parquet(file, hive_partitioning=True)
            assert set(frame["job"]) == {job}
            assert values_in(frame.to_dict(as_series=False)) == expected

    check()


def test_tensorboard_s_own_reader_has_each_metric(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    @given(NAMES)
    def check(names: list[str]) -> None:
        write_events([("s", points_of(names))], tmp_path)
        read = EventAccumulator(str(tmp_path / "s"))
        read.Reload()
        values = [read.Scalars(tag)[0].value for tag in read.Tags()["scalars"]]
        assert sorted(value for value in values if value >= 1000) == [
            1000.0 + number for number in range(len(names))
        ], (names, read.Tags()["scalars"])

    check()


def test_a_metric_that_shares_a_column_elsewhere_can_be_chosen_where_each_has_its_own(
    tmp_path: Path,
) -> None:
    lines = [json.dumps({"loss": 1, "step": n, f"only/{n}": n}) for n in range(4000)]
    table, path = MetricsTable.from_lines(lines), tmp_path / "m.jsonl"
    write_table(table, path, ("only/3999",))
    assert json.loads(path.read_text().splitlines()[-1]) == {"only/3999": 3999.0}
    with pytest.raises(InvalidArgumentError, match="--columns other_metrics: there is no such"):
        write_table(table, path, ("other_metrics",))
