"""Conditions on a followed log are a small language of their own, never code."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.metrics.fail_on_and_until_conditions import duration, parse_alarm


@pytest.mark.parametrize(
    ("condition", "values", "met"),
    [
        ("nan", {"loss": math.nan}, True),
        ("nan", {"grad_norm": math.inf}, True),
        ("nan", {"loss": 1.0, "progress": "nan"}, False),
        ("loss<0.5", {"loss": 0.4}, True),
        ("loss<0.5", {"loss": 0.5}, False),
        ("loss<=0.5", {"loss": 0.5}, True),
        ("grad_norm>1e3", {"grad_norm": 1e4}, True),
        ("grad_norm >= 100", {"grad_norm": 100.0}, True),
        ("rewards/chosen>0", {"rewards/chosen": 0.1}, True),
        ("loss<0.5", {"eval_loss": 0.1}, False),
        ("loss<0.5", {"loss": "0.1 or so"}, False),
        ("loss<0.5", {"loss": math.nan}, False),
        ("loss<inf", {"loss": 9.0}, True),
        ("stall=1s", {"loss": math.nan}, False),
    ],
)
def test_a_point_meets_a_condition_or_not(condition: str, values: Any, met: bool) -> None:
    assert parse_alarm(condition).met_by(values) is met


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "loss",
        "loss<",
        "<0.5",
        "loss<nan",
        "loss=0.5",
        "loss<0.5<1",
        "stall=",
        "stall=0s",
        "stall=ever",
    ],
)
def test_what_is_no_condition_is_refused_with_examples_of_some(condition: str) -> None:
    with pytest.raises(InvalidArgumentError, match="stall=10m"):
        parse_alarm(condition)


@given(st.text())
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        parse_alarm(text).met_by({"loss": 0.5})
    except InvalidArgumentError:
        pass


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1.5m", 90),
        ("1h30m", 5400),
        ("1d", 86400),
        ("10", None),
        ("m", None),
        ("1m x", None),
    ],
)
def test_durations_have_units(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds
