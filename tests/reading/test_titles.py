"""What a title above a dict says: that it is of an evaluation, and of which step."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.live.live_points import LivePoints
from dashscope_ftlogs.metrics.points import read_points
from dashscope_ftlogs.reading.forms import titles

LOGGER = "2025-12-06 20:28:19,002 - INFO - "
FIRST, LAST = "{'loss': 2.5, 'step': 90}", "{'loss': 2.0, 'step': 110}"
TITLES = {
    "Evaluation results at step 100:": ("Evaluation", 100),
    "Validation metrics (step 100/900):": ("Validation", 100),
    "Eval:": ("Eval", None),
    "***** Eval results *****": ("Eval", None),
    "=== Test metrics: ===": ("Test", None),
    "Results of the final evaluation:": ("evaluation", None),
    "[Epoch 2/3] val:": ("val", None),
}


def test_the_examples_hold() -> None:
    found = doctest.testmod(titles)
    assert found.attempted > 0
    assert found.failed == 0


@given(
    st.sampled_from(list(TITLES)),
    st.sampled_from(["", LOGGER]),
    st.sampled_from(["", LOGGER]),
    st.lists(st.sampled_from(["", "  "]), max_size=2),
    st.sampled_from(
        [
            ["{'loss': 2.25, 'acc': 0.5}"],
            ["{'loss': 2.25,", "'acc': 0.5}"],
            ["{", '  "loss": 2.25,', '  "acc": 0.5', "}"],
        ]
    ),
    st.booleans(),
)
def test_a_title_says_of_what_a_dict_is_wherever_that_begins(
    title: str, logger: str, again: str, blank: list[str], matter: list[str], glued: bool
) -> None:
    first, *more = matter
    glued = glued and title.endswith(":")  # what stands between rules has a line of its own
    head = [f"{logger}{title} {first}"] if glued else [logger + title, *blank, again + first]
    lines = [FIRST, *head, *(again + line for line in more), LAST]
    word, step = TITLES[title]
    before, point, after = read_points(lines)
    assert (before.kind, after.kind, before.step, after.step) == ("train", "train", 90, 110)
    assert dict(point.values) == {f"{word}/loss": 2.25, f"{word}/acc": 0.5}
    assert (point.kind, point.step) == ("eval", step)
    live = LivePoints()
    (one,) = [
        one for number, line in enumerate(lines) for one in live.read(number, line) if one.kind == "eval"
    ]
    assert (one.values, one.step) == (point.values, step)


@pytest.mark.parametrize(
    "before",
    [
        *(["Training results at step 100:"], ["Evaluation has begun"], ["***** Evaluation ended *****"]),
        *(
            ["Eval:", "what comes next is of training"],
            [f"Eval: {'x' * 100}:"],
            ["Eval" + " x" * 60 + ":"],
        ),
        ["Eval:", "{'eval_loss': 1.5}"],
        *[
            [said]
            for said in (
                *("Next evaluation at step 400:", "Resuming, last test at step 7:", "No evaluation:"),
                *("Skipping evaluation:", "Model saved to /out/eval:", "/out/eval:"),
                *("Training after validation 200:", "dataset has 900 rows, test:"),
                *("Loss differs from val:", "*** No test results ***"),
                "WARNING: loss mismatch, using val:",
            )
        ],
    ],
)
def test_what_is_no_title_of_it_changes_no_dict(before: list[str]) -> None:
    point = read_points([*before, "{'loss': 2.25}"])[-1]
    assert (point.kind, point.step, dict(point.values)) == ("train", None, {"loss": 2.25})


def test_a_title_that_tells_of_what_was_told_before_hides_its_dict() -> None:
    for matter in (["{'loss': 2.25}"], ["{'loss':", "2.25}"]):
        assert read_points(["Best evaluation results:", *matter]) == []


@given(st.sampled_from(list(TITLES)), st.sampled_from(["grad_norm", "learning_rate", "lr"]))
def test_what_only_training_has_is_not_of_an_evaluation(title: str, name: str) -> None:
    (point,) = read_points([title, f"{{'loss': 2.25, '{name}': 0.5}}"])
    assert (point.kind, dict(point.values)) == ("train", {"loss": 2.25, name: 0.5})


def test_a_title_long_before_is_none() -> None:
    lines = ["Eval:", *[" 10%|#  | 1/10 [00:01<00:09,  1.0s/it]"] * 1001, "{'loss': 2.25}"]
    (point,) = read_points(lines)
    assert point.kind == "train"
