"""Numbers below a heading that tells the step, each in a line of its own.

`===== Step 3/90 =====` or `[batch=3/90]:`, and somewhere below it lines such as `• Loss: 0.5`. What
stands between does not matter, but for a title that says that it is an evaluation: each run of lines
with a loss or a reward among them is a point. `Epoch 1/5` tells the epoch, of whatever counts steps
within it, and of lines of nothing but names and numbers.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal

import attrs

from dashscope_ftlogs.reading.forms.entries import named_after
from dashscope_ftlogs.reading.forms.key_number_lines import key_numbers
from dashscope_ftlogs.reading.forms.names import (
    is_loss_or_reward,
    is_of_evaluation,
    is_one_name,
)
from dashscope_ftlogs.reading.forms.numbers import FACTOR, PLAIN, number
from dashscope_ftlogs.reading.forms.over_lines import OverLines
from dashscope_ftlogs.reading.forms.plain_words import glance
from dashscope_ftlogs.reading.forms.stamps import message_at, time_in

WORDS: Final = ("= Step ", "[batch=", "[step=")
"""Of which each heading has one."""
_HEADING: Final = re.compile(
    r"(?:={3,60} Step (?P<a>\d{1,18})(?:/(?P<b>\d{1,18}))? ={3,60}"
    r"|\[(?:batch|step)=(?P<c>\d{1,18})(?:/(?P<d>\d{1,18}))?(?:,epoch=(?P<e>\d{1,9}))?\]:?)$"
)
_ENTRY: Final = re.compile(
    r"(?:[\u2022*-]\s{1,3})?([A-Za-z_][\w/@.()%+ -]{0,80})[:=]\s{0,20}"
    rf"([-+]?(?:{PLAIN}{FACTOR}|nan|inf))"
    r"(?:\s?(?!e\b)[A-Za-z/%]{1,12})?(?:\s?\([^()]{0,20}\))?$",
    re.IGNORECASE,
)
EPOCH_ALONE: Final = re.compile(r'Epoch \d{1,9}/\d{1,9}:?(?:\\n",?)?[^\S\n]*+(?:\n|$)')
"""A line's end that may be that of a heading which tells the epoch, within JSON as well."""
_EPOCH: Final = re.compile(r"Epoch (\d{1,9})/(\d{1,9}):?")
_PERPLEXITY: Final = re.compile(r"\*{5} (Evaluating) [\w ]{1,40}, Epoch (\d{1,9})/\d{1,9} \*{5}")
"""DeepSpeed's title of one line."""
_TOOK: Final = re.compile(r"(?:\d{1,9}m?s(?:/\w{1,20})?(?: -)? ){1,4}")
_OF_OTHERS: Final = re.compile(
    r"\b(?:best|lowest|smallest|min(?:imum)?|final|previous|last|initial|target|saved?)\b|(?:\S+ ){3}",
    re.IGNORECASE,
)
"""What a number is called that is not of this epoch, or a sentence."""
_FAR: Final = 200
"""Characters before a heading; texts below it; and entries of a run."""


class UnderHeadings:
    """Takes the texts of a log in turn.

    >>> headings = UnderHeadings()
    >>> texts = ("=== Step 3/90 ===", "Results:", "  • Loss: 0.5", "  • Time: 4.2s (10%)", "Timing:")
    >>> [(one.step, one.values) for text in texts for one in headings.read(text)]
    [(3, {'Loss': 0.5, 'Time': 4.2})]
    """

    def __init__(self) -> None:
        self._head: OverLines | None = None
        self._values: dict[str, float | str] = {}
        self._evaluation = ""
        """The last title, if it says that what follows is of one."""
        self._read = 0

    @property
    def idle(self) -> bool:
        """Whether there was no heading, or too long ago."""
        return self._head is None

    def forget(self) -> None:
        """Give up what has begun."""
        self._head = None
        self._values = {}

    def read(self, text: str) -> Iterator[OverLines]:
        """Take the next text, and yield the run that ended before it."""
        if self._head is None and not any(word in text for word in WORDS):
            return
        said = text[message_at(text) :].strip()
        heading = _HEADING.search(said, max(0, len(said) - _FAR))
        if heading is None and self._head is not None and self._takes(said):
            return
        yield from self.end()
        if heading is not None:
            step, total, epoch = heading["a"] or heading["c"], heading["b"] or heading["d"], heading["e"]
            self._head = OverLines(
                {},
                time_in(text),
                int(step),
                float(epoch) if epoch else None,
                total_steps=int(total) if total else None,
            )
            self._read, self._evaluation = 0, ""
        else:
            self._evaluation = said if is_of_evaluation(said) else ""

    def _takes(self, said: str) -> bool:
        """Whether a text is one more entry."""
        self._read += 1
        if self._read > _FAR:
            self.forget()
        entry = _ENTRY.match(said) if len(said) <= _FAR and self._head is not None else None
        if entry is not None:
            value = number(entry[2], entry[1], said)
            if value is not None and is_one_name(entry[1]):
                self._values[entry[1].strip()] = value
        return entry is not None

    def end(self) -> Iterator[OverLines]:
        """Yield the run that was begun, since something else follows."""
        values, self._values = self._values, {}
        if self._head is not None and any(map(is_loss_or_reward, values)):
            if self._evaluation:
                named = named_after(self._evaluation, values)
                yield attrs.evolve(self._head, values=named, kind="eval")
            else:
                yield attrs.evolve(self._head, values=values)


class UnderEpochs:
    """Takes the texts of a log in turn, and knows the epoch that the last heading told.

    >>> epochs = UnderEpochs()
    >>> texts = ("Epoch 1/5", "----------", "train Loss: 0.5 Acc: 0.75", "Best loss: 0.25")
    >>> [(one.epoch, one.values) for text in texts for one in epochs.read(text)]
    [(1.0, {'train Loss': 0.5, 'Acc': 0.75})]
    """

    def __init__(self) -> None:
        self.epoch: float | None = None
        self._read = _FAR
        self._evaluated: tuple[str, float] | None = None
        """The evaluation that the text before was a title of, and after which epoch it was."""

    @property
    def idle(self) -> bool:
        """Whether there was no heading, or too long ago for lines that count nothing."""
        return self._read >= _FAR

    def forget(self) -> None:
        """Give up waiting for such lines."""
        self._read = _FAR

    def read(self, text: str) -> Iterator[OverLines]:
        """Take the next text, and yield its point."""
        self._read += 1
        evaluated, self._evaluated = self._evaluated, None
        if "*****" in text and (title := _PERPLEXITY.search(text)) is not None:
            self._evaluated, self._read = (title[1], float(title[2])), min(self._read, _FAR - 1)
        elif "Epoch " in text:
            heading = _EPOCH.fullmatch(text[message_at(text) :].strip())
            if heading is not None and int(heading[1]) <= int(heading[2]):
                self.epoch, self._read = float(heading[1]), 0
        elif self._read <= _FAR and glance(text):
            said = _TOOK.sub("", text[message_at(text) :], 1)
            word, epoch = evaluated or ("", self.epoch)
            told = key_numbers(said, epoch=epoch)
            if told is not None and not any(map(_OF_OTHERS.search, told.values)):
                kind: Literal["eval"] | None = "eval" if told.of_evaluation or word else None
                values = named_after(word, told.values) if word else told.values
                yield OverLines(values, time_in(text), told.step, told.epoch, kind)
