"""Metrics are found in whatever form a trainer writes them, and whoever writes something before them."""

# ruff: noqa: RUF001 - full-width punctuation is what some trainers print
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.points import LogPoints, Point, read_points
from dashscope_ftlogs.metrics.step_count import step_count
from dashscope_ftlogs.reading.forms.names import evaluation_of, main_metric


def only(*lines: str) -> Point:
    (point,) = read_points(lines)
    return point


BEFORE = [
    *("", "   ", "[rank3]: ", "3: ", "worker-1  | ", "(Trainer pid=42, ip=10.0.0.1) "),
    *("[INFO] ", "INFO:root:", "[titan] ", "2026-01-05T03:04:05.123456789Z ", "[03:04:05] INFO     "),
    *("[INFO|trainer.py:2512] 2026-01-05 03:04:05,123 >> ", "[INFO:swift] "),
    *("2026-01-05T03:04:05.1Z stdout F ", "Jan 05 03:04:05 node7 python[123]: ", "[1,0]<stdout>:"),
    *("I0105 03:04:05.000000 4242 train.py:12] ", "2026-01-05 03:04:05,123 - root - INFO - "),
    "2026-01-05 03:04:05.123 | INFO     | __main__:train:10 - ",
    "\x1b[36m(TaskRunner pid=4242)\x1b[0m ",
    "Training:   2%|▏ | 1/40 [00:10<06:30, 10.0s/it]",
]


@pytest.mark.covered
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(
    "said",
    [
        "step: 7, loss: -2.5e-01, lr: 1e-05",
        "step 7/90 | loss: -0.25 | lr 1.0e-05 | tok/s 1,234 | 12.5% MFU",
        "Step 7: grad_norm=nan, loss=-0.2500",
        "[Step 7/90] Loss: -0.25",
        "Epoch:[1/1](7/90), loss: -0.25, epoch_Time:10.0min:",
        "Epoch [2/3], Step [7/90], Loss: -.25, time: 0:01:03",
        "step:  7  loss: -0.2500  memory:  5.5GiB(10.0%)  tps: 1,234",
        "step:7 - actor/pg_loss:np.float64(-0.25) - actor/lr:1e-06 - training/epoch:0",
        "iteration        7/      90 | consumed samples:   8 | lm loss: -2.5E-01 | grad norm: inf |",
        "Train Epoch: 1 [7/90 (1%)]\tLoss: -0.250000",
        "iter 7: loss -0.25, time 250.00ms, mfu 12.30%",
        "| epoch   1 |     7/   90 batches | lr 5.00 | loss -0.25 | ppl  3.5",
        "eta: 0:10:00  iter: 7  total_loss: -0.25  time: 0.5  max_mem: 1000M",
        "loss: -0.25, learning_rate: 2.9e-05, global_step: 7, epoch: 0.5",
        "Training epoch 0, iteration 6/90 | lr: 3e-05 | global_step: 7 | reduced_train_loss: -0.25",
        "{'loss': -0.25, 'groups': [1e-05, (2, 3)], 'mem': {'gpu0': 1.0}, 'iteration': '7/90'}",
        '{"loss": -0.25, "note": "say \\"hi\\" {x}", "step": 7}',
        "step 7: {'loss': -0.25, 'lr': 1e-05}",
    ],
)
def test_a_step_and_a_loss_are_a_point_whatever_stands_before(before: str, said: str) -> None:
    point = only(before + said)
    losses = [value for name, value in point.values.items() if "loss" in name.lower()]
    assert (point.kind, point.step, losses) == ("train", 7, [-0.25])
    assert point.total_steps in {None, 90}


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("validation loss at iteration 7 | lm loss value: 2.5E+00 | lm loss PPL: 9.4E+00 |", 2),
        ("step:7 - val-core/gsm8k/acc/mean@1:0.25", 1),
        ("step:7/90 val_loss:4.5 train_time:1000ms", 2),
        ("Eval step 7: loss=0.5", 1),
        (
            "| INFO | valid | epoch 001 | valid on 'valid' subset | loss 7.2 | ppl 78.9 | num_updates 7",
            2,
        ),
        ("| epoch 008 | valid on 'a-b' subset | valid_loss 6.4 | num_updates 7 | best 6.4", 2),
        ("[eval] step 7: loss 2.25", 1),
        ("2026-01-05 03:04:05 | INFO | test | step 7 | loss 2.25", 1),
        ("eval: {'loss': 0.5, 'step': 7}", 2),
        ("step 7 validation metrics: {'loss': 0.5}", 1),
        ('{"step": 7, "val": {"loss": 0.75}}', 2),
        ("{'val_loss': 0.5, 'step': 7}", 2),
    ],
)
def test_what_only_validates_is_an_evaluation(said: str, values: int) -> None:
    point = only(said)
    assert (point.kind, point.step, len(point.values)) == ("eval", 7, values)


NUMBER = re.compile(
    r"[-+]?(?:[1-9]\d{0,2}(?:,\d{3})+(?!\d)(?:\.\d*)?|\d+(?:\.\d*|,\d+)?|\.\d+)(?:e[-+]?\d+)?",
    re.IGNORECASE,
)
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?(e[-+]?\d+)?", re.IGNORECASE)
BEHIND = st.sampled_from("，。、；：（）【秒±→/->│…_a(e)[]%xX*.,:=0123 +\t％E") | st.characters(
    codec="utf-8"
)


def digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=most)


NUMBERS = st.tuples(
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 99_999).map(str) | st.builds("{},{}".format, digits(1, 3), digits(1, 4)),
    st.just("") | digits(0, 4).map(".{}".format),
    st.just("") | digits(1, 2).map("e-{}".format),
).map("".join)


@pytest.mark.covered
@pytest.mark.parametrize(
    "line",
    [
        *("step: 7, loss: {}, lr: 1e-4", "step: 7 | loss {} | lr 1e-4", "Epoch 1, loss={} lr=1e-4"),
        *(
            "SFT: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss={}, lr=1e-4]",
            "{{'loss': {}, 'epoch': 1}}",
        ),
    ],
)
@given(NUMBERS, st.lists(BEHIND, max_size=3).map("".join))
def test_a_number_is_told_as_a_whole_or_not_at_all(line: str, number: str, behind: str) -> None:
    whole = NUMBER.match(number + behind)
    assert whole is not None
    told = [
        point.values["loss"]
        for point in read_points([line.format(number + behind)])
        if "loss" in point.values
    ]
    is_grouped = (
        GROUPED.fullmatch(whole[0]) and re.match("[^.]*,[^.]*e", whole[0], re.IGNORECASE) is None
    )
    meant = float(whole[0].replace(",", "" if is_grouped else "."))
    assert [value for value in told if value != meant] == []


@pytest.mark.parametrize(
    "behind",
    [
        *("", " ", ".", "，", "。", "、", "；", "）", "（最优 2.1）", "秒", "%", "％"),
        *("nats", "/s", "±0.1", "│", "(avg 2)"),
    ],
)
def test_what_ends_a_number_is_no_part_of_it(behind: str) -> None:
    assert only(f"step: 7, loss: 2.31{behind}").values["loss"] == 2.31


