"""An evaluation in a dict of training is one, by a name that says so; what repeats or sets is none."""

import json
import pprint
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.live.live_points import LivePoints
from dashscope_ftlogs.metrics.points import read_points

TOLD: list[tuple[str, list[Any]]] = [
    (
        '{"step": 10, "train": {"loss": 1.2}, "eval": {"loss": 1.1}}',
        [("train", 10, {"loss": 1.2}), ("eval", 10, {"eval/loss": 1.1})],
    ),
    (
        '{"step": 10, "loss": 1.2, "eval": {"loss": 1.1, "acc": 0.5}}',
        [("train", 10, {"loss": 1.2}), ("eval", 10, {"eval/loss": 1.1, "eval/acc": 0.5})],
    ),
    (
        "{'loss': 1.2, 'validation': {'loss': 1.1}, 'test': {'loss': 1.3}, 'step': 10} {'loss': 2}",
        [
            ("train", 10, {"loss": 1.2}),
            ("eval", 10, {"validation/loss": 1.1}),
            ("eval", 10, {"test/loss": 1.3}),
            ("train", None, {"loss": 2.0}),
        ],
    ),
    (
        '{"step": 10, "loss": 1.2, "eval": {"c4": {"loss": 1.1}, "wiki": {"loss": 2.1}}}',
        [
            ("train", 10, {"loss": 1.2}),
            ("eval", 10, {"eval/c4/loss": 1.1}),
            ("eval", 10, {"eval/wiki/loss": 2.1}),
        ],
    ),
    (
        "{'step': 30, 'loss': 1.9, 'metrics': {'eval': {'loss': 2.2}, 'train': {'loss': 1.9}}}",
        [("train", 30, {"loss": 1.9}), ("eval", 30, {"eval/loss": 2.2})],
    ),
    (
        '{"step": 60, "loss": 1.7, "evals": [{"loss": 2.0, "set": "a"}, {"loss": 2.3}]}',
        [
            ("train", 60, {"loss": 1.7}),
            ("eval", 60, {"evals/a/loss": 2.0, "set": "a"}),
            ("eval", 60, {"evals/1/loss": 2.3}),
        ],
    ),
    (
        "{'step': 6, 'loss': 1.7, 'eval': {'c4': ([{'loss': 2}], {'loss': 3})}, 'x': [[{'loss': 4}]]}",
        [
            ("train", 6, {"loss": 1.7}),
            ("eval", 6, {"eval/c4/0/loss": 2.0}),
            ("eval", 6, {"eval/c4/1/loss": 3.0}),
        ],
    ),
    ('{"step": 6, "loss": 1.7, "a": {"b": {"c": {"d": {"loss": 3}}}}}', [("train", 6, {"loss": 1.7})]),
    ('{"step": 6, "loss": 1.7, 5: {"loss": 3}, "x": {1, 2}}', [("train", 6, {"loss": 1.7})]),
    ('{"step": 6, "loss": 1.7, "x": d(float, {"loss": 3})}', [("train", 6, {"loss": 1.7})]),
    ('{"eval": {"loss": 1.7}, "say": "of {\'loss\': 3}"}', [("eval", None, {"eval/loss": 1.7})]),
    (
        '{"loss": 1, "x": ' + '{"eval": ' * 20 + '{"loss": 3}' + "}" * 21,
        [("train", None, {"loss": 1.0})],
    ),
    ('{"step": 6, "evals": [{"loss": 2.0}], "epo', [("eval", 6, {"evals/0/loss": 2.0})]),
    (
        '{"step": 6, "log_history": [{"loss": 2.0, "epoch": 1}, {"eval_loss": 3, "step": 5}]}',
        [("train", None, {"loss": 2.0}), ("eval", 5, {"eval_loss": 3.0})],
    ),
    (
        '[{"loss": 3, "step": 2}, {"loss": 2, "step": 3}]',
        [("train", n, {"loss": 5.0 - n}) for n in (2, 3)],
    ),
    *(
        (
            f"{{'step': 5, {loss}'{name}': [{{'dataset': 'a', 'eval_loss': 1}}, {{'eval_loss': 2.0}}]}}",
            [
                *([("train", 5, {"loss": 2.0})] if loss else []),
                ("eval", 5, {"dataset": "a", "eval_loss": 1.0}),
                ("eval", 5, {"eval_loss": 2.0}),
            ],
        )
        for name, loss in (("results", ""), ("x", ""), ("results", "'loss': 2.0, "), ("evals", ""))
    ),
    ("{'step': 5, 'x': [{'eval_loss': 1, 'step': 3}, {'loss': 2}]}", [("eval", 3, {"eval_loss": 1.0})]),
    ("{'epoch': 1, 'metrics': {'eval_loss': 0.5}}", [("eval", None, {"eval_loss": 0.5})]),
    ("{'step': 10, 'val': {'metrics': {'loss': 0.5}}}", [("eval", 10, {"val/loss": 0.5})]),
    ('{"step": 10, "val": {"step": 9, "loss": 1.4}}', [("eval", 9, {"val/loss": 1.4})]),
    ('{"step": 10, "dev": {"val_loss": 1.4}}', [("eval", 10, {"val_loss": 1.4})]),
    ('{"step": 10, "eval": {"reward": 0.5}}', [("eval", 10, {"eval/reward": 0.5})]),
    (
        'step 7: {"loss": 1.2, "epoch": 1, "eval": {"loss": 1.1}}',
        [("train", 7, {"loss": 1.2}), ("eval", 7, {"eval/loss": 1.1})],
    ),
    ('{"split": "val", "step": 5, "loss": 2.0}', [("eval", 5, {"split": "val", "val/loss": 2.0})]),
    ('{"mode": "train", "iter": 5, "loss": 2}', [("train", 5, {"mode": "train", "loss": 2.0})]),
    (
        '{"phase": "eval", "step": 5, "data": {"loss": 2.0}}',
        [("eval", 5, {"phase": "eval", "eval/loss": 2.0})],
    ),
    ('{"loss": 0.5, "step": 5, "more": {}}', [("train", 5, {"loss": 0.5})]),
    ('{"eval": {"loss": 0.5}}', [("eval", None, {"eval/loss": 0.5})]),
    ("Evaluation results at step 10: {'loss': 0.6}", [("eval", 10, {"Evaluation/loss": 0.6})]),
    ("validation at step 10: {'loss': 0.6}", [("eval", 10, {"validation/loss": 0.6})]),
    ("Evaluation done, train step 10: {'loss': 0.6}", [("train", 10, {"loss": 0.6})]),
    ("best-run-0 | {'loss': 0.6, 'step': 10}", [("train", 10, {"loss": 0.6})]),
    ('{"dev_loss": 0.5, "step": 5}', [("eval", 5, {"dev_loss": 0.5})]),
    (
        '{"epoch": 1, "train_loss": "7.2", "train_num_updates": "100"}',
        [("train", 100, {"train_loss": 7.2, "train_num_updates": 100.0})],
    ),
    (
        '| INFO | valid | {"epoch": 1, "valid_loss": "7.2", "valid_num_updates": "100"}',
        [("eval", 100, {"valid_loss": 7.2, "valid_num_updates": 100.0})],
    ),
]

