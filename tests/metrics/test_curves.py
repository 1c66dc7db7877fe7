"""What is drawn of a metric: nothing guessed, nothing lost, whatever the numbers are."""

import doctest
import math
import time
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics import curves, hyper_parameters
from dashscope_ftlogs.metrics.curves import (
    Curve,
    metric_names,
    places,
    share,
    shared_axis,
    smooth,
    thinned,
    trace,
)
from dashscope_ftlogs.metrics.point import Point, added
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.metrics.step_count import step_count
from dashscope_ftlogs.reading.forms import names

ANY = st.floats()
FINITE = st.floats(allow_nan=False, allow_infinity=False)
WEIGHTS = st.floats(0, 1, exclude_max=True)


def point(offset: int = 0, **known: Any) -> Point:
    values = known.pop("values", {"loss": 1.0})
    defaults: dict[str, Any] = {"segment": 0, "kind": "train", "step": None, "total_steps": None}
    defaults |= {"epoch": None, "time": None, "tokens": None}
    return Point(offset=offset, values=values, **{**defaults, **known})


def columns(*points: Point) -> PointColumns:
    return added(PointColumns(), points)


def drawn(found: list[Curve]) -> list[Curve]:
    """Curves that can be compared with such as hold tuples."""
    return [
        Curve(one.source, one.metric, one.segment, tuple(one.x), tuple(one.y), tuple(one.offsets))
        for one in found
    ]


@pytest.mark.parametrize("module", [curves, hyper_parameters, names], ids=lambda module: module.__name__)
def test_the_examples_hold(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("x", "expected"),
    [("step", 7.0), ("epoch", 0.5), ("tokens", 900.0), ("time", 1.5), ("line", 4.0)],
)
def test_a_point_is_placed_by_what_its_log_tells(x: Any, expected: float) -> None:
    known = columns(point(3, step=7, epoch=0.5, tokens=900, time=1500))
    found = curves.curves("a", known, "loss", x)
    assert drawn(found) == [Curve("a", "loss", 0, (expected,), (1.0,), (3,))]


@pytest.mark.parametrize("x", ["step", "epoch", "tokens", "time"])
def test_a_place_that_is_not_known_is_not_guessed(x: Any) -> None:
    assert curves.curves("a", columns(point(3)), "loss", x) == []


@pytest.mark.parametrize("unknown", [{"epoch": math.nan}, {"epoch": math.inf}, {"step": 10**400}])
def test_a_place_that_no_axis_has_is_none(unknown: dict[str, Any]) -> None:
    (x,) = unknown
    assert places(columns(point(**unknown)), x) == [None]  # type: ignore[arg-type]  # an axis
    assert curves.curves("a", columns(point(**unknown)), "loss", x) == []  # type: ignore[arg-type]


def test_a_restart_begins_another_curve() -> None:
    lines = [f"{{'loss': {step}.5, 'step': {step}}}" for step in (1, 2, 3, 2, 3, 4)]
    log = LogPoints()
    log.read_all(lines, 0)
    first, second = drawn(curves.curves("a", log.columns(), "loss", "step"))
    assert (first.segment, first.x, first.offsets) == (0, (1, 2, 3), (0, 1, 2))
    assert (second.segment, second.x, second.offsets) == (1, (2, 3, 4), (3, 4, 5))


def test_text_under_a_metrics_name_is_no_point() -> None:
    points = [point(0), point(1, values={"loss": "n/a"}), point(2, values={"other": 1.0})]
    found = drawn(curves.curves("a", columns(*points), "loss", "line"))
    assert [curve.offsets for curve in found] == [(0,)]


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        ([[point(step=1), point(step=2)], [point(step=1, epoch=0.1)]], "step"),
        ([[point(step=1, epoch=0.1)], [point(epoch=0.1)]], "epoch"),
        ([[point(step=1, epoch=0.1), point(epoch=0.2)]], "epoch"),
        ([[point(epoch=0.1), point(values={"eval_loss": 1.0}), point(epoch=0.2)]], "epoch"),
        ([[point(step=1)], [point(epoch=0.1)]], "line"),
        ([[point(epoch=0.0), point(epoch=0.0), point(epoch=0.0), point(epoch=0.01)]], "epoch"),
        ([[point(epoch=0.0)] * 9], "line"),
        ([[point(step=1)] * 9], "step"),
        ([[], [point(step=1)]], "step"),
        ([[point(epoch=math.nan)]], "line"),
    ],
)
def test_the_shared_axis_is_one_that_every_point_has(logs: Any, expected: str) -> None:
    assert shared_axis([(columns(*log), "loss") for log in logs]) == expected


