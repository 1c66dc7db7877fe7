"""Believable jobs out of a seed: log, hyper-parameters and, for a running one, a schedule."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from math import ceil
from random import Random
from typing import Literal, TypeVar, get_args

import attrs

from dashscope_ftlogs.emulator.jobs import TIME_FORMAT, EmulatedJob, Schedule
from dashscope_ftlogs.emulator.lazy_lines import Computed
from dashscope_ftlogs.emulator.trainer_output import Run, bar, steps_in

Kind = Literal["sft", "cpt", "dpo"]
Outcome = Literal["succeeded", "failed", "canceled", "running"]

_MODELS = {"sft": "qwen3-14b", "cpt": "qwen2.5-7b", "dpo": "qwen3-8b"}
_STATUSES = {
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
    "canceled": "CANCELED",
    "running": "PENDING",
}
_PENDING_FOR = 2.0
_LONGEST_TRAINING = 6 * 3600.0

T = TypeVar("T")


@attrs.frozen
class _Event:
    """One line around the training.

    `after` is seconds since the line before. It may be below 0: the platform's lines are not always
    in the order of their stamps. With a `level` the line is the platform's own, and stamped.
    """

    after: float
    text: str
    level: str | None = None

    def line(self, created: datetime, at: float, words: Mapping[str, object]) -> str:
        """As it stands in the log, `at` seconds after the job was created."""
        text = self.text.format_map(words)
        if self.level is None:
            return text
        stamp = (
            (created + timedelta(seconds=at))
            .replace(tzinfo=None)
            .isoformat(" ", "milliseconds")
            .replace(".", ",")
        )
        return f"{stamp} - {self.level} - {text}"


@attrs.frozen
class _Failure:
    code: str
    message: str
    traceback: tuple[str, ...]


def _traceback(function: str, source: str, *error: str) -> tuple[str, ...]:
    return (
        "Traceback (most recent call last):",
        '  File "/opt/trainer/main.py", line 88, in <module>',
        "    run(arguments)",
        f'  File "/opt/trainer/loop.py", line 342, in {function}',
        f"    {source}",
        *error,
    )


_FAILURES = (
    _Failure(
        "InternalError",
        "CUDA out of memory, please reduce batch_size or max_length.",
        _traceback(
            "training_step",
            "loss.backward()",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB. GPU 3 has a total "
            "capacity of 79.33 GiB of which 412.56 MiB is free.",
        ),
    ),
    _Failure(
        "InternalError",
        "Saving the checkpoint failed.",
        _traceback(
            "save_checkpoint",
            "writer.write(shard)",
            "OSError: [Errno 28] No space left on device",
        ),
    ),
    _Failure(
        "InvalidParameter",
        "The training data hold a sample without an answer.",
        _traceback(
            "next_batch",
            "labels = sample['messages'][-1]['content']",
            "KeyError: 'content'",
            "",
            "The above exception was the direct cause of the following exception:",
            "",
            "ValueError: sample 1743 of the training data has no answer",
        ),
    ),
)

_BEGINNING = (
    _Event(4.0, "data download succeeded, start to pre-processor", "INFO"),
    _Event(3.0, "data pre-process succeeded, start to fine-tune", "INFO"),
    _Event(1.0, "{loading}"),
    _Event(0.5, "Training start!"),
    _Event(0.0, "Estimated time: {minutes} mins"),
    _Event(0.0, "Estimated token: {planned}"),
)
_COMPLETE = (
    _Event(0.499, "##FT_COMPLETE##", "INFO"),
    _Event(-0.015, "training usage {tokens}", "INFO"),
)
_SUCCESS = (
    _Event(0.5, "{summary}"),
    _Event(0.0, "Actual number of consumed tokens is {tokens}!"),
    _Event(0.2, "Training completed"),
    _Event(1.1, "fine-tuned output got, start to transfer it for inference", "INFO"),
    _Event(2.6, "transfer for inference succeeded, start to deliver it for inference", "INFO"),
    _Event(2.1, "start to save checkpoint", "INFO"),
    _Event(1.7, "use checkpoint-{steps} as final checkpoint"),
    _Event(0.4, "finetune-job succeeded", "INFO"),
    *_COMPLETE,
)
_CANCELLATION = (
    _Event(0.8, "the job is to be canceled, training stops after this step", "WARNING"),
    _Event(1.3, "Actual number of consumed tokens is {tokens}!"),
    _Event(0.6, "finetune-job canceled", "INFO"),
    *_COMPLETE,
)


def generate_job(
    kind: Kind = "sft",
    *,
    outcome: Outcome = "succeeded",
    lines: int | None = None,
    seed: int = 0,
    job_id: str | None = None,
    start: datetime | str = "2025-12-06 20:26:40",
) -> EmulatedJob:
    """Make up a job whose log looks like a real one; equal arguments make equal jobs.

    The lines are computed as they are asked for, so a log of millions of them costs no memory.

    Args:
        kind: of training: supervised, continued pre-training, or preferences.
        outcome: a running job is pending at first, grows in job time, and succeeds in the end.
        lines: exactly so many (once it ended); None for some hundred. Too few for a whole story
            keep its beginning and its end.
        seed: of everything in it.
        job_id: else one like the service's.
        start: when the job was created, as `YYYY-MM-DD HH:MM:SS` if it is text.

    Raises:
        ValueError: names the argument and what it may be.
    """
    for name, value, allowed in (("kind", kind, Kind), ("outcome", outcome, Outcome)):
        if value not in get_args(allowed):
            raise ValueError(f"{name} must be one of {get_args(allowed)}, not {value!r}")
    if lines is not None and lines < 0:
        raise ValueError(f"lines must be 0 or more, not {lines!r}")
    created = _moment(start)
    rng = Random(f"{seed}:{kind}:{outcome}")  # noqa: S311 - repeatable on purpose
    count = rng.randint(120, 360) if lines is None else lines
    failure = rng.choice(_FAILURES) if outcome == "failed" else None
    ending = _ending(outcome, failure)
    training = max(0, count - len(_BEGINNING) - len(ending))
    done = steps_in(training)
    reached = rng.uniform(0.3, 0.9) if outcome in ("failed", "canceled") else 1.0
    run = _run(rng, kind, max(1, ceil(done / reached)))

    begun = list(accumulate(event.after for event in _BEGINNING))
    trained = begun[-1] + done * run.seconds_per_step
    ended = list(accumulate((event.after for event in ending), initial=trained))[1:]
    over = ended[-1] + 1.0
    words = _words(run, done)
    front = [event.line(created, at, words) for event, at in zip(_BEGINNING, begun, strict=True)]
    back = [event.line(created, at, words) for event, at in zip(ending, ended, strict=True)]
    head = min(len(front), count - training - min(len(back), count // 2))
    tail = count - training - head

    schedule = None
    if outcome == "running":
        schedule = Schedule(
            # What is stamped earlier than the line before it can't be seen before that line is.
            _between(
                begun[:head],
                training,
                lambda number: begun[-1] + run.seconds(number),
                list(accumulate(ended, max))[len(ended) - tail :],
            ),
            ((_PENDING_FOR, "RUNNING"), (over, "SUCCEEDED")),
        )
    return EmulatedJob(
        job_id or f"ft-{created:%Y%m%d%H%M}-{rng.getrandbits(16):04x}",
        _between(front[:head], training, run.line, back[len(back) - tail :]),
        status=_STATUSES[outcome],
        model=_MODELS[kind],
        hyper_parameters=run.hyper_parameters,
        training_type=kind,
        create_time=created.strftime(TIME_FORMAT),
        end_time=(created + timedelta(seconds=over)).strftime(TIME_FORMAT),
        usage=run.tokens(done),
        code=None if failure is None else failure.code,
        message=None if failure is None else failure.message,
        schedule=schedule,
    )


def _moment(start: datetime | str) -> datetime:
    if isinstance(start, datetime):
        return start
    return datetime.strptime(start, TIME_FORMAT)  # noqa: DTZ007 - the service sends no zone


def _ending(outcome: Outcome, failure: _Failure | None) -> tuple[_Event, ...]:
    if failure is not None:
        error = (_Event(0.0, line) for line in failure.traceback)
        return (*error, _Event(1.4, "finetune-job failed", "ERROR"), *_COMPLETE)
    return _CANCELLATION if outcome == "canceled" else _SUCCESS


def _run(rng: Random, kind: Kind, steps: int) -> Run:
    return Run(
        kind=kind,
        seed=rng.getrandbits(32),
        steps=steps,
        epochs=rng.choice((1, 2, 3, 5)),
        batch_size=rng.choice((8, 16, 32)),
        tokens_per_sample=rng.randint(300, 900) if kind != "cpt" else 8192,
        learning_rate=rng.choice((5e-6, 1e-5, 1.6e-5, 1e-4)),
        scheduler=rng.choice(("linear", "cosine")),
        warmup_ratio=rng.choice((0.0, 0.05, 0.1)),
        seconds_per_step=min(rng.uniform(0.8, 2.4), _LONGEST_TRAINING / steps),
        first_loss=rng.uniform(1.6, 2.6),
        last_loss=rng.uniform(0.4, 0.9),
        plain=kind == "sft" and rng.random() < 0.5,
    )


def _words(run: Run, done: int) -> dict[str, object]:
    """What the events' texts may mention."""
    shards = (
        bar(count, 8, elapsed=count * 0.11, what="Loading checkpoint shards") for count in (0, 3, 8)
    )
    return {
        "loading": "\r".join(shards),
        "minutes": run.steps * run.seconds_per_step / 60,
        "planned": run.tokens(run.steps),
        "summary": run.summary(done),
        "steps": done,
        "tokens": run.tokens(done),
    }


def _between(front: list[T], count: int, middle: Callable[[int], T], back: list[T]) -> Computed[T]:
    """`front`, then so many computed items, then `back`."""

    def item(number: int) -> T:
        if number < len(front):
            return front[number]
        number -= len(front)
        return middle(number) if number < count else back[number - count]

    return Computed(len(front) + count + len(back), item)
