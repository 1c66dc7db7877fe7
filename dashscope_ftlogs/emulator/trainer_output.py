"""What a trainer prints while it trains; each line is computed from its number alone.

Ten steps, a progress bar, and an evaluation make a block of twelve lines, over and over.
"""

import math
from random import Random

import attrs

_STEPS_PER_BLOCK = 10
_LINES_PER_BLOCK = _STEPS_PER_BLOCK + 2
_WARNINGS = (
    "/opt/trainer/loader.py:211: UserWarning: a sample is longer than max_length and was cut",
    "[WARNING:trainer] gradient norm {norm:.2f} was clipped to 1.0 at step {step}",
    "WARNING: the allocator freed its cache {count} times since the last step; memory is tight",
)

Values = dict[str, object]


def steps_in(lines: int) -> int:
    """How many steps so many lines tell of."""
    blocks, rest = divmod(lines, _LINES_PER_BLOCK)
    return blocks * _STEPS_PER_BLOCK + min(rest, _STEPS_PER_BLOCK)


def clock(seconds: float) -> str:
    """A duration the way progress bars write it.

    >>> clock(75), clock(3675)
    ('01:15', '1:01:15')
    """
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"


def bar(done: int, total: int, *, elapsed: float, what: str = "") -> str:
    """One state of a progress bar.

    >>> bar(3, 12, elapsed=6.0)
    ' 25%|██▌       | 3/12 [00:06<00:18,  2.00s/it]'
    """
    eighths = 80 * done // total
    filled = "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
    pace = elapsed / done if done else 0.0
    left = clock(pace * (total - done)) if done else "?"
    rate = f"{pace:5.2f}s/it" if done else "?it/s"
    label = f"{what}: " if what else ""
    percent = f"{100 * done // total:3d}%"
    return f"{label}{percent}|{filled:<10}| {done}/{total} [{clock(elapsed)}<{left}, {rate}]"


