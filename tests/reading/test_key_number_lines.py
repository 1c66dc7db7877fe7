"""Lines of names and numbers tell their place in many ways, and some numbers are written short."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.points import Point, read_points

METRICS = st.sampled_from(["accuracy/top1", "coco/bbox_mAP", "mIoU", "aAcc", "PSNR"])


def only(*lines: str) -> Point:
    (point,) = read_points(lines)
    return point


@given(METRICS, st.integers(0, 999).map(lambda n: n / 8), st.integers(1, 99), st.booleans())
def test_an_evaluation_that_has_counted_itself_to_its_end_is_told_by_any_number(
    name: str, value: float, batches: int, by_epoch: bool
) -> None:
    for phase in ("val", "test"):
        of = f"Epoch({phase}) [3]" if by_epoch else f"Iter({phase}) "
        beside = "data_time: 0.03  time: 0.05"
        lines = [
            f"11/27 10:00:00 - mmengine - INFO - {of}[{done}/{batches}]    {said}{beside}"
            for done, said in ((1, "eta: 0:00:03  "), (batches, ""), (batches, f"{name}: {value}  "))
        ]
        point = only(*lines)
        assert (point.kind, point.step, point.epoch) == ("eval", None, 3.0 if by_epoch else None)
        assert point.values[f"{phase}/{name}"] == value
    (other,) = read_points([f"mmcls - INFO - Epoch(val) [3][{batches}]\t{name}: {value}, acc: 1.0"])
    assert (other.kind, other.values[f"val/{name}"]) == ("eval", value)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("[12/100] loss 0.5", (12, 100, None)),
        ("[ 12/100]: loss=0.5, lr=1e-4", (12, 100, None)),
        ("2026-01-05 03:04:05 INFO [12/100] - loss: 0.5 - acc: 0.9", (12, 100, None)),
        ("[2,  2000] loss: 0.5", (2000, None, 2.0)),
        ("[1/3] step 12 loss 0.5", (12, None, None)),
        ("[3/9] epoch 3 loss 0.5", (None, None, 3.0)),
        ("[3, 9] iter 7/8 loss 0.5", (7, 8, None)),
        ("[2/3][12/100] loss 0.5", (12, 100, 2.0)),
    ],
)
def test_a_count_in_brackets_is_the_step_unless_the_line_names_its_place(line: str, place: Any) -> None:
    point = only(line)
    assert (point.step, point.total_steps, point.epoch) == place
    assert point.values["loss"] == 0.5


@pytest.mark.parametrize("line", ["[12] loss 0.5", "[1,2] loss 0.5", "[1/2] Compiling loss 3, of all"])
def test_other_numbers_in_brackets_are_none(line: str) -> None:
    assert read_points([line]) == []


def test_a_step_in_too_few_digits_is_none_and_the_epoch_beside_it_is_one() -> None:
    said = "INFO 2026-01-05 03:04:05 ts/train.py:192 step:{} smpl:{} ep:20 epch:0.52 loss:0.5 grdn:2.5"
    exact, rounded = read_points([said.format("800", "6K"), said.format("1K", "1.2M")])
    assert (exact.step, exact.epoch, exact.values["smpl"]) == (800, 0.52, 6000.0)
    assert (rounded.step, rounded.epoch, rounded.values["smpl"]) == (None, 0.52, 1_200_000.0)
    assert "step" not in rounded.values
    alone = only("step 1.2K | loss 0.5")
    assert (alone.step, alone.values) == (None, {"loss": 0.5})


@given(st.integers(1, 9999), st.sampled_from(["K", "k", "M", "B"]), st.sampled_from("=: "))
def test_a_number_that_is_written_short_is_what_it_stands_for(n: int, letter: str, sign: str) -> None:
    meant = n / 8 * {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9}[letter]
    told = f"tokens{sign}{n / 8!r}{letter}"
    for line in (
        f"step 7 | loss 0.5 | {told}",
        f"step 7 | loss 0.5 | {told}/s | lr 1e-4",
        f"step 7 loss 0.5 {told} lr 1e-4",
        f"Train:  7%|#  | 7/100 [00:03<01:37,  1.00s/it, loss=0.5, {told}]",
        f"Train:  7%|#  | 7/100 [00:03<01:37,  1.00s/it, loss=0.5, {told}, lr=1e-4]",
    ):
        assert only(line).values["tokens"] == pytest.approx(meant), line
    below = only("=== Step 7/90 ===", "• Loss: 0.5", f"• tokens: {n / 8!r}{letter}", "end")
    assert below.values["tokens"] == pytest.approx(meant)


@pytest.mark.parametrize("told", ["max_mem: 12M", "ram 12k", "GPU memory=12B", "time: 12m", "x 12G"])
def test_of_memory_and_of_time_a_letter_is_the_unit(told: str) -> None:
    (value,) = (v for name, v in only(f"step 7 | loss 0.5 | {told}").values.items() if name != "loss")
    assert value == 12.0


def test_a_rate_with_a_slash_in_its_name_is_no_unit_of_the_number_before_it() -> None:
    assert only("step 7 loss 0.5 tok/s 1200 lr 1e-4").values == {
        "loss": 0.5,
        "tok/s": 1200.0,
        "lr": 1e-4,
    }
    assert only("step 7 loss 0.5 speed 1200 tok/s lr: 1e-4").values["speed"] == 1200.0


@pytest.mark.parametrize("words", ["end of ", "at the end of ", "at ", "in ", "after ", "during the "])
def test_words_before_the_place_are_no_name(words: str) -> None:
    point = only(f"Step 10 loss 2.5 {words}epoch 3")
    assert (point.step, point.epoch, point.values) == (10, 3.0, {"loss": 2.5})


def test_but_of_a_best_they_tell_where_that_was() -> None:
    point = only("Epoch 3 loss 2.5 best 2.25 at epoch 2")
    assert (point.epoch, point.values["loss"]) == (3.0, 2.5)


@pytest.mark.parametrize("name", ["trainer", "runner", "root"])
def test_a_logger_s_name_is_no_part_of_that_of_a_metric(name: str) -> None:
    assert only(f"INFO {name} loss: 2.5, step: 10").values == {"loss": 2.5}
    assert only("INFO policy loss: 2.5, step: 10").values == {"policy loss": 2.5}


@pytest.mark.parametrize("stamp", ["I0105 03:04:05", "I20260105 03:04:05", "I0105 03:04:05.000000"])
def test_glog_may_leave_out_fractions_of_seconds(stamp: str) -> None:
    assert only(f"{stamp} 4242 train.cc:88] step 10 loss 2.5").step == 10


@pytest.mark.parametrize("words", ["done.", "completed:", "finished", "Complete!", ""])
def test_what_is_told_in_sentences_has_names_without_them(words: str) -> None:
    point = only(f">> Epoch 3 {words} Train loss: 2.5. Val. loss: 2.25. Time: 12.5s")
    assert point.values == {"Train loss": 2.5, "Val. loss": 2.25, "Time": 12.5}
    assert only("Epoch 3 finished in 12.5s. Loss: 2.5").values == {"finished in": 12.5, "Loss": 2.5}


def test_a_logger_may_name_itself_beside_the_time_and_its_file_with_the_line() -> None:
    said = "[2026-01-05 03:04:05 {}] (main.py 12): INFO Train: [3/9][120/1251]\teta 0:12:34\tloss 2.5"
    for logger in ("train", "swin_tiny"):
        point = only(said.format(logger))
        assert (point.step, point.epoch, point.values["loss"]) == (120, 3.0, 2.5)
        assert point.time is not None
    assert only("[2026-01-05 03:04:05 eval] step 3 loss 2").kind == "eval"
