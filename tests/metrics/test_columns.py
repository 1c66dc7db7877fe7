"""Columns hold what a plain list of rows would, whatever is added, and however it is asked for."""

import doctest
import math
import pickle
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics import columns
from dashscope_ftlogs.metrics.columns import Metric, Numbers, Repeated, Texts
from dashscope_ftlogs.metrics.point import Point, added
from dashscope_ftlogs.metrics.point_columns import PointColumns

FLOATS = st.floats() | st.integers(-9, 9).map(float)
EPOCH = st.sampled_from([0.5, math.nan])
NAMES = st.sampled_from(["loss", "eval_loss", "é", "step", "epoch"]) | st.text("ab\ud800", max_size=2)
VALUES = st.dictionaries(NAMES, FLOATS | EPOCH | st.text("x\ud800é\0", max_size=3), max_size=4)
WHOLE = st.none() | st.integers(-(2**63), 2**63 - 1)


@st.composite
def points(draw: st.DrawFn) -> list[list[Point]]:
    """The points of a log, as they come page by page."""
    made = st.builds(
        Point,
        offset=st.integers(0, 2**62),
        segment=st.integers(0, 2),
        kind=st.sampled_from(["train", "eval", "final"]),
        step=WHOLE,
        total_steps=WHOLE,
        epoch=st.none() | EPOCH,
        time=WHOLE,
        tokens=WHOLE,
        values=VALUES,
    )
    return draw(st.lists(st.lists(made, max_size=5), max_size=4))


def taken(pages: list[list[Point]]) -> PointColumns:
    found = PointColumns()
    for page in pages:
        added(found, page)
    return found


def told(found: PointColumns) -> list[Any]:
    """All that columns hold, point by point, in a form that compares NaN with NaN."""
    names = ("offset", "segment", "kind", "step", "total_steps", "epoch", "time", "tokens")
    about = zip(*(getattr(found, name).cells(0, len(found)) for name in names), strict=True)
    values = (repr(sorted(one.items())) for one in found.values())
    return list(zip(map(repr, about), values, strict=True))


def expected(points: list[Point]) -> list[Any]:
    found = []
    for one in points:
        about = (one.offset, one.segment, one.kind, one.step, one.total_steps)
        values = sorted(one.values.items())
        found.append((repr((*about, one.epoch, one.time, one.tokens)), repr(values)))
    return found


def test_the_examples_hold() -> None:
    found = doctest.testmod(columns)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.covered
@given(points())
def test_every_point_is_there_page_by_page_as_all_at_once(pages: list[list[Point]]) -> None:
    all_of_them = [point for page in pages for point in page]
    assert told(taken(pages)) == expected(all_of_them)
    assert told(taken([all_of_them])) == expected(all_of_them)


@pytest.mark.covered
@given(points(), points())
def test_the_points_of_another_log_come_after(one: list[list[Point]], other: list[list[Point]]) -> None:
    both = taken(one)
    both.extend(taken(other))
    together = taken(one + other)
    assert told(both) == told(together)
    assert both.names() == together.names()
    for more in other[:1]:
        both.extend(taken(other))
        added(both, more)
        assert told(both) == told(taken(one + other + other + [more]))


@given(points(), st.integers(1, 4))
def test_every_so_many_points_are_those_that_a_slice_has(pages: list[list[Point]], step: int) -> None:
    all_of_them = [point for page in pages for point in page]
    found = taken(pages).every(step)
    kept = [
        Point(
            **{
                **{name: getattr(one, name) for name in Point.__slots__ if name[0] != "_"},
                "values": {k: v for k, v in one.values.items() if isinstance(v, float)},
            }
        )
        for one in all_of_them[::step]
    ]
    assert told(found) == expected(kept)
    assert len(found) == len(kept)


@pytest.mark.covered
@given(points())
def test_names_are_in_the_order_in_which_they_first_were_numbers(pages: list[list[Point]]) -> None:
    names: dict[str, None] = {}
    for page in pages:
        for point in page:
            for name, value in point.values.items():
                if isinstance(value, float):
                    names.setdefault(name)
    found = taken(pages)
    names.pop("epoch", None)  # which may have a column of its own
    assert [name for name in found.names() if name != "epoch"] == list(names)
    for name in names:
        assert len(found.numbers(name)) > 0
    assert len(found.numbers("no such")) == 0


@pytest.mark.covered
@given(points())
def test_columns_survive_the_way_to_another_process(pages: list[list[Point]]) -> None:
    found = taken(pages)
    assert told(pickle.loads(pickle.dumps(found))) == told(found)