@pytest.mark.parametrize("behind", ["/2.5", "→2.1", "…", "_a", ".1", ",5", "e", "e-", ":5", "*"])
def test_a_number_that_goes_on_as_none_does_is_none(behind: str) -> None:
    assert read_points([f"step: 7, loss: 2.31{behind}"]) == []
    assert read_points([f"SFT: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss=2.31{behind}]"]) == []


def test_a_number_of_another_base_is_none() -> None:
    assert read_points(["step 7: loss=0x1f", "step 7: loss=0b1", "Epoch 12.5x, loss=1"]) == []
    assert read_points(["SFT: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss=0xff]"]) == []


@pytest.mark.parametrize(
    ("said", "beside"),
    [
        *((f"loss: 2.5 {more} lr: 3", {"avg": 1.6, "lr": 3.0}) for more in ("(avg 1.6)", "[avg 1.6]")),
        *((f"loss 2.5{more} lr: 3", {"avg": 1.6, "lr": 3.0}) for more in (" avg 1.6", "s ( avg 1.6s )")),
        ("loss: 2.5 (ema=2, best 1.5) lr: 3", {"ema": 2.0, "best": 1.5, "lr": 3.0}),
        ("lr 1e-4 loss: 2.5", {"lr": 0.0001}),
        ("loss: 2.5 tok/s: 1,234", {"tok/s": 1234.0}),
        ("loss: 2.5 top 5 acc (%): 50", {"top 5 acc (%)": 50.0}),
        ("loss: 2.5 acc [%] 1: 50", {"acc [%] 1": 50.0}),
        ("loss: 2.5 grad (norm 2 lr: 3", {}),
    ],
)
def test_no_name_holds_another_number_or_half_of_its_brackets(said: str, beside: Any) -> None:
    assert only(f"step 7 {said}").values == {"loss": 2.5, **beside}


def test_nor_does_one_behind_a_bar_or_below_a_heading() -> None:
    bar = "SFT: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss=2.5, a 1.5 b=2, c=3]"
    assert only(bar).values == {"loss": 2.5, "c": 3.0}
    assert only("=== Step 7/90 ===", "Loss: 2.5", "a 1.5 b: 2").values == {"Loss": 2.5}


BAR = "SFT: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss={}, tok/s={}]"
WITH_COMMAS = [
    *(["step: 7, loss: {}, tok/s: {}"], ["step=7,loss={},tok/s={},"], ["step 7 | loss {} | tok/s {}"]),
    *([BAR], ["1|7|Loss: {}|tok: {}: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it]"]),
    *(["Step\tLoss\ttok/s", "7\t{}\t{}"], ["| Step | Loss | tok/s |", "| 1,000 | {} | {} |"]),
    *(["=== Step 7/90 ===", "Loss: {}", "tok/s: {}"], ["Epoch 1/5", "Loss: {} tok/s: {}"]),
    ["***** eval metrics *****", "  eval_loss = {}", "  eval_tok/s = {}"],
]


def losses_in(lines: list[str], loss: str, other: str) -> list[float]:
    text = "\n".join(lines).format(loss, other)
    values = [value for point in read_points(text.split("\n")) for value in point.values.items()]
    return [value for name, value in values if "loss" in name.lower() and type(value) is float]


@pytest.mark.parametrize("lines", WITH_COMMAS)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 9), st.booleans())
def test_what_has_a_decimal_comma_is_read_as_it_is_or_not_at_all(
    lines: list[str], value: float, precision: int, exponent: bool
) -> None:
    text = f"{value:.{precision}{'e' if exponent else 'f'}}"
    for other in ("0,25", "7", "1,234"):
        assert set(losses_in(lines, text.replace(".", ","), other)) <= {float(text)}


@pytest.mark.parametrize("lines", WITH_COMMAS)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0,532", 0.532), ("12,5", 12.5), ("-0,0001", -0.0001), ("1234,567", 1234.567)),
        *(("1,500e-3", 0.0015), ("1,234.5", 1234.5), ("1,234,567", 1234567.0)),
        *(
            ("1.234,5", None),
            ("1,23,4", None),
            ("1,234", None),
            ("12,34.5", None),
            ("1.5,2", None),
            ("0,1.0)", None),
        ),
    ],
)
def test_a_comma_groups_thousands_or_is_the_decimal_point(
    lines: list[str], text: str, value: float | None
) -> None:
    assert losses_in(lines, text, "7") == ([] if value is None else [value])


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("step 7 loss: 1,234 lr: 0,01", {"loss": 1.234, "lr": 0.01}),
        ("step 1,000 loss: 2.5 tps: 1,234", {"loss": 2.5, "tps": 1234.0}),
        ("step 7 loss: 2 tps: 1,234", {"loss": 2.0, "tps": 1234.0}),
        ("step 7 loss: 2.5 gpus: 0,1 tps: 1,234", {"loss": 2.5, "gpus": 0.1}),
        ("epoch 0,5 loss: 2,5", {"loss": 2.5}),
        ("loss at step 7: 2,5", {"loss": 2.5}),
        ("step 7 loss=0.5,lr=1", {"loss": 0.5, "lr": 1.0}),
        ("step 7 loss: tensor(0.5,device='cuda:0')", {"loss": 0.5}),
    ],
)
def test_the_line_tells_what_a_comma_before_three_digits_is(line: str, values: Any) -> None:
    assert only(line).values == values


@pytest.mark.parametrize(
    "line",
    [
        *("step 7 loss: (1,2)", "step 7 loss: [1,2]", "step 7 loss: tensor(1,2)", "step 7 loss: 1,2,3"),
        *("loss at step 7: 1,234", "epoch 1,234 loss: 2", "Epoch [1,2] loss: 2", "step 0,5 loss: 2"),
    ],
)
def test_numbers_in_a_list_are_not_joined(line: str) -> None:
    assert read_points([line]) == []


def test_full_width_punctuation_is_what_it_stands_for() -> None:
    point = only("step: 7，loss：2.31；lr：1e-4（best）")
    assert (point.step, dict(point.values)) == (7, {"loss": 2.31, "lr": 1e-4})


def test_a_dict_in_another_is_one_however_a_string_beside_it_looks() -> None:
    assert only("{'a': \"{'loss': 1}\", 'b': {'loss': 2.5}, 'c': '{'}").values == {"loss": 2.5}


@pytest.mark.parametrize(
    "line",
    [
        *("训练 step: 7, loss: 0.5", "[2025-01-01 10:00:00] 训练中 step: 7/30, loss: 0.5, lr: 5.0e-05"),
        *(
            "训练进度: step 7/100, loss: 0.5",
            "training progress: step 7/100, loss: 0.5",
            "step：7，loss：0.5",
        ),
        *("轮次 Epoch [1/3], Step [7/100], loss: 0.5000", "step: 7, 损失 loss: 0.5"),
    ],
)
def test_words_before_a_name_do_not_hide_it(line: str) -> None:
    point = only(line)
    assert (point.kind, point.step, point.values["loss"]) == ("train", 7, 0.5)


