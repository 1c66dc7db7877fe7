"""Arguments refused before any request."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job, LogPage, checks


@pytest.mark.parametrize("value", [-1, 11, 1.0, True, "3", None, math.nan])
def test_a_number_out_of_range_is_refused_with_the_range(value: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"offset=.*: must be a whole number, 0 to 10"
    ) as caught:
        checks.whole_number("offset", value, 0, 10)
    assert repr(value) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FTLogsError)


def test_a_number_without_an_upper_bound_may_be_any_of_64_bits() -> None:
    assert checks.whole_number("offset", 2**63 - 1, 0) == 2**63 - 1
    with pytest.raises(InvalidArgumentError, match="at least 0"):
        checks.whole_number("offset", -1, 0)


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1.5,
        math.inf,
        math.nan,
        True,
        "1",
        None,
        pytest.param(10**400, id="long"),
        pytest.param(10**5000, id="longer"),
    ],
)
def test_seconds_are_finite_and_above_zero(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="a number of seconds above 0"):
        checks.seconds("timeout", value)


@pytest.mark.parametrize(
    "value", ["", ".", "..", "a/b", "../x", "a b", "a?b", "a%2e", "é", "a\n", "x" * 129, b"a", None, 1]
)
def test_a_job_id_that_could_lead_elsewhere_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="job id"):
        checks.job_id(value)


@pytest.mark.parametrize("value", [2**63, pytest.param(10**5000, id="long")])
def test_a_number_that_no_answer_could_be_about_is_refused(value: int) -> None:
    with pytest.raises(InvalidArgumentError, match="0 to 9223372036854775807"):
        checks.whole_number("offset", value, 0)


@pytest.mark.parametrize("value", ["s3://b/p", "oss://b", Path("gs://b/p"), "file:///x", "a+b:/"])
def test_a_url_is_no_path(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="a path of this machine"):
        checks.path("directory", value)


@pytest.mark.parametrize(
    "value", ["a", "./s3:/b", "/s3://b", "C:/x", "C:\\x", "a:b", "é:/x", Path("x:y/z")]
)
def test_what_only_looks_like_a_url_is_a_directory(value: Any) -> None:
    assert checks.path("directory", value) == str(value)


@given(st.text())
def test_any_job_id_is_refused_or_harmless_in_a_path(value: str) -> None:
    try:
        good = checks.job_id(value)
    except InvalidArgumentError as error:
        assert str(error).isprintable()
    else:
        assert good == value
        assert not set(value) & set("/\\?#% \n\0")
        assert value not in {"", ".", ".."}


@pytest.mark.parametrize(
    ("status", "ended"),
    [("SUCCEEDED", True), ("FAILED", True), ("CANCELED", True)]
    + [(word, False) for word in ("PENDING", "QUEUING", "RUNNING", "CANCELING", "succeeded", "", "NEW")],
)
def test_a_status_that_nobody_knows_is_not_an_end(status: str, *, ended: bool) -> None:
    assert Job("ft-1", status).ended is ended


def test_a_page_knows_where_the_next_one_begins() -> None:
    assert LogPage("ft-1", 7, ("a", "b"), 100).next_offset == 9


def test_a_key_where_a_job_id_belongs_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidArgumentError, match="looks like an API key") as caught:
        checks.job_id("sk-0123456789abcdef")
    assert "0123456789" not in str(caught.value)
