"""Progress bars as tqdm draws them, with the numbers that a trainer writes behind them."""

import re
from typing import Final

import attrs

from dashscope_ftlogs.reading.forms.key_number_lines import key_numbers
from dashscope_ftlogs.reading.forms.names import NOT_DENIED, is_loss_or_reward, is_one_name
from dashscope_ftlogs.reading.forms.names import is_of_evaluation as is_named_so
from dashscope_ftlogs.reading.forms.numbers import FACTOR, PLAIN, number
from dashscope_ftlogs.reading.forms.plain_words import glance
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

_TOO_LARGE: Final = 2**63
_PERCENT: Final = re.compile(r"(\d{1,3})%(?=\|| +\d)")
_COUNTS: Final = re.compile(
    r"%(?:\|(?:[^|]*\|)?)? *(\d[\d.]*)([kMGT]?)/(\d[\d.]*)([kMGT]?)"
    r" \[([\d:]+)<([\d:?]+|\d+ days?, [\d:]+)(?:, *([\d.]+|\?) ?([^\]]*)|, *([A-Za-z_][^\]]*))\]?"
)
_FACTORS: Final = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_PAIR: Final = re.compile(
    r" *([A-Za-z_][\w/.@ ()-]{0,80}?)[=: ] ?"
    rf"([-+]?(?!0[xXoObB])(?:\d+(?:_\d+)+(?:\.\d*)?(?:[eE][-+]?\d+)?|{PLAIN}{FACTOR}|nan|inf))"
    r"(?:%|(?![eE](?:,|$))[A-Za-z]{1,4})?(?=, |,?$)"
)
_OF_TRAINING: Final = re.compile(
    r"(?:^|[^a-z])(?:train|training|epochs?|steps?|iter|iters|iterations?|batch|sft|dpo|ppo|grpo|rl|pretrain)"
    r"(?:[^a-z]|$)",
    re.IGNORECASE,
)
_OF_EVALUATION: Final = re.compile(
    rf"(?:^|[^a-z]){NOT_DENIED}(?:eval\w*|val(?![a-z])|valid\w*|sanity|predict\w*"
    r"|test\w*+(?![ _-](?:time|lr|learning)(?![a-z])))",
    re.IGNORECASE,
)
"""A training at the time of a test, or that looks for a learning rate, is one."""
_OF_FILES: Final = re.compile(
    r"(?:^|[^a-z])(?:(?:down)?load(?:ing)?|map|filter|tokeniz\w+|fetching|saving)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_EPOCH: Final = re.compile(r"(?:^|[^a-z])epochs?[ :=#(\[]{0,3}(\d{1,9})(?!\d|\.\d)", re.IGNORECASE)
_DESCRIBED: Final = re.compile(
    r"(?:^|\|)([A-Za-z_][\w/]{0,40})[:=] ?"
    rf"([-+]?{PLAIN}{FACTOR}|nan|inf)(?=\||$)"
)
_VALUE: Final = re.compile(rf"(?<!\w)[-+]?(?:{PLAIN}|nan|inf)(?!\w)", re.IGNORECASE)
RATES: Final = ("/s, ", "s/it, ", "s/step, ", "s/batch, ")
"""What a bar's rate ends with, where more stands behind it."""
PLAIN_RATES: Final = ("it/s]", "s/it]")
"""What a bar ends with that says nothing but how far it has come."""
_PLAIN: Final = re.compile(
    r" *+\d{1,3}%\|[^|]*+\| *+(\d{1,15})/(\d{1,15}) "
    r"\[(?:(\d{1,9}):)?(\d{1,9}):(\d{1,9})<[\d:?]++, *+[\d.?]++(?:it/s|s/it)\]"
)
_LONGEST: Final = 2000
"""Characters behind a bar, or before it, that are looked at."""


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


@attrs.define
class Count:
    """What a bar of training says of how far that has come."""

    step: int | None
    total: float | None
    elapsed: float | None
    """Seconds."""
    anew: bool = attrs.field(default=False, repr=False)
    """A run begun again has come to the step of the point before."""


def begins_anew(bar: ProgressBar, before: "Count | ProgressBar") -> bool:
    """Whether a bar is the first of a run that begins again at an earlier step than one before it.

    >>> begins_anew(ProgressBar(5, "", 5, 100, 0.0), Count(10, 100, 20.0))
    True
    """
    if bar.remaining is not None or bar.step is None or before.step is None:
        return False
    return bar.step < before.step and bar.total == before.total


def plain_count(text: str) -> Count | None:
    """Return what a bar of training counts that is all that a text holds, in the shortest time.

    >>> plain_count("  3%|3  | 10/375 [02:09<1:13:19, 12.05s/it]")
    Count(step=10, total=375.0, elapsed=129.0)
    """
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    step, total, hours, minutes, last = found.groups()
    elapsed = int(minutes) * 60 + int(last)
    return Count(int(step), float(total), float(elapsed + int(hours) * 3600 if hours else elapsed))


def next_bar(text: str, begin: int) -> tuple[ProgressBar, int, str] | None:
    """Return the next bar, where it ends, and what stands behind its rate; before it is its description.

    >>> next_bar("SFT:  3%|3  | 10/375 [02:09<1:13:19, 12.05s/it, loss=6.05]", 0)[1:]
    (58, 'loss=6.05')
    """
    percent = _PERCENT.search(text, begin)
    if percent is None:
        return None
    description = text[begin : percent.start()].strip().removesuffix(":")
    counts = _COUNTS.match(text, percent.end() - 1)
    if counts is None:
        # Cut short by the edge of a terminal.
        bar = ProgressBar(int(percent[1]), description, raw=text[begin:].rstrip())
        return (bar, len(text), "") if text.startswith("|", percent.end()) else None
    done, done_unit, total, total_unit, elapsed, remaining, rate, behind, unrated = counts.groups()
    unit, _, postfix = (behind or "").partition(",")
    bar = ProgressBar(
        int(percent[1]),
        description,
        _number(done, done_unit),
        _number(total, total_unit),
        seconds(elapsed),
        seconds(remaining),
        _number(rate or "?"),
        unit.strip(),
        text[begin : counts.end()].rstrip(),
    )
    return bar, counts.end(), _behind(f"{unit}, ", postfix, unrated or "")


def _behind(rate: str, postfix: str, unrated: str) -> str:
    if "=" in unrated:
        return unrated
    return postfix.strip() if postfix.startswith(" ") and any(end in rate for end in RATES) else ""


def postfix_values(bar: ProgressBar, postfix: str, *, measured: bool = False) -> MetricValues | None:
    """Return the numbers behind a bar if it is one of training or evaluation, and has come to a step.

    They need not be called a loss where the bar says that it is one of training, or has one before it
    (`measured`): there are too many names.

    >>> bar = ProgressBar(3, "SFT", 10, 375)
    >>> postfix_values(bar, "loss 6.05, lr=1e-5"), postfix_values(bar, "v_num=abc")
    ({'loss': 6.05, 'lr': 1e-05}, None)
    """
    if not postfix or not whole(bar.done) or len(postfix) > _LONGEST:
        return None
    values: dict[str, float | str] = {}
    for part in postfix.split(", "):
        pair = _PAIR.match(part)
        if pair is None or not is_one_name(pair[1]):
            continue
        if (value := number(pair[2], pair[1], postfix)) is not None:
            values[pair[1].strip()] = value
    if any(map(is_loss_or_reward, values)):
        return values
    if (told := _as_in_a_line(postfix)) is not None:
        return told
    measured = measured or _OF_TRAINING.search(bar.description[-_LONGEST:]) is not None
    return values if values and measured else None


def bar_values(bar: ProgressBar, described: MetricValues | None, postfix: str) -> MetricValues | None:
    """Return the numbers that a bar tells, before it and behind it; None if it tells no point."""
    behind = postfix_values(bar, postfix, measured=bool(described))
    told = {**(described or {}), **(behind or {})}
    return told if told and _OF_FILES.search(bar.description[-_LONGEST:]) is None else None


def drawn_as(bar: ProgressBar, described: MetricValues | None) -> str:
    """Return what all drawings of a bar of evaluation have in common.

    >>> bars = [ProgressBar(50, said, 1, 2) for said in ("Val loss 2.5", "Val set 2")]
    >>> [drawn_as(bar, described_values(bar)) for bar in bars]
    ['Val loss  2', 'Val set 2 2']
    """
    said = bar.description if described is None else _VALUE.sub("", bar.description)
    return f"{said} {bar.total}"


def is_of_evaluation(bar: ProgressBar, described: MetricValues | None) -> bool:
    """Whether a bar says that it counts the batches of an evaluation.

    >>> all_said = ("Val loss 2", "Loss 3, val loss 2", "Train (no eval)")
    >>> bars = [ProgressBar(1, said, 1) for said in all_said]
    >>> [is_of_evaluation(bar, described_values(bar)) for bar in bars]
    [True, False, False]
    """
    if _OF_EVALUATION.search(bar.description[-_LONGEST:]) is None:
        return False
    losses = filter(is_loss_or_reward, described or ())
    return len({is_named_so(name) for name in losses}) < 2  # of a bar of training that tells both


def described_values(bar: ProgressBar) -> MetricValues | None:
    """Return the loss that a training bar is described by, where it has come to a step.

    >>> [described_values(ProgressBar(0, said, 1, 25880)) for said in ("1|1|Loss: 2.1051", "loss")]
    [{'Loss': 2.1051}, None]
    """
    text = bar.description[-_LONGEST:]
    if not glance(text) or not whole(bar.done):
        return None
    told = {found[1]: number(found[2], found[1], text) for found in _DESCRIBED.finditer(text)}
    values = {name: value for name, value in told.items() if value is not None}
    return values if any(map(is_loss_or_reward, values)) else _as_in_a_line(text)


def _as_in_a_line(text: str) -> MetricValues | None:
    """Return what a line of nothing but names and numbers would say: bars are told as much by hand.

    >>> _as_in_a_line("Epoch 2 train loss 2.5 | acc: 50%"), _as_in_a_line("came to a loss of 2.5")
    ({'train loss': 2.5, 'acc': 50.0}, None)
    """
    told = key_numbers(text, epoch=0.0) if glance(text) else None
    if told is None:
        return None
    return told.values if told.step is None else {**told.values, "step": float(told.step)}


def epoch_of(bar: ProgressBar) -> float | None:
    """Return the epoch that a bar's description tells; None if it tells none.

    >>> epoch_of(ProgressBar(3, "Train epoch [2/3]")), epoch_of(ProgressBar(3, "Epochs"))
    (2.0, None)
    """
    found = _EPOCH.search(bar.description[-_LONGEST:])
    return None if found is None else float(found[1])


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


def _number(text: str, unit: str = "") -> float | None:
    try:
        return float(text) * _FACTORS[unit]
    except ValueError:
        return None


def seconds(text: str) -> float | None:
    """Return the seconds of `1:02:03` or `2 days, 1:02:03`; None for `?`.

    >>> seconds("1:02:03"), seconds("2 days, 0:00:01"), seconds("?")
    (3723.0, 172801.0, None)
    """
    days, total = 0, 0
    try:
        if "," in text:
            before, _, text = text.partition(", ")
            days = int(before.split()[0])
        for part in text.split(":"):
            total = total * 60 + int(part)
        return days * 86400.0 + total
    except (OverflowError, ValueError):
        return None