@pytest.mark.parametrize(
    ("line", "epoch"),
    [
        (
            "2024/04/01 10:00:30 - mm - INFO - Epoch(train)  [1][   7/1000]  lr: 9.8898e-04  loss: 0.5",
            1,
        ),
        ("Train: 0 [   7/1251 (  1%)]  Loss: 0.5 (6.95)  Time: 0.512s,  500.12/s  (0.6s, 400.1/s)", 0),
        ("completed step: 7, seconds: 1.212, TFLOP/s/device: 100.212, loss: 0.5", None),
        ("| INFO | train_inner | epoch 001:    3 / 90 loss=0.5, wps=20.1, num_updates=7, lr=1e-05", 1),
        ("08/07/2021 02:18:56 - INFO - m -   | [   1/   3][   7/  90] |  9/32 batches | loss 0.5", 1),
        ("train_opt_callback: iter=     7 sample=9/100 sched=0.1 loss=0.5 dt=00:00:05 |---->", None),
        ("step 7: loss tensor(0.5, device='cuda:0', grad_fn=<NllLossBackward0>), lr=1e-4", None),
        ("Epoch 1, Step 7, loss: tensor([0.5000], device='cuda:0')", 1),
        ("{'data': {'metrics': {'loss': 0.5}}, 'epoch': 1, 'global_step': 7}", 1),
        ('{"train/loss": 0.5, "train/epoch": 1, "train/global_step": 7, "_step": 9}', 1),
        ("step 7 train metrics: {'loss': 0.5}", None),
        ("rollout 7: {'rollout/raw_reward': 0.3, 'loss': 0.5}", None),
        ("11/27 10:00:00 - mmengine - INFO - Iter(train) [    7/1000]  lr: 2.0e-05  loss: 0.5", None),
        (
            "2026-01-05 03:04:05,123 - m[a.py:31] - INFO - { Epoch:[ 1/ 2], step:[ 7/ 90], loss: 0.5",
            1,
        ),
        ("epoch: 1 step: 7, loss is 0.5", 1),
        ("{step: 7, loss: 0.5}", None),
        ("[2026-01-05 03:04:05] Train [1/3][7/90] loss: 0.5 (1.3) lr: 1e-5", 1),
        ("[1/3] step 7: loss=0.5", None),
        ("Epoch[1] Batch[7/90] Speed: 812.1 samples/sec loss=0.5 mem 20.1 GB", 1),
    ],
)
def test_the_step_within_an_epoch_is_told(line: str, epoch: float | None) -> None:
    point = only(line)
    assert (point.kind, point.step, point.epoch) == ("train", 7, epoch)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Training loss (for one batch) at step 7: 1.25", "Training loss (for one batch)"),
        ("Loss after iteration 7/90: 1.25", "Loss"),
        ("train loss @ step 7 = 1.25", "train loss"),
    ],
)
def test_a_loss_may_be_told_to_be_at_a_step(line: str, name: str) -> None:
    assert (only(line).step, dict(only(line).values)) == (7, {name: 1.25})


def test_a_reward_is_a_point_where_a_step_is_told_before_it() -> None:
    assert only("rollout 7: {'rollout/raw_reward': 0.5, 'rollout/entropy': 1}").step == 7
    assert read_points(["step 7: {'reward': 1.0, 'prompt': 'a'}", "row 7: {'reward': 1.0}"]) == []


def test_a_unit_may_stand_behind_a_blank() -> None:
    said = "step 7 | loss 0.5 | max_memory: 40.1 GB tgs: 812.1"
    assert only(said).values == {"loss": 0.5, "max_memory": 40.1, "tgs": 812.1}


def test_words_among_names_are_prose() -> None:
    assert read_points(["在 step 10 时 loss 2.5", "progress: 10, loss: 2.5", "我 loss 2.5"]) == []


def test_an_evaluation_at_the_end_of_training_needs_no_step() -> None:
    said = " validation loss at the end of training for val data | "
    point = only(said + "lm loss value: 2.3E+00 | lm loss PPL: 9.9 |")
    assert (point.kind, point.step, dict(point.values)) == (
        "eval",
        None,
        {"lm loss value": 2.3, "lm loss PPL": 9.9},
    )
    assert only("validate step: 7  loss:  9.9510  memory: 40.1GiB").kind == "eval"


@pytest.mark.parametrize(
    ("line", "kind", "values"),
    [
        ("Test set: Average loss: 0.5, Accuracy: 9/10 (90%)", "eval", {"Test/Average loss": 0.5}),
        ("Validation set: loss=0.5", "eval", {"Validation/loss": 0.5}),
        ("11/27 10:00:00 - mmengine - INFO - Iter(val) [10/10]  loss: 0.5", "eval", {"val/loss": 0.5}),
    ],
)
def test_an_evaluation_that_counts_its_own_steps_or_none_tells_no_step(
    line: str, kind: str, values: dict[str, float]
) -> None:
    point = only(line)
    told = {name: value for name, value in point.values.items() if type(value) is float}
    assert (point.kind, point.step, point.total_steps, told) == (kind, None, None, values)


def test_what_an_evaluation_counts_is_no_new_beginning_of_training() -> None:
    lines = [
        line
        for epoch in (1, 2)
        for line in (
            f"11/27 10:00:00 - mmengine - INFO - Epoch(train)  [{epoch}][15/30]  lr: 1e-05  loss: 2.5",
            f"11/27 10:00:00 - mmengine - INFO - Epoch(train)  [{epoch}][30/30]  lr: 1e-05  loss: 2.25",
            f"11/27 10:01:00 - mmengine - INFO - Epoch(val) [{epoch}][10/10]  loss: 1.75  time: 0.5",
        )
    ]
    points = read_points(lines)
    assert {point.segment for point in points} == {0}
    assert [(p.kind, p.epoch, p.step) for p in points if p.kind == "eval"] == [
        ("eval", 1.0, 30),
        ("eval", 2.0, 30),
    ]


def test_a_history_of_wandb_tells_step_and_time_by_its_own_names() -> None:
    lines = [
        json.dumps({"_step": 7, "train/loss": 2.5, "_runtime": 3.0, "_timestamp": 1764000000.5}),
        json.dumps({"_step": 8, "loss": 2.25, "_runtime": 4.0}),
        json.dumps({"_step": 9, "loss": 2.0, "global_step": 90}),
    ]
    assert [(p.step, p.time, dict(p.values)) for p in read_points(lines)] == [
        (7, 1764000000500, {"train/loss": 2.5}),
        (8, None, {"loss": 2.25}),
        (90, None, {"loss": 2.0, "global_step": 90.0}),
    ]


PLACES = {
    "step": (
        "step: 7",
        "步数: 7/90",
        "第 7 步",
        "第7/90步",
        "训练步数：7",
        "迭代次数: 7",
        "步骤 7",
        "当前步数 7",
    ),
    "epoch": ("epoch: 7", "轮次 7/90", "第 7 轮", "第7/90轮", "训练轮次：7", "轮数: 7", "Epoch [7/90]"),
}
NAMED = {
    "loss": ("损失", "损失值", "当前损失"),
    "train_loss": ("训练损失", "训练集损失", "训练loss"),
    "val_loss": ("验证损失", "校验损失", "验证集损失"),
    "avg_loss": ("平均损失",),
    "avg_train_loss": ("平均训练损失",),
    "test_loss": ("测试损失",),
    "learning_rate": ("学习率",),
    "val_accuracy": ("验证准确率",),
}
LOSSES = [name for name in NAMED if "loss" in name]


