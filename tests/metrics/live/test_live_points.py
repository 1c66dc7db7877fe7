"""The points of a growing log, against those of the same log when it is read as a whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.live.live_points import LivePoint, LivePoints
from dashscope_ftlogs.metrics.points import read_points


def live(lines: list[str]) -> list[LivePoint]:
    points = LivePoints()
    return [point for number, line in enumerate(lines) for point in points.read(number, line)]


def bar(step: int, total: int = 100) -> str:
    return f" {step}%|█ | {step}/{total} [00:01<00:09,  1.0s/it]"


def steps(lines: list[str]) -> list[int | None]:
    return [point.step for point in live(lines)]


@pytest.mark.covered
@given(
    st.lists(
        st.one_of(
            st.builds(
                lambda step: f"{{'loss': 1.5, 'global_step/max_steps': '{step}/9'}}", st.integers(0, 9)
            ),
            st.builds(lambda step: f"{{'eval_loss': 1.5, 'step': {step}}}", st.integers(0, 9)),
            st.builds(lambda epoch: f"{{'loss': nan, 'step': 3, 'epoch': {epoch}}}", st.integers(0, 3)),
            st.just("{'train_runtime': 3.5, 'epoch': 1.0}"),
            st.just("Traceback (most recent call last):\n  {'loss': 7.0}\nOSError: full"),
            st.just("2025-12-06 20:26:57,402 - INFO - words"),
        )
    )
)
def test_what_points_tell_themselves_is_known_at_once(lines: list[str]) -> None:
    whole = read_points(lines)
    assert [(p.segment, p.kind, p.step, p.total_steps, p.epoch) for p in live(lines)] == [
        (p.segment, p.kind, p.step, p.total_steps, p.epoch) for p in whole
    ]


def test_the_bar_straight_before_a_point_tells_its_step() -> None:
    lines = [bar(1), "{'loss': 1.0}", bar(2) + "{'loss': 1.0}", bar(3), "words", bar(4), "{'loss': 0.5}"]
    assert steps(lines) == [1, 2, 4]
    assert [point.total_steps for point in live(lines)] == [100, 100, 100]
    assert steps(lines) == [point.step for point in read_points(lines)]


def test_bars_that_do_not_go_with_the_points_tell_nothing_from_there_on() -> None:
    assert steps([bar(1), "{'loss': 1.0}", bar(1), "{'loss': 1.0}", bar(2), "{'loss': 1.0}"]) == [
        1,
        None,
        None,
    ]
    assert steps([bar(1), "{'loss': 1.0}", "{'loss': 1.0}", bar(2), "{'loss': 1.0}"]) == [1, None, None]
    assert steps([" 10%|█ cut", "{'loss': 1.0}", bar(2), "{'loss': 1.0}"]) == [None, None]


def test_the_bars_of_evaluation_count_something_else() -> None:
    lines = [bar(5), "{'loss': 1.0}", bar(3, 7), "{'eval_loss': 1.0}", bar(6), "{'eval_loss': 1.0}"]
    assert steps(lines) == [5, None, 6]
    assert steps([bar(3, 7), "{'eval_loss': 1.0}"]) == [None]
    assert steps([*lines, bar(7), "{'train_runtime': 1.0, 'train_loss': 1.0}"])[-1] is None


def test_a_point_that_a_logger_told_rounded_is_told_again() -> None:
    stamp = "03/12/2024 11:24:33 - INFO - callbacks - "
    lines = [
        bar(1),
        stamp + "{'loss': 0.1235, 'epoch': 0.01}",
        "{'loss': 0.12349, 'grad_norm': nan, 'epoch': 0.01}",
        "{'loss': 0.12349, 'grad_norm': nan, 'epoch': 0.01}",
        stamp + "{'loss': 0.5, 'epoch': 0.02}",
        "{'loss': 0.7, 'epoch': 0.02}",
    ]
    assert [point.again for point in live(lines)] == [False, True, False, False, False]


def test_a_point_that_a_logger_repeats_rounded_is_passed_over() -> None:
    lines = [
        "{'loss': 0.12349, 'grad_norm': 2.0, 'epoch': 0.01}",
        "[INFO:swift] {'loss': 0.1235, 'epoch': 0.01}",
        "[INFO:swift] {'loss': 0.1235, 'epoch': 0.01}",
    ]
    assert [point.values["loss"] for point in live(lines)] == [0.12349, 0.1235]
    assert [point.again for point in live(lines)] == [False, False]


def test_a_bar_that_is_drawn_again_with_its_numbers_takes_the_place_of_the_one_before() -> None:
    drawn = [
        f" 3%|3 | {n}/375 [02:09<1:13:19, 12.05s/it, loss={loss}]"
        for n, loss in ((9, 3), (9, 2), (10, 2))
    ]
    points = live(drawn)
    assert [(point.step, point.values["loss"], point.again) for point in points] == [
        (9, 3.0, False),
        (9, 2.0, True),
        (10, 2.0, False),
    ]


def test_a_history_repeats_what_was_told_unless_nothing_was() -> None:
    history = (
        '{"log_history": [{"loss": 2.0, "step": 1}, {"loss": 1.0, "step": 2}], "best_metric": null}'
    )
    assert steps(["{'loss': 2.0, 'step': 1}", "{'loss': 1.0, 'step': 2}", history]) == [1, 2]
    assert steps([history]) == [1, 2]


def test_what_goes_on_over_lines_is_a_point_with_its_last_line() -> None:
    points = LivePoints()
    lines = ["INFO {'loss': 2.5,", " 'epoch':", " 0.1}", "Step\tTraining Loss", "10\t2.0", "20\t1.5"]
    found = [[point.values for point in points.read(n, line)] for n, line in enumerate(lines)]
    assert [[dict(values) for values in one] for one in found] == [
        [],
        [],
        [{"loss": 2.5, "epoch": 0.1}],
        [],
        [{"Training Loss": 2.0}],
        [{"Training Loss": 1.5}],
    ]


def test_another_reader_of_lines_may_take_the_place_of_ours() -> None:
    class Reader:
        def read(self, number: int, line: str) -> Any:
            from dashscope_ftlogs.reading.records import Metrics

            return [(number, Metrics({"loss": float(line), "step": number}, line))]

    points = LivePoints(Reader())
    assert list(points.read(7, "2.5")) == [LivePoint({"loss": 2.5, "step": 7}, step=7)]


def test_a_summary_is_a_point_once_something_else_follows() -> None:
    summary = ["***** eval metrics *****", "  epoch = 1.0", "  eval_loss = 2.5"]
    assert [point.kind for point in live([*summary, "{'loss': 1.5}"])] == ["eval", "train"]
    evaluating = "Evaluating:  10%|# | 1/10 [00:01<00:09,  1.0s/it]"
    assert live([evaluating, "number of consumed tokens is 5"]) == []


def test_a_dict_that_does_not_end_is_given_up() -> None:
    lines = ["{'loss': 1.5,", *["words"] * 1100, "{'loss': 2.5, 'step': 1}"]
    assert steps(lines) == [1]