NOTHING_MORE = [
    '{"step": 10, "best": {"step": 3, "loss": 1.2}}',
    '{"step": 10, "best_metrics": {"eval": {"loss": 1.2}}}',
    '{"step": 10, "eval": {"best": {"loss": 1.2}}}',
    '{"step": 10, "config": {"loss": 1.2, "eval": {"loss": 0.5}}}',
    '{"step": 10, "target": {"loss": 0.1}}',
    '{"step": 10, "loss": {"train": 1.2, "val": 1.3}}',
    '{"step": 10, "eval": {"accuracy": 0.5}}',
    '{"step": 10, "results": [{"loss": 2.0, "epoch": 1}, {"train": {"loss": 1.0, "epoch": 2}}]}',
    *('{"step": 10, "best": [{"eval_loss": 2}]}', '{"step": 10, "x": [{"eval_loss": 2, "loss": 2}]}'),
    *('{"step": 10, "rows": [{"a": {"eval_loss": 2}}]}', '{"step": 10, "x": [{"eval_acc": 1}]}'),
    '{"step": 10, "config": [{"loss": 3, "step": 2}], "hparams": {"a": [[{"loss": 3, "step": 2}]]}}',
    '{"step": 10, "loss": 0.5, "messages": [{"role": "user"}]}',
    '{"step": 10, "eval": {"prompt": "a", "loss": 0.5}}',
    '{"step": 10, "eval": "{\'loss\': 0.5}"}',
    '{"prompt": "a", "step": 10, "eval": {"loss": 0.5}}',
    '"best": {"step": 3, "loss": 1.2},',
    *("Best model at step 10: {'eval_loss': 0.6}", "best metrics: {'eval_loss': 0.6, 'epoch': 1}"),
    *("Best checkpoint so far: {'loss': 0.6, 'step': 9}", "stopping: best={'loss': 0.6, 'step': 9}"),
    *("Loaded trainer state: {'loss': 0.6, 'step': 9}", "Resumed from {'loss': 0.6, 'step': 9}"),
]


