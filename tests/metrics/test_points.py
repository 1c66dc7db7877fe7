"""Points of curves: which run, which step, which time; and nothing that the log does not say."""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.errors import InvalidArgumentError
from dashscope_ftlogs.metrics.live.live_points import LivePoint, LivePoints
from dashscope_ftlogs.metrics.points import LogPoints, Point, read_points
from dashscope_ftlogs.metrics.told_again import History, in_other_words, the_same
from dashscope_ftlogs.reading.forms.stamps import milliseconds


def bar(done: int, total: int = 10, description: str = "") -> str:
    return f"{description} {done * 100 // total}%|█   | {done}/{total} [00:01<00:09,  1.0s/it]"


def steps(*lines: str) -> list[int | None]:
    return [point.step for point in read_points(lines)]


def live(lines: Sequence[str]) -> list[LivePoint]:
    points = LivePoints()
    return [point for number, line in enumerate(lines) for point in points.read(number, line)]


def segments(*lines: str) -> list[int]:
    return [point.segment for point in read_points(lines)]


def test_a_point_knows_its_line_its_kind_and_what_was_said_before_it() -> None:
    log = [
        "2025-12-06 20:28:19,002 - INFO - data pre-process succeeded, start to fine-tune",
        "Actual number of consumed tokens is 500!",
        "{'loss': 0.5, 'epoch': 0.1, 'global_step/max_steps': '2/9'}",
        "{'eval_loss': 0.25, 'epoch': 0.1, 'consumed_train_tokens': 700}",
        "{'train_runtime': 3.0, 'epoch': 1.0}",
    ]
    time = None  # the stamp is of another line
    values: list[Any] = [point.values for point in read_points(log, offset=100)]
    assert read_points(log, offset=100) == [
        Point(102, 0, "train", 2, 9, 0.1, time, 500, values[0]),
        Point(103, 0, "eval", 2, 9, 0.1, time, 700, values[1]),
        Point(104, 0, "final", None, None, 1.0, time, 700, values[2]),
    ]


def test_a_bar_before_each_point_tells_its_step() -> None:
    assert steps(bar(1), "{'loss': 3}", bar(2), "{'loss': 2}", bar(3) + "{'loss': 1}") == [1, 2, 3]


@pytest.mark.parametrize(
    "lines",
    [
        (bar(1), "{'loss': 3}", "{'loss': 2}"),  # one has none
        (bar(1), "{'loss': 3}", bar(1), "{'loss': 2}"),  # it stands still: the output was buffered
        (bar(1), "text between", "{'loss': 3}"),
        (bar(1, description="Loading:"), "{'loss': 3}"),
    ],
)
def test_a_far_or_doubtful_bar_tells_nothing(lines: tuple[str, ...]) -> None:
    assert set(steps(*lines)) == {None}


@pytest.mark.parametrize("title", ["Epoch {}:", "Train epoch [{}/3]:", "epoch={} "])
def test_bars_of_several_epochs_may_come_to_the_same_end(title: str) -> None:
    drawn = title + " 100%|█| 10/10 [00:01<00:00,  1.0s/it, loss={}]"
    lines = [drawn.format(n, loss) for n in (0, 1, 2) for loss in (9, n)]
    told = [(n, 10, float(n)) for n in (0, 1, 2)]
    assert [(point.epoch, point.step, point.values["loss"]) for point in read_points(lines)] == told
    again = [(n, again) for n in (0, 1, 2) for again in (False, True)]
    assert [(point.epoch, point.again) for point in live(lines)] == again


def test_a_logger_s_line_that_is_glued_to_a_bar_is_of_its_step() -> None:
    logged = "[INFO|2025-03-04 10:12:22] llamafactory.callbacks:143 >> {{'loss': {0}.25, 'epoch': 0.5}}"
    own = "{{'loss': {0}.25004, 'grad_norm': 3.5, 'epoch': 0.5}}"
    both = [line for n in (1, 2) for line in (bar(n) + logged.format(n), own.format(n))]
    assert steps(*both) == [1, 2]
    assert [(point.step, point.again) for point in live(both)] == [
        (1, False),
        (1, True),
        (2, False),
        (2, True),
    ]
    assert steps(*(bar(n) + logged.format(n) for n in (1, 2))) == [1, 2]


AT_FIRST = " {0}%|█  | {0}/{1} [00:00<?, ?it/s]"


