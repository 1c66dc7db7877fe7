"""The table of metrics: what its rows and columns hold, and that other libraries take it as it is."""

import gc
import json
import math
import re
import sys
import time
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import import_module
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import (
    ConfigError,
    InvalidArgumentError,
    LogSession,
    MetricsTable,
    NotFoundError,
    Point,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, generate_job, ten_ways_to_fail
from dashscope_ftlogs.metrics import arrow
from dashscope_ftlogs.metrics.table import wide

LOG = [
    "{'loss': 3.0, 'epoch': 0.5, 'global_step': 1}",
    "2025-12-06 20:28:19,002 - INFO - data pre-process succeeded, start to fine-tune",
    "{'loss': nan, 'elapsed_time': '1m 9s', 'epoch': 1.0, 'global_step': 2}",
    "{'eval_loss': 2.5, 'source': 'a column\\'s name', 'epoch': 1.0}".replace("\\'", ""),
    "{'train_runtime': 5, 'elapsed_time': 70, 'epoch': 1.0}",
]


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
    assert made["step"] == [1, 2, 2, None]
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


def test_a_metric_whose_name_is_another_s_for_its_column_keeps_its_values() -> None:
    made = MetricsTable.from_lines(["{'loss': 1, 'kind': 2, 'kind_': 3}", "{'loss': 4, 'kind_': 5}"])
    assert made.metrics == ("loss", "kind__", "kind_")
    assert (made["kind_"], made["kind__"]) == ([3.0, 5.0], [2.0, None])


NAMES = st.text("_a\\x0'=\0\n\t\x1b\ud800 ", max_size=5) | st.sampled_from(
    [*ABOUT, *(f"{name}_" for name in ABOUT), "Source", "other_metrics", "other_metrics_"]
)


@pytest.mark.covered
@given(st.lists(NAMES, unique=True))
def test_whatever_a_log_names_is_there_under_a_name_that_any_format_can_hold(names: list[str]) -> None:
    told = {name: float(number) for number, name in enumerate(names)}
    made = MetricsTable([("s", Point(0, 0, "train", None, None, None, None, None, told))])
    assert len(set(made.columns)) == len(made.columns)
    apart = {name: value for name, value in told.items() if name not in {"step", "total_steps", "epoch"}}
    assert sorted(made[name] for name in made.metrics) == [[value] for value in apart.values()]
    assert all(made[name] == [apart[name]] for name in made.metrics if name in apart)
    shown = "".join(made.columns)
    assert shown.replace("\t", "").isprintable()
    assert all(made.columns)
    usual = {name for name in apart if re.fullmatch(r"[a-z ]+_?", name)} - {*ABOUT, "other_metrics"}
    assert usual <= set(made.metrics)


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


@pytest.mark.covered
async def test_a_session_gives_the_metrics_of_a_job(connect: Callable[..., LogSession]) -> None:
    job = generate_job("sft", lines=3000, seed=2)
    async with Emulator([job], faults=ten_ways_to_fail(0.2)) as emulator, connect(emulator) as session:
        made = await session.metrics(job.job_id)
        with pytest.raises(NotFoundError):
            await session.metrics("ft-none")
    expected = MetricsTable.from_lines(job.lines, job.job_id)
    assert len(made) > 300
    assert list(made.rows()) == list(expected.rows())


async def test_of_lines_that_no_form_fits_it_gives_what_patterns_name(
    connect: Callable[..., LogSession],
) -> None:
    job = EmulatedJob("ft-1", ["it=1 | L=2.5", "held out: 2.75"])
    async with Emulator([job]) as emulator, connect(emulator) as session:
        one = await session.metrics("ft-1", pattern=r"L=(?P<loss>\S+)")
        both = await session.metrics("ft-1", pattern=[r"L=(?P<loss>\S+)", r"out: (?P<val_loss>\S+)"])
        asked = len(emulator.journal)
        with pytest.raises(InvalidArgumentError, match="must name a group for a metric"):
            await session.metrics("ft-1", pattern=["(?P<loss>.)", "L"])
    assert (list(one["loss"]), list(both["val_loss"])) == ([2.5], [None, 2.75])
    assert len(emulator.journal) == asked


def test_lines_from_anywhere_are_read_by_patterns_as_those_of_a_session_are() -> None:
    lines = ["it=1 | L=2.5", "{'loss': 2.0}", "held out: 2.75"]
    table = MetricsTable.from_lines(
        iter(lines), "mine", offset=4, pattern=(r"L=(?P<loss>\S+)", r"(?P<val_loss>\d\S+)")
    )
    assert [(row["offset"], row["kind"]) for row in table.rows()] == [
        *((4, "train"), (5, "train"), (6, "eval")),
    ]
    assert (table["loss"], table["val_loss"]) == ([2.5, 2.0, None], [None, None, 2.75])
    assert len(MetricsTable.from_lines(lines, pattern=[])) == 1
    for wrong in ("L", "(", ["(?P<loss>.)", "L"]):
        with pytest.raises(InvalidArgumentError, match="pattern"):
            MetricsTable.from_lines(lines, pattern=wrong)


@pytest.mark.parametrize(
    ("lines", "loss", "eval_loss"),
    [
        (["{'loss': 2.0}", "{'eval_loss': 1.5}"], "loss", "eval_loss"),
        (["{'train/loss': 2.5, 'step': 1}", "{'val/loss': 0.5, 'step': 1}"], "train/loss", "val/loss"),
        (["step 1 lm loss 3.5", "Eval step 1: loss=0.25"], "lm loss", "Eval/loss"),
        (["{'reward': 1.0, 'step': 1}", "{'eval_reward': 0.5, 'step': 1}"], None, None),
        (["{'loss': 2.0}"], "loss", None),
    ],
)
def test_the_column_of_the_loss_is_found_whatever_the_trainer_calls_it(
    lines: list[str], loss: str | None, eval_loss: str | None
) -> None:
    table = MetricsTable.from_lines(lines)
    assert (table.column_of("loss"), table.column_of("eval_loss")) == (loss, eval_loss)
    assert (table.column_of("step"), table.column_of("los")) == ("step", None)


def test_a_column_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(KeyError, match="no point has 'los'; the metrics are loss, lr"):
        MetricsTable.from_lines(["{'loss': 2.0, 'lr': 1}"])["los"]
    with pytest.raises(KeyError, match="the metrics are none"):
        MetricsTable.from_lines([])["los"]


def test_it_says_what_columns_it_has_and_is_no_sequence() -> None:
    made: Any = table()
    assert "loss" in made
    assert "step" in made
    assert all(name not in made for name in ("Loss", "reward", 0, None))
    with pytest.raises(InvalidArgumentError, match="column=0: must be a str"):
        made[0]
    with pytest.raises(TypeError, match="'MetricsTable' object is not iterable"):
        list(made)


@pytest.mark.extras
def test_pyarrow_takes_it_with_the_expected_types() -> None:
    import pyarrow as pa

    taken = pa.table(table())
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
def test_pandas_polars_and_duckdb_take_it_as_it_is() -> None:
    import duckdb
    import pandas as pd
    import polars as pl

    made = table()
    frame = pl.DataFrame(made)
    assert frame["step"].to_list() == [1, 2, 2, None]
    assert frame["time"].to_list() == table()["time"]
    assert pd.DataFrame.from_arrow(made)["offset"].tolist() == [10, 12, 13, 14]
    assert duckdb.sql("select count(*), max(step), min(kind) from made").fetchall() == [(4, 2, "eval")]


@pytest.mark.covered
@pytest.mark.extras
def test_a_wrong_name_is_an_error_and_not_the_end_of_the_process() -> None:
    import polars as pl
    import pyarrow as pa

    for _ in range(2):
        with pytest.raises(KeyError):
            pa.table(table()).column("nothing like that")
        with pytest.raises(pl.exceptions.ColumnNotFoundError):
            pl.DataFrame(table()).get_column("nothing like that")


@pytest.mark.unmeasured
@pytest.mark.extras
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["loss", "a", "é", "step"]) | st.text("ab\ud800\0", max_size=2),
            st.floats() | st.integers(-9, 9) | st.text("x\ud800é\0", min_size=1, max_size=3),
            max_size=4,
        ),
        max_size=9,
    )
)
def test_any_table_arrives_equal(rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    points = [Point(n, 0, "train", None, None, None, None, None, row) for n, row in enumerate(rows)]
    made = MetricsTable(("s", point) for point in points)
    taken = pa.table(made)
    taken.validate(full=True)
    assert taken.column_names == list(made.columns)
    for index, name in enumerate(made.columns):
        expected = [
            value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            for value in made[name]
        ]
        assert repr(taken.column(index).to_pylist()) == repr(
            [float(v) if isinstance(v, int) and name not in ABOUT else v for v in expected]
        )


@pytest.mark.extras
@pytest.mark.unmeasured
def test_what_is_taken_in_many_batches_is_the_table() -> None:
    import polars as pl
    import pyarrow as pa

    def values(n: int) -> dict[str, Any]:
        every = {"loss": n / 3} | ({"eval_loss": math.nan} if n % 7 == 5 else {})
        return every | ({"late": 1.0} if n > 140_000 else {}) | ({"word": str(n)} if n % 9 else {})

    def point(n: int) -> Point:
        time = n if n % 2 else None
        return Point(n, n // 90_000, "train", n or None, 9, n / 9, time, 7, values(n))

    made = MetricsTable((f"ft-{n // 100_000}", point(n)) for n in range(150_000))
    taken = pa.table(made)
    taken.validate(full=True)
    assert len({len(column.chunks) for column in taken.columns}) == 1
    frame = pl.DataFrame(made)
    for name in made.columns:
        assert repr(taken[name].to_pylist()) == repr(frame[name].to_list()) == repr(made[name]), name


class Seen:
    """A column that counts how often it is looked at."""

    def __init__(self, cells: list[str]) -> None:
        self.all, self.looks = cells, 0

    def cells(self, begin: int, end: int) -> list[str]:
        self.looks += 1
        return self.all[begin:end]

    def items(self, begin: int, end: int) -> Iterator[tuple[int, str]]:
        raise AssertionError

    def row_from(self, row: int) -> int:
        return row


@attrs.frozen
class Stream:
    column: Seen

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return arrow.stream({"name": arrow.Column("text", self.column)}, len(self.column.all))


@pytest.mark.extras
def test_duckdb_asks_for_the_stream_several_times_and_it_is_made_once() -> None:
    import duckdb

    column = Seen(["one", "two", "three"])
    stream = Stream(column)
    assert stream is not None  # DuckDB finds it by its name
    assert duckdb.sql("select count(name), max(name) from stream").fetchall() == [(3, "two")]
    assert column.looks == 1


@pytest.mark.extras
def test_numbers_without_gaps_are_shared_and_let_go_of_with_the_last_who_has_them() -> None:
    import pyarrow as pa

    made = MetricsTable.from_lines([f"{{'loss': {n}.5, 'lr': 1}}" for n in range(9)])
    memory = {name: made._columns[name].data for name in ("offset", "loss")}
    offsets = memory["offset"].values  # type: ignore[attr-defined]
    losses = memory["loss"].numbers.values  # type: ignore[attr-defined]
    taken = pa.table(made)
    assert taken["loss"].chunk(0).buffers()[1].address == losses.buffer_info()[0]
    kept = taken["offset"]
    left = [weakref.ref(offsets), weakref.ref(losses)]
    del made, memory, offsets, losses, taken
    gc.collect()
    assert kept.to_pylist() == list(range(9))
    del kept
    gc.collect()
    assert [one() for one in left] == [None, None]


@pytest.mark.covered
@pytest.mark.extras
@pytest.mark.parametrize("taken", [False, True])
def test_a_stream_that_is_not_read_to_its_end_keeps_nothing(taken: bool) -> None:
    import pyarrow as pa

    made = table()
    given = pa.RecordBatchReader.from_stream(made) if taken else made.__arrow_c_stream__()
    left = weakref.ref(made._columns["offset"].data.values)  # type: ignore[attr-defined]
    del made
    gc.collect()
    assert left() is not None
    del given
    import_module("arro3.core").DataType.int64()  # called next, it lets go of what nobody has
    gc.collect()
    assert left() is None


def test_without_the_extra_a_table_is_usable_and_says_what_arrow_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "arro3.core", None)  # as if it were not installed
    made = table()
    assert len(list(made.rows())) == len(made["loss"]) == 4
    with pytest.raises(ConfigError, match=re.escape("pip install 'dashscope-ftlogs[data]'")):
        made.__arrow_c_stream__()


def named_anew(count: int) -> MetricsTable:
    """The table of a log that names a new metric in each of its lines."""
    lines = (f"{{'loss': {n}, 'step': {n}, 'only/{n}': {n}}}" for n in range(count))
    return MetricsTable.from_lines(lines)


@pytest.mark.unmeasured
@pytest.mark.extras
def test_the_rarest_of_very_many_metrics_share_a_column() -> None:
    import pyarrow as pa

    made = named_anew(4000)
    assert len(made.metrics) == 4001
    taken = pa.table(made)
    assert taken.column_names[-1] == "other_metrics"
    apart = taken.column_names[len(ABOUT) : -1]
    assert apart == list(made.metrics[: len(apart)])
    assert 2000 < len(apart) < 3000
    others = [json.loads(cell) if cell else {} for cell in taken["other_metrics"].to_pylist()]
    for number, (row, told, more) in enumerate(zip(made.rows(), taken.to_pylist(), others, strict=True)):
        assert {name: told[name] for name in apart if told[name] is not None} | more == {
            name: row[name] for name in ("loss", f"only/{number}")
        }


def test_the_shared_column_is_called_as_no_other() -> None:
    points = (
        Point(n, 0, "train", None, None, None, None, None, {"other_metrics": 1.0, f"\ud800{n}": 1.0})
        for n in range(4000)
    )
    found = wide(MetricsTable(("", point) for point in points))
    assert (list(found)[-1], len(found["other_metrics_"].data)) == ("other_metrics", 4000)
    assert json.loads(found["other_metrics"].cells(3999, 4000)[0]) == {"\\ud8003999": 1.0}


@pytest.mark.unmeasured
def test_time_and_room_are_in_proportion_to_the_names() -> None:
    def cost(count: int) -> tuple[float, int]:
        begin = time.process_time()
        tracemalloc.start()
        made = named_anew(count)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sum(map(len, made.rows())) > 3 * count
        assert len(wide(made)) < 4000
        return time.process_time() - begin, most

    cost(500)
    small, large = cost(2000), cost(16_000)
    assert large[0] < 8 * 2.5 * small[0]
    assert large[1] < 8 * 1.5 * small[1]


@pytest.mark.extras
@pytest.mark.parametrize("kept", [0, 100])
def test_gaps_and_text_that_utf_8_has_no_form_for_reach_other_libraries(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa

    monkeypatch.setattr(arrow, "_KEPT", kept)
    lines = ["{'loss': 1.0, 'note': '\ud800'}", "{'eval_loss': 2.0}", "{'loss': 3.0, 'note': 'x'}"]
    made = pa.table(MetricsTable.from_lines(lines))
    assert made["loss"].to_pylist() == [1.0, None, 3.0]
    assert made["note"].to_pylist() == ["\\ud800", None, "x"]


def test_a_test_set_is_no_validation_where_a_log_has_both() -> None:
    for test, valid in [
        ("test_loss", "val_loss"),
        ("test/loss", "eval/loss"),
        ("test_loss", "valid_loss"),
    ]:
        lines = [f"{{'step': 1, '{test}': 0.1}}", f"{{'step': 1, '{valid}': 0.5}}"]
        assert MetricsTable.from_lines(lines).column_of("eval_loss") == valid
        assert MetricsTable.from_lines(lines[::-1]).column_of("eval_loss") == valid
        assert MetricsTable.from_lines(lines[:1]).column_of("eval_loss") == test


@pytest.mark.extras
@pytest.mark.parametrize("told", ["{'Loss': 9.0, 'lr': 1, 'loss': 1.0}", "{'loss': 1.0, 'Loss': 9.0}"])
def test_who_takes_no_note_of_capitals_finds_the_name_in_small_letters(told: str) -> None:
    import duckdb

    columns = MetricsTable.from_lines([told])
    assert duckdb.sql("select loss from columns").fetchall() == [(1.0,)]
    assert columns["Loss"] == [9.0]