def told(*lines: str) -> list[Any]:
    places = {"step", "iter", "epoch"}
    return [
        (point.kind, point.step, {k: v for k, v in point.values.items() if k not in places})
        for point in read_points(lines)
    ]


@pytest.mark.parametrize(("line", "points"), TOLD)
def test_a_dict_in_another_is_told_by_a_name_that_says_whose_it_is(line: str, points: Any) -> None:
    assert told(line) == points


@pytest.mark.parametrize("line", NOTHING_MORE)
def test_what_repeats_or_sets_something_or_tells_no_place_is_no_point(line: str) -> None:
    assert told(line) == []
    assert told(line, "{'loss': 2.5, 'step': 11}") == [("train", 11, {"loss": 2.5})]


def test_an_epoch_that_is_said_before_a_dict_is_its_own_unless_that_says_another() -> None:
    lines = (
        "Epoch 2 results: {'loss': 0.5}",
        "[epoch: 2/3] {'loss': 0.4}",
        "Epoch 2: {'train': {'loss': 1}}",
    )
    assert [point.epoch for point in read_points(lines)] == [2.0, 2.0, None]
    for line in (
        "Epoch 1: {'loss': 0.5, 'epoch': 2.0}",
        "Epoch 2.5: {'loss': 0.5}",
        "Epoch 2 of what was: a {'loss': 1}",
    ):
        assert [point.epoch for point in read_points([line])] == [2.0 if "'epoch'" in line else None]


@pytest.mark.parametrize("beside", ["ema", "mem", "teacher", "best", "config"])
def test_beside_a_loss_only_an_evaluation_is_one_more(beside: str) -> None:
    one = {"step": 10, "loss": 1.2, beside: {"loss": 1.1, "eval": None}, "val": {"loss": 1.3}}
    assert told(json.dumps(one)) == [("train", 10, {"loss": 1.2}), ("eval", 10, {"val/loss": 1.3})]