@pytest.mark.covered
@given(st.lists(st.none() | FLOATS), st.integers(0, 9), st.integers(0, 9))
def test_any_part_of_a_column_is_that_of_a_list(cells: list[Any], begin: int, more: int) -> None:
    numbers, texts, metric = Numbers("d"), Texts(), Metric()
    numbers.add_cells(0, cells)
    for row, cell in enumerate(cells):
        if cell is not None:
            texts.add(row, repr(cell))
            metric.add(row, [cell if cell > 0 else repr(cell)])
    repeated = Repeated[str]()
    repeated.add(None if cell is None else repr(cell) for cell in cells)
    end = begin + more
    part = [cell if cell is None else repr(cell) for cell in (cells + [None] * 20)[begin:end]]
    there = [row for row, cell in enumerate(cells) if cell is not None and row >= begin]
    assert [cell if cell is None else repr(cell) for cell in numbers.cells(begin, end)] == part
    assert [(row, repr(cell)) for row, cell in numbers.items(begin, end)] == [
        (row, cell) for row, cell in enumerate(part, begin) if cell is not None
    ]
    mixed: Any
    for mixed in (texts, repeated, metric):
        got = mixed.cells(begin, end)
        assert [one if one is None else str(one) for one in got] == part[: len(got)]
        assert [(row, str(one)) for row, one in mixed.items(begin, end)] == [
            (row, cell) for row, cell in enumerate(part, begin) if cell is not None
        ]
    for column in (numbers, texts, metric):
        assert column.row_from(begin) == min(there, default=None)
    assert repeated.row_from(begin) == (begin if begin < len(cells) else None)
    assert len(numbers) == len(texts) == len(metric) == sum(cell is not None for cell in cells)


def test_a_number_of_more_than_64_bits_is_a_gap() -> None:
    column = Numbers("q")
    column.add_cells(0, [1, 10**30, 2, None, 10**30])
    column.add_cells(5, [3])
    assert column.cells(0, 6) == [1, None, 2, None, None, 3]


@pytest.mark.parametrize(("wrong", "error"), [("text", TypeError), (10**30, OverflowError)])
def test_what_is_refused_leaves_a_column_as_it_was(wrong: Any, error: type[Exception]) -> None:
    column = Numbers("q")
    column.add(0, [1, 2])
    with pytest.raises(error):
        column.add(2, [3, wrong])
    assert (column.cells(0, 4), column.end) == ([1, 2, None, None], 2)
    column.add(2, [4])
    assert column.cells(0, 3) == [1, 2, 4]


def test_a_number_takes_eight_bytes_and_what_repeats_next_to_none() -> None:
    found = PointColumns()
    page = [{"loss": 1.5, "grad_norm": math.nan, "lr": 0.1}] * 1000
    for begin in range(0, 100_000, 1000):
        known: list[Any] = [None] * 1000
        found.add(
            page,
            offset=range(begin, begin + 1000),
            kind=["train"] * 1000,
            step=range(begin, begin + 1000),
            total_steps=[9] * 1000,
            epoch=known,
            time=known,
            tokens=known,
            segment=[0] * 1000,
        )
    arrays = [found.offset, found.step, *found.measured.values()]
    size = sum(sys.getsizeof(one.values) + sys.getsizeof(one.begins) for one in arrays)
    assert size < 1.15 * 5 * 8 * 100_000
    assert [len(one.values) for one in (found.kind, found.total_steps, found.segment)] == [1, 1, 1]


def test_a_column_that_begins_late_is_found_where_it_begins() -> None:
    first, late = Numbers("d"), Numbers("d")
    first.add(0, [1.0])
    late.add(9000, [2.0])
    found = list(columns.rows({"first": first, "late": late}, 9001))
    assert (found[0], found[9000]) == ({"first": 1.0}, {"late": 2.0})
    assert not any(found[1:9000])


def test_what_a_point_does_not_have_is_none() -> None:
    made = PointColumns()
    values = {"loss": 1.0, "note": "x", "epoch": 0.5}
    added(made, [Point(0, 0, "train", None, None, 0.5, None, None, values)])
    added(made, [Point(1, 0, "train", None, None, None, None, None, {"lr": 1.0})])
    assert [made.values_at(row) for row in (0, 1)] == [values, {"lr": 1.0}]
    assert [made.value(name, 0) for name in ("loss", "note", "kl")] == [1.0, "x", None]
