"""What lines mean; and a user's own patterns for those that no form of metrics fits."""

import re
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.errors import InvalidArgumentError
from dashscope_ftlogs.reading.forms.names import only_of_evaluation
from dashscope_ftlogs.reading.forms.numbers import THOUSANDS, number
from dashscope_ftlogs.reading.forms.stamps import time_in
from dashscope_ftlogs.reading.records import Beside, Metrics, Record, records, whole
from dashscope_ftlogs.reading.tracebacks import RecordReader
from dashscope_ftlogs.text import shown

_LONGEST: Final = 64 * 1024
"""Characters of a line that a pattern sees."""
_ABOUT: Final = frozenset({"step", "total_steps", "epoch"})

Fits = frozenset[tuple[int, str, bool]]
"""Of lines that patterns fitted: a pattern's index, a group of it, and whether that held a number."""


@attrs.frozen
class OwnPattern:
    """Patterns whose named groups are metrics, or `step`, `total_steps` and `epoch`.

    There may be several, for lines of several forms: each is read by the first that fits.
    """

    patterns: "tuple[re.Pattern[str], ...]"

    def metrics(self, text: str, fits: set[tuple[int, str, bool]] | None = None) -> Metrics | None:
        """Return what a text says; None if no pattern fits, or no metric in it is a number.

        What fitted is added to `fits`.
        """
        seen = text[:_LONGEST]
        each = ((at, pattern.search(seen)) for at, pattern in enumerate(self.patterns))
        at, found = next((one for one in each if one[1] is not None), (0, None))
        if found is None:
            return None
        told = {name: part for name, part in found.groupdict().items() if part is not None}
        step, total_steps = _count(told.get("step")), _count(told.get("total_steps"))
        epoch = _number("epoch", told.get("epoch", ""), seen)
        values = {name: _number(name, part, seen) for name, part in told.items() if name not in _ABOUT}
        if fits is not None:
            every = values | {"step": step, "total_steps": total_steps, "epoch": epoch}
            fits.update((at, name, every.get(name) is not None) for name in told or found.groupdict())
        numbers = {name: value for name, value in values.items() if value is not None}
        if not numbers:
            return None
        return Metrics(
            numbers,
            text,
            None,
            Beside(
                step,
                total_steps,
                epoch,
                "eval" if only_of_evaluation(numbers) else None,
                time_in(text[: found.start() + 1]),
            ),
        )

    def read(self, record: Record, fits: set[tuple[int, str, bool]] | None = None) -> Record:
        """Return a record, or what it says by a pattern where it is of no known form of metrics."""
        own = None if isinstance(record, Metrics) else self.metrics(record.raw, fits)
        return record if own is None else own


def parse_line(line: str, *, pattern: str | Iterable[str] | None = None) -> tuple[Record, ...]:
    r"""Return what a line holds, in order; nothing for a blank one.

    A line can hold many parts: redraws of a progress bar, and a metric dict glued to the last of them.
    Takes time linear in its length, if a pattern does, and never raises for a string.

    >>> parse_line("{'loss': 1.5, 'epoch': 0.3}")[0].values["loss"]
    1.5
    >>> [type(record).__name__ for record in parse_line(" 10%|█ | 1/10 [00:01<00:09,  1.0s/it]\rdone")]
    ['ProgressBar', 'Text']
    >>> parse_line("at 3: 2.5", pattern=r"at (?P<step>\d+): (?P<loss>\S+)")[0].values
    {'loss': 2.5}

    Args:
        line: As the service sent it.
        pattern: For what no known form fits, as `LogSession.metrics` takes it.

    Raises:
        InvalidArgumentError: a pattern is none, or has no group for a metric.
    """
    if pattern is not None:
        return tuple(map(own_pattern(pattern).read, records(line)))
    found = records(line)
    return found if type(found) is tuple else tuple(found)


def parse_lines(
    lines: Iterable[str], offset: int = 0, *, pattern: str | Iterable[str] | None = None
) -> Iterator[tuple[int, Record]]:
    """Yield the records of consecutive lines, each with the number of the line where it begins.

    Args:
        lines: As the service sent them.
        offset: The number of the first one.
        pattern: For what no known form fits, as `LogSession.metrics` takes it.

    >>> log = ["Traceback (most recent call last):", "  File 'a.py', line 3", "OSError: full", "bye"]
    >>> for number, record in parse_lines(log):
    ...     print(number, type(record).__name__)
    0 Traceback
    3 Text

    Raises:
        InvalidArgumentError: a pattern is none, or has no group for a metric.
    """
    reader = RecordReader() if pattern is None else OwnRecords(own_pattern(pattern))
    checks.whole_number("offset", offset, 0)
    for at, line in enumerate(checks.many("lines", lines), offset):
        yield from reader.read(at, line)
    yield from reader.end()


class OwnRecords:
    """Takes the lines of one log in turn; where no form of metrics fits, a pattern may."""

    def __init__(self, pattern: OwnPattern) -> None:
        self._pattern = pattern
        self._records = RecordReader()
        self._fits = set[tuple[int, str, bool]]()

    @property
    def fits(self) -> Fits:
        """What of the patterns fitted so far."""
        return frozenset(self._fits)

    def read(self, number: int, line: str) -> Iterator[tuple[int, Record]]:
        """Yield what is complete with this line, each record with the number where it begins."""
        return self._fitting(self._records.read(number, line))

    def end(self) -> Iterator[tuple[int, Record]]:
        """Yield what was not complete when the log ended."""
        return self._fitting(self._records.end())

    def _fitting(self, found: Iterable[tuple[int, Record]]) -> Iterator[tuple[int, Record]]:
        for at, record in found:
            yield at, self._pattern.read(record, self._fits)


def compiled(text: str) -> re.Pattern[str]:
    """Return a regular expression that somebody typed.

    Raises:
        ValueError: it is none.
    """
    try:
        with warnings.catch_warnings():
            # Of what other versions of Python may read otherwise; this one reads it.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


def own_pattern(text: str | Iterable[str]) -> OwnPattern:
    r"""Read a pattern, such as `step (?P<step>\d+) .* loss (?P<loss>\S+)`, or several.

    >>> found = own_pattern(r"at (?P<step>\d+): (?P<loss>\S+)").metrics("at 3: 2.5")
    >>> (found.step, found.values)
    (3, {'loss': 2.5})

    Raises:
        InvalidArgumentError: one is no regular expression, or none of its groups is named as a metric.
    """
    texts = [text] if isinstance(text, str) else checks.many("pattern", text, "a string, or several")
    return OwnPattern(tuple(map(_with_metrics, texts)))


def _with_metrics(text: str) -> "re.Pattern[str]":
    return _read(checks.kind_of("pattern", text, str))


@lru_cache(maxsize=64)  # whoever reads line by line gives the same each time
def _read(text: str) -> "re.Pattern[str]":
    try:
        pattern = compiled(text)
    except ValueError as error:
        raise InvalidArgumentError(f"pattern {shown(text)}: {error}") from None
    if not set(pattern.groupindex) - _ABOUT:
        raise InvalidArgumentError(
            f"pattern {shown(text)}: must name a group for a metric, as (?P<loss>\\S+) does, "
            "and may name step, total_steps and epoch"
        )
    return pattern


def _number(name: str, text: str, line: str) -> float | None:
    return number(text.strip().rstrip(",;%)]"), name, line)


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    said = text.strip().rstrip(",")
    return whole(said.replace(",", "") if THOUSANDS.fullmatch(said) else said)