@pytest.mark.parametrize(
    "between", [[], ["Killed"], ["Killed", "", "why? 5% of it", "{'eval_loss': 1.5}"], ["w"] * 1500]
)
@pytest.mark.parametrize("step", [0, 3])
def test_a_run_that_begins_again_may_come_to_the_same_step(step: int, between: list[str]) -> None:
    lines = [bar(3), "{'loss': 3}", bar(5), "{'loss': 2}", *between, AT_FIRST.format(step, 10), *between]
    again = [bar(5), "{'loss': 2}", bar(6), "{'loss': 1}"]
    assert [step for step in steps(*lines, *again) if step] == [3, 5, 5, 6]
    assert [point.step for point in live([*lines, *again]) if point.step] == [3, 5, 5, 6]
    other = [*lines[:4], AT_FIRST.format(0, 68), AT_FIRST.format(5, 10), AT_FIRST.format(7, 10), *again]
    assert set(steps(*other)) == {None}
    assert [point.step for point in live(other)] == [3, 5, None, None]


def test_a_bar_whose_clock_went_back_is_another_run_s() -> None:
    lines = [bar(5).replace("00:01", "00:09"), "{'loss': 2}", bar(5), "{'loss': 2}"]
    assert steps(*lines) == [5, 5]
    assert [point.step for point in live(lines)] == [5, 5]


def test_the_bar_of_an_evaluation_counts_something_else() -> None:
    lines = (bar(1), "{'loss': 3}", bar(7, total=68), "{'eval_loss': 2}", bar(2), "{'loss': 1}")
    assert steps(*lines) == [1, None, 2]


@pytest.mark.parametrize(
    ("at", "epoch", "between", "after", "step"),
    [
        (50, 0.5, [bar(7, 7)], 0.5, 50),
        (50, 0.005, [], 0.005, None),  # printed with two or three digits, several steps have it
        (100, 0.0107, [], 0.0107, 100),
        (50, 0.5, [], 0.51, None),
        (50, 0.5, ["{'eval_a_loss': 1, 'epoch': 0.5}"], 0.5, 50),
        (50, 0.5, ["{'eval_a_loss': 1, 'epoch': 0.5, 'step': 40}"], 0.5, None),
        (50, 0.5, ["{'train_runtime': 1, 'epoch': 0.5}"], 0.5, None),
        (50, None, [], None, None),
    ],
)
def test_an_evaluation_is_from_the_step_of_the_training_point_before_it_if_their_epochs_tell(
    at: int, epoch: float | None, between: list[str], after: float | None, step: int | None
) -> None:
    lines = [
        "{'eval_loss': 1, 'epoch': 0}",
        f"{{'loss': 1, 'step': {at}" + (f", 'epoch': {epoch}}}" if epoch else "}"),
        *between,
        "{'eval_loss': 1" + (f", 'epoch': {after}}}" if after else "}"),
    ]
    points = read_points(lines)
    assert points[0].step is None
    assert points[-1].step == step


def test_what_a_dict_says_itself_counts_more_than_a_bar() -> None:
    assert steps(bar(5) + "{'loss': 3, 'global_step': 4}") == [4]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["{'loss': 1, 'step': 1}", "{'loss': 1, 'step': 2}", "{'loss': 1, 'step': 1}"], [0, 0, 1]),
        (["{'loss': 1, 'step': 5}", "{'loss': 1, 'step': 5}"], [0, 0]),
        (["{'loss': 1, 'epoch': 1.0}", "{'loss': 1, 'epoch': 0.05}"], [0, 1]),
        (["{'loss': 1, 'epoch': 1.0}", "{'eval_loss': 1, 'epoch': 0.99}"], [0, 0]),  # rounding
        (["{'loss': 1, 'epoch': 2.0}", "{'train_runtime': 1, 'epoch': 1.5}"], [0, 0]),
        (["{'loss': 1, 'epoch': 9.0, 'step': 1}", "{'loss': 1, 'epoch': 1.0, 'step': 2}"], [0, 0]),
        (["{'loss': 1}", "{'loss': 2}"], [0, 0]),
    ],
)
def test_a_segment_begins_where_step_or_epoch_go_back(lines: list[str], expected: list[int]) -> None:
    assert segments(*lines) == expected


