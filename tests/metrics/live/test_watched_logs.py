"""Many logs are watched for the same conditions, each by itself."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.fail_on_and_until_conditions import parse_alarm
from dashscope_ftlogs.metrics.live.watched_logs import WatchedLogs


def watch(*conditions: str) -> WatchedLogs:
    return WatchedLogs(map(parse_alarm, conditions))


def met(logs: WatchedLogs, job_id: str, lines: Iterable[str], offset: int = 0) -> list[tuple[int, str]]:
    """At which lines of a job which conditions are met."""
    return [
        (number, alarm.text)
        for number, line in enumerate(lines, offset)
        for _, alarm in logs.read(job_id, number, line)
        if alarm is not None
    ]


def losses(*values: float) -> list[str]:
    return [f"{{'loss': {value}}}" for value in values]


@pytest.mark.covered
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([1.0, 1.1, 2.0, 3.0])), max_size=40),
    st.sampled_from(["loss>1.5 for 2", "loss>best*1.2", "loss>=best for 3", "nan"]),
)
def test_each_log_is_remembered_by_itself_however_they_are_interleaved(
    lines: list[tuple[str, float]], condition: str
) -> None:
    together = watch(condition)
    found = {job_id: [] for job_id in "abc"}  # type: dict[str, list[tuple[int, str]]]
    at = dict.fromkeys("abc", 0)
    for job_id, loss in lines:
        found[job_id] += met(together, job_id, losses(loss), at[job_id])
        at[job_id] += 1
    for job_id in "abc":
        own = losses(*(loss for other, loss in lines if other == job_id))
        assert found[job_id] == met(watch(condition), job_id, own)


def test_a_log_in_the_place_of_another_one_is_remembered_from_its_own_beginning() -> None:
    logs = watch("loss>1.5 for 3", "loss>best*1.2")
    assert met(logs, "a", losses(2, 2)) == met(logs, "b", losses(2, 2)) == []
    logs.begin_anew("a")
    logs.begin_anew("never seen")
    assert met(logs, "a", losses(3, 3)) == []
    assert met(logs, "b", losses(2), 2) == [(2, "loss>1.5 for 3")]


def test_a_run_that_begins_in_the_same_log_is_remembered_from_its_own_beginning() -> None:
    def at(step: int, loss: float) -> str:
        return f"{{'loss': {loss}, 'step': {step}}}"

    lines = [at(1, 2.0), at(2, 0.5), at(1, 2.0), at(2, 1.9), at(3, 2.4)]
    assert met(watch("loss>best*1.2"), "a", lines) == [(4, "loss>best*1.2")]
    assert met(watch("loss>1 for 3"), "a", lines) == [(4, "loss>1 for 3")]
    assert met(watch("loss>1 for 4"), "a", lines) == []


def test_a_point_that_is_told_twice_counts_once_by_what_was_told_last() -> None:
    stamp = "03/12/2024 11:24:33 - INFO - callbacks - "
    lines = [
        line
        for n in range(3)
        for line in (
            f"{stamp}{{'loss': 2.0, 'epoch': {n}.0}}",
            f"{{'loss': 2.0, 'kl': nan, 'epoch': {n}.0}}",
        )
    ]
    assert met(watch("loss>1 for 3"), "a", lines) == [(4, "loss>1 for 3"), (5, "loss>1 for 3")]
    assert met(watch("kl=nan for 2"), "a", lines)[0] == (3, "kl=nan for 2")


def test_a_line_may_hold_many_points_and_a_traceback_none() -> None:
    assert met(watch("loss<1"), "a", ["{'loss': 2.0}\r{'loss': 0.5}\r{'loss': 3.0}"]) == [(0, "loss<1")]
    frame = ["Traceback (most recent call last):", '  File "a.py", line 3', "    f({'loss': nan})"]
    block = [*frame, "ValueError: {'loss': nan}", ""]
    assert met(watch("nan"), "a", [*block, "{'loss': 1.0}"]) == []


@pytest.mark.covered
@given(st.lists(st.one_of(st.text(), st.text("{}'\":,= 1.eE-+naif%|/[]<\r\nloss", max_size=40))))
def test_no_line_whatever_makes_it_fail(lines: list[str]) -> None:
    logs = watch("nan", "any=nan", "loss>best*1.2 for 2", "step>1", "epoch<3", "nan except loss")
    met(logs, "a", lines)
    logs.missed(ended=True)


def test_the_first_condition_of_those_that_a_point_meets_is_told() -> None:
    assert met(watch("loss>2", "loss>1", "nan"), "a", losses(3, 1.5)) == [(0, "loss>2"), (1, "loss>1")]


def test_what_no_point_has_had_for_a_while_is_missed_once() -> None:
    logs = watch("los>3", "loss>3", "nan", "stall=1h", "nan except kl", "any=nan", "epoch>3", "step>3")
    met(logs, "a", losses(*[1.0] * 30))
    met(logs, "b", losses(*[1.0] * 19))
    assert logs.missed() == []
    met(logs, "b", losses(1.0), 19)
    assert [alarm.text for alarm in logs.missed()] == ["los>3", "epoch>3", "step>3"]
    assert logs.missed() == logs.missed(ended=True) == []
    assert list(logs.names) == ["loss"]


def test_a_log_of_which_nothing_is_understood_is_told_of_while_it_goes_on() -> None:
    logs = watch("nan", "stall=1h")
    met(logs, "a", ["it costs 2.5"] * 1_999)
    assert logs.missed() == []
    met(logs, "b", ["it costs 2.5"])  # of another log, so many lines are awaited, too
    assert logs.missed() == []
    met(logs, "b", ["it costs 2.5"] * 2_000)
    assert [alarm.text for alarm in logs.missed()] == ["nan"]
    assert logs.missed() == logs.missed(ended=True) == []


@pytest.mark.parametrize("name", ["eval_los", "val/los", "validation los"])
def test_what_is_evaluated_is_waited_for_until_something_was(name: str) -> None:
    logs = watch(f"{name}>best*1.2")
    met(logs, "a", losses(*[1.0] * 500))
    assert logs.missed() == []
    met(logs, "a", ["{'eval_loss': 1.0, 'step': 9}"] * 3, 500)
    assert [alarm.text for alarm in logs.missed()] == [f"{name}>best*1.2"]
    assert list(logs.names) == ["loss", "eval_loss", "step"]


@pytest.mark.parametrize(
    ("lines", "missed"),
    [
        ([], ["loss>3", "nan"]),
        (["{'loss': 'text', 'train_runtime': 1.0}"], ["loss>3", "nan"]),
        (["{'loss': 1.0}"], []),
    ],
)
def test_in_the_end_whatever_was_never_there_is_missed(lines: list[str], missed: list[str]) -> None:
    logs = watch("loss>3", "nan")
    met(logs, "a", lines)
    assert [alarm.text for alarm in logs.missed(ended=True)] == missed


LOSSES = ["lm loss", "train_loss", "train/loss"]
EVALUATIONS = ["val_loss", "valid_loss", "eval/loss", "validation_loss"]


@pytest.mark.covered
@given(
    st.sampled_from(LOSSES),
    st.sampled_from(EVALUATIONS),
    st.lists(st.tuples(st.booleans(), st.sampled_from([1.0, 1.1, 2.0, 3.0])), max_size=20),
    st.sampled_from(["loss>1.5 for 2", "loss>best*1.2", "eval_loss>1.5", "eval_loss>=best for 2"]),
)
def test_whatever_a_log_calls_its_loss_a_condition_is_about_it(
    loss: str, evaluation: str, told: list[tuple[bool, float]], condition: str
) -> None:
    def log(names: tuple[str, str]) -> list[str]:
        return [f"{{'{names[of]}': {value}, 'step': {n}}}" for n, (of, value) in enumerate(told)]

    usual = met(watch(condition), "a", log(("loss", "eval_loss")))
    logs = watch(condition)
    assert met(logs, "a", log((loss, evaluation))) == usual
    asked = condition.partition(">")[0] == "eval_loss"
    assert bool(logs.unmeetable(ended=True)) == (asked not in {of for of, _ in told})


def numbered(*texts: str) -> list[str]:
    """Dicts that tell their step: without one, what has no `loss` is no point."""
    return [f"{{{text}, 'step': {number}}}" for number, text in enumerate(texts)]


def test_what_stands_for_the_loss_is_not_compared_with_the_loss_nor_with_another() -> None:
    own = ("'lm loss': 1.0", "'lm loss': 1.1", "'loss': 1.3", "'lm loss': 9.0", "'loss': 1.6")
    assert met(watch("loss>best*1.2"), "a", numbered(*own)) == [(4, "loss>best*1.2")]
    assert met(watch("loss>1.05 for 3"), "a", numbered(*own)) == []
    two = ("'train_loss': 1.0", "'train_loss': 1.0, 'lm loss': 9.0", "'lm loss': 9.0")
    assert met(watch("loss>2"), "a", numbered(*two)) == []
    assert met(watch("loss>0.5 for 3"), "a", numbered(*two, "'train_loss': 1.0")) == [
        (3, "loss>0.5 for 3")
    ]


@pytest.mark.parametrize("said", ["'test_loss': 9.0", "'eval_reward': 9.0", "'lr': 9.0"])
def test_a_test_set_or_what_is_no_loss_stands_for_none(said: str) -> None:
    for condition in ("loss>1", "eval_loss>1"):
        logs = watch(condition)
        assert met(logs, "a", numbered(f"{said}, 'pg_loss': 1.0")) == []
        assert "pg_loss" in logs.names, "it is a point"


def test_what_may_be_nan_may_be_so_by_whatever_name() -> None:
    assert met(watch("nan except lm loss"), "a", numbered("'lm loss': nan")) == []
    assert met(watch("nan except kl"), "a", numbered("'lm loss': nan")) == [(0, "nan except kl")]


def test_megatron_s_validation_is_watched_and_its_test_set_is_not() -> None:
    said = " validation loss at iteration 80 on {} set | lm loss value: {}E+00 | lm loss PPL: 2.4E+00 |"
    lines = [said.format("validation", "1.1"), said.format("test", "0.9")]
    assert met(watch("eval_loss<1"), "a", lines) == []
    assert met(watch("eval_loss>1"), "a", lines) == [(0, "eval_loss>1")]


def test_what_stands_for_a_name_is_told_once_for_each_condition_however_many_logs_call_it_so() -> None:
    logs = watch("loss>5", "lm loss>5", "eval_loss>5")
    told: list[tuple[str, str]] = []
    for job_id in ("a", "b"):
        for said in ("'lm loss': 1.0", "'lm loss': 2.0", "'val_loss': 3.0"):
            met(logs, job_id, numbered(said))
            told += [(alarm.text, name) for alarm, name in logs.standing()]
    assert told == [("loss>5", "lm loss"), ("eval_loss>5", "val_loss")]
    own = watch("loss>5")
    met(own, "a", numbered("'loss': 1.0, 'lm loss': 9.0"))
    assert own.standing() == []
