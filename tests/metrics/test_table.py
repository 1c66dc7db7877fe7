"""The table of metrics: what its rows and columns hold, and that other libraries take it as it is."""

import ctypes
import gc
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import LogSession, MetricsTable, NotFoundError
from dashscope_ftlogs.emulator import Emulator, generate_job, ten_ways_to_fail
from dashscope_ftlogs.metrics import arrow

LOG = [
    "{'loss': 3.0, 'epoch': 0.5, 'global_step': 1}",
    "2025-12-06 20:28:19,002 - INFO - data pre-process succeeded, start to fine-tune",
    "{'loss': nan, 'elapsed_time': '1m 9s', 'epoch': 1.0, 'global_step': 2}",
    "{'eval_loss': 2.5, 'source': 'a column\\'s name', 'epoch': 1.0}".replace("\\'", ""),
    "{'train_runtime': 5, 'elapsed_time': 70, 'epoch': 1.0}",
]


@attrs.frozen
class Own:
    """A table as those get it who have not loaded pyarrow."""

    table: MetricsTable

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return arrow.own_stream(self.table._columns, len(self.table))


ABOUT = ("source", "offset", "segment", "kind", "step", "total_steps", "epoch", "time")


def table() -> MetricsTable:
    return MetricsTable.from_lines(LOG, "ft-1", offset=10)


def test_a_row_for_each_point_and_a_column_for_each_metric() -> None:
    made = table()
    assert len(made) == 4
    assert made.columns[: len(ABOUT)] == ABOUT
    assert made.metrics == (
        "loss",
        "global_step",
        "elapsed_time",
        "eval_loss",
        "source_",
        "train_runtime",
    )
    assert made["source"] == ["ft-1"] * 4
    assert made["offset"] == [10, 12, 13, 14]
    assert made["kind"] == ["train", "train", "eval", "final"]
    assert made["step"] == [1, 2, None, None]
    assert made["total_steps"] == [None] * 4
    assert made["epoch"] == [0.5, 1.0, 1.0, 1.0]
    # Two of them say how much time had passed since the beginning.
    told = [datetime.fromisoformat(f"2025-12-06T20:29:{second}.002") for second in (28, 29)]
    assert made["time"] == [None, told[0], None, told[1]]
    assert made["loss"][0] == 3.0
    assert math.isnan(made["loss"][1])  # type: ignore[arg-type]  # a float there
    assert made["loss"][2:] == [None, None]


def test_a_column_with_any_text_is_text() -> None:
    assert table()["elapsed_time"] == [None, "1m 9s", None, "70.0"]
    turned = MetricsTable.from_lines(["{'loss': 1, 'x': 2}", "{'loss': 1}", "{'loss': 1, 'x': 'two'}"])
    assert turned["x"] == ["2.0", None, "two"]


def test_a_metric_called_like_a_column_keeps_its_values_under_another_name() -> None:
    assert table()["source_"] == [None, None, "a columns name", None]


def test_two_metrics_that_end_up_with_one_name_cost_no_row() -> None:
    made = MetricsTable.from_lines(["{'loss': 1, 'kind': 2, 'kind_': 3}", "{'loss': 4, 'kind_': 5}"])
    assert (made["loss"], made["kind_"]) == ([1.0, 4.0], [3.0, 5.0])


def test_rows_leave_out_what_they_do_not_have() -> None:
    first, *_ = table().rows()
    assert first == {
        "source": "ft-1",
        "offset": 10,
        "segment": 0,
        "kind": "train",
        "step": 1,
        "epoch": 0.5,
        "loss": 3.0,
        "global_step": 1.0,
    }


def test_several_logs_make_one_table() -> None:
    points = [(name, point) for name in ("a", "b") for point in table_points()]
    both = MetricsTable(points)
    assert both["source"] == ["a"] * 4 + ["b"] * 4
    assert repr(both) == f"<MetricsTable 8 rows: {', '.join(both.metrics)}>"


def table_points() -> Iterator[Any]:
    from dashscope_ftlogs.metrics.points import read_points

    return iter(read_points(LOG))


def test_a_log_without_metrics_makes_an_empty_table() -> None:
    assert len(MetricsTable.from_lines(["Training start!"])) == 0
    assert list(MetricsTable([]).rows()) == []
    with pytest.raises(KeyError):
        MetricsTable([])["loss"]


async def test_a_session_gives_the_metrics_of_a_job(connect: Callable[..., LogSession]) -> None:
    job = generate_job("sft", lines=3000, seed=2)
    async with Emulator([job], faults=ten_ways_to_fail(0.2)) as emulator, connect(emulator) as session:
        made = await session.metrics(job.job_id)
        with pytest.raises(NotFoundError):
            await session.metrics("ft-none")
    expected = MetricsTable.from_lines(job.lines, job.job_id)
    assert len(made) > 300
    assert list(made.rows()) == list(expected.rows())