@pytest.mark.parametrize(
    ("logged", "own", "points"),
    [
        ("{'loss': 0.5000, 'epoch': 0.01}", "{'loss': 0.50004, 'grad_norm': 1.0, 'epoch': 0.01}", 1),
        ("{'loss': 0.5000, 'epoch': 0.01}", "{'loss': 0.50006, 'epoch': 0.01}", 2),
        ("{'loss': 0.5000, 'epoch': 0.01}", "{'loss': 0.5, 'epoch': 0.02}", 2),
        ("{'loss': 0.5000, 'lr': 1, 'epoch': 0.01}", "{'loss': 0.5, 'epoch': 0.01}", 2),
        ("{'loss': nan, 'epoch': 0.01}", "{'loss': 0.5, 'epoch': 0.01}", 2),
        ("{'loss': nan, 'epoch': 0.01}", "{'loss': nan, 'grad_norm': 1.0, 'epoch': 0.01}", 1),
        ("{'loss': 0.5000, 'lr': 1e-05, 'epoch': 0.01}", "{'loss': 0.5, 'lr': 2e-05, 'epoch': 0.01}", 2),
    ],
)
def test_a_point_that_is_logged_twice_counts_once_the_richer_one(
    logged: str, own: str, points: int
) -> None:
    read = read_points([f"03/12/2024 11:24:33 - INFO - callbacks - {logged}", own])
    assert len(read) == points
    if points == 1:
        assert read[0].values["grad_norm"] == 1.0
        assert read[0].offset == 1
    assert read[0].time == milliseconds("03/12/2024 11:24:33")
    assert read[-1].time == (read[0].time if points == 1 else None)


def test_of_three_alike_the_third_is_a_point_of_its_own() -> None:
    own = "{'loss': 0.0, 'epoch': 0.01}"
    assert len(read_points([f"03/12/2024 11:24:33 - INFO - callbacks - {own}", own, own])) == 2


def test_two_points_alike_that_the_trainer_prints_are_two() -> None:
    assert len(read_points(["{'loss': 0.0, 'epoch': 0.01}"] * 2)) == 2


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1970-01-01 00:00:01,500", 1500),
        ("1970-01-02T00:00:00", 86_400_000),
        ("01/02/1970 00:00:00", 86_400_000),
        ("1970-13-01 00:00:00", None),
        ("13/45/2024 11:24:33", None),
        ("0000-01-01 00:00:00", None),
        ("", None),
        (None, None),
    ],
)
def test_stamps_are_read_or_not_but_never_guessed(stamp: str | None, expected: int | None) -> None:
    assert milliseconds(stamp) == expected


def times(*lines: str) -> list[int | None]:
    return [point.time for point in read_points(lines)]


def test_a_stamp_on_another_line_is_not_a_point_s_time() -> None:
    assert times("1970-01-01 00:00:01,500 - INFO - a", "{'loss': 1}") == [None]


@pytest.mark.parametrize(
    "before",
    [
        "1970-01-01T00:00:01.500000001Z ",
        "1970-01-01T00:00:01.5+08:00 stdout F ",
        "1970-01-01T00:00:01.5+0000 node7 python[123]: ",
        "[1970-01-01T00:00:01.500] ",
        "I19700101 00:00:01.500000 4242 train.py:12] ",
        "1970-01-01 00:00:01.500 | INFO     | __main__:train:10 - ",
        "[rank3]: 1970-01-01 00:00:01,500 - INFO - ",
        "(Worker pid=7, ip=10.0.0.1) [1970-01-01 00:00:01,500] [INFO] [x.py:3:f] ",
    ],
)
@pytest.mark.parametrize("said", ["{'loss': 1.0, 'step': 3}", "step: 3, loss: 1.0"])
def test_a_line_s_own_stamp_is_its_time_whoever_put_it_there(before: str, said: str) -> None:
    (point,) = read_points([before + said])
    assert (point.time, point.step, point.values["loss"]) == (1500, 3, 1.0)


@pytest.mark.parametrize("before", ["[03:04:05] INFO ", "Jan 05 03:04:05 node7 python[1]: ", "13:00 "])
def test_a_stamp_without_a_date_tells_no_time(before: str) -> None:
    assert times(before + "{'loss': 1.0}") == [None]


def test_the_beginning_and_what_has_passed_since_tell_a_time() -> None:
    begun = "1970-01-01 00:00:10,000 - INFO - data pre-process succeeded, start to fine-tune"
    assert times(begun, "{'loss': 1, 'elapsed_time': '1m 1s'}", "{'loss': 1}") == [71_000, None]
    assert times(begun, bar(1), "{'loss': 1}") == [11_000]
    assert times("{'loss': 1, 'elapsed_time': '9s'}") == [None]