@pytest.mark.covered
@given(
    st.sampled_from(["", "2026-11-27 10:00:10.123 | INFO     | train:main:88 - ", "[INFO|a.py:3] "]),
    st.sampled_from([(of, said) for of, all_said in PLACES.items() for said in all_said]),
    st.sampled_from(LOSSES),
    st.lists(st.sampled_from(sorted(NAMED)), max_size=3),
    st.sampled_from([", ", "，", " | ", " - "]),
    st.sampled_from([": ", "：", " = ", " "]),
    st.data(),
)
def test_chinese_words_are_the_english_ones_that_they_stand_for(
    before: str, place: tuple[str, str], loss: str, more: list[str], sign: str, equals: str, data: Any
) -> None:
    names = list(dict.fromkeys([loss, *more]))
    words = [data.draw(st.sampled_from(NAMED[name])) for name in names]
    point = only(before + sign.join([place[1], *(f"{word}{equals}0.25" for word in words)]))
    assert (point.step, point.epoch) == ((7, None) if place[0] == "step" else (None, 7.0))
    assert dict(point.values) == dict.fromkeys(names, 0.25)


@given(
    st.sampled_from(["步数", "训练步数", "全局步数", "轮次"]),
    st.lists(st.sampled_from(sorted(NAMED)), max_size=3),
    st.booleans(),
    st.data(),
)
def test_so_are_the_keys_of_a_dict(place: str, more: list[str], as_json: bool, data: Any) -> None:
    names = list(dict.fromkeys(["loss", *more]))
    words = [
        data.draw(st.sampled_from([one for one in NAMED[name] if "loss" not in one])) for name in names
    ]
    values = {place: 7, **dict.fromkeys(words, 0.25)}
    point = only(json.dumps(values, ensure_ascii=False) if as_json else str(values))
    assert (point.step, point.epoch) == ((None, 7.0) if place == "轮次" else (7, None))
    assert {name: point.values[name] for name in names} == dict.fromkeys(names, 0.25)
    if place != "轮次":
        assert read_points([str(dict.fromkeys(words, 0.25))]) == []  # a loss of money, perhaps


@pytest.mark.parametrize(
    "line",
    [
        *("总步数: 100, 损失函数: 交叉熵", "预热步数: 7, 损失: 0.5", "第 7 轮, 最佳验证损失: 0.5"),
        *("第 7 轮的训练损失下降到 0.5", "损失: 0.5", "训练步数: 100, 学习率: 1e-5", "第 3 章 损失函数"),
    ],
)
def test_chinese_prose_and_settings_are_no_point(line: str) -> None:
    assert read_points([line]) == []


@pytest.mark.parametrize("said", ["训练损失：0.5", "  验证损失: 0.5", "Train Loss: 0.5"])
def test_an_epoch_s_heading_may_end_with_a_colon(said: str) -> None:
    assert only("Epoch 1/5:", said).epoch == 1.0


def test_deepspeed_s_perplexity_is_an_evaluation_after_the_epoch_of_its_title() -> None:
    point = only("***** Evaluating perplexity, Epoch 1/2 *****", "ppl: 3.5, loss: 1.25")
    assert (point.kind, point.epoch, dict(point.values)) == (
        "eval",
        1.0,
        {"Evaluating/ppl": 3.5, "Evaluating/loss": 1.25},
    )
    assert read_points(["***** Evaluating perplexity, Epoch 1/2 *****", "Saving.", "loss: 1.25"]) == []


def test_csv_may_have_semicolons_and_decimal_commas() -> None:
    points = read_points(["step;loss", "1;2,5", "2;2,25"])
    assert [(point.step, dict(point.values)) for point in points] == [
        (1, {"loss": 2.5}),
        (2, {"loss": 2.25}),
    ]


def test_a_bar_that_is_described_by_its_loss_is_a_point() -> None:
    bars = [
        f"1|{n}|Loss: {n}.5:   0%|          | {n}/25880 [00:03<24:10:11,  3.36s/it]" for n in (1, 2, 2)
    ]
    assert [(p.step, p.total_steps, dict(p.values)) for p in read_points(bars)] == [
        (n, 25880, {"Loss": n + 0.5}) for n in (1, 2)
    ]
    for none in ("1|2|Loss: 2.5.1", "gloss: 2.5", "Loss: x", "so my Loss: 2.5 x"):
        assert read_points([f"{none}: 0%|  | 1/9 [00:03<24:10:11,  3.36s/it]"]) == []


@pytest.mark.parametrize(
    ("lines", "losses"),
    [
        (
            ["60/100 [====>....] - ETA: 1s - loss: 0.9\r100/100 [=====] - 4s 4ms/step - loss: 0.8"],
            [0.9, 0.8],
        ),
        (
            ["9/9 [==] - ETA: 0s - loss: 0.8\r9/9 [==] - 4s 4ms/step - loss: 0.8 - val_loss: 0.9"],
            [0.8] * 2,
        ),
        (
            ["9/9 \u2501 0s 4ms/step - loss: 0.8\r9/9 \u2501 5s 4ms/step - loss: 0.8 - val_loss: 1"],
            [0.8],
        ),
        (
            ["9/9 [==] - 4s 4ms/step - loss: 0.8", "Epoch 2/2", "9/9 [==] - 4s 4ms/step - loss: 0.7"],
            [0.8, 0.7],
        ),
        (["9/9 - 5s - loss: 0.8 - acc: 0.7 - 5s/epoch - 50ms/step", "9/9 - 5s - loss: 0.8"], [0.8, 0.8]),
        (["9/9 - 1:05 - 51ms/step - loss: 0.8"], []),
        (["3/9 - loss: 0.8", "3 - 5s - loss: 0.8", "3/9 [a] - 5s - loss: 1"], []),
    ],
)
def test_bars_of_keras_are_points_and_drawn_again_with_more_they_are_the_same(
    lines: list[str], losses: list[float]
) -> None:
    assert [point.values["loss"] for point in read_points(lines)] == losses


def test_a_bar_of_evaluation_is_one_point_however_far_it_was_drawn() -> None:
    def drawn(done: int, loss: float, title: str = "Evaluating") -> str:
        return f"{title}: 50%|#| {done}/9 [00:10<00:10,  2.00s/it, loss={loss}]"

    train = drawn(5, 2.5, "Train")
    lines = [drawn(5, 1.5), drawn(9, 1.25), train, drawn(1, 1.0), drawn(9, 1.0), drawn(2, 0.5)]
    points = [(point.kind, point.step, *point.values.items()) for point in read_points(lines)]
    assert points == [
        ("eval", None, ("Evaluating/loss", 1.25)),
        ("train", 5, ("loss", 2.5)),
        ("eval", None, ("Evaluating/loss", 1.0)),
        ("eval", None, ("Evaluating/loss", 0.5)),
    ]


