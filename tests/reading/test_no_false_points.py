"""What is no training log gives no point: code, prose, options, configurations, rows of datasets."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import attrs as package_with_text
import pytest

from dashscope_ftlogs.metrics.points import read_points

DECOYS = [
    *("{'loss': None, 'epoch': 1}", "{'loss': 'mse', 'lr': 0.1}", "loss=None step=3", "loss: 2.5"),
    *('{"text": "a", "loss": 0.5}', '{"role": "user", "content": "x", "loss": true}', "{'loss': True}"),
    *('{"messages": "a", "loss": 1.0, "epoch": 1}', "{'loss_scale': 1.0, 'step': 3}", "{'reward': 1}"),
    *("{'kl_loss_coef': 0.1, 'epoch': 3}", "trainer.log({'loss': 0.5, 'epoch': 1})"),
    "glossy: 2, step: 1",
    *("At step 10 the loss is 2.5", "We trained for 10 epochs with loss 2.5 at step 100"),
    "lossless 1.2.3",
    *("def f(step=1, loss=0.5):", "--loss 0.5 --step 10", 'print(f"step {step} loss {loss}")'),
    *("loss_scale: 1.0, step: 10", "step 10: see loss.py:12", "Version 1.2, step 3, loss.py 4"),
    *("    step=1, loss=loss)", "steps_per_print: 10, loss: 0.5", "  loss: 0.5  # at step 3"),
    *("/runs/step 3/loss 2.5/x", "step 10, loss={'a': 1}", "`step 3 | loss 2.5`", "step 1e5 loss 2"),
    *("loss_weights = {'optimizer': 'adam', 'loss': 1.0}", "step 3, loss 2.5, self.x", "Step  Loss"),
    *('{"prompt": "What is 2+2?", "response": "4", "reward": 1.0, "step": 3}'),
    "step: 10 | rewarding: 2",
    *("usage: train.py [--loss LOSS] [--step 3]", "ValueError: step 3 has loss 2.5", "{'loss': [1.0]}"),
    "{\"input\": \"{'loss': 1.5, 'epoch': 0.1}\", \"output\": \"x\"}",
    ">>> {'loss': 0.5, 'epoch': 1.0}",
    "x[0]: {'messages': [{'role': 'user', 'content': \"I see {'loss': 0.5, 'epoch': 1.0} here\"}]}",
    "{'messages': [{'role': 'user', 'content': \"{'loss': 0.5, 'epoch': 1.0}\"",
    "example: {'input_ids': [1, 2], 'loss': 0.25, 'epoch': 1}",
    "\u2502 \u2502 What is | {'loss': 1.5, 'epoch': 2} \u2502 1.00 \u2502",
    *("best_loss: 1.2 at step 10", "Loaded checkpoint at step 100 with loss 1.2", "step (int): 3"),
    *("Resuming from step 100, loss 1.2", "EarlyStopping: best loss 1.2 at epoch 3", "wandb: loss 1.2"),
    *("Loss at step 10: see below", "Step 3: install loss 1.2.0", "3/9 - loss: 0.5", "step,loss,lr"),
    "Loading checkpoint shards:  50%|█████     | 1/2 [00:10<00:10,  2.00s/it, loss=1]",
    "wandb: Dropping entry: {'loss': 0.5}",
    "\u2502 \u2771 210     metrics = {'loss': 0.5, 'epoch': 1.0}  \u2502",
    "[rank0]: \u2502    7     metrics = {'loss': 0.5, 'epoch': 1.0}  \u2502",
    "Epoch 3: val_loss improved from 0.60123 to 0.52123, saving model to best.h5",
    *("Epoch 5: loss improved from inf to 0.5", "Epoch 4: val_loss did not improve from 0.52123"),
    "  File \"a.py\", line 3, in step\n    loss = step(3)\n    {'loss': loss, 'step': 3}",
]  # fmt: skip


@pytest.mark.parametrize("decoy", DECOYS)
def test_a_decoy_is_no_point(decoy: str) -> None:
    assert read_points([decoy]) == []


MEGABYTES = 10
SUFFIXES = {".py", ".md", ".rst", ".txt", ".pyi", ".json", ".toml", ".cfg", ".h", ".js"}
# These are about training logs, and quote some.
QUOTING = {
    "dashscope_ftlogs",
    "dashscope-ftlogs",
    "tensorboard",
    "tensorboardX",
    "keras",
    "torch",
    "transformers",
}


def text_of_packages() -> Iterator[tuple[Path, list[str]]]:
    """The first ten megabytes of the standard library and of what is installed beside the tests."""
    room = MEGABYTES * 10**6
    installed = Path(package_with_text.__file__).parents[1]
    for root, share in ((Path(sysconfig.get_path("stdlib")), room // 2), (installed, room // 2)):
        left = share
        for path in sorted(root.rglob("*")):
            own = path.relative_to(root).parts
            if path.suffix not in SUFFIXES or any(part.split(".")[0] in QUOTING for part in own):
                continue
            if root != installed and "site-packages" in own:
                continue
            if path.is_file() and left > 0:
                text = path.read_bytes()[:left].decode("utf-8", "replace")
                left -= len(text)
                yield path, text.split("\n")


@pytest.mark.unmeasured
def test_ten_megabytes_of_code_and_documentation_give_no_point() -> None:
    size = 0
    found = []
    for path, lines in text_of_packages():
        size += sum(map(len, lines))
        found += [(path, point.offset + 1, dict(point.values)) for point in read_points(lines)]
    assert found == []
    assert size > 8 * 10**6