def test_one_stamp_tells_the_times_of_all_points_that_say_what_has_passed() -> None:
    stamped = "1970-01-01T00:01:10Z {'loss': 1, 'step': 1, 'elapsed_time': '0:00:10'}"
    assert times(stamped, "{'loss': 1, 'step': 2, 'elapsed_time': '0:00:20'}") == [70_000, 80_000]


NUMBERS = st.sampled_from(["1", "0.5", "nan", "'3'", "'x'", "inf", "-1", "1e400", "'3/9'", "None"])
KEYS = ("loss", "eval_loss", "epoch", "step", "global_step/max_steps", "train_runtime", "source")


@pytest.mark.covered
@given(
    st.lists(
        st.dictionaries(st.sampled_from(KEYS), NUMBERS).map(
            lambda pairs: "{" + ", ".join(f"'{key}': {value}" for key, value in pairs.items()) + "}"
        )
        | st.sampled_from([bar(1), bar(2), "2025-12-06 20:28:19,002 - INFO - x"]),
        max_size=20,
    )
)
def test_any_log_has_its_points_in_order_and_segments_that_only_rise(lines: list[str]) -> None:
    points = read_points(lines)
    assert [point.offset for point in points] == sorted(point.offset for point in points)
    numbers = [point.segment for point in points]
    assert numbers == sorted(numbers)
    assert set(range(max(numbers, default=-1) + 1)) == set(numbers)


def test_a_history_repeats_each_point_and_adds_what_is_new() -> None:
    told = [f"{{'loss': {9 - n}.0, 'epoch': 0.{n}, 'step': {n}}}" for n in range(1, 4)]
    entries = ", ".join([*told, "{'loss': 1.0, 'epoch': 0.9, 'step': 9}", "{'loss': 1.5, 'epoch': 1.9}"])
    history = "{'log_history': [" + entries + "], 'best': 1}"
    assert steps(*told, history, "{'loss': 0.5, 'step': 10}") == [1, 2, 3, 9, None, 10]


def test_a_log_that_names_a_new_metric_in_each_line_is_read_all_the_same() -> None:
    lines = [f"{{'loss': 1.5, 'm{n}': 0.5, 'step': {n}}}" for n in range(1200)]
    assert steps(*lines) == list(range(1200))


def test_a_dict_that_quotes_a_traceback_is_text() -> None:
    assert (
        read_points(['{"loss": "Traceback (most recent call last):"}', "{'loss': 2.5}"])[0].offset == 1
    )


def test_a_bar_without_a_total_tells_no_step() -> None:
    assert steps(" 10%|# | ", "{'loss': 2.5}") == [None]


@pytest.mark.parametrize(
    ("logged", "own", "same"),
    [
        ({"loss": 0.5}, {"loss": 0.5, "lr": 1.0}, True),
        ({"loss": 0.5, "throughput": 9.0}, {"loss": 0.5, "lr": 1.0}, True),
        ({"loss": 0.5, "lr": 1.0}, {"loss": 0.5}, False),
        ({"loss": 0.5}, {"loss": 0.6}, False),
        ({"kl": 0.5}, {"kl": 0.5}, False),
        ({"loss": 0.5, "lr": 1e-5}, {"loss": 0.5, "lr": 2e-5}, False),
        ({"loss": 0.5, "at": "1m"}, {"loss": 0.5, "at": "60 s"}, True),
        ({"loss": math.nan}, {"loss": math.nan}, True),
    ],
    ids=str,
)
def test_what_a_logger_says_is_known_again(
    logged: dict[str, Any], own: dict[str, Any], same: bool
) -> None:
    assert in_other_words(logged, own) is same


def place(**facts: Any) -> Any:
    place = SimpleNamespace(**{"values": {}, "kind": "train", "own_step": None, "epoch": None} | facts)
    place.value = place.values.get
    return place


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"values": {"loss": 1.0}}, {"values": {"loss": 1.0}}, True),
        ({"values": {"loss": 1.0}}, {"values": {"loss": 1.0}, "kind": "eval"}, False),
        ({"values": {"loss": 1.0}, "own_step": 1}, {"values": {"loss": 1.0}, "own_step": 2}, False),
        ({"values": {"loss": 1.0}, "epoch": 1.0}, {"values": {"loss": 1.0}, "epoch": 2.0}, False),
        ({"values": {"loss": 1.0, "lr": 1.0}}, {"values": {"loss": 1.0, "lr": 2.0}}, True),
        ({"values": {"lr": 1.0}}, {"values": {"lr": 2.0}}, False),
        ({"values": {"loss": "x"}}, {"values": {"loss": "x"}}, False),
    ],
    ids=str,
)
def test_points_are_one_as_far_as_both_tell(one: Any, other: Any, same: bool) -> None:
    assert the_same(place(**one), place(**other)) is same