def test_a_bar_of_evaluation_that_is_described_by_its_loss_is_one_point() -> None:
    def drawn(epoch: int, done: int, loss: float | str) -> str:
        return f"Epoch {epoch} val loss {loss}: 50%|#| {done}/9 [00:10<00:10,  2.00s/it]"

    lines = [drawn(1, 5, 2.5), drawn(1, 9, "nan"), drawn(2, 5, 2.25), drawn(2, 9, 2.0)]
    points = [(point.kind, point.epoch, str(point.values["val loss"])) for point in read_points(lines)]
    assert points == [("eval", 1.0, "nan"), ("eval", 2.0, "2.0")]


@given(
    st.dictionaries(st.sampled_from(["acc", "lr", "grad_norm", "kl"]), st.floats(1e-6, 1e6), max_size=3),
    st.sampled_from(["loss", "Loss", "train loss", "val_loss"]),
    st.sampled_from([", ", " | ", " - ", " "]),
    st.sampled_from(["=", ": ", " "]),
)
def test_what_a_line_of_numbers_tells_a_bar_tells_that_has_them_before_or_behind_it(
    others: dict[str, float], loss: str, between: str, sign: str
) -> None:
    values = {loss: 2.5, **others}
    said = between.join(f"{name}{sign}{value!r}" for name, value in values.items())
    bar = "  7%|#  | 7/100 [00:03<01:37,  1.00s/it"
    for drawn in (f"{said}:{bar}]", f"Epoch 2{between}{said}:{bar}]", f"Train:{bar}, {said}]"):
        assert dict(only(drawn).values) == values
    assert only(f"{loss}{sign}2.5:{bar}, lr=0.5]").values == {loss: 2.5, "lr": 0.5}
    assert only(f"Step 12 {loss}{sign}2.5:{bar}]").step == 12


@pytest.mark.parametrize("postfix", ["value_loss=2.5", "loss=1.5, value_loss=2.5"])
def test_a_value_loss_makes_no_evaluation_of_a_bar(postfix: str) -> None:
    bar = "[00:05<00:05,  1.00it/s"
    for drawn in (f"Train: 50%|#  | 7/10 {bar}, {postfix}]", f"{postfix}: 50%|#  | 7/10 {bar}]"):
        point = only(drawn)
        assert (point.kind, point.step, point.values["value_loss"]) == ("train", 7, 2.5)


@pytest.mark.parametrize(
    "said",
    [
        *("Train (no eval)", "no-eval", "Training until next eval", "Run without validation"),
        *("Test-time training", "Testing lr", "Testing learning rate", "skip test"),
    ],
)
def test_a_bar_that_says_it_is_of_no_evaluation_is_of_training(said: str) -> None:
    point = only(f"{said}:  7%|#  | 7/100 [00:03<01:37,  1.00s/it, loss=2.5]")
    assert (point.kind, point.step, point.values) == ("train", 7, {"loss": 2.5})
    for before in ("[no eval] step 7 ", "step 7 without eval: "):
        assert only(f"{before}{{'loss': 2.5}}").kind == "train"
    assert only("[no eval] step 7 loss 2.5").kind == "train"


def test_a_bar_may_be_drawn_without_its_middle() -> None:
    for bar in ("  7%| 7/100 [", "7%|7/100 [", "Train:   7%|| 7/100 ["):
        point = only(f"{bar}00:03<01:37,  1.00s/it, loss=2.5]")
        assert (point.step, point.total_steps) == (7, 100)


def test_a_bar_of_training_may_be_described_by_both_losses() -> None:
    point = only("Epoch 1 Train Loss: 2.5, Val Loss: 2.25: 10%|#  | 1/9 [00:03<24:10:11,  3.36s/it]")
    assert (point.kind, point.step, point.epoch) == ("train", 1, 1.0)
    assert point.values == {"Train Loss": 2.5, "Val Loss": 2.25}


def test_dicts_in_one_are_points_of_their_own_that_it_tells_the_place_of() -> None:
    line = '{"step": 60, "time": "1970-01-01T00:00:01Z", "train": {"loss": 0.7}, "val": {"loss": 0.75}}'
    assert [(point.kind, point.step, point.time) for point in read_points([line])] == [
        *(("train", 60, 1000), ("eval", 60, 1000)),
    ]
    deep = "{'a': {'step': 1, 'b': {'loss': 1}}, 'c': {'loss': 2}} {'loss': 3}"
    assert [point.step for point in read_points([deep])] == [1, None, None]
    assert only("{'step': 3, 'scores': {'reward': 0.5}}").step == 3
    assert read_points(["{'prompt': 'a', 'step': 3, 'scores': {'loss': 0.5}}"]) == []


def test_csv_has_a_point_in_each_row_from_where_its_columns_say() -> None:
    lines = [
        *("lr-AdamW,step,epoch,train_loss,val_loss,time", "1e-4,9,0,2.5,,1970-01-01 00:00:01"),
        *("1e-4,19,0,,2.25,x", "1e-4,29,1,nan,2.0,", "1e-4,x,1,2.5,2.0,", "1e-4,9,0,2.5,,"),
    ]
    points = read_points(lines)
    assert [(point.kind, point.step, point.epoch, point.time) for point in points] == [
        *(("train", 9, 0.0, 1000), ("eval", 19, 0.0, None), ("train", 29, 1.0, None)),
    ]
    assert points[0].values == {"lr-AdamW": 1e-4, "train_loss": 2.5}
    for head in ("a,b,loss", "step, loss; lr, x", "step,lr", "Epoch 1, step 3, loss", "step,,loss"):
        assert read_points([head, "1,2,3"]) == []
    assert read_points(["epoch,loss", "-1,2.5", "epoch,loss", "1e300,2.5", "step,loss", "1.5,2.5"]) == []


def test_two_halves_of_dicts_are_none() -> None:
    assert read_points(["{'loss': 2.5, 'lear", "ning_rate': 1e-05, 'epoch': 0.5}"]) == []


def test_an_epoch_without_a_step_is_enough_beside_a_loss() -> None:
    point = only("Epoch 2/3, Train Loss: 2.5, Val Loss: 2.25")
    assert (point.kind, point.step, point.epoch) == ("train", None, 2.0)


@pytest.mark.parametrize(
    "line", ["| end of epoch   3 | time: 5s | valid loss  2.5 |", "End of epoch 3: valid loss=2.5"]
)
def test_what_is_told_at_the_end_of_an_epoch_is_of_that(line: str) -> None:
    point = only(line)
    assert (point.kind, point.step, point.epoch, point.values["valid loss"]) == ("eval", None, 3.0, 2.5)
    assert read_points([f"So at the {line[2:]}", "At the end of epoch 3 the loss was 2.5"]) == []


