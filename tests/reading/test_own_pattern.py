"""A pattern of the user's own finds what no form of metrics fits, and a wrong one is refused."""

from typing import Any

import pytest

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.reading.own_pattern import own_pattern, parse_line, parse_lines
from dashscope_ftlogs.report.log_digest import LogReader


def found(pattern: str | list[str], *lines: str) -> list[Any]:
    log = LogPoints(own_pattern(pattern))
    log.read_all(lines, 0)
    return [(point.kind, point.step, point.epoch, dict(point.values)) for point in log.points()]


def test_its_groups_are_the_step_and_the_metrics() -> None:
    pattern = r"it (?P<step>[\d,]+)(?: of (?P<total_steps>\d+))?(?: e(?P<epoch>\S+))? L=(?P<loss>\S+)"
    assert found(
        pattern, "a", "it 1,003 of 5000 L=2.5;", "it 4 e0.5 L=x", "\x1b[1mit 5 e0.5\x1b[0m L=nanx"
    ) == [("train", 1003, None, {"loss": 2.5})]
    assert found(pattern, "it 6 e0.5 L=1e-1,") == [("train", 6, 0.5, {"loss": 0.1})]


@pytest.mark.parametrize(
    ("line", "step", "values"),
    [
        ("it 7 L=0,532; R=12,5", 7, {"loss": 0.532, "rate": 12.5}),
        ("it 7 L=1,532; R=0,0001", 7, {"loss": 1.532, "rate": 0.0001}),
        ("it 1,000, L=1,234.5; R=1,234", 1000, {"loss": 1234.5, "rate": 1234.0}),
        ("it 7 L=1.234,5; R=1", 7, {"rate": 1.0}),
        ("it 7 L=1,532; R=1", 7, {"rate": 1.0}),
        ("it 0,5 L=2.5; R=x", None, {"loss": 2.5}),
    ],
)
def test_commas_are_what_they_are_elsewhere(line: str, step: int | None, values: Any) -> None:
    pattern = r"it (?P<step>\S+) L=(?P<loss>[^;]+); R=(?P<rate>\S+)"
    assert found(pattern, line) == [("train", step, None, values)]


def test_lines_that_are_known_stay_what_they_are() -> None:
    assert found(r"(?P<x>\d+)", "{'loss': 1.0, 'step': 3}") == [
        ("train", 3, None, {"loss": 1.0, "step": 3.0})
    ]


def test_what_it_calls_an_evaluation_is_one() -> None:
    assert found(r"V (?P<val_loss>\S+)", "V 2") == [("eval", None, None, {"val_loss": 2.0})]


def test_each_line_is_read_by_the_first_of_several_that_fits() -> None:
    several = [
        r"it=(?P<step>\d+) \| L=(?P<loss>\S+)",
        r"it (?P<step>\d+): (?P<val_loss>\S+)",
        "(?P<loss>3)",
    ]
    assert found(several, "it=1 | L=2.5 3", "no", "held out, it 1: 2.75") == [
        ("train", 1, None, {"loss": 2.5}),
        ("eval", 1, None, {"val_loss": 2.75}),
    ]


def test_what_lines_mean_is_told_by_it_too() -> None:
    loss, step = r"L=(?P<loss>\S+)", r"(?P<step>\d+) of"
    lines = ["L=2.5", "{'loss': 1.0}", "L", "Traceback (most recent call last):", "OSError: L=3", "L=4"]
    records = list(parse_lines(lines, 3, pattern=(f"{step} {loss}", loss)))
    assert [(at, type(one).__name__) for at, one in records] == [
        *((3, "Metrics"), (4, "Metrics"), (5, "Text"), (6, "Metrics"), (8, "Metrics")),
    ]
    assert [type(one).__name__ for one in parse_line("Lx\rL=4", pattern=loss)] == ["Text", "Metrics"]
    assert parse_line(lines[1], pattern="(?P<loss>.)") == parse_line(lines[1])
    with pytest.raises(InvalidArgumentError, match="must name a group"):
        parse_line("x", pattern=step)
    with pytest.raises(InvalidArgumentError, match="must name a group"):
        list(parse_lines([], pattern=[loss, step]))


def test_rows_of_a_table_that_it_fits_are_its_own() -> None:
    table = ["step,loss", "1,2.5", "2,2.25"]
    assert [step for _, step, _, _ in found("nothing (?P<x>.)", *table)] == [1, 2]
    assert found(r"\d,(?P<mine>.*)", *table) == [
        ("train", None, None, {"mine": value}) for value in (2.5, 2.25)
    ]


def test_it_sees_no_more_than_the_beginning_of_a_line() -> None:
    assert found(r"L=(?P<loss>\S+)", "x" * 65_536 + "L=1") == []
    assert found(r"L=(?P<loss>\S+)", "x" * 65_000 + "L=1 ") != []


@pytest.mark.parametrize(
    "wrong",
    [
        r"(\d+",
        r"(?P<step>\d+)",
        "loss",
        "(?P<epoch>.)(?P<total_steps>.)",
        3,
        ["(?P<loss>.)", "x"],
        ["(?P<loss>.)", 3],
    ],
)
def test_a_wrong_one_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="pattern"):
        own_pattern(wrong)


def test_what_was_not_complete_when_a_log_ended_is_fitted_too() -> None:
    log = LogReader("a", None, pattern=own_pattern(r"L=(?P<loss>\S+)"))
    log.read(
        enumerate(["L=1", "Traceback (most recent call last):", '  File "a.py", line 1', "", "L=2"])
    )
    best = log.end().facts.best
    assert best is not None
    assert best.value == 1