@pytest.mark.extras
@pytest.mark.parametrize("given", [MetricsTable, Own])
def test_pyarrow_takes_it_with_the_expected_types(given: Any) -> None:
    import pyarrow as pa

    taken = pa.table(table() if given is MetricsTable else Own(table()))
    taken.validate(full=True)
    assert [(field.name, str(field.type)) for field in taken.schema][:9] == [
        *(("source", "string"), ("offset", "int64"), ("segment", "int64"), ("kind", "string")),
        *(("step", "int64"), ("total_steps", "int64"), ("epoch", "double"), ("time", "timestamp[ms]")),
        ("loss", "double"),
    ]
    assert str(taken.schema.field("elapsed_time").type) == "string"
    for name in taken.column_names:
        assert repr(taken[name].to_pylist()) == repr(table()[name])


@pytest.mark.unmeasured
@pytest.mark.extras
@pytest.mark.parametrize("given", [MetricsTable, Own])
def test_pandas_polars_and_duckdb_take_it_as_it_is(given: Any) -> None:
    import duckdb
    import pandas as pd
    import polars as pl

    made = table() if given is MetricsTable else Own(table())
    frame = pl.DataFrame(made)
    assert frame["step"].to_list() == [1, 2, None, None]
    assert frame["time"].to_list() == table()["time"]
    assert pd.DataFrame.from_arrow(made)["offset"].tolist() == [10, 12, 13, 14]
    assert duckdb.sql("select count(*), max(step), min(kind) from made").fetchall() == [(4, 2, "eval")]


@pytest.mark.extras
def test_a_wrong_name_is_an_error_and_not_the_end_of_the_process() -> None:
    import polars as pl
    import pyarrow as pa

    for _ in range(2):
        with pytest.raises(KeyError):
            pa.table(table()).column("nothing like that")
        with pytest.raises(pl.exceptions.ColumnNotFoundError):
            pl.DataFrame(Own(table())).get_column("nothing like that")


@pytest.mark.unmeasured
@pytest.mark.extras
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["loss", "a", "é", "step"]) | st.text("ab\ud800", min_size=1, max_size=2),
            st.floats() | st.integers(-9, 9) | st.text("x\ud800é\0", min_size=1, max_size=3),
            max_size=4,
        ),
        max_size=9,
    )
)
def test_any_table_arrives_equal(rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    from dashscope_ftlogs.metrics.points import Point

    points = [Point(n, 0, "train", None, None, None, None, None, row) for n, row in enumerate(rows)]
    made = MetricsTable(("s", point) for point in points)
    taken = pa.table(Own(made))
    taken.validate(full=True)
    assert taken.schema == pa.table(made).schema
    assert repr(taken.to_pylist()) == repr(pa.table(made).to_pylist())
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in made.columns]
    assert taken.column_names == shown
    for index, name in enumerate(made.columns):
        expected = [
            value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            for value in made[name]
        ]
        assert repr(taken.column(index).to_pylist()) == repr(
            [float(v) if isinstance(v, int) and name not in ABOUT else v for v in expected]
        )


def opened(capsule: object) -> Any:
    """The stream in a capsule, as a consumer gets it."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    address = get(capsule, b"arrow_array_stream")
    assert address is not None
    return arrow._Stream.from_address(address)


@pytest.mark.extras
def test_nothing_is_kept_once_the_consumer_lets_go() -> None:
    import pyarrow as pa

    gc.collect()
    before = len(arrow._given)
    taken = pa.table(Own(table()))
    reader = pa.RecordBatchReader.from_stream(Own(table()))
    assert reader.schema == taken.schema
    reader.close()
    del taken, reader
    gc.collect()
    assert len(arrow._given) == before


def test_a_stream_that_nobody_takes_is_released_with_its_capsule() -> None:
    before = len(arrow._given)
    capsule = Own(table()).__arrow_c_stream__()
    assert len(arrow._given) > before
    del capsule
    gc.collect()
    assert len(arrow._given) == before


def test_a_consumer_may_keep_one_column_and_let_go_of_the_rest() -> None:
    before = len(arrow._given)
    capsule = Own(table()).__arrow_c_stream__()
    stream = opened(capsule)
    batch = arrow._Array()
    assert stream.get_next(ctypes.byref(stream), ctypes.byref(batch)) == 0
    column = arrow._Array()
    child = batch.children[1].contents
    ctypes.memmove(ctypes.byref(column), ctypes.byref(child), ctypes.sizeof(child))
    child.release = type(child.release)()
    batch.release(ctypes.byref(batch))
    offsets = ctypes.cast(column.buffers, ctypes.POINTER(ctypes.POINTER(ctypes.c_int64)))[1]
    assert offsets[: column.length] == [10, 12, 13, 14]
    column.release(ctypes.byref(column))
    assert stream.get_next(ctypes.byref(stream), ctypes.byref(batch)) == 0
    assert not batch.release  # the end
    assert stream.get_last_error(ctypes.byref(stream)) is None
    stream.release(ctypes.byref(stream))
    del capsule
    gc.collect()
    assert len(arrow._given) == before
