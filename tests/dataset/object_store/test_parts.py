"""Parts: the rows of many logs in one file."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dashscope_ftlogs import metrics
from dashscope_ftlogs.archive.local_log_reader import StoredLog
from dashscope_ftlogs.dataset.object_store.parts import merged
from dashscope_ftlogs.dataset.parquet_file import write_points
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints

NAMES = st.lists(st.sampled_from(["loss", "Loss", "LOSS", "Acc", "acc", "aCC"]), min_size=1, unique=True)


def points_of(*told: str) -> PointColumns:
    log = LogPoints()
    log.read_all([json.dumps(dict.fromkeys(told, 0.5) | {"x": number}) for number in range(2)], 0)
    return log.columns()


def rows_of(job: str, *told: str) -> bytes:
    file = io.BytesIO()
    log = metrics.Partition(job, StoredLog(job, Path(f"{job}.log"), job, None, "", "", 0))
    write_points(file, log, points_of(*told), None)
    return file.getvalue()


def told_by(data: bytes) -> tuple[list[str], int]:
    """Return the columns of a part, and how many numbers they hold."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    held = sum(
        table[name].drop_null().length()
        for name in table.column_names
        if str(table[name].type) == "double"
    )
    return table.column_names, held


@pytest.mark.extras
@settings(max_examples=30)
@given(old=st.lists(NAMES, max_size=2), new=st.lists(NAMES, min_size=1, max_size=2))
@example(old=[], new=[["loss", "Loss"], ["Loss"]])
def test_whatever_logs_name_no_columns_of_a_part_differ_in_capitals_only(
    old: list[list[str]], new: list[list[str]]
) -> None:
    files = [rows_of(f"ft-{number}", *told) for number, told in enumerate([*old, *new])]
    names, held = told_by(merged(files[: len(old)], files[len(old) :], ["ft-x"])[0])
    assert len({name.lower() for name in names}) == len(names)
    assert held == sum(told_by(one)[1] for one in files), "each number is in one of them"


@pytest.mark.extras
def test_an_old_part_that_has_both_keeps_them() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    row: dict[str, Any] = {"job_id": ["ft-0"], "profile": pa.array([None], pa.string())}
    pq.write_table(pa.table({**row, "loss": [1.0], "Loss": [9.0]}), file)
    data, count = merged([file.getvalue()], [rows_of("ft-1", "loss")], ["ft-x"])
    (old,) = (one for one in pq.read_table(io.BytesIO(data)).to_pylist() if one["job_id"] == "ft-0")
    assert (count, old["loss"], old["Loss"]) == (3, 1.0, 9.0)