HELD: list[tuple[Any, list[Any]]] = [
    ({"step": 7, "loss": 2, "metrics": {"lr": 0.1, "acc": 0.5}}, [{"loss": 2, "lr": 0.1, "acc": 0.5}]),
    ({"step": 7, "lr": 0.1, "metrics": {"loss": 2}}, [{"loss": 2, "lr": 0.1}]),
    ({"step": 7, "lr": 0.1, "train": {"loss": 2, "acc": 0.5}}, [{"loss": 2, "lr": 0.1, "acc": 0.5}]),
    ({"step": 7, "loss": 2, "metrics": {"loss": 3, "pg_loss": 4}}, [{"loss": 2, "pg_loss": 4}]),
    ({"loss": 2, "data": {"step": 7, "host": "a"}}, [{"loss": 2}]),
    ({"lr": 0.1, "step": 7, "data": {"n": 1, "metrics": {"loss": 2}}}, [{"lr": 0.1, "n": 1, "loss": 2}]),
    (
        {"step": 7, "lr": 0.1, "metrics": {"train": {"loss": 2}, "eval": {"loss": 3}}},
        [{"lr": 0.1, "loss": 2}, {"eval/loss": 3}],
    ),
    (
        {"step": 7, "loss": 2, "val": {"loss": 3, "metrics": {"a": 1}}},
        [{"loss": 2}, {"val/loss": 3, "val/a": 1}],
    ),
    (
        {"step": 7, "loss": 2, "metrics": {"eval_loss": 3, "a": 1}},
        [{"loss": 2}, {"eval_loss": 3, "a": 1}],
    ),
    ({"step": 7, "loss": 2, "metrics": {"split": "val", "a": 1}}, [{"loss": 2}]),
    ({"step": 7, "loss": 2, "optimizer": {"lr": 0.1}, "config": {"a": 1}}, [{"loss": 2}]),
    ({"step": 7, "loss": 2, "data": {"prompt": "a", "n": 1}, "metrics": [{"a": 1}]}, [{"loss": 2}]),
]


@pytest.mark.parametrize(("value", "points"), HELD)
def test_what_is_only_there_to_hold_numbers_adds_them_to_what_stands_beside_it(
    value: Any, points: Any
) -> None:
    indented = json.dumps(value, indent=2)
    within = json.dumps(
        {name: 0 if isinstance(one, dict) else one for name, one in value.items()}, indent=2
    )
    for name, one in value.items():
        if isinstance(one, dict):  # on one line in one that goes on over lines
            within = within.replace(f'"{name}": 0', f'"{name}": {json.dumps(one)}')
    for lines in ([json.dumps(value)], [repr(value)], indented.split("\n"), within.split("\n")):
        found = told(*lines)
        assert {step for _, step, _ in found} == {7}, lines
        assert sorted((values for _, _, values in found), key=str) == sorted(points, key=str), lines


INDENTED: list[tuple[Any, list[Any]]] = [
    (
        {"step": 10, "train": {"loss": 1.2}, "eval": {"loss": 1.1}},
        [("train", 10, {"loss": 1.2}), ("eval", 10, {"eval/loss": 1.1})],
    ),
    (
        {"step": 10, "loss": 1.2, "ema": {"loss": 1.1}, "eval": {"c4": {"loss": 1.3}}},
        [("eval", 10, {"eval/c4/loss": 1.3}), ("train", 10, {"loss": 1.2})],
    ),
    (
        {
            "step": 6,
            "loss": 1.2,
            "evals": [{"loss": 1.1, "set": "a"}, {"loss": 1.3}],
            "x": [1, {"loss": 4}],
        },
        [
            ("eval", 6, {"evals/a/loss": 1.1, "set": "a"}),
            ("eval", 6, {"evals/1/loss": 1.3}),
            ("train", 6, {"loss": 1.2}),
        ],
    ),
    (
        {"step": 6, "config": [{"loss": 2.0, "step": 3}], "eval": {"a": [[{"loss": 4}]]}},
        [("eval", 6, {"eval/a/0/loss": 4.0})],
    ),
    (
        {"epoch": 6, "log_history": [{"loss": 2.0, "step": 1}, {"loss": 2.5, "step": 2}]},
        [("train", 1, {"loss": 2.0}), ("train", 2, {"loss": 2.5})],
    ),
    (
        {"step": 6, "loss": 1.7, "ema": {"loss": 1.1}, "metrics": {"eval": {"loss": 2.2}}},
        [("eval", 6, {"eval/loss": 2.2}), ("train", 6, {"loss": 1.7})],
    ),
    ({"best": {"step": 3, "loss": 1.1}, "config": {"optim": {"loss": 2.0}}, "step": 10}, []),
    ({"prompt": "a", "scores": {"loss": 1.1, "step": 3}}, []),
    ({"best": {"eval": {"loss": 1.1}}, "step": 10}, []),
    ({"note": "x" * 2000, "val": {"loss": 1.1, "step": 3}}, [("eval", 3, {"val/loss": 1.1})]),
]


