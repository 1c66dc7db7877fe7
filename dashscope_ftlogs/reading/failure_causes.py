"""Why jobs failed: the last error of each, and which of them are alike."""

import re
from collections.abc import Iterable
from typing import Final

import attrs

from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.records import Message, Record, Text, Traceback

_LONGEST: Final = 2000
"""Characters of an error. Some trainers print a whole batch into one."""
_TELLING: Final = 120
"""Characters of a normalised error. What it says beyond them, mostly advice, makes it no other error."""
_SEVERE: Final = frozenset({"ERROR", "CRITICAL"})
# What a process can't say of itself, because it was killed or is about to be.
_HINTS: Final = re.compile(
    r"\boom_kill event\b|\bOut of memory: Killed process\b|\bCUDA out of memory\b"
    r"|\bSignal \d+ \(SIG[A-Z]+\)|\bfailed \(exitcode: -?\d+\)"
)
# What only tells that something else went wrong, or that somebody stopped it.
_CONSEQUENCES: Final = re.compile(
    r"finetune-job failed|[\w.]*ChildFailedError\b|(?:subprocess\.)?CalledProcessError\b"
    r"|KeyboardInterrupt\b|SystemExit\b"
)
_SUCCESS: Final = "finetune-job succeeded"
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
    """The last one in its log that is no mere consequence of another."""
    guessed: bool
    """Nothing is known of the job but its log: a job can print errors and succeed."""
    code: str | None = None
    """The service's, as is `message`."""
    message: str | None = None

    @property
    def text(self) -> str:
        """What is known of why it failed; empty if nothing is."""
        told = ": ".join(part for part in (self.code, self.message) if part)
        if self.error is None or (told and _CONSEQUENCES.match(self.error.text)):
            return told
        return self.error.text


@attrs.frozen
class Cluster:
    """Failures that are alike."""

    text: str
    """What they have in common; see `normalised`."""
    failures: tuple[Failure, ...]


class ErrorReader:
    """Takes the records of one log in turn, and knows its last error."""

    def __init__(self) -> None:
        self._cause: LogError | None = None
        self._consequence: LogError | None = None
        self.succeeded = False
        """The log says of its job that it did."""

    @property
    def last(self) -> LogError | None:
        """The last error so far; one that only tells of another counts where there is no other."""
        return self._cause or self._consequence

    def read(self, number: int, record: Record) -> None:
        """Take a record, which began in line `number`."""
        text = _error(record)
        if text is not None:
            error = LogError(number, text[:_LONGEST])
            if _CONSEQUENCES.match(text):
                self._consequence = error
            else:
                self._cause = error
        elif isinstance(record, Message) and record.text.startswith(_SUCCESS):
            self.succeeded = True


def _error(record: Record) -> str | None:
    if isinstance(record, Traceback):
        return record.error or None
    if isinstance(record, Message) and record.level in _SEVERE:
        return record.text
    if isinstance(record, Message | Text):
        # A line can be long, and a hint stands near the beginning of one that is about nothing else.
        hint = _HINTS.search(record.raw, 0, _LONGEST)
        return None if hint is None else record.raw.strip()
    return None


def last_error(records: Iterable[tuple[int, Record]]) -> LogError | None:
    """Return the last error that records tell, each of which comes with the number of its line.

    >>> from dashscope_ftlogs.reading.tracebacks import parse_lines
    >>> log = ["Traceback (most recent call last):", "OSError: disk full", "[ERROR:swift] worker 3 died"]
    >>> last_error(parse_lines(log))
    LogError(offset=2, text='worker 3 died')
    """
    reader = ErrorReader()
    for number, record in records:
        reader.read(number, record)
    return reader.last


def failure(source: str, job: Job | None, errors: ErrorReader) -> Failure | None:
    """Return what is known of a job's failure; None if it has not failed.

    Errors in the log of a job that runs or has succeeded are none: trainers go on after bad rows.
    """
    if job is not None:
        failed = job.status == "FAILED"
        return Failure(source, errors.last, False, job.code, job.message) if failed else None
    if errors.last is None or errors.succeeded:
        return None
    return Failure(source, errors.last, guessed=True)


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
