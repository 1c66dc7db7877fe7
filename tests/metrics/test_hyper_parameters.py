"""In what jobs differ: only in what is known of both, whatever the service says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import Job
from dashscope_ftlogs.metrics.hyper_parameters import brief_value, differing, few_differing


def job(parameters: Any = None, **facts: Any) -> Job:
    return Job("ft-1", "RUNNING", hyper_parameters=parameters, **facts)


def named(*jobs: Job | None) -> dict[str, Job | None]:
    return {str(number): one for number, one in enumerate(jobs)}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.6e-5", 1.6e-05),
        ("16", 16),
        ("16", "16.0"),
        (16, 16.0),
        ("linear", "linear"),
        (None, None),
        ([1, {"a": 2}], [1, {"a": 2}]),
        ("9" * 5000, "9" * 5000),
        ("nan", "nan"),
        (float("nan"), float("nan")),
        ({"a": float("nan")}, {"a": float("nan")}),
    ],
)
def test_values_that_mean_the_same_do_not_differ(one: Any, other: Any) -> None:
    assert differing(named(job({"p": one}), job({"p": other}))) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.6e-5, "1.6e-4"),
        ("linear", "cosine"),
        (3, None),
        ("3", [3]),
        ({"a": 1}, {"a": 2}),
        ("1e999", "2e999"),
        (2**53, 2**53 + 1),
        pytest.param(10**5000, -(10**5000), id="more digits than Python writes"),
        (str(2**53), str(2**53 + 1)),
    ],
)
def test_values_that_differ_are_shown_as_they_are(one: Any, other: Any) -> None:
    assert differing(named(job({"p": one, "q": 1}), job({"p": other, "q": 1}))) == {"p": [one, other]}


def test_model_and_type_of_training_come_first() -> None:
    jobs = named(
        job({"p": 1}, model="a", training_type="sft"), job({"p": 2}, model="b", training_type="cpt")
    )
    assert list(differing(jobs).items()) == [
        ("model", ["a", "b"]),
        ("training_type", ["sft", "cpt"]),
        ("p", [1, 2]),
    ]


def test_a_parameter_called_like_a_fact_does_not_hide_it() -> None:
    jobs = named(job({"model": 1}, model="a"), job({"model": 1}, model="b"))
    assert differing(jobs) == {"model": ["a", "b"]}


@pytest.mark.parametrize("unknown", [None, job(), job(model="qwen")])
def test_what_is_not_known_differs_from_nothing(unknown: Job | None) -> None:
    two = named(job({"p": 1}, model="qwen"), unknown)
    assert differing(two) == {}
    three = named(job({"p": 1}, model="qwen"), unknown, job({}, model="qwen"))
    assert differing(three) == {"p": [1, None, None]}


def test_a_model_that_is_not_told_differs_from_none() -> None:
    assert differing(named(job({}), job({}, model="qwen"))) == {}
    assert differing(named(job({}), job({}, model="a"), job({}, model="b"))) == {
        "model": [None, "a", "b"]
    }


@pytest.mark.parametrize("jobs", [{}, {"a": None}, {"a": None, "b": None}, {"a": job({"p": 1})}])
def test_fewer_than_two_jobs_do_not_differ(jobs: Any) -> None:
    assert differing(jobs) == {}


@pytest.mark.covered
def test_what_is_nested_too_deeply_differs() -> None:
    found = differing(named(job({"p": nested(200_000)}), job({"p": nested(200_000)})))
    assert list(found) == ["p"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.from_regex(r"-?\d+(e\d+)?"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
JOBS = st.none() | st.builds(
    job,
    st.none() | st.dictionaries(st.sampled_from("abc") | st.text(), JSON),
    model=st.text() | st.none(),
)


@pytest.mark.unmeasured
@given(st.dictionaries(st.text(), JOBS, max_size=4))
def test_any_jobs_have_a_value_each(jobs: dict[str, Job | None]) -> None:
    for name, values in differing(jobs).items():
        assert len(values) == len(jobs)
        for one, value in zip(jobs.values(), values, strict=True):
            if one is None:
                assert value is None
            elif name not in ("model", "training_type"):
                assert value is (one.hyper_parameters or {}).get(name)


def test_jobs_are_named_by_what_differs_only_if_that_is_little() -> None:
    def jobs(count: int) -> dict[str, Job | None]:
        return named(*(job({f"p{name}": n for name in range(count)}) for n in range(2)))

    assert few_differing(jobs(3)) == {"p0": [0, 1], "p1": [0, 1], "p2": [0, 1]}
    assert few_differing(jobs(4)) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", ""),
        ("a\x1b", r"a\x1b"),
        (1e-05, "1e-05"),
        (10**5000, "a number too large to show"),
        (nested(200_000), "nested too deeply to show"),
    ],
    ids=range(6),
)
def test_any_value_can_be_written_in_a_cell(value: object, expected: str | None) -> None:
    assert brief_value(value) == expected