@attrs.frozen
class Run:
    """One training run, reduced to the numbers from which each of its lines follows.

    Attributes:
        kind: "sft", "cpt" or "dpo".
        seed: of the noise.
        steps: that the run would have if nothing stopped it.
        plain: an SFT run prints what the open-source trainer prints, without step and tokens.
    """

    kind: str
    seed: int
    steps: int
    epochs: int
    batch_size: int
    tokens_per_sample: int
    learning_rate: float
    scheduler: str
    warmup_ratio: float
    seconds_per_step: float
    first_loss: float
    last_loss: float
    plain: bool

    @property
    def hyper_parameters(self) -> dict[str, object]:
        """As the job object shows them."""
        return {
            "n_epochs": self.epochs,
            "batch_size": self.batch_size,
            "max_length": 8192,
            "learning_rate": f"{self.learning_rate:.1e}".replace("e-0", "e-"),
            "lr_scheduler_type": self.scheduler,
            "warmup_ratio": self.warmup_ratio,
            "eval_steps": _STEPS_PER_BLOCK,
            "split": 0.9,
        }

    def line(self, number: int) -> str:
        """What the run prints as its line `number`, from 0."""
        block, place = divmod(number, _LINES_PER_BLOCK)
        step = block * _STEPS_PER_BLOCK + min(place + 1, _STEPS_PER_BLOCK)
        # Seeded by number, not by name: that is quick enough for millions of lines.
        rng = Random(self.seed << 40 | number)  # noqa: S311 - noise, and repeatable on purpose
        if place < _STEPS_PER_BLOCK:
            return str(self._trained(step, rng))
        if place == _STEPS_PER_BLOCK:
            return self._warning(step, rng) if rng.random() < 0.1 else self._bars(step)
        return str(self._evaluated(step, rng))

    def seconds(self, number: int) -> float:
        """When, from the start of training, line `number` is printed."""
        return steps_in(number + 1) * self.seconds_per_step

    def tokens(self, steps: int) -> int:
        """How many tokens so many steps consume."""
        return steps * self.batch_size * self.tokens_per_sample

    def learning_rate_at(self, step: int) -> float:
        """After a rise over the share `warmup_ratio` of all steps, a fall to 0."""
        warmup = int(self.steps * self.warmup_ratio)
        if step < warmup:
            return self.learning_rate * step / warmup
        done = (step - warmup) / (self.steps - warmup)
        left = (1 + math.cos(math.pi * done)) / 2 if self.scheduler == "cosine" else 1 - done
        return self.learning_rate * left

    def loss_at(self, step: int) -> float:
        """The loss without its noise."""
        if self.kind == "dpo":
            return math.log1p(math.exp(-self._margin_at(step)))
        return self.last_loss + (self.first_loss - self.last_loss) * math.exp(-4 * step / self.steps)

    def summary(self, steps: int) -> str:
        """What the trainer says at its end."""
        runtime = max(1, steps) * self.seconds_per_step
        values: Values = {
            "train_runtime": round(runtime, 4),
            "train_samples_per_second": round(steps * self.batch_size / runtime, 3),
            "train_steps_per_second": round(steps / runtime, 3),
            "train_loss": (self.loss_at(0) + self.loss_at(steps)) / 2,
            "epoch": self._epoch(steps),
        }
        return str(values)

    def _margin_at(self, step: int) -> float:
        return 2.4 * (1 - math.exp(-4 * step / self.steps))

    def _epoch(self, step: int) -> float:
        return round(self.epochs * step / self.steps, 2)

    def _of_all(self, step: int) -> str:
        return f"{step}/{self.steps}"

    def _trained(self, step: int, rng: Random) -> Values:
        rate = self.learning_rate_at(step)
        if self.kind == "dpo":
            return {
                **self._preferences(step, rng),
                "grad_norm": rng.uniform(0.2, 3.0),
                "learning_rate": rate,
                "epoch": self._epoch(step),
            }
        loss = self.loss_at(step) * rng.gauss(1.0, 0.04)
        if self.plain:
            return {
                "loss": round(loss, 4),
                "grad_norm": rng.uniform(0.3, 2.5),
                "learning_rate": rate,
                "epoch": self._epoch(step),
            }
        return {
            "learning_rate": rate,
            "consumed_train_samples": step * self.batch_size,
            "consumed_train_tokens": self.tokens(step),
            "global_step/max_steps": self._of_all(step),
            "loss": round(loss, 5),
        }

    def _evaluated(self, step: int, rng: Random) -> Values:
        if self.kind == "dpo":
            found = self._preferences(step, rng)
            return {f"eval_{name}": value for name, value in found.items()} | {
                "epoch": self._epoch(step)
            }
        loss = round(self.loss_at(step) * rng.gauss(1.06, 0.01), 4)
        if self.plain:
            runtime = rng.uniform(0.9, 1.1) * self.seconds_per_step
            return {
                "eval_loss": loss,
                "eval_runtime": round(runtime, 4),
                "eval_samples_per_second": round(2 * self.batch_size / runtime, 3),
                "eval_steps_per_second": round(2 / runtime, 3),
                "epoch": self._epoch(step),
            }
        where: Values = {"global_step/max_steps": self._of_all(step)}
        if self.kind == "cpt":
            return {"eval_loss": loss, "eval_ppl": math.exp(loss), **where}
        return {"eval_loss": loss, **where}

    def _preferences(self, step: int, rng: Random) -> Values:
        margin = self._margin_at(step) + rng.gauss(0.0, 0.1)
        chosen = 0.3 * margin + rng.gauss(0.0, 0.02)
        right = min(16, max(0, round(16 / (1 + math.exp(-margin - rng.gauss(0.0, 0.3))))))
        return {
            "loss": round(math.log1p(math.exp(-margin)), 4),
            "rewards/chosen": chosen,
            "rewards/rejected": chosen - margin,
            "rewards/accuracies": right / 16,
            "rewards/margins": margin,
            "logps/chosen": rng.gauss(-210.0, 4.0),
            "logps/rejected": rng.gauss(-230.0, 4.0) - 10 * margin,
        }

    def _bars(self, step: int) -> str:
        """One line that was drawn over several times, as a terminal would have shown it."""
        states = range(step - _STEPS_PER_BLOCK + 1, step + 1, 3)
        return "".join(
            "\r" + bar(done, self.steps, elapsed=done * self.seconds_per_step) for done in states
        )

    def _warning(self, step: int, rng: Random) -> str:
        text = rng.choice(_WARNINGS)
        return text.format(norm=rng.uniform(1.0, 9.0), step=step, count=rng.randint(1, 5))
