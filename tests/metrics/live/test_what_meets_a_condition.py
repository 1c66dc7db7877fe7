"""What a condition remembers of a log, against the plain way: all values of the log, looked at again."""

import math
import operator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.fail_on_and_until_conditions import parse_alarm
from dashscope_ftlogs.metrics.live.live_points import LivePoint
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm, Memory, is_trainings_own

OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
# Values that meet each other, and all that is odd among floats.
FLOATS = st.one_of(
    st.sampled_from([-1.5, -1.0, 0.0, 1.0, 1.2, 1.5, math.nan, math.inf, -math.inf]), st.floats()
)
POINTS = st.lists(
    st.dictionaries(
        st.sampled_from(["loss", "eval_loss", "kl"]), st.one_of(FLOATS, st.just("text")), max_size=3
    ),
    max_size=12,
)


def first_met(condition: str, points: list[dict[str, Any]]) -> int | None:
    alarm, memory = parse_alarm(condition), Memory()
    for number, values in enumerate(points):
        memory = alarm.after(LivePoint(values), memory)
        if memory.met:
            return number
    return None


def finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def in_a_row(verdicts: list[tuple[int, bool]], count: int) -> int | None:
    """The first place at which so many verdicts in a row were True."""
    for end in range(count, len(verdicts) + 1):
        if all(verdict for _, verdict in verdicts[end - count : end]):
            return verdicts[end - 1][0]
    return None


@pytest.mark.covered
@given(
    POINTS,
    st.sampled_from(list(OPERATORS)),
    st.one_of(st.sampled_from([-1.0, 0.0, 1.0, 1.2]), st.floats(allow_nan=False, allow_infinity=False)),
    st.integers(1, 4),
)
def test_a_bound_is_passed_by_so_many_values_of_its_metric_in_a_row(
    points: list[dict[str, Any]], sign: str, bound: float, count: int
) -> None:
    verdicts = [
        (number, OPERATORS[sign](values["loss"], bound))
        for number, values in enumerate(points)
        if isinstance(values.get("loss"), float)
    ]
    assert first_met(f"loss{sign}{bound!r} for {count}", points) == in_a_row(verdicts, count)


@pytest.mark.covered
@given(
    POINTS,
    st.sampled_from(list(OPERATORS)),
    st.sampled_from(["", "*1.2", "*0.9", "+0.3", "-0.3"]),
    st.integers(1, 4),
)
def test_the_best_is_the_best_finite_value_before_in_the_direction_of_the_comparison(
    points: list[dict[str, Any]], sign: str, beyond: str, count: int
) -> None:
    verdicts: list[tuple[int, bool]] = []
    before: list[float] = []
    for number, values in enumerate(points):
        value = values.get("loss")
        if not isinstance(value, float):
            continue
        bound = None
        if before:
            best = min(before) if sign in {">", ">="} else max(before)
            amount = float(beyond[1:] or 0)
            # A share of its distance from zero, so that worse is worse below zero as well.
            factor = amount if best >= 0 else 2 - amount
            bound = {"*": best * factor, "+": best + amount, "-": best - amount}.get(beyond[:1], best)
        verdicts.append((number, bound is not None and OPERATORS[sign](value, bound)))
        if finite(value):
            before.append(value)
    assert first_met(f"loss{sign}best{beyond} for {count}", points) == in_a_row(verdicts, count)


@pytest.mark.covered
@given(POINTS, st.integers(1, 3))
def test_what_is_not_finite_is_found_in_the_metrics_that_the_condition_is_about(
    points: list[dict[str, Any]], count: int
) -> None:
    about = {
        "nan": {"loss", "eval_loss"},
        "any=nan": {"loss", "eval_loss", "kl"},
        "nan except kl, 'eval_loss'": {"loss"},
        "kl=nan": {"kl"},
    }
    for condition, names in about.items():
        verdicts = [
            (number, not all(map(finite, found)))
            for number, values in enumerate(points)
            if (found := [values[name] for name in names & values.keys() if values[name] != "text"])
        ]
        assert first_met(f"{condition} for {count}", points) == in_a_row(verdicts, count)


@pytest.mark.parametrize(
    ("condition", "values", "met_at"),
    [
        ("loss>1.5 for 3", [2, 2, 1, 2, 2, 2], 5),
        ("loss>1.5 for 3", [2, 2, 1, 2, 2], None),
        ("loss>best*1.2", [1.0, 1.2, 1.25], 2),
        ("loss>best*1.2", [-1.0, -0.9, -0.7], 2),
        ("loss>best+0.3", [1.0, 0.5, 0.8, 0.81], 3),
        ("reward<best-0.3", [0.5, 0.9, 0.7, 0.5], 3),
        ("reward<best*0.5", [-1.0, -1.2, -1.6], 2),
        ("eval_loss>=best for 3", [1.0, 0.9, 0.9, 0.95, 0.9], 4),
    ],
)
def test_examples_of_the_documentation(condition: str, values: list[float], met_at: int | None) -> None:
    name = condition.partition(">")[0].partition("<")[0]
    assert first_met(condition, [{name: float(value)} for value in values]) == met_at


@pytest.mark.parametrize("name", ["step", "epoch"])
def test_step_and_epoch_are_those_of_the_point_whatever_its_log_calls_them(name: str) -> None:
    alarm = parse_alarm(f"{name}>=3")
    told: dict[str, Any] = {"step": {"step": 3}, "epoch": {"epoch": 3.0}}[name]
    assert alarm.after(LivePoint({"loss": 1.0}, **told), Memory()).met
    assert alarm.after(LivePoint({name: 3.0}), Memory()).met
    assert not alarm.after(LivePoint({"loss": 3.0, name: "3/9"}), Memory()).met
    assert not alarm.after(LivePoint({name: 9.0}, **{name: 1}), Memory()).met


@pytest.mark.covered
@given(POINTS)
def test_a_condition_and_what_it_remembers_are_values(points: list[dict[str, Any]]) -> None:
    alarm = parse_alarm("loss>best*1.2 for 2")
    memories = [Memory()]
    for values in points:
        memories.append(alarm.after(LivePoint(values), memories[-1]))
    again = [
        alarm.after(LivePoint(values), before) for values, before in zip(points, memories, strict=False)
    ]
    assert again == memories[1:]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        alarm.in_a_row = 3  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        memories[0].met = True  # type: ignore[misc]


def test_a_silence_is_met_by_no_point() -> None:
    alarm = parse_alarm("stall=1m")
    assert alarm == Alarm("stall=1m", stall=60.0)
    assert alarm.metric is None
    assert not alarm.after(LivePoint({"loss": math.nan}), Memory()).met


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("loss", True),
        ("train_loss", True),
        ("trainLoss", True),
        ("reduced_train_loss", True),
        ("load_balancing_loss", True),
        ("loss/policy_avg", True),
        ("actor/pg_loss", True),
        ("grad_norm", True),
        ("grad norm", True),
        ("actor/grad_norm", True),
        ("learning_rate", True),
        ("Learning Rate", True),
        ("lr-AdamW", True),
        ("act_lr", True),
        ("loss scale", False),
        ("loss_scale", False),
        ("rewards/optional/mean", False),
        ("rewards/loss/mean", False),
        ("reward", False),
        ("kl", False),
        ("lm loss PPL", False),
        ("eval_ppl", False),
        ("glossary", False),
        ("gradient", False),
        ("norm grad", False),
        ("memory(GiB)", False),
        ("", False),
    ],
)
def test_training_s_own_are_losses_gradient_norms_and_learning_rates(name: str, own: bool) -> None:
    assert is_trainings_own(name) is own
