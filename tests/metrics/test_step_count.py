"""Whatever steps count, a point is drawn at none that its log does not tell."""

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics import step_count as module
from dashscope_ftlogs.metrics.curves import curves, places, shared_axis
from dashscope_ftlogs.metrics.point import Point, added
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.metrics.step_count import StepCount, step_count


def read(*lines: str) -> PointColumns:
    log = LogPoints()
    log.read_all(lines, 0)
    return log.columns()


def told(*spots: tuple[Any, ...], kind: str = "train") -> PointColumns:
    """Points at an epoch, a step, and of so many steps."""
    return added(
        PointColumns(),
        [
            Point(at, 0, kind, step, total, epoch, None, None, {"loss": 1.0})  # type: ignore[arg-type]
            for at, (epoch, step, total) in enumerate(spots)
        ],
    )


def test_the_examples_hold() -> None:
    found = doctest.testmod(module)
    assert (found.attempted > 0, found.failed) == (True, 0)


EPOCHS = [
    f"Epoch [{epoch}/3], Step [{step}/600], Loss: 1.5" for epoch in (1, 2, 3) for step in (200, 600)
]
BARS = [
    "\r".join(
        f"Epoch {epoch}: 50%|##  | {step}/9 [00:05<00:05, 2.00it/s, loss=1.5]" for step in (3, 6, 9)
    )
    for epoch in (0, 1)
]


@pytest.mark.parametrize(
    ("lines", "metric", "expected"),
    [
        (EPOCHS, "Loss", [200, 600, 800, 1200, 1400, 1800]),
        (BARS, "loss", [3, 6, 9, 12, 15, 18]),
    ],
    ids=["lines", "bars from epoch 0"],
)
def test_steps_of_each_epoch_are_counted_on(lines: list[str], metric: str, expected: list[int]) -> None:
    points = read(*lines)
    assert shared_axis([(points, metric)]) == "global_step"
    (curve,) = curves("a", points, metric, "global_step")
    assert list(curve.x) == expected


def test_as_they_are_each_epoch_is_a_line_of_its_own() -> None:
    found = curves("a", read(*EPOCHS), "Loss", "step")
    assert [list(curve.x) for curve in found] == [[200, 600]] * 3


def test_beside_a_log_whose_steps_go_on_both_have_the_steps_of_the_run() -> None:
    going_on = read("{'loss': 2.5, 'step': 900}", "{'loss': 2.0, 'step': 1000}")
    assert shared_axis([(going_on, "loss")]) == "step"
    assert shared_axis([(going_on, "loss"), (read(*EPOCHS), "Loss")]) == "global_step"
    assert places(going_on, "global_step") == [900, 1000]


@pytest.mark.parametrize(
    ("spots", "axis"),
    [
        ([(1, 5, None), (2, 5, None), (2, 9, None)], "epoch"),
        ([(1, 5, 9), (1, 9, 9), (2, 5, 8), (2, 8, 8)], "epoch"),
        ([(0.5, 5, 9), (1.0, 9, 9), (1.5, 5, 9)], "epoch"),
        ([(4, 9, 9), (5, 9, 9)], "epoch"),
        ([(1, 5, 30), (1, 10, 30), (2, 5, 30), (2, 10, 30)], "epoch"),
        ([(1, 9, 9), (2, 10, 9), (3, 9, 9)], "epoch"),
        ([(1, 9, 9), (2, 9, 9), (None, 9, 9), (3, 9, 9)], "line"),
        ([(1, 1, 10**400), (2, 1, 10**400)], "epoch"),
        ([(1, 0, 0), (2, 0, 0)], "epoch"),
        ([(1, 1, 9), (1, 2, 9), (1, 9, None), (1, 3, 9), (2, 3, 9)], "line"),
    ],
    ids=[
        "no total",
        "epochs of several lengths",
        "parts of an epoch",
        "the first epoch is not there",
        "the total is that of the run",
        "more than all",
        "an epoch is missing",
        "huge",
        "none",
        "a total is missing",
    ],
)
def test_where_it_is_not_sure_steps_are_no_axis(spots: Any, axis: str) -> None:
    points = told(*spots)
    assert step_count(points) == StepCount(restarts=True)
    assert shared_axis([(points, "loss")]) == axis


@pytest.mark.parametrize(
    "points",
    [
        told((1, 5, 9), (1, 5, 9), (1.01, 5, 9)),
        told((None, 5, 9), (None, 2, 9)),
        told((1, 9, 9), (2, 9, 9), kind="eval"),
        told((1, 600, 900), (2, 700, 900)),
        told(),
    ],
    ids=["rounded", "no epoch", "evaluations", "they go on", "nothing"],
)
def test_steps_that_count_the_run_stay_as_they_are(points: PointColumns) -> None:
    assert step_count(points) == StepCount()
    assert places(points, "global_step") == places(points, "step")


SPOTS = st.lists(
    st.tuples(
        st.none() | st.sampled_from([0.0, 1.0, 2.0, 3.0]) | st.floats(),
        st.none() | st.integers(0, 9),
        st.sampled_from([9, 9, 9, 8, None]),
    ),
    max_size=12,
)
SURE = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9), st.just(9)), max_size=12).map(sorted)


@pytest.mark.covered
@given(SPOTS | SURE)
def test_every_place_is_the_step_or_what_epoch_and_total_of_the_very_point_make_of_it(
    spots: list[tuple[Any, ...]],
) -> None:
    points = told(*spots)
    count = step_count(points)
    for x, (epoch, step, total) in zip(places(points, "global_step", count), spots, strict=True):
        if not count.restarts:
            assert x == step
        elif x is not None:
            assert x == (epoch - count.first_epoch) * total + step
            assert count.first_epoch == min(one for one, known, _ in spots if known is not None)