def test_names_are_those_of_numbers_as_they_first_appear() -> None:
    values = [
        {"step": 1.0, "b_loss": 1.0, "epoch": 0.5, "elapsed": "9s", "total_steps": 9.0},
        {"a_loss": math.nan, "b_loss": 2.0, "elapsed": 9.0},
    ]
    together = columns(*(point(values=one) for one in values))
    apart = [columns(point(values=one)) for one in values]
    for logs in ([together], apart):
        assert metric_names(logs) == ["b_loss", "a_loss", "elapsed"]


@given(FINITE, WEIGHTS, st.integers(1, 50))
def test_smoothing_leaves_a_constant_as_it_is(value: float, weight: float, count: int) -> None:
    assert smooth([value] * count, weight) == [value] * count


@given(st.lists(FINITE))
def test_smoothing_by_nothing_changes_nothing(values: list[float]) -> None:
    assert smooth(values, 0) == values


@given(st.lists(ANY), WEIGHTS)
def test_an_average_lies_between_what_was_seen_and_gaps_stay(values: list[float], weight: float) -> None:
    seen: list[float] = []
    for value, smoothed in zip(values, smooth(values, weight), strict=True):
        if math.isfinite(value):
            seen.append(value)
            assert min(seen) <= smoothed <= max(seen)
        else:
            assert smoothed == value or (math.isnan(value) and math.isnan(smoothed))


@given(st.lists(FINITE), WEIGHTS)
def test_gaps_leave_the_average_alone(values: list[float], weight: float) -> None:
    gappy = [one for value in values for one in (math.nan, value, math.inf)]
    assert smooth(gappy, weight)[1::3] == smooth(values, weight)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 0.99))
def test_it_is_the_debiased_moving_average(values: list[float], weight: float) -> None:
    average = 0.0
    for value in values:
        average = weight * average + (1 - weight) * value
    debiased = average / (1 - weight ** len(values))
    assert smooth(values, weight)[-1] == pytest.approx(debiased, rel=1e-6, abs=1e-6)


@given(FINITE, FINITE, FINITE)
def test_a_share_is_between_none_and_all(one: float, two: float, three: float) -> None:
    low, value, high = sorted((one, two, three))
    assert 0 <= share(value, low, high) <= 1
    if low / 2 < high / 2:
        assert (share(low, low, high), share(high, low, high)) == (0, 1)


@given(st.lists(st.tuples(FINITE, ANY), min_size=1, max_size=200), st.integers(1, 9))
def test_thinning_keeps_spikes_ends_and_gaps(spots: list[tuple[float, float]], columns: int) -> None:
    x, y = zip(*spots, strict=True)
    low, high = min(x), max(x)
    kept = thinned(x, y, low, high, columns)
    assert kept == sorted(set(kept))
    assert len(kept) <= 5 * columns
    for column in range(columns):
        there = [
            n for n in range(len(x)) if min(int(share(x[n], low, high) * columns), columns - 1) == column
        ]
        finite = [n for n in there if math.isfinite(y[n])]
        drawn = [n for n in kept if n in there and math.isfinite(y[n])]
        assert (not finite) == (not drawn)
        if finite:
            assert {finite[0], finite[-1]} <= set(drawn)
            assert min(y[n] for n in finite) == min(y[n] for n in drawn)
            assert max(y[n] for n in finite) == max(y[n] for n in drawn)
        gaps = [n for n in there if not math.isfinite(y[n])]
        assert gaps[:1] == [n for n in kept if n in gaps]


