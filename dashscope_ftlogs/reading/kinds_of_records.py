"""What records are: of each kind what it holds, and what it says of a point or an error.

`records` finds them in lines.
"""

from typing import Final, Literal

import attrs

from dashscope_ftlogs.reading.forms.entries import evaluation_said
from dashscope_ftlogs.reading.forms.names import (
    EPOCH_NAMES,
    STEP_NAMES,
    STEP_OF_ALL,
    TOTAL_NAMES,
    only_of_evaluation,
)
from dashscope_ftlogs.reading.forms.progress_bars import ProgressBar, whole
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

MetricsKind = Literal["train", "eval", "final"]

_FRACTIONS: Final = ("iteration", "global_step", "step")


@attrs.frozen
class Beside:
    """What a line says of a point beside its values."""

    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    kind: MetricsKind | None = None
    time: int | None = None
    """Milliseconds since 1970 on the clock of the log."""
    logged: bool = False
    """A logger wrote it."""
    quoted: bool = False
    """It stood in a string of JSON."""
    again: Literal["", "history", "summary"] = ""
    """Where it may repeat what was told before: in a history of all points, or a summary at the end."""
    drawn: str = ""
    """Of what it is a drawing, which may be drawn again and again; empty if it is none."""
    done: float | None = None
    """How far an evaluation had come that it is a drawing of."""


NOTHING_BESIDE: Final = Beside()


@attrs.frozen
class Metrics:
    """What a line tells of one point on a curve, or the summary at the end."""

    values: MetricValues = attrs.field(hash=False)
    """Its entries by their own names; text that is no number stays text."""
    raw: str
    bar: ProgressBar | None = None
    """The progress bar that it is glued to."""
    _beside: Beside = attrs.field(default=NOTHING_BESIDE, repr=False)

    @property
    def kind(self) -> MetricsKind:
        """`final` with `train_runtime`, `eval` with any `eval_` key, or if it says so; else `train`."""
        if self._beside.kind is not None:
            return self._beside.kind
        if "train_runtime" in self.values:
            return "final"
        # One search through all names is several times as fast as one look at each.
        if "\0eval_" in "\0" + "\0".join(self.values) or evaluation_said(self.values):
            return "eval"
        return "eval" if "loss" not in self.values and only_of_evaluation(self.values) else "train"

    @property
    def step(self) -> int | None:
        """The step that it is from, only if it says so itself or the bar that it is glued to does."""
        if (own := self.own_step) is not None:
            return own
        return None if self.bar is None else self.bar.step

    @property
    def total_steps(self) -> int | None:
        """How many steps there will be, from where `step` is from."""
        if (of_all := self._of_all()) is not None:
            return step_of_all(of_all)[1]
        own = self._firstwhole(*TOTAL_NAMES)
        own = self._beside.total_steps if own is None else own
        if own is None and self.own_step is None and self.bar is not None and self.bar.is_training:
            return whole(self.bar.total)
        return own

    @property
    def own_step(self) -> int | None:
        """The step that it says itself that it is from."""
        if (of_all := self._of_all()) is not None:
            return step_of_all(of_all)[0]
        own = self._firstwhole(*STEP_NAMES)
        return self._beside.step if own is None else own

    def _of_all(self) -> str | None:
        """Return a step with how many there will be, such as `5/100`."""
        if STEP_OF_ALL in self.values:
            return str(self.values[STEP_OF_ALL])
        for key in _FRACTIONS:
            if type(told := self.values.get(key)) is str and "/" in told:
                return told
        return None

    @property
    def epoch(self) -> float | None:
        """As printed: often rounded to two decimals, so not unique."""
        epochs = (self.values.get(name) for name in EPOCH_NAMES)
        told = next((epoch for epoch in epochs if isinstance(epoch, float)), None)
        return self._beside.epoch if told is None else told

    def _firstwhole(self, *keys: str) -> int | None:
        for key in keys:
            if key in self.values:
                return whole(self.values[key])
        return None


def step_of_all(text: str) -> tuple[int | None, int | None]:
    """Return a step, and how many there will be, of a text such as `3/9`."""
    step, _, total = text.partition("/")
    return whole(step), whole(total)


def said_beside(metrics: Metrics) -> Beside:
    """Return what a line says of a point beside its values."""
    # Its own module may; users have the properties.
    return metrics._beside  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def quoted(metrics: Metrics) -> Metrics:
    """Return metrics as they stand in a string."""
    return attrs.evolve(metrics, beside=attrs.evolve(said_beside(metrics), quoted=True))


@attrs.frozen
class Message:
    """A line of a logger: the platform's own, or a framework's."""

    text: str
    level: str
    """`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."""
    time: str | None = None
    """As printed, without a time zone."""
    phase: str | None = None
    """What the platform has come to with it, such as `fine-tune`; None for a framework's message."""
    raw: str = ""


@attrs.frozen
class Tokens:
    """How many tokens were consumed so far; the largest is the total."""

    count: int
    raw: str = ""


@attrs.frozen
class Traceback:
    """An error as Python prints it, with those that led to it; found by `parse_lines` only."""

    error: str
    """The line that says what went wrong, such as `OSError: disk full`; empty if it never came."""
    raw: str
    _last: int | None = attrs.field(default=None, repr=False, eq=False)
    """The line of the log with the last of it: those of other programs may stand between."""
    _led_to_it: tuple[str, ...] = attrs.field(default=(), repr=False, eq=False)
    """The errors that were handled when it was raised, in order."""


def last_line(number: int, traceback: Traceback) -> int:
    """Return the line of the log with the last of a traceback that began in line `number`."""
    last = traceback._last  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return number + traceback.raw.count("\n") if last is None else last


def led_to(traceback: Traceback) -> tuple[str, ...]:
    """Return the errors that a chained traceback tells before its last one."""
    return traceback._led_to_it  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


@attrs.frozen
class Text:
    """Anything else."""

    raw: str


Record = Metrics | Message | ProgressBar | Tokens | Traceback | Text