def test_rewards_are_points_where_progress_is_told() -> None:
    assert only("{'reward': 0.5, 'kl': 0.1, 'epoch': 0.25}").epoch == 0.25
    assert (
        only("{'objective/kl': 0.1, 'loss/policy_avg': -0.5, 'episode': 4}").values["objective/kl"]
        == 0.1
    )
    assert only("step: 3, reward: 0.5").values == {"reward": 0.5}
    assert read_points(["{'reward': 0.5, 'kl': 0.1}", "reward: 0.5"]) == []


@pytest.mark.parametrize(
    ("bar", "values"),
    [
        ("SFT:   3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss 6.0530]", {"loss": 6.053}),
        (
            "steps:   5%|5 | 10/375 [00:30<09:30,  2.30it/s, avr_loss=0.0912, x=abc]",
            {"avr_loss": 0.0912},
        ),
        ("Train epoch [1/1]: 50%|# | 10/375 [00:02<00:02, pg=-0.5, kl=0]", {"pg": -0.5, "kl": 0.0}),
        (
            "Epoch 0:  10%|# | 10/375 [00:10<01:30,  1.00s/step, loss=2.5, n=1k]",
            {"loss": 2.5, "n": 1000.0},
        ),
    ],
)
def test_the_numbers_behind_a_bar_are_a_point(bar: str, values: Any) -> None:
    point = only(bar)
    assert (point.step, point.total_steps, dict(point.values)) == (10, 375, values)


@pytest.mark.parametrize(
    "bar",
    [
        "Map:   3%|3 | 10/375 [02:09<1:13:19, 12.05it/s, rows=5]",
        "Filter loss 2.5:   3%|3 | 10/375 [02:09<1:13:19, 12.05it/s]",
        "SFT:   0%|  | 0/375 [00:00<?, ?it/s, loss=2.5]",
        "loss: 2.5 | lr 1:   0%|  | 0/375 [00:00<?, ?it/s]",
        "Downloading:  3%|3 | 10/375 [02:09<1:13:19, 12.05MB/s, file=a.bin]",
        "Train:   3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, " + "x" * 3000 + "=1]",
    ],
)
def test_other_bars_are_none(bar: str) -> None:
    assert read_points([bar]) == []


def test_a_bar_that_is_drawn_again_is_one_point_with_what_it_says_last() -> None:
    drawn = [f"DPO: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss={loss}]" for loss in (3, 2)]
    assert only("\r".join(drawn)).values == {"loss": 2.0}
    other = "Evaluating: 3%|3 | 10/375 [02:09<1:13:19, 12.05s/it, loss=3]"
    assert [point.kind for point in read_points([drawn[0], other])] == ["train", "eval"]


WRAPPED = [
    ["{'loss': 2.5, 'grad_norm': 1.5,", " 'learning_rate': 1e-05,", " 'epoch': 0.5}"],
    ["{", '  "epoch": 0.5,', '  "loss": 2.5', "}"],
    [
        "[03:04:05] INFO     {'loss': 2.5, 'learning_rate':    t.py:123",
        "          1e-05, 'epoch': 0.5}    ",
    ],
    ["(W pid=1) {'loss': 2.5,", "(W pid=1)  'mem': {'gpu0': 1},", "(W pid=1)  'epoch': 0.5}"],
    ["x = {", "{'loss': 2.5,", "'mem': {", "'gpu0': 1}, 'epoch': 0.5}"],
    ["\"{'loss': 2.5,\\n\",", "\" 'epoch': 0.5}\\n\","],
]


@pytest.mark.parametrize("lines", WRAPPED)
def test_dicts_go_on_over_lines(lines: list[str]) -> None:
    point = only(*lines, "end")
    assert (point.values["loss"], point.epoch) == (2.5, 0.5)


def test_dicts_that_never_end_are_given_up() -> None:
    for junk in ("'a': 1,", "x" * 20_000, "{'b': "):
        assert read_points(["{'loss': 2.5,", *[junk] * 200, "'epoch': 0.5}"]) == []
    late = ["{'loss': 2.5,", *["{'loss': 1.0, 'epoch': 0.1}"] * 1200, "text", "'epoch': 0.5}"]
    assert len(read_points(late)) == 1200


@pytest.mark.parametrize(
    "line",
    [
        '{"log":"{\'loss\': 2.5, \'step\': 3}\\n","stream":"stdout","time":"1970-01-01T00:00:01Z"}',
        '{"log":"{\\"loss\\": 2.5, \\"step\\": 3}\\n","stream":"stdout","time":"1970-01-01T00:00:01Z"}',
        '{"message": "step 3 | loss 2.5", "level": "INFO", "timestamp": "1970-01-01 00:00:01"}',
        '{"MESSAGE": "step 3 | loss 2.5", "__REALTIME_TIMESTAMP": "1000000"}',
        '{"ts": "1970-01-01T00:00:01", "loss": 2.5, "step": 3}',
        '{"time": "1970-01-01T00:00:01", "msg": "x", "data": {"loss": 2.5, "step": 3}}',
    ],
)
def test_json_that_holds_a_line_is_that_line_at_its_time(line: str) -> None:
    point = only(line)
    assert (point.step, point.values["loss"], point.time) == (3, 2.5, 1000)


def test_a_notebook_s_lines_are_lines() -> None:
    assert only('      "step 3 | loss 2.5\\n",').step == 3
    assert read_points(['{"message": "step 3 | loss 2.5"}', '"step 3 | loss 2.5",']) == []
    assert (
        read_points(['"\\ud800\\n",', '{"log": "x", "time": nan}', '"' + "x" * (1 << 20) + '\\n"']) == []
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["Step\tTraining Loss\tValidation Loss", "10\t2.5\tNo log", "20\t2.25\t2.0"],
        ["| Step | Training Loss |", "|------|------|", "| 10 | 2.5 |", "| 20 | 2.25 |"],
        ["Step    Training Loss    Rate", "10      2.5       1e-5", "20      2.25       1,000"],
    ],
)
def test_tables_of_notebooks_have_a_point_in_each_row(lines: list[str]) -> None:
    points = read_points([*lines, "30"])
    assert [(point.step, point.values["Training Loss"]) for point in points] == [(10, 2.5), (20, 2.25)]


HEADED = [
    *("=== Step 3/90 ===", "Preparing batch...", "  \u2022 Time: 1.5s", "Training Results:"),
    *(
        "  \u2022 Loss: 0.5",
        "  \u2022 Mean Length: 1,512.5",
        "Timing:",
        "  \u2022 Total time: 4.2s (10.5%)",
    ),
    *("Validation Results:", "  \u2022 Avg Reward: 0.25", "  \u2022 Accuracy: 0.5"),
]


def test_numbers_below_a_heading_are_from_the_step_that_it_tells() -> None:
    said = [
        (point.kind, point.step, point.total_steps, dict(point.values)) for point in read_points(HEADED)
    ]
    assert said == [
        ("train", 3, 90, {"Loss": 0.5, "Mean Length": 1512.5}),
        ("eval", 3, 90, {"Validation/Avg Reward": 0.25, "Validation/Accuracy": 0.5}),
    ]
    assert read_points(HEADED[1:]) == []
    far = read_points([HEADED[0], *["text"] * 300, *HEADED[4:6]])
    assert far == []


