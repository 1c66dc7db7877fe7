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
from dashscope_ftlogs.reading.metrics_in_line import (
    DECODE_ERRORS,
    MetricValues,
    decode_numbers,
    flat_dicts,
    is_metrics,
    metrics_in,
)

MetricsKind = Literal["train", "eval", "final"]


@attrs.frozen
class Metrics:
    """One metric dict: a point on a curve, or the summary at the end."""

    values: MetricValues = attrs.field(hash=False)
    """Its entries by their own names; text that is no number stays text."""
    raw: str
    bar: "ProgressBar | None" = None
    """The progress bar that it is glued to."""

    @property
    def kind(self) -> MetricsKind:
        """`final` with `train_runtime`, `eval` with any `eval_` key, else `train`."""
        if "train_runtime" in self.values:
            return "final"
        # One search through all names is several times as fast as one look at each.
        return "eval" if "\0eval_" in "\0" + "\0".join(self.values) else "train"

    @property
    def step(self) -> int | None:
        """The step that it is from, only if it says so itself or the bar that it is glued to does."""
        if (own := self.own_step) is not None:
            return own
        return None if self.bar is None else self.bar.step

    @property
    def total_steps(self) -> int | None:
        """How many steps there will be, from where `step` is from."""
        if _STEPS in self.values:
            return whole(str(self.values[_STEPS]).rpartition("/")[2])
        own = self._firstwhole("total_steps", "max_steps")
        if own is None and self.own_step is None and self.bar is not None and self.bar.is_training:
            return whole(self.bar.total)
        return own

    @property
    def own_step(self) -> int | None:
        """The step that it says itself that it is from."""
        if _STEPS in self.values:
            return whole(str(self.values[_STEPS]).partition("/")[0])
        return self._firstwhole("global_step", "current_steps", "step")

    @property
    def epoch(self) -> float | None:
        """As printed: often rounded to two decimals, so not unique."""
        epoch = self.values.get("epoch")
        return epoch if isinstance(epoch, float) else None

    def _firstwhole(self, *keys: str) -> int | None:
        for key in keys:
            if key in self.values:
                return whole(self.values[key])
        return None


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
class ProgressBar:
    """A progress bar as it was drawn once; numbers that are cut off are None."""

    percent: int
    description: str = ""
    done: float | None = None
    total: float | None = None
    elapsed: float | None = None
    """Seconds."""
    remaining: float | None = None
    """Seconds."""
    rate: float | None = None
    unit: str = ""
    """Of the rate, such as `it/s` or `s/it`."""
    raw: str = ""

    @property
    def is_training(self) -> bool:
        """Whether it counts training steps; bars of evaluation and loading have descriptions."""
        return self.description in {"", "Train"}

    @property
    def step(self) -> int | None:
        """The step that training has come to, if that is what it counts."""
        return whole(self.done) if self.is_training else None


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


@attrs.frozen
class Text:
    """Anything else."""

    raw: str


Record = Metrics | Message | ProgressBar | Tokens | Traceback | Text

_TOO_LARGE: Final = 2**63
_STEPS: Final = "global_step/max_steps"
_ESCAPES: Final = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|\x00")
_LINE_ENDS: Final = re.compile("[\r\n]+")
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
_TOKENS: Final = re.compile(r"(?:number of consumed tokens is|training usage) (\d{1,18})")
_PERCENT: Final = re.compile(r"(\d{1,3})%(?=\|| +\d)")
_COUNTS: Final = re.compile(
    r"%(?:\|[^|]*\|)? *(\d[\d.]*)([kMGT]?)/(\d[\d.]*)([kMGT]?)"
    r" \[([\d:]+)<([\d:?]+|\d+ days?, [\d:]+), *([\d.]+|\?) ?([^\]]*)\]?"
)
_FACTORS: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


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
        try:  # what most such lines are, in the shortest time
            values = decode_numbers(line.replace("'", '"'))
        except DECODE_ERRORS:
            pass
        else:
            if "loss" in values or is_metrics(values):
                return (Metrics(values, line),)
    if "\r" not in line and "\n" not in line:
        return _part(line)
    # Not by a pattern, which would hold up all other threads for as long as it takes.
    return chain.from_iterable(map(_part, line.replace("\n", "\r").split("\r")))


def parts(line: str) -> list[str]:
    r"""Return what a terminal would have shown one after the other, less what only moves its cursor.

    >>> parts("10%\r\x1b[1m20%\x1b[0m\nend")
    ['10%', '20%', 'end']
    """
    return _LINE_ENDS.split(_without_escapes(line))


def _without_escapes(raw: str) -> str:
    return _ESCAPES.sub("", raw) if "\x1b" in raw or "\x00" in raw else raw


def _part(raw: str) -> Iterator[Record]:
    """Yield what a part without line ends holds."""
    text = _without_escapes(raw)
    begin = 0
    if "{" in text:
        for start, end in flat_dicts(text):
            values = metrics_in(text[start:end])
            if values is not None:
                bar = None
                for bar in _between_dicts(text[begin:start]):
                    yield bar
                yield Metrics(values, text[start:end], bar if isinstance(bar, ProgressBar) else None)
                begin = end
    yield from _between_dicts(text[begin:] if begin else text)


def _between_dicts(text: str) -> Iterator[Record]:
    """Yield what text without a metric dict holds."""
    at = 0
    while "%" in text and (found := _progress(text, at)) is not None:
        bar, at = found
        yield bar
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
    elif message is None:
        yield Text(raw)


def whole(value: float | str | None) -> int | None:
    """Return a count as an integer; None for what is none, or needs more than 64 bits.

    >>> whole("12"), whole(2.0), whole(""), whole(1e300)
    (12, 2, None, None)
    """
    if value is None:
        return None
    try:
        number = int(value)
    except (OverflowError, ValueError):
        return None
    return number if -_TOO_LARGE < number < _TOO_LARGE else None


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


def _progress(text: str, begin: int) -> tuple[ProgressBar, int] | None:
    """Return the next progress bar, and where it ends; all before it is its description."""
    percent = _PERCENT.search(text, begin)
    if percent is None:
        return None
    description = text[begin : percent.start()].strip().removesuffix(":")
    counts = _COUNTS.match(text, percent.end() - 1)
    if counts is None:
        # Cut short by the edge of a terminal.
        bar = ProgressBar(int(percent[1]), description, raw=text[begin:].rstrip())
        return (bar, len(text)) if text.startswith("|", percent.end()) else None
    done, done_unit, total, total_unit, elapsed, remaining, rate, unit = counts.groups()
    bar = ProgressBar(
        int(percent[1]),
        description,
        _number(done, done_unit),
        _number(total, total_unit),
        _seconds(elapsed),
        _seconds(remaining),
        _number(rate),
        unit.partition(",")[0].strip(),
        text[begin : counts.end()].rstrip(),
    )
    return bar, counts.end()


def _number(text: str, unit: str = "") -> float | None:
    try:
        return float(text) * _FACTORS[unit]
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    """Return the seconds of `1:02:03` or `2 days, 1:02:03`; None for `?`."""
    days, seconds = 0, 0
    try:
        if "," in text:
            before, _, text = text.partition(", ")
            days = int(before.split()[0])
        for part in text.split(":"):
            seconds = seconds * 60 + int(part)
        return days * 86400.0 + seconds
    except (OverflowError, ValueError):
        return None
