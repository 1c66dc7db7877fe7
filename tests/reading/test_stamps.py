"""What loggers write before a message changes nothing of what it says, and makes no point of prose."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.points import read_points

STAMPS = st.sampled_from((
    *("", "[2026-11-27 09:00:00] ", "2026-11-27 09:00:00,123 ", "2026-11-27T09:00:00.123+08:00 "),
    *("2026-11-27 09:00:00 UTC ", "2026-11-27 09:00:00,123 - ", "2026-11-27 09:00:00.123 | "),
    *("11/27/2026 09:00:00 - ", "11-27 09:00:00 ", "(09:00:00) ", "20261127-09:00:00 "),
    *("1764234000.123 ", "Nov 27 09:00:00 ", "Fri Nov 27 09:00:00 2026 ", "Nov 27 09:00:00 node7 job: "),
    *("10.0.0.5: ", "Rank 0: ", "time=2026-11-27T09:00:00Z "),
))  # fmt: skip
LEVELS = st.sampled_from(("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "SUCCESS", "TRACE", "FATAL"))
NAMES = st.sampled_from((
    *("trainer", "root", "__main__", "torchtune.training", "accelerate.tracking", "my-logger"),
    *("Trainer", "pytorch_lightning.utilities.rank_zero", "verl/trainer", "absl", "sft"),
))  # fmt: skip
FORMS = st.sampled_from((
    # logging's own, and what stands in tutorials
    *("{level}:{name}:", "{level}:{name}: ", "{level} {name}: ", "{level} - {name}: ", "{name}: "),
    *("{name} - {level} - ", "{level} - {name} - ", "{name} {level} ", "{name} {level}: "),
    *("{name} [{level}] ", "{name}:{level}:", "[{level}] {name}: ", "[{name}] {level}: ", "{level}: "),
    *("[{level}][{name}] ", "[{name}][{level}] - ", "{level} [{name}] ", "{level} ({name}) "),
    "<{level}> ",
    # Hugging Face's and ms-swift's
    *("[{level}|{place}] 2026-11-27 09:00:00,123 >> ", "[{level}|{place}:run] ", "[{level}|{name}] "),
    *("[{level}:{name}] ", "[{level}|{name}] >> ", "[{level}:{place}]: "),
    *("{level} {place} ", "{level} {place}: ", "{level} {place} - ", "[{place}] {level} ", "{place}: "),
    *("{level} (train.py:88) ", "{place} {level} ", "{level}:{place}:", "train.py[line:88] - {level}: "),
    *("{level} 4242 {name}: ", "{level} MainThread {name}: ", "{level} (MainThread) {name}: "),
    *("MainThread - {level} - ", "{level} 4242 --- [main] {name} : ", "4242 {level} {name}: "),
    *("{level}|{name}|", "{level} | {name} | ", "{level}, {name}, ", "{level} {name}[88]: "),
    # absl's and glog's, loguru's, rich's, structlog's and logfmt
    *("I1127 09:00:00.000000 4242 train.py:88] ", "{level:8} | {name}:train:88 - "),
    *("{level:8} {place} ", "{level:8} ", "[info     ] "),
    *("level=info logger={name} ", 'level={level} msg="a step" '),
))  # fmt: skip
PLACES = st.sampled_from(("train.py:88", "src/train.py:88", "train.py(88)", "/opt/a-b/train.py:7"))
PREFIXES = st.builds(
    lambda stamp, form, level, name, place: stamp + form.format(level=level, name=name, place=place),
    *(STAMPS, FORMS, LEVELS, NAMES, PLACES),
)
SAID = st.sampled_from((
    *("step 10/90 loss=2.41 lr=3e-05", "Step 10: loss=nan, lr=1", "[Step 10/90] Loss: 2.41"),
    "Epoch 1/3 | Step 10/90 | Loss: 2.41 | LR: 3e-05",
    "iter 10: loss 2.41, time 250.00ms, mfu 12.30%",
    *("train loss at step 10: 2.41", "Training step 10: loss 2.41", "step 10 val_loss 2.41 eta 0:49:00"),
    *("Eval step 10: loss=2.41", "step:10 - actor/pg_loss:2.41 - actor/lr:1e-06"),
    *("{'loss': 2.41, 'step': 10, 'lr': 3e-05}", "step 10: {'loss': 2.41, 'lr': 3e-05}"),
    *('{"step": 10, "loss": 2.41}', "eval: {'loss': 2.41, 'step': 10}", "step 10 eval: {'loss': 2.41}"),
))  # fmt: skip
# Prefixes that end with a blank say where a message with an event's name of its own begins, too.
KEYS_FIRST = st.sampled_from((
    *("loss: 2.41, lr: 3e-05, global_step: 10", "loss=2.41 step=10"),
    "lm loss: 2.41 | iteration 10/90 |",
    *("eta: 0:10:00  iter: 10  total_loss: 2.41  time: 0.5", "mode: val, step: 10, loss: 2.41"),
))  # fmt: skip


@pytest.mark.covered
@given(PREFIXES, SAID | KEYS_FIRST)
@example("[2026-11-27 09:00:00] INFO trainer: ", "step 10/1000 loss=2.41 lr=3e-05")
@example("INFO trainer.py:88: ", "step 10/1000 loss=2.41 lr=3e-05")
@example("[info     ] train loop                [trainer] ", "loss=2.41 step=10")
@example("INFO trainer ", "step 10/1000 loss=2.41 lr=3e-05")
def test_what_a_logger_writes_before_a_line_changes_nothing_of_what_it_says(
    before: str, said: str
) -> None:
    (bare,), (point,) = read_points([said]), read_points([before + said])
    assert (point.kind, point.step, point.total_steps) == (bare.kind, bare.step, bare.total_steps)
    assert repr(point.values) == repr(bare.values)


@given(
    PREFIXES,
    st.sampled_from((
        *("At step 10 the loss is 2.5", "Loaded checkpoint at step 100 with loss 1.2", "loss 2.5 again"),
        *("Resuming from step 100, loss 1.2", "best_loss: 1.2 at step 10", "def f(step=1, loss=0.5):"),
        *("steps_per_print: 10, loss: 0.5", "`step 3 | loss 2.5`", "Saved: step 10, loss 1.2"),
        *("ValueError: step 3, loss 2.5", "Best: step 3, loss 2.5", "Note: step 3, loss 2.5"),
        "Resuming: step 3, loss 2.5",
    )),
)  # fmt: skip
def test_and_makes_no_point_of_prose(before: str, said: str) -> None:
    assert read_points([said]) == []
    assert read_points([before + said]) == []


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("eta 0:49:00", {"eta": "0:49:00"}),
        ("time_left 1:02:03 lr 3", {"time_left": "1:02:03", "lr": 3.0}),
        ("elapsed 3:12 | lr 3", {"elapsed": "3:12", "lr": 3.0}),
        ("remaining time 00:10", {"remaining time": "00:10"}),
        ("eta 49m 3s", {"eta": "49m 3s"}),
        ("top 5: 0.5 layer 3:12.5", {"top 5": 0.5, "layer 3": 12.5}),
        ("lr=3       train.py:88", {"lr": 3.0}),
    ],
)
def test_a_time_and_a_place_in_the_code_are_no_part_of_a_name(
    said: str, values: dict[str, float | str]
) -> None:
    (point,) = read_points([f"step 10 loss=2.41 {said}"])
    assert point.values == {"loss": 2.41, **values}
