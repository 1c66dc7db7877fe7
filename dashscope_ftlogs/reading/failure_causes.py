"""Why jobs failed: the error that each failed of, and which of them are alike."""

import re
from collections.abc import Iterable
from typing import Final

import attrs

from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.failure_signs import Weight, cut_off, sign_of, weight_of
from dashscope_ftlogs.reading.line_prefixes import text_of, whose
from dashscope_ftlogs.reading.records import (
    Message,
    Metrics,
    ProgressBar,
    Record,
    Text,
    Tokens,
    Traceback,
    last_line,
)
from dashscope_ftlogs.reading.traceback_block import BEGIN
from dashscope_ftlogs.reading.training_bars import TrainingBars

_LONGEST: Final = 2000
"""Characters of an error. Some trainers print a whole batch into one."""
_TELLING: Final = 120
"""Characters of a normalised error. What it says beyond them, mostly advice, makes it no other error."""
_GOES_ON: Final = 12
"""Lines of a message."""
_MOST: Final = 64
"""Programs whose errors are told apart: more ranks than that seldom say something else."""
# What only tells that something else went wrong, or that somebody stopped it: the service knows more.
_CONSEQUENCES: Final = frozenset({Weight.LAUNCHER, Weight.ABORTED, Weight.STOPPED})
_SUCCESS: Final = "finetune-job succeeded"
_DONE: Final = (
    *("Fine-tune succeeded!", "Training completed", "[INFO:swift] End time of running main"),
    *("`Trainer.fit` stopped: `max_", "[after training is done] datetime", "***** train metrics *****"),
)
"""What trainers and the platform say at the end, and only at a good one, unlike `##FT_COMPLETE##`."""
_HARMLESS: Final = (
    *("Exception ignored in", "--- Logging error ---", "Error in atexit.", "Error in sys.excepthook"),
    "Exception ignored while",
)
_IN_THREAD: Final = (
    "Exception in thread ",
    "Task exception was never retrieved",
    "Exception in callback ",
)
_VARYING: Final = (
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "ID"),
    (re.compile(r"\bft-[0-9]{6,}-[0-9a-z]+\b"), "ID"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "ADDRESS"),
    (re.compile(r"(?<![\w/:])(?:[A-Za-z]:\\|~?/)[^\s'\",;:()\[\]{}<>]+"), "PATH"),
    (re.compile(r"\b(?=[0-9a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,64}\b"), "ID"),
    (re.compile(r"\b[0-9]+(?:\.[0-9]+)? ?[KMGT]i?B\b"), "SIZE"),
    (re.compile(r"(?:(?<!\w)[-+])?[0-9]+(?:[.,][0-9]+)*(?:[eE][-+]?[0-9]+)?"), "N"),
)


@attrs.frozen
class LogError:
    """An error that a log tells."""

    offset: int
    """The number of the line where it, or its traceback, begins."""
    text: str
    """What went wrong, at most 2000 characters of it."""


@attrs.frozen
class Failure:
    """One job that failed, or one log that ends as if its job had."""

    source: str
    error: LogError | None
    """Of which it failed: the one in its log that explains the most, and that it did not go on after."""
    guessed: bool
    """Nothing is known of the job but its log: a job can print errors and succeed."""
    code: str | None = None
    """The service's, as is `message`."""
    message: str | None = None

    @property
    def told(self) -> str:
        """What the service says of it; empty if nothing."""
        return ": ".join(part for part in (self.code, self.message) if part)

    @property
    def text(self) -> str:
        """What is known of why it failed; empty if nothing is."""
        if self.error is None:
            return self.told
        weight = weight_of(self.error.text, Weight.CAUSE)
        if self.told and (weight in _CONSEQUENCES or self.error.text.startswith(BEGIN)):
            return self.told
        return self.error.text


@attrs.frozen
class Cluster:
    """Failures that are alike."""

    text: str
    """What they have in common; see `normalised`."""
    failures: tuple[Failure, ...]