@pytest.mark.covered
@given(st.lists(ANY, max_size=30), WEIGHTS)
def test_every_point_is_drawn_or_marked_and_no_line_crosses_a_gap(
    ys: list[float], weight: float
) -> None:
    xs = tuple(map(float, range(len(ys))))
    found = trace(Curve("a", "loss", 0, xs, tuple(ys), tuple(range(len(ys)))), weight, 0, 29, 3000)
    gaps = [at for at, _ in found.gaps]
    assert gaps == [x for x, y in zip(xs, ys, strict=True) if not math.isfinite(y)]
    assert [at for at, _ in found.points] == [x for x in xs if x not in gaps]
    assert [at for line in found.lines for at, _ in line] == [at for at, _ in found.points]
    for line in found.lines:
        places = [at for at, _ in line]
        assert places == list(range(int(places[0]), int(places[-1]) + 1))


@pytest.mark.unmeasured
def test_time_is_in_proportion_to_the_points() -> None:
    def seconds(count: int) -> float:
        xs = tuple(map(float, range(count)))
        curve = Curve("a", "loss", 0, xs, xs[::-1], tuple(range(count)))
        best = math.inf
        for _ in range(3):
            begin = time.perf_counter()
            trace(curve, 0.9, 0, count, 200)
            best = min(best, time.perf_counter() - begin)
        return best

    small = seconds(10_000)
    assert seconds(80_000) < 8 * 2.5 * small + 0.05


AXIS = st.sampled_from(sorted(curves.AXES.keys() - {"global_step"}))
LOG = st.lists(
    st.builds(
        point,
        offset=st.integers(0, 99),
        segment=st.integers(0, 1),
        step=st.none() | st.integers(-3, 3),
        epoch=st.none() | st.sampled_from([0.5, 0.75, math.nan, math.inf]),
        tokens=st.none() | st.integers(0, 2**63 - 1),
        time=st.none() | st.integers(-(2**63), 2**63 - 1),
        values=st.fixed_dictionaries({}, optional={"loss": ANY | st.just("n/a"), "other": ANY}),
    ),
    max_size=12,
)


def at(one: Point, x: str) -> float | None:
    known: dict[str, float | None] = {"step": one.step, "epoch": one.epoch, "tokens": one.tokens}
    known |= {"time": None if one.time is None else one.time / 1000, "line": one.offset + 1}
    found = known[x]
    return None if found is None or not math.isfinite(found) else float(found)


@pytest.mark.covered
@given(LOG, AXIS)
def test_curves_of_columns_are_those_of_the_points_one_by_one(log: list[Point], x: Any) -> None:
    expected = [
        (segment, at(one, x), one.values["loss"], one.offset)
        for segment, own in groupby(log, key=lambda one: one.segment)
        for one in own
        if isinstance(one.values.get("loss"), float) and at(one, x) is not None
    ]
    found = [
        (curve.segment, *spot)
        for curve in curves.curves("a", columns(*log), "loss", x)
        for spot in zip(curve.x, curve.y, curve.offsets, strict=True)
    ]
    assert repr(found) == repr(expected)
    assert places(columns(*log), x) == [at(one, x) for one in log]


@pytest.mark.covered
@given(LOG)
def test_no_line_leads_back_over_the_steps(log: list[Point]) -> None:
    found = curves.curves("a", columns(*log), "loss", "step")
    assert all(one <= after for curve in found for one, after in pairwise(curve.x))


@pytest.mark.covered
@given(LOG)
def test_an_axis_is_shared_if_each_point_one_by_one_has_it(log: list[Point]) -> None:
    own = [one for one in log if isinstance(one.values.get("loss"), float)]
    epochs = [at(one, "epoch") for one in own]
    stuck = sum(one == other for one, other in pairwise(epochs))
    steps = step_count(columns(*log))
    if None not in [at(one, "step") for one in own] and not steps.restarts:
        expected = "step"
    elif None not in epochs and stuck <= len(own) / 2:
        expected = "epoch"
    else:
        expected = "line"
    assert shared_axis([(columns(*log), "loss")]) == expected
