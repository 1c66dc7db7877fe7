"""What a log line means: platform messages, metrics, progress, tokens. The rest is text.

A line is whatever a trainer printed, so nothing here raises, and what is not understood stays text. The
formats are those of real logs: the platform's own messages, Hugging Face's and ms-swift's metric dicts,
tqdm's progress bars, and the forms in which these get glued together.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final, Literal

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.reading.forms.dicts import (
    dicts_in,
    flat,
    may_hold_metrics,
    numbers,
)
from dashscope_ftlogs.reading.forms.json_in_json import inner
from dashscope_ftlogs.reading.forms.key_number_lines import glance, key_numbers
from dashscope_ftlogs.reading.forms.names import is_point, only_of_evaluation
from dashscope_ftlogs.reading.forms.progress_bars import (
    ProgressBar,
    described_values,
    epoch_of,
    is_of_evaluation,
    next_bar,
    postfix_values,
    whole,
)
from dashscope_ftlogs.reading.forms.stamps import LOGGED, time_in
from dashscope_ftlogs.reading.metrics_in_line import MetricValues
from dashscope_ftlogs.reading.redrawn_lines import redrawn, without_escapes

__all__ = [
    "STEP_NAMES",
    "STEP_OF_ALL",
    "TOTAL_NAMES",
    "Beside",
    "Message",
    "Metrics",
    "MetricsKind",
    "ProgressBar",
    "Record",
    "Text",
    "Tokens",
    "Traceback",
    "last_line",
    "last_record",
    "led_to",
    "parse_line",
    "records",
    "said_beside",
    "step_of_all",
    "whole",
]

MetricsKind = Literal["train", "eval", "final"]

STEP_NAMES: Final = ("global_step", "current_steps", "step", "iteration", "iter")
"""Under which a dict may tell its step: the first that it has counts."""
TOTAL_NAMES: Final = ("total_steps", "max_steps")
STEP_OF_ALL: Final = "global_step/max_steps"
"""Where both stand in one text, such as `3/9`."""


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
    again: Literal["", "history", "summary"] = ""
    """Where it may repeat what was told before: in a history of all points, or a summary at the end."""
    drawn: bool = False
    """It stood behind a bar, which is drawn again and again."""


_NOTHING_BESIDE: Final = Beside()


@attrs.frozen
class Metrics:
    """What a line tells of one point on a curve, or the summary at the end."""

    values: MetricValues = attrs.field(hash=False)
    """Its entries by their own names; text that is no number stays text."""
    raw: str
    bar: ProgressBar | None = None
    """The progress bar that it is glued to."""
    _beside: Beside = attrs.field(default=_NOTHING_BESIDE, repr=False)

    @property
    def kind(self) -> MetricsKind:
        """`final` with `train_runtime`, `eval` with any `eval_` key, or if it says so, else `train`."""
        if self._beside.kind is not None:
            return self._beside.kind
        if "train_runtime" in self.values:
            return "final"
        # One search through all names is several times as fast as one look at each.
        if "\0eval_" in "\0" + "\0".join(self.values):
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
        epoch = self.values.get("epoch")
        return epoch if isinstance(epoch, float) else self._beside.epoch

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

_FRACTIONS: Final = ("iteration", "global_step", "step")
_LEVELS: Final = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
_PLATFORM: Final = re.compile(
    rf"(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d{{3}}) - ({_LEVELS}) - (.*)", re.DOTALL
)
_FRAMEWORKS: Final = (
    # [INFO|modeling_utils.py:4280] 2024-06-02 02:15:48,409 >> text
    re.compile(
        rf"\[(?P<level>{_LEVELS})\|[^\]]*\] ?(?P<time>[\d-]+ [\d:,]+)? ?(?:>> ?)?(?P<text>.*)", re.DOTALL
    ),
    # [2025-02-16 15:49:19,815] [INFO] [real_accelerator.py:203:get_accelerator] text
    re.compile(rf"\[(?P<time>[\d-]+ [\d:,]+)\] \[(?P<level>{_LEVELS})\] (?P<text>.*)", re.DOTALL),
    # 07/15/2023 04:57:25 - WARNING - module - text; and with the logger's name before the level
    re.compile(
        rf"(?P<time>[\d/-]+ [\d:,]+) - (?:[^ ]+ - )?(?P<level>{_LEVELS}) - (?P<text>.*)", re.DOTALL
    ),
    # [INFO:swift] text
    re.compile(rf"\[(?P<level>{_LEVELS}):[^\]]*\] ?(?P<text>.*)", re.DOTALL),
)
_PHASES: Final = (
    ("data download succeeded", "download"),
    ("data pre-process succeeded", "pre-process"),
    ("data process succeeded", "pre-process"),
    ("fine-tuned output got", "fine-tune"),
    ("transfer for inference succeeded", "transfer"),
    ("start to save checkpoint", "deliver"),
    ("finetune-job ", "end"),
    ("##FT_COMPLETE##", "complete"),
    ("training usage ", "usage"),
)
_STEP_BEFORE: Final = re.compile(
    r"(?<![A-Za-z])(?:steps?|iter|iteration|global_step)[\s\]:=#\[(]{0,4}(\d{1,18})"
    r"(?: ?/ ?(\d{1,18}))?"
    r"[\s\]):,|>-]{0,6}(?:metrics|logs|train|loss)?[\s:=]{0,3}$",
    re.IGNORECASE,
)
"""The step, as the last that is said before a dict."""
_NEAR: Final = 80
_FAR: Final = 400
_TOKENS: Final = re.compile(r"(?:number of consumed tokens is|training usage) (\d{1,18})")


def parse_line(line: str) -> tuple[Record, ...]:
    r"""Return what a line holds, in order; nothing for a blank one.

    A line can hold many parts: redraws of a progress bar, and a metric dict glued to the last of them.
    Takes time linear in its length, and never raises for a string.

    >>> parse_line("{'loss': 1.5, 'epoch': 0.3}")[0].values["loss"]
    1.5
    >>> [type(record).__name__ for record in parse_line(" 10%|█ | 1/10 [00:01<00:09,  1.0s/it]\rdone")]
    ['ProgressBar', 'Text']
    """
    found = records(line)
    return found if isinstance(found, tuple) else tuple(found)


def records(line: str) -> tuple[Record, ...] | Iterator[Record]:
    """Return the same, one by one: a line can hold tens of thousands."""
    if type(line) is not str:  # in no time, unlike the check itself
        checks.kind_of("line", line, str)
    if line[:1] == "{":
        values = numbers(line)  # what most such lines are, in the shortest time
        if values is not None and "loss" in values:
            return (Metrics(values, line),)
        values = flat(line)
        if values is not None and is_point(values):
            return (Metrics(values, line),)
    return _records(line)


def _records(line: str, time: int | None = None) -> Iterator[Record]:
    if "\r" not in line and "\n" not in line:
        return _part(line, time)
    return chain.from_iterable(_part(part, time) for part in redrawn(line))


def last_record(line: str) -> Record | None:
    """Return the last of what a line holds, without looking at all the rest; None for a blank one."""
    for part in reversed(redrawn(line)):
        if found := list(_part(part, None)):
            return found[-1]
    return None


def _part(raw: str, time: int | None) -> Iterator[Record]:
    """Yield what a part without line ends holds, which was written at that time, if that is known."""
    text = without_escapes(raw)
    if text.lstrip()[:1] in {"{", '"'} and '"' in text and (within := inner(text)) is not None:
        said, told = within
        yield from _records(said, time if told is None else told)
        return
    begin = 0
    if "{" in text and may_hold_metrics(text):
        history = text.find("log_history")
        for start, end, values in dicts_in(text):
            bar = None
            for one in _between_dicts(text[begin:start], time):
                yield one
                # What a logger puts before a dict parts it from no bar.
                if not (isinstance(one, Message) and one.raw.endswith(">>")):
                    bar = one
            beside = _before_dict(text, begin, start, time, again=0 <= history < start)
            yield Metrics(values, text[start:end], bar if isinstance(bar, ProgressBar) else None, beside)
            begin = end
    yield from _between_dicts(text[begin:] if begin else text, time)


def _before_dict(text: str, begin: int, start: int, time: int | None, *, again: bool) -> Beside:
    """Return what stands before a dict that begins at `start`, behind the one that ended at `begin`."""
    if not start and time is None:
        return _NOTHING_BESIDE
    step = _STEP_BEFORE.search(text, max(begin, start - _NEAR), start)
    return Beside(
        step=None if step is None else whole(step[1]),
        total_steps=None if step is None else whole(step[2]),
        time=time_in(text[: min(start, _FAR)]) if time is None else time,
        logged=LOGGED.search(text, begin, min(start, begin + _FAR)) is not None,
        again="history" if again else "",
    )


def _between_dicts(text: str, time: int | None) -> Iterator[Record]:
    """Yield what text without a metric dict holds."""
    at = 0
    while "%" in text and (found := next_bar(text, at)) is not None:
        bar, at, postfix = found
        yield bar
        behind = postfix_values(bar, postfix) if postfix else described_values(bar)
        if behind is not None:
            kind: MetricsKind = (
                "eval" if is_of_evaluation(bar) or only_of_evaluation(behind) else "train"
            )
            when = time_in(bar.description) if time is None else time
            step, total = whole(bar.done), whole(bar.total)
            beside = Beside(step, total, epoch_of(bar), kind=kind, time=when, drawn=True)
            yield Metrics(behind, bar.raw, bar, beside)
    raw = text[at:].rstrip()
    if not raw:
        return
    text = raw.lstrip()
    tokens = _TOKENS.search(text) if "tokens is" in text or "training usage" in text else None
    message = _message(text, raw) if text[0].isdigit() or text[0] == "[" else None
    if message is not None:
        yield message
    if tokens is not None:
        yield Tokens(int(tokens[1]), raw)
    elif glance(text) and (told := key_numbers(text)) is not None:
        when = time_in(text) if time is None else time
        kind = "eval" if told.of_evaluation else "train"
        yield Metrics(
            told.values, raw, None, Beside(told.step, told.total_steps, told.epoch, kind, when)
        )
    elif message is None:
        yield Text(raw)


def _message(text: str, raw: str) -> Message | None:
    platform = _PLATFORM.match(text)
    if platform is not None:
        time, level, said = platform.groups()
        phase = next((phase for words, phase in _PHASES if said.startswith(words)), None)
        return Message(said, level, time, phase, raw)
    for form in _FRAMEWORKS:
        if found := form.match(text):
            time = found.groupdict().get("time")
            return Message(found["text"], found["level"], time, None, raw)
    return None