class ErrorReader:
    """Takes the records of one log in turn, and knows why its job failed, if it did.

    What a job went on after, it did not fail of: a metric or an advancing bar leaves behind what was
    told before, the end of training for good. What other programs print between the lines of a traceback
    is from before it. Of what is left, that counts which explains the most; between programs the first,
    since the others died of it; of one program the last that it raised, since it had handled those
    before. A traceback that the log ends in, without its error, counts where all else was only logged.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[Weight, str], _Told] = {}
        self._left: LogError | None = None
        self._left_weight = Weight.LAUNCHER
        self._bars = TrainingBars()
        self._ended = -1
        """Where the last traceback did."""
        self._cut: LogError | None = None
        """The traceback without an error that nothing has followed yet."""
        self._open: _Told | None = None
        self._open_until = -1
        self._words = ""
        """What the line before said, if it was text."""
        self._words_at = -1
        self.succeeded = False
        """The log says of its job that it did."""

    @property
    def cause(self) -> LogError | None:
        """Why its job failed, as far as is known by now; None if in the end nothing says that it did."""
        return self._best()[0]

    @property
    def last(self) -> LogError | None:
        """The same; and of a job that is known to have failed, at least what it went on after."""
        return self.cause or self._left

    @property
    def is_alarmed(self) -> bool:
        """Whether something was told of which the job may have failed: now it matters if it goes on."""
        return bool(self._told) or self._cut is not None

    def read(self, number: int, record: Record) -> bool:
        """Take a record, which began in line `number`; return whether it tells an error."""
        if number >= self._ended:
            self._cut = None
        if isinstance(record, Metrics):
            if record.kind == "final":
                self._end(number)
            elif not self._bars.are_moving or self._bars.anew:
                self.went_on(number)
            return False
        if isinstance(record, ProgressBar):
            after = bool(self._told) and number >= self._ended
            if self._bars.went_on(record, since_error=after):
                self.went_on(number)
            elif self._told and not after:
                self._bars.remember()
            return False
        if isinstance(record, Tokens):
            return False
        if self._is_end(record):
            self._end(number)
            return False
        return self._take(number, record)

    def went_on(self, number: int) -> None:
        """Leave behind what was told before line `number`, where training went on."""
        if not self._told:
            return
        cause, weight = self._best()
        kept = {
            key: left for key, told in self._told.items() if (left := told.after(number)) is not None
        }
        if len(kept) < len(self._told) and cause is not None and cause.offset < number:
            self._left, self._left_weight = cause, weight
        self._told, self._open = kept, None

    def _end(self, number: int) -> None:
        self.went_on(number)
        self._left, self._left_weight = None, Weight.LAUNCHER

    def _is_end(self, record: Message | Traceback | Text) -> bool:
        if isinstance(record, Message) and record.text.startswith(_SUCCESS):
            self.succeeded = True
        # Some carry a logger's name, in others it stands before them.
        said = [text_of(record.raw[:_LONGEST].strip())]
        if isinstance(record, Message):
            said.append(record.text)
        elif said[0].startswith(f"- INFO - {_SUCCESS}"):
            self.succeeded = True
        return any(words.startswith(_DONE) for words in said) or self.succeeded

    def _take(self, number: int, record: Message | Traceback | Text) -> bool:
        sign, last = sign_of(record), number
        if isinstance(record, Traceback):
            last = self._ended = last_line(number, record)
        before = self._words if number <= self._words_at + 1 else ""
        if isinstance(record, Text):
            self._words, self._words_at = text_of(record.raw[:_LONGEST]), number
        if isinstance(record, Traceback) and before.startswith(_HARMLESS):
            return False
        if isinstance(record, Traceback) and not record.error:
            told = cut_off(record)
            self._cut = self._cut or (None if told is None else LogError(number, told[:_LONGEST]))
            return False
        if sign is None or (self._open is not None and self._is_more(number, record)):
            return self._go_on(number, record)
        weight = min(sign.weight, Weight.LOGGED) if before.startswith(_IN_THREAD) else sign.weight
        raised = isinstance(record, Traceback)
        key = (weight, ("raised " if raised else "told ") + whose(record.raw))
        error = LogError(number, sign.text[:_LONGEST])
        if key in self._told:
            self._told[key].add(error, last)
        elif len(self._told) < _MOST:
            self._told[key] = _Told(error, error, number, last)
        else:
            return True
        self._bars.remember()
        self._open = self._told[key] if weight > Weight.LAUNCHER else None
        self._open_until = last + 1
        return True

    def _is_more(self, number: int, record: Record) -> bool:
        """Whether it is the message of the error just before that goes on."""
        if self._open is None or not isinstance(record, Text) or number > self._open_until:
            return False
        text = text_of(record.raw)
        return text[:1].isspace() or self._open.last.text.endswith(":")

    def _go_on(self, number: int, record: Record) -> bool:
        if self._open is None or not self._is_more(number, record):
            self._open = None
            return False
        last = self._open.last
        if last.text.count("\n") >= _GOES_ON:
            return False
        self._open.last = LogError(
            last.offset, f"{last.text}\n{text_of(record.raw).rstrip()}"[:_LONGEST]
        )
        if self._open.first is last:
            self._open.first = self._open.last
        self._open_until = number + 1
        return False

    def _best(self) -> tuple[LogError | None, Weight]:
        most = max((weight for weight, _ in self._told), default=Weight.LAUNCHER)
        if self._cut is not None and most <= Weight.LOGGED:
            return self._cut, Weight.LOGGED
        if not self._told:
            return None, Weight.LAUNCHER
        if most is Weight.LAUNCHER and self._left is not None and self._left_weight >= Weight.DIED:
            return self._left, self._left_weight
        many = any(weight is Weight.LAUNCHER for weight, _ in self._told)
        found = (
            told.last
            if (most is Weight.LOGGED or (whom.startswith("raised") and not many))
            else told.first
            for (weight, whom), told in self._told.items()
            if weight is most
        )
        return min(found, key=lambda error: error.offset), most


@attrs.define
class _Told:
    """What one program told in one way."""

    first: LogError
    last: LogError
    seen: int
    """Where the last was told once more."""
    ended: int
    """Where that telling did."""

    def add(self, error: LogError, ended: int) -> None:
        self.seen, self.ended = error.offset, ended
        if error.text != self.last.text:
            self.last = error

    def after(self, number: int) -> "_Told | None":
        """Return what is left of it where training went on at this line."""
        if self.ended < number:
            return None
        if self.last.offset < number:
            self.last = LogError(self.seen, self.last.text)
        if self.first.offset < number:
            self.first = self.last
        return self


def last_error(records: Iterable[tuple[int, Record]]) -> LogError | None:
    """Return the error of which a job failed, as records tell it, each with the number of its line.

    >>> from dashscope_ftlogs import parse_lines
    >>> log = ["Traceback (most recent call last):", "OSError: disk full", "[ERROR:swift] worker 3 died"]
    >>> last_error(parse_lines(log))
    LogError(offset=0, text='OSError: disk full')
    """
    reader = ErrorReader()
    for number, record in records:
        reader.read(number, record)
    return reader.cause


def failure(source: str, job: Job | None, errors: ErrorReader) -> Failure | None:
    """Return what is known of a job's failure; None if it has not failed.

    Errors in the log of a job that runs or has succeeded are none: trainers go on after bad rows.
    """
    if job is not None:
        failed = job.status == "FAILED"
        return Failure(source, errors.last, False, job.code, job.message) if failed else None
    if errors.cause is None or errors.succeeded:
        return None
    return Failure(source, errors.cause, guessed=True)


def normalised(error: str) -> str:
    """Return the beginning of an error without what differs each time it happens.

    >>> normalised("OSError: [Errno 28] /mnt/ckpt-300/shard: 0x7f3a, only 1.56 MiB free")
    'OSError: [Errno N] PATH: ADDRESS, only SIZE free'
    """
    text = error[:_LONGEST]
    for varying, word in _VARYING:
        text = varying.sub(word, text)
    text = " ".join(text.split())
    return text if len(text) <= _TELLING else text[:_TELLING] + "…"


def clusters(failures: Iterable[Failure]) -> list[Cluster]:
    """Return failures by what they have in common: the most frequent first, each in the order given.

    >>> full = [Failure(f"ft-{n}", LogError(9, f"OSError: shard {n}: disk full"), False) for n in (1, 2)]
    >>> [(cluster.text, len(cluster.failures)) for cluster in clusters(full)]
    [('OSError: shard N: disk full', 2)]
    """
    found: dict[str, list[Failure]] = {}
    for one in failures:
        found.setdefault(normalised(one.text), []).append(one)
    ordered = sorted(found.items(), key=lambda item: -len(item[1]))
    return [Cluster(text, tuple(alike)) for text, alike in ordered]
