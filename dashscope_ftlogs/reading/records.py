"""What a log line means: platform messages, metrics, progress, tokens. The rest is text.

A line is whatever a trainer printed, so nothing here raises, and what is not understood stays text. The
formats are those of real logs: the platform's own messages, Hugging Face's and ms-swift's metric dicts,
tqdm's progress bars, and the forms in which these get glued together.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.reading.forms.dicts import dicts_in, may_hold_metrics
from dashscope_ftlogs.reading.forms.entries import is_point, named_after, within_evaluation
from dashscope_ftlogs.reading.forms.flat_dicts import flat, numbers
from dashscope_ftlogs.reading.forms.json_in_json import inner
from dashscope_ftlogs.reading.forms.key_number_lines import key_numbers
from dashscope_ftlogs.reading.forms.names import only_of_evaluation
from dashscope_ftlogs.reading.forms.plain_words import counts_itself, glance
from dashscope_ftlogs.reading.forms.progress_bars import (
    ProgressBar,
    bar_values,
    described_values,
    drawn_as,
    epoch_of,
    is_of_evaluation,
    next_bar,
    whole,
)
from dashscope_ftlogs.reading.forms.stamps import LOGGED, time_in
from dashscope_ftlogs.reading.forms.titles import said_before
from dashscope_ftlogs.reading.kinds_of_records import (
    NOTHING_BESIDE,
    Beside,
    Message,
    Metrics,
    MetricsKind,
    Record,
    Text,
    Tokens,
    Traceback,
    last_line,
    led_to,
    quoted,
    said_beside,
    step_of_all,
)
from dashscope_ftlogs.reading.redrawn_lines import redrawn, without_escapes

__all__ = [
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
    "records",
    "said_beside",
    "step_of_all",
    "whole",
]

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
_FAR: Final = 400
_TOKENS: Final = re.compile(r"(?:number of consumed tokens is|training usage) (\d{1,18})")


def records(line: str) -> tuple[Record, ...] | Iterator[Record]:
    """Return what a line holds, in order, one by one: a line can hold tens of thousands."""
    if type(line) is not str:  # in no time, unlike the check itself
        checks.kind_of("line", line, str)
    if line[:1] == "{":
        values = numbers(line)  # what most such lines are, in the shortest time
        if values is not None and "loss" in values:
            return (Metrics(values, line),)
        values = flat(line)
        if values is not None and is_point(values):
            return (Metrics(within_evaluation((), values), line),)
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
        for one in _records(said, time if told is None else told):
            yield quoted(one) if isinstance(one, Metrics) else one
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
            beside, evaluation = _before_dict(
                text, min(begin, start), start, time, again=0 <= history < start
            )
            named = named_after(evaluation, values) if evaluation else values
            yield Metrics(named, text[start:end], bar if isinstance(bar, ProgressBar) else None, beside)
            begin = max(begin, end)
    yield from _between_dicts(text[begin:] if begin else text, time)


def _before_dict(
    text: str, begin: int, start: int, time: int | None, *, again: bool
) -> tuple[Beside, str]:
    """Return what stands before a dict that begins at `start`, behind the one that ended at `begin`.

    And the word there that says that it is of an evaluation, if one does.
    """
    if not start and time is None:
        return NOTHING_BESIDE, ""
    said = said_before(text, begin, start)
    beside = Beside(
        step=said.step,
        total_steps=said.total_steps,
        epoch=said.epoch,
        kind="eval" if said.evaluation else None,
        time=time_in(text[: min(start, _FAR)]) if time is None else time,
        logged=LOGGED.search(text, begin, min(start, begin + _FAR)) is not None,
        again="history" if again else "",
    )
    return beside, said.evaluation


def _between_dicts(text: str, time: int | None) -> Iterator[Record]:
    """Yield what text without a metric dict holds."""
    at = 0
    while "%" in text and (found := next_bar(text, at)) is not None:
        bar, at, postfix = found
        yield bar
        described = described_values(bar)
        if (values := bar_values(bar, described, postfix)) is not None:
            when = time_in(bar.description) if time is None else time
            epoch = epoch_of(bar)
            if is_of_evaluation(bar, described):
                drawn = drawn_as(bar, described)
                beside = Beside(epoch=epoch, kind="eval", time=when, drawn=drawn, done=bar.done)
                values = named_after(bar.description, values)
            else:
                kind: MetricsKind = "eval" if only_of_evaluation(values) else "train"
                beside = Beside(whole(bar.done), whole(bar.total), epoch, kind, when, drawn="bar")
            yield Metrics(values, bar.raw, bar, beside)
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
    elif (glance(text) or counts_itself(text)) and (told := key_numbers(text)) is not None:
        when = time_in(text) if time is None else time
        kind = "eval" if told.of_evaluation else "train"
        drawn = "line" if told.drawn else ""
        beside = Beside(told.step, told.total_steps, told.epoch, kind, when, drawn=drawn)
        yield Metrics(told.values, raw, None, beside)
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