@pytest.mark.parametrize("before", ["", "  ", "2026-01-05 03:04:05,123 - root - INFO - ", "\x1b[1m"])
@pytest.mark.parametrize(
    ("said", "kind", "step", "values"),
    [
        ("9/9 [====] - 5s 2ms/step - loss: 0.5 - acc: 0.75", "train", 9, {"loss": 0.5, "acc": 0.75}),
        ("9/9 - 2s - loss: 0.5 - 2s/epoch - 1ms/step", "train", 9, {"loss": 0.5}),
        ("2s - loss: 0.5 - val_loss: 0.75", "train", None, {"loss": 0.5, "val_loss": 0.75}),
        (" - 2s 3ms/step - loss: 0.5", "train", None, {"loss": 0.5}),
        ("train Loss: 0.5 Acc: 0.75", "train", None, {"train Loss": 0.5, "Acc": 0.75}),
        ("val Loss: 0.5 Acc: 0.75", "eval", None, {"val Loss": 0.5, "Acc": 0.75}),
        ("loss=0.5, lr=1e-05", "train", None, {"loss": 0.5, "lr": 1e-05}),
    ],
)
def test_a_heading_tells_the_epoch_of_what_stands_below_it(
    before: str, said: str, kind: str, step: int | None, values: Any
) -> None:
    again = said if step is not None else before + said  # no logger draws a bar
    lines = ["Epoch 1/3", said, f"{before}Epoch 2/3", "----------", "Saving.", again, "bye"]
    first, second = read_points(lines)
    assert (first.epoch, second.epoch, second.offset) == (1.0, 2.0, 5)
    assert (second.kind, second.step, dict(second.values)) == (kind, step, values)
    assert [point.epoch for point in read_points([said])] == [None] * (step is not None)


def test_steps_below_headings_are_counted_on_over_the_epochs() -> None:
    log = LogPoints()
    for epoch in (1, 2):
        log.read_all([f"Epoch {epoch}/2", "4/9 - 1s - loss: 0.5", "8/9 - 1s - loss: 0.25"], 0)
    columns = log.columns()
    assert columns.segment.cells(0, 4) == [0] * 4
    assert step_count(columns).global_steps(columns, 0, 4) == [4.0, 8.0, 13.0, 17.0]


@pytest.mark.parametrize(
    "said",
    [
        *("Best val loss: 0.5", "val loss: 0.5, best loss: 0.25", "Last loss: 0.5", "loss: mse"),
        *("Loading weights, loss: 0.5", "Saved with loss: 0.5", "loss: 0.5 -> 0.25", "loss_weight: 0.5"),
        *("Model with the new loss: 0.5", "loss: 0.5 improved by far", "acc: 0.5", "loss = 0.5 * scale"),
        *(
            "val_loss improved from 0.5 to 0.25",
            "loss: 0.5 (see below)",
            "Restoring loss: 0.5 from a.pt",
        ),
        "def loss(x): return 0.5",
    ],
)
def test_what_is_no_line_of_names_and_numbers_below_a_heading_is_no_point(said: str) -> None:
    assert read_points(["Epoch 1/5", said]) == []


@pytest.mark.parametrize(
    "heading",
    ["Epoch 6/5", "Epoch 1/5 begins", "Epoch one/5", "See Epoch 1/5", "Epoch 1/5.5", "Epoch 1"],
)
def test_what_only_looks_like_a_heading_is_none(heading: str) -> None:
    assert read_points([heading, "loss: 0.5"]) == []


def test_a_heading_is_forgotten_where_lines_count_nothing_but_not_for_those_that_do() -> None:
    bar = " 10%|█ | 1/10 [00:01<00:09,  1.0s/it]"
    for between in (["text"] * 200, [bar] * 1001):
        (point,) = read_points(["Epoch 1/5", *between, "loss: 0.5", "3/9 - 1s - loss: 0.25"])
        assert (point.step, point.epoch) == (3, 1.0)


def test_an_evaluation_beside_training_at_one_step_is_told_with_it() -> None:
    point = only("step 250: train loss 2.5, val loss 2.75")
    assert (point.step, dict(point.values)) == (250, {"train loss": 2.5, "val loss": 2.75})
    assert main_metric(point.values) == "train loss"
    assert evaluation_of("train loss", point.values) == "val loss"


def test_a_list_of_one_number_is_that_number() -> None:
    line = "[2026-01-05 03:04:05,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=3, loss=2.5, lr={}"
    assert only(line.format("[1e-05, 1e-05], mom=[(0.9, 0.95), (0.9, 0.95)]")).values["lr"] == 1e-05
    assert only(line.format("[1e-05]")).values["lr"] == 1e-05
    for several in (
        "[1e-05, 2e-05]",
        "[1e-05, 1e-051]",
        "[1e-05, ",
        "[]",
        "[e]",
        "[1.2.3]",
    ):
        assert dict(only(line.format(several)).values) == {"loss": 2.5}


@pytest.mark.parametrize(
    ("heading", "place"),
    [
        ("[batch=3/90]:", (3, 90, None, None)),
        ("1970-01-01 00:00:01.5\tnode-0:0\ttrain:912\tINFO\t[step=3/90,epoch=1]", (3, 90, 1.0, 1500)),
        ("===== Step 3 =====", (3, None, None, None)),
    ],
)
def test_a_heading_tells_what_it_can(heading: str, place: Any) -> None:
    point = only(heading, "    train/CrossEntropyLoss=2.5", "    tokens=12,345", "{'a': 1}")
    assert (point.step, point.total_steps, point.epoch, point.time) == place
    assert point.values == {"train/CrossEntropyLoss": 2.5, "tokens": 12345.0}
    first, second = read_points([heading, "Loss: 2.5", "{'loss': 1.5}"])
    assert (first.values, second.values) == ({"Loss": 2.5}, {"loss": 1.5})
    assert read_points([heading, "lr: 2.5", f"see {heading} above", "Loss: 2.5x5", "Loss: 2.5e"]) == []


def test_tables_may_count_epochs_and_end_with_what_is_no_row() -> None:
    lines = ["Epoch  Loss", "1  2.5", "1.5  -", "x  y", "2  2.5"]
    assert [(point.step, point.epoch) for point in read_points(lines)] == [(None, 1.0)]
    assert read_points(["Step  Loss", "1.5  2.5", "Step  Loss", "1  two"]) == []


def test_a_summary_counts_where_it_tells_something_new() -> None:
    table = [
        "***** eval metrics *****",
        "  epoch     =    1.0",
        "  eval_loss =  2.125",
        "  eval_runtime = 0:00:09.5",
    ]
    assert only(*table).values["eval_loss"] == 2.125
    assert only("{'eval_loss': 2.12504, 'epoch': 1.0}", *table).offset == 0
    assert len(read_points(["{'eval_loss': 2.5, 'epoch': 1.0}", *table, "end"])) == 2
    assert only("***** train metrics *****", " train_runtime = 0:01:00", "{'x': 1}").kind == "final"
    assert read_points(["***** eval metrics *****", "  samples = 3", "***** eval metrics *****"]) == []