def test_so_is_what_was_told_before_over_lines() -> None:
    assert told("Best metrics: {", "  'loss': 0.5,", "  'step': 3}") == []
    assert told("{", "  'loss': 0.5,", "  'step': 3}") == [("train", 3, {"loss": 0.5})]


@pytest.mark.parametrize(("value", "points"), INDENTED)
def test_so_it_is_where_each_stands_in_lines_of_its_own(value: Any, points: Any) -> None:
    assert told(*json.dumps(value, indent=2).split("\n")) == points
    if len(str(value)) < 2000:
        wrapped = pprint.pformat(value, width=30, sort_dicts=False).split("\n")
        assert told(*wrapped) == points
        live = LivePoints()
        kinds = [point.kind for at, line in enumerate(wrapped) for point in live.read(at, line)]
        assert kinds == [kind for kind, _, _ in points]


def test_what_follows_a_dict_in_no_list_that_is_known_is_read_as_it_stands() -> None:
    begun = ["server {", *(part for n in (1, 2) for part in ("{", f'"loss": {n}, "step": {n}', "},"))]
    assert told(*begun) == [("train", n, {"loss": float(n)}) for n in (1, 2)]


def test_a_dict_in_a_string_of_a_list_and_what_a_logger_wrote_stand_in_no_dict() -> None:
    before = ("{", ' "logs": [')
    line = {"log": "{'loss': 0.5, 'step': 3}\n", "time": "2026-01-05T03:04:05Z"}
    for one in (json.dumps(line["log"]) + ",", json.dumps(line), "INFO: {'loss': 0.5, 'step': 3}"):
        assert told(*before, one) == [("train", 3, {"loss": 0.5})]
    assert told(*before, "{'loss': 0.5, 'step': 3}") == []


WORDS = st.sampled_from(["eval", "val", "test", "train", "metrics", "a", "best", "config", "ema"])
PLACES = st.dictionaries(
    st.sampled_from(["loss", "acc", "step", "epoch"]), st.integers(0, 9), max_size=3
)
DICTS: st.SearchStrategy[dict[str, Any]] = PLACES
for _ in range(3):
    held = DICTS | st.lists(DICTS | st.lists(DICTS, max_size=2), max_size=2)
    DICTS = st.builds(dict.__or__, PLACES, st.dictionaries(WORDS, held, max_size=2))


def losses(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], float]]:
    found = [(path, value["loss"])] if "loss" in value else []
    for name, inner in value.items():
        for one in dicts_of(inner):
            found += losses(one, (*path, name, *(["[]"] if isinstance(inner, list) else [])))
    return found


def dicts_of(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [one for held in value for one in dicts_of(held)]
    return [value] if isinstance(value, dict) else []


@pytest.mark.covered
@given(DICTS)
def test_no_loss_is_of_training_that_stands_below_an_evaluation_or_in_a_list_and_none_is_told_twice(
    value: Any,
) -> None:
    of_training = [
        loss for path, loss in losses(value) if {"eval", "val", "test", "[]"}.isdisjoint(path)
    ]
    all_of_them = [loss for _, loss in losses(value)]
    for lines in ([json.dumps(value)], [repr(value)], json.dumps(value, indent=2).split("\n")):
        points = read_points(lines)
        assert len(points) <= len(all_of_them)
        for point in points:
            told = [number for name, number in point.values.items() if name.endswith("loss")]
            assert len(told) == 1
            assert told[0] in all_of_them
            if point.kind == "train":
                assert told[0] in of_training
