"""A line may tell of training and of an evaluation: no number of one is taken for that of the other."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.points import read_points


def told(*lines: str) -> list[Any]:
    return [(point.kind, point.step, dict(point.values)) for point in read_points(lines)]


BOTH = {"train/loss": 0.5, "train/acc": 0.9, "val/loss": 0.6, "val/acc": 0.8}


@pytest.mark.parametrize(
    ("line", "kind", "values"),
    [
        ("Epoch 1 | train: loss 0.5 acc 0.9 | val: loss 0.6 acc 0.8", "train", BOTH),
        ("Epoch 1 train: loss=0.5, acc=0.9 val: loss=0.6, acc=0.8", "train", BOTH),
        ("Epoch 1 - Val: loss=0.6", "eval", {"Val/loss": 0.6}),
        (
            "Epoch 1, validation: loss=0.2, simple_loss=0.1, lr: 1",
            "eval",
            {"validation/loss": 0.2, "validation/simple_loss": 0.1, "validation/lr": 1.0},
        ),
        (
            "Epoch 1/5 | Train Loss: 0.5 | Acc: 0.9 | Val Loss: 0.6 | Acc: 0.8",
            "train",
            {"Train Loss": 0.5, "Acc": 0.9, "Val Loss": 0.6, "Val/Acc": 0.8},
        ),
        (
            "epoch 1 | train | loss 0.5 | acc 0.9 | valid | loss 0.6 | acc 0.8",
            "train",
            {"loss": 0.5, "acc": 0.9, "valid/loss": 0.6, "valid/acc": 0.8},
        ),
        ("epoch 1 | valid | loss 0.6", "eval", {"valid/loss": 0.6}),
        (
            "Epoch 1 loss 0.5 acc 0.9 dev loss 0.6 acc 0.8",
            "train",
            {"loss": 0.5, "acc": 0.9, "dev loss": 0.6},
        ),
        ("Epoch 1 | loss 0.5 | loss 0.6", "train", {"loss": 0.5}),
        ("Epoch 1 dev loss 0.6 ppl 3", "eval", {"dev loss": 0.6, "ppl": 3.0}),
    ],
)  # fmt: skip
def test_numbers_are_called_after_the_phase_that_they_are_of(line: str, kind: str, values: Any) -> None:
    (point,) = read_points([line])
    assert (point.kind, point.epoch, dict(point.values)) == (kind, 1.0, values)


@pytest.mark.parametrize(
    ("line", "kind", "loss"),
    [
        (
            "[2024/01/01 10:00:00] ppcls INFO: [Train][Epoch 1/9][Iter: 7/90]lr(SGD): 0.1, loss: 6.9",
            "train",
            6.9,
        ),
        (
            "[2024/01/01 10:00:00] ppcls INFO: [Eval][Epoch 1][Iter: 7/90]CELoss: 7, loss: 6.9",
            "eval",
            6.9,
        ),
        ("[01/01 10:00:00] ppdet.engine INFO: Epoch: [0] [ 7/90] loss_cls: 1.2 loss: 2.5", "train", 2.5),
        ("[2024/01/01 10:00:00] ppocr INFO: epoch: [1/9], global_step: 7, loss: 2.5", "train", 2.5),
        ("eval metrics after step: 7, loss=2.5, total_weights=1000.0", "eval", 2.5),
    ],
)
def test_the_step_is_told_behind_what_a_logger_puts_first(line: str, kind: str, loss: float) -> None:
    ((own, step, values),) = told(line)
    name = "loss" if kind == "train" else "Eval/loss" if "[Eval]" in line else "eval/loss"
    assert (own, step, values[name]) == (kind, 7, loss)


@pytest.mark.parametrize(
    "line",
    [
        *("Epoch 3: best val loss 0.5 at step 10", "step 10: best loss 0.5, patience 3"),
        "val: loss 0.5",
        *("Step 10: previous loss 0.5", "step 3 | min_loss: 0.5", "ppocr INFO: cur metric, loss: 2"),
        "[2024/01/01 10:00:00] ppocr INFO: best metric, loss: 2, best_epoch: 3, epoch: 3",
        "Epoch 1, batch 50, loss[loss=0.5, simple_loss=0.4], tot_loss[loss=0.6, simple_loss=0.5]",
        *("step 3, x[loss]: 0.5", "Test: [ 10/100]  loss: 0.5 (0.6)", "Train: loss=0.5"),
        *("Val: 0.5 step loss", "validation: see step 3 of loss", "eval: step"),
        "[2024-01-05 03:04:05,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=0, lr=[1e-05]",
        "[2024-01-05 03:04:05,123] [INFO] [Rank 0] step=10, skipped=0, lr=[1e-05], mom=[(0.9, 0.95)]",
        "[timer.py:199:stop] epoch=0/micro_step=10/global_step=10, RunningAvgSamplesPerSec=55.09",
        *("[0]\ttrain-logloss:0.69\teval-logloss:0.68", "0:\tlearn: 0.69\ttest: 0.68\tbest: 0.68 (0)"),
        "0 | loss 11.6 | lr 3.0e-04",
        *("250 val 3.4034", "Averaged stats: loss: 1.5"),
        "Epoch 0, global step 100: 'val_loss' reached 0.52130 (best 0.52130), saving model to 'x.ckpt'",
        "Episode 10: reward = 12.5, loss = 0.3",
    ],
)  # fmt: skip
def test_what_repeats_or_tells_no_step_is_no_point(line: str) -> None:
    assert told(line) == []


NAMES = st.sampled_from(["loss", "acc", "ppl", "f1", "lr"])
NUMBERS = st.dictionaries(NAMES, st.integers(0, 99).map(lambda n: n / 4), min_size=1)


@pytest.mark.covered
@given(NUMBERS, NUMBERS, st.sampled_from(["val", "Valid", "eval", "test"]), st.sampled_from("|,"))
def test_no_number_of_training_is_replaced_by_one_of_an_evaluation(
    train: dict[str, float], evaluation: dict[str, float], phase: str, sign: str
) -> None:
    train, evaluation = {**train, "loss": 1.5}, {**evaluation, "loss": 2.5}

    def joined(values: dict[str, float], first: str) -> str:
        rest = (f"{name}: {number}" for name, number in values.items() if name != "loss")
        return f" {sign} ".join([f"{first}loss: {values['loss']}", *rest])

    expected = [{**train}, {**evaluation}]
    for before, first, second in (("", "", f"{phase}_"), ("", "train_", f"{phase} "), ("x", "", "")):
        if before:
            line = f"step 7 {sign} train: {joined(train, '')} {sign} {phase}: {joined(evaluation, '')}"
        else:
            line = f"step 7 {sign} {joined(train, first)} {sign} {joined(evaluation, second)}"
        ((kind, step, values),) = told(line)
        assert (kind, step) == ("train", 7)
        for name, number in values.items():
            short = name.replace("_", "/").replace(" ", "/").split("/")[-1]
            is_other = name.lower().startswith(phase.lower()) or (
                short in evaluation and short not in train
            )
            assert number == expected[is_other][short], (line, values)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["Eval step 7 | loss: 1.5"], "Eval/loss"),
        (["step 7 | val | loss: 1.5"], "val/loss"),
        (["[eval] step 7: loss=1.5"], "eval/loss"),
        (["Validation results after step 7: {'loss': 1.5}"], "Validation/loss"),
        (["eval_500 step 7: {'loss': 1.5}"], "eval/loss"),
        (["evaluated step 7: {'loss': 1.5}"], "eval/loss"),
        (["validation loss at iteration 7 | lm loss value: 1.5 | lm loss PPL: 4.5"], "lm loss value"),
        (["==== Step 7/90 ====", "Test results", "Loss: 1.5"], "Test/Loss"),
        (["Testing: 50%|#| 5/9 [00:10<00:10,  2.00s/it, loss=1.5]"], "Testing/loss"),
        ([" Validate metric   DataLoader 0 ", "-" * 33, "     loss        1.5 ", "-" * 33], "eval/loss"),
    ],
)
def test_a_loss_of_an_evaluation_is_never_called_as_that_of_training(
    lines: list[str], name: str
) -> None:
    ((kind, _, values),) = told(*lines)
    assert (kind, values.get(name)) == ("eval", 1.5), values
    assert "loss" not in values


SAYS = [("split", "val"), ("phase", "eval"), ("stage", "validation"), ("mode", "test"), ("type", "eval")]
SAYS += [("dataset", "valid"), ("set", "dev_set"), ("subset", "Validation"), ("Split", "Val")]


def forms_of(name: str, said: str, loss: float) -> list[list[str]]:
    """Return the lines in which a log may say this."""
    values = {"step": 7, name: said, "loss": loss, "acc": 0.5}
    pairs = [f"{key}{{0}}{value}" for key, value in values.items()]
    heads, cells = list(values), [str(value) for value in values.values()]
    turned = [pairs[1], pairs[0], *pairs[2:]], [*pairs[:1], *pairs[2:], pairs[1]]
    return [
        *([json.dumps(values)], [repr(values)], json.dumps(values, indent=2).split("\n")),
        [json.dumps({"step": 7, name: said, "metrics": {"loss": loss, "acc": 0.5}})],
        *([sign.join(one).format(equal)] for one in (pairs, *turned) for sign, equal in SIGNS),
        *([sign.join(heads), sign.join(cells)] for sign in (",", "\t", " | ")),
        [",".join(heads[1::-1] + heads[2:]), ",".join(cells[1::-1] + cells[2:])],
        ["\t".join(heads[1::-1] + heads[2:]), "\t".join(cells[1::-1] + cells[2:])],
    ]


SIGNS = [(" ", "="), (", ", ": "), (" | ", ": "), (" | ", "=")]


@pytest.mark.parametrize(("name", "said"), SAYS)
def test_a_field_that_says_evaluation_names_what_stands_beside_it(name: str, said: str) -> None:
    for lines in forms_of(name, said, 1.5):
        ((kind, step, values),) = told(*lines)
        numbers = {key: number for key, number in values.items() if key != "step" and number != said}
        assert (kind, step) == ("eval", 7), lines
        assert numbers == {f"{said}/loss": 1.5, f"{said}/acc": 0.5}, lines


@pytest.mark.parametrize("said", ["train", "Training"])
@pytest.mark.parametrize("name", ["split", "type", "dataset"])
def test_a_field_that_says_training_names_nothing(name: str, said: str) -> None:
    for lines in forms_of(name, said, 1.5):
        ((kind, step, values),) = told(*lines)
        assert (kind, step, values["loss"], values["acc"]) == ("train", 7, 1.5, 0.5), lines


@pytest.mark.parametrize(
    ("name", "said"), [("split", "holdout"), ("type", "sft"), ("dataset", "my_test"), ("set", "latest")]
)
def test_a_word_that_is_unknown_is_no_evaluation(name: str, said: str) -> None:
    for lines in forms_of(name, said, 1.5):
        assert [one for one in told(*lines) if one[0] != "train"] == [], lines


def test_a_row_of_an_unknown_set_ends_no_table() -> None:
    rows = ["step,split,loss", "1,train,2.5", "1,holdout,9", "1,val,2.25", "2,train,2"]
    assert told(*rows) == [
        ("train", 1, {"split": "train", "loss": 2.5}),
        ("eval", 1, {"split": "val", "val/loss": 2.25}),
        ("train", 2, {"split": "train", "loss": 2.0}),
    ]


@pytest.mark.parametrize(
    ("said", "name"), [("eval@500", "eval"), ("eval step 3", "eval"), ("val_seen", "val_seen")]
)
def test_a_number_in_what_a_field_says_makes_no_name_for_each_point(said: str, name: str) -> None:
    ((kind, _, values),) = told(json.dumps({"event": said, "step": 7, "loss": 1.5}))
    assert (kind, values[f"{name}/loss"]) == ("eval", 1.5)


def test_what_counts_for_the_whole_run_keeps_its_name() -> None:
    (point,) = read_points(['{"split": "val", "loss": 1.5, "consumed_train_tokens": 9, "step": 3}'])
    assert (point.tokens, point.step, point.values["val/loss"]) == (9, 3, 1.5)