def test_a_history_counts_what_was_not_told_before() -> None:
    told = [f"{{'loss': {loss}, 'epoch': {epoch}}}" for loss, epoch in ((2.5, 0.5), (2.25, 1.0))]
    entries = [f'{{"loss": {loss}, "epoch": {epoch}, "step": {step}}}' for loss, epoch, step in (
        (2.50001, 0.5, 10), (2.25, 1.0, 20), (2.0, 1.5, 30))]  # fmt: skip
    whole = '{"best": 1, "log_history": [' + ", ".join(entries) + "]}"
    assert [point.step for point in read_points([*told, whole])] == [None, None, 30]
    lines = [
        "{",
        ' "log_history": [',
        *(part for one in entries for part in ("  {", one[1:-1], "  },")),
        " ]}",
    ]
    assert [point.step for point in read_points(lines)] == [10, 20, 30]
    assert [point.step for point in read_points([*lines, *lines])] == [10, 20, 30]
    assert [point.step for point in read_points([*entries, whole])] == [10, 20, 30]


@pytest.mark.parametrize(
    ("epochs", "total", "last", "steps"),
    [
        ((0.25, 0.5, 0.75, 1.0), 40, None, [10, 20, 30, 40]),
        ((0.24, 0.48, 0.71, 0.95), 42, 1.0, [10, 20, 30, 40]),
        ((0.25, 0.5, 0.75, 1.0), 41, None, None),
        ((0.1, 0.5, 0.75, 1.0), 40, None, None),
        ((0.25,), 40, None, None),
    ],
)
def test_an_interval_that_fits_exactly_tells_the_steps(
    epochs: tuple[float, ...], total: int, last: float | None, steps: list[int] | None
) -> None:
    bars = [f" 10%|█ | {done}/{total} [00:01<00:09,  1.0s/it]" for done in range(total + 1)]
    points = [f"{{'loss': 1.0, 'epoch': {epoch}}}" for epoch in epochs]
    end = [] if last is None else [f"{{'train_runtime': 1.0, 'epoch': {last}}}"]
    read = [point.step for point in read_points([*bars, "text", *points, *end]) if point.kind == "train"]
    assert read == (steps or [None] * len(epochs))
    resumed = read_points([*bars[5:], "text", *points, *end])
    assert {point.step for point in resumed} == {None}


@pytest.mark.parametrize("first", ["logged", "own"])
def test_what_a_logger_and_the_trainer_tell_is_one_point_in_any_order(first: str) -> None:
    logged = (
        "[INFO|2026-01-05 03:04:05] cb:143 >> {'loss': 2.5000, 'epoch': 0.10, 'throughput': 1234.56}"
    )
    own = "{'loss': 2.5, 'grad_norm': 1.25, 'epoch': 0.1}"
    points = read_points([logged, own] * 2 if first == "logged" else [own, logged] * 2)
    assert [dict(point.values) for point in points] == [
        {"loss": 2.5, "grad_norm": 1.25, "epoch": 0.1}
    ] * 2
    assert None not in {point.time for point in points}


@pytest.mark.parametrize(
    "line",
    [
        "step 3 | loss: 2.5" + " | x: 1" * 20_000,
        "{'" + "loss_" * 60 + "': 2.5, 'epoch': 1}",
        "[2026-13-45 99:99:99] " * 9 + "nothing",
        "[INFO] " * 40 + "step 3 | loss: 2.5",
        "step: 7, wants more, and more, and more, loss: 0.5",
    ],
    ids=["too long", "a name too long", "stamps that are none", "prefixes without end", "a sentence"],
)
def test_what_goes_on_without_end_or_is_mostly_words_is_no_point(line: str) -> None:
    assert read_points([line]) == []


def test_a_step_that_is_told_twice_is_told_once() -> None:
    assert only("step 3 step 4 | loss: 2.5").step == 3
    assert only("step 3 | iteration: 4 | loss: 2.5").values == {"iteration": 4.0, "loss": 2.5}
    within = only("step 3 | epoch 1 [7/9] | loss: 2.5")
    assert (within.step, within.epoch) == (3, 1.0)


def test_the_first_stamp_that_is_one_is_the_time() -> None:
    assert only("2026-13-45 99:99:99 1970-01-01 00:00:02 {'loss': 2.5}").time == 2000


def test_a_dict_over_more_lines_than_any_is_given_up() -> None:
    assert read_points(["{'loss':", *["  'x' " + "y" * 9_000] * 9, "2.5}"]) == []
    assert read_points(["} {", "{'a': {", "} }", "} x {'b':", "1}"]) == []


def test_a_summary_and_what_follows_it_are_two() -> None:
    table = ["***** eval metrics *****", "  epoch = 1.0", "  eval_loss = 2.5"]
    kinds = [point.kind for point in read_points([*table, "{'loss': 1.5, 'epoch': 1.1}"])]
    assert kinds == ["eval", "train"]


@pytest.mark.parametrize(
    ("names", "main"),
    [
        (["lr", "eval_loss", "loss", "reward"], "loss"),
        (["eval_loss", "train/loss", "rewards/chosen"], "train/loss"),
        (["actor/pg_loss", "actor/kl_loss", "critic/rewards/mean"], "critic/rewards/mean"),
        (["policy_loss", "value_loss", "kl"], "policy_loss"),
        (["val/test_score/reward", "policy_loss"], "policy_loss"),
        (["eval_loss", "lr"], "eval_loss"),
        (["lr", "kl"], None),
        ([], None),
    ],
    ids=str,
)
def test_what_is_looked_at_first_is_the_loss_or_else_the_reward(
    names: list[str], main: str | None
) -> None:
    assert main_metric(names) == main


NAMES = st.text(st.characters(blacklist_characters="'\"\\"), min_size=1, max_size=9)


@pytest.mark.covered
@given(NAMES, st.text(max_size=20), st.booleans())
def test_names_and_texts_are_the_same_however_json_spells_them(
    name: str, text: str, ascii_only: bool
) -> None:
    values = {name: 0.5, "loss": 1.5, "epoch": 1, "note": text}
    plain = json.dumps(values, ensure_ascii=ascii_only)
    slow = json.dumps(values | {"best": None}, ensure_ascii=ascii_only)
    expected = read_points([plain])[0].values
    assert read_points([slow])[0].values == expected
    assert read_points([f"INFO {plain}"])[0].values == expected


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (r'{"loss": 1.5, "\u635f\u5931": 2, "best": null}', "损失"),
        (r'{"loss": 1.5, "\ud83d\ude80": 2, "best": null}', "🚀"),
        (r'{"loss": 1.5, "\ud83d": 2, "best": null}', "\ud83d"),
        (r"{'loss': 1.5, '\x1b[31m\U0001f680': 2, 'best': None}", "\x1b[31m🚀"),
        (r"{'loss': 1.5, 'it\'s\ta\n': 2, 'best': None}", "it's\ta\n"),
        (r"{'loss': 1.5, '\Uffffffff\q': 2, 'best': None}", r"\Uffffffffq"),
    ],
)
def test_escapes_of_json_and_of_python_are_what_they_stand_for(line: str, name: str) -> None:
    assert only(line).values[name] == 2.0