def test_a_history_is_looked_up_by_step_by_epoch_and_by_its_place() -> None:
    history, told = History(), [place(values={"loss": float(n)}, own_step=n) for n in range(100)]
    told += [place(values={"loss": float(n)}, epoch=n / 10) for n in range(100, 200)]
    told += [place(values={"loss": float(n)}) for n in range(200, 210)]
    for one in (told[90], told[150], told[151], told[205]):
        assert history.has(one, told) or one is told[205]
    assert not history.has(place(values={"loss": 1e9}, own_step=5, epoch=0.3), told)


@pytest.mark.parametrize("told", ["step", "epoch"])
def test_a_history_at_the_end_of_a_long_log_is_nothing_new(told: str) -> None:
    lines = [f"{{'loss': {n / 7:.4f}, '{told}': {n / 4}}}" for n in range(4, 12_000, 4)]
    other = "{'loss': 7777.0, 'step': 99999}"
    points = read_points([*lines, "'log_history': [" + ", ".join([*lines, other]) + "]"])
    assert [point.offset for point in points] == [*range(len(lines)), len(lines)]
    assert points[-1].values["loss"] == 7777


BEGUN, ENDED = "  0%|  | 0/30 [00:00<?, ?it/s]", "100%|██| 30/30 [00:30<00:00,  1.00it/s]"


@pytest.mark.parametrize(
    ("first", "steps"),
    [
        ("{'loss': 1.0, 'epoch': 1.0}", [10, 20, 30]),
        ("{'loss': 1.0, 'epoch': 1.0, 'step': 7}", [7, None, None]),
        ("{'loss': 1.0, 'epoch': 2.5}", [None, None, None]),
    ],
)
def test_the_interval_between_points_tells_steps_only_where_nothing_else_does(
    first: str, steps: list[int | None]
) -> None:
    rest = ["{'loss': 1.0, 'epoch': 2.0}", "{'loss': 1.0, 'epoch': 3.0}"]
    lines = [line for point in (first, *rest) for line in ("text", point)]
    points = read_points([BEGUN, *lines, ENDED, "{'train_runtime': 30.0, 'epoch': 3.0}"])
    assert [point.step for point in points[:3]] == steps


@pytest.mark.parametrize("odd", [7, None, b"text"])
def test_a_line_that_is_no_string_is_told_as_such(odd: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="line"):
        LogPoints().read_all(["text", odd], 0)


def test_what_is_a_number_in_one_line_and_a_text_in_the_next_is_both() -> None:
    lines = [f"{{'loss': 1.5, 'note': {note}}}" for note in ("2.5", "'warm'", "0.5")]
    assert [point.values["note"] for point in read_points(lines)] == [2.5, "warm", 0.5]


def test_lines_with_others_between_them_are_read_one_by_one() -> None:
    log = LogPoints()
    log.read_numbered([])
    log.read_numbered([(3, "{'loss': 1.0}"), (4, "{'loss': 2.0}")])
    log.read_numbered([(7, "{'loss': 3.0}"), (9, "{'loss': 4.0}")])
    assert [point.offset for point in log.points()] == [3, 4, 7, 9]


def test_once_bars_can_tell_no_step_they_are_asked_no_more_and_nothing_else_is_another() -> None:
    """Of a long log, some of whose points tell their steps, and some have no bar of their own."""
    told = ["{'loss': 2.5, 'step': 7}", "{'loss': 1.5, 'epoch': 0.5}", "text", "{'loss': 1.25}"]
    bar = " 10%|█   | {}/9000 [00:01<00:09,  1.0s/it]"
    began = "2026-01-05 03:04:05,000 - INFO - ***** Running training *****"
    timed = "{'loss': 1.0, 'elapsed_time': '0:00:09'}"
    lines = [
        began,
        *(line for step in range(1, 900) for line in (*told, bar.format(step), "{'loss': 1}")),
    ]
    lines += [timed, *lines[1:]]
    log, by_line = LogPoints(), LogPoints()
    log.read_all(lines, 0)
    for number, line in enumerate(lines):
        by_line.read(number, line)
    points = log.points()
    assert points == by_line.points()
    assert {point.step for point in points} == {7, None}
    assert [point.time for point in points if point.time is not None] == [1767582254000]
