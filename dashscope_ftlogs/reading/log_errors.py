"""Why the job of one log failed, from its lines: most of them can't tell, and are passed over unread."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from dashscope_ftlogs.reading.failure_causes import ErrorReader
from dashscope_ftlogs.reading.failure_signs import may_tell
from dashscope_ftlogs.reading.records import ProgressBar, Record, records
from dashscope_ftlogs.reading.redrawn_lines import parts
from dashscope_ftlogs.reading.tracebacks import RecordReader
from dashscope_ftlogs.reading.training_bars import training_step

_RECENT: Final = 1000
"""Lines before an error among which a bar is looked for."""


class LogErrors:
    """Takes the lines of one log in turn, some at a time, and knows why its job failed.

    Says what an `ErrorReader` says that was given every record, for less: lines without a telling word
    are searched together, and none is read until there is an error. From then on all are, until training
    goes on.
    """

    def __init__(self) -> None:
        self._records = RecordReader()
        self._errors = ErrorReader()
        self._recent: deque[str] = deque(maxlen=_RECENT)

    def read(self, lines: Sequence[tuple[int, str]]) -> None:
        """Take the next lines, with their numbers."""
        texts = [line for _, line in lines]
        if not self._is_awake and not may_tell("\n".join(texts)):
            self._recent.extend(texts)
            return
        for number, line in lines:
            if self._is_awake or may_tell(line):
                self._read_last_bar(number)
                self._feed(self._records.read(number, line))
            else:
                self._recent.append(line)

    def end(self) -> ErrorReader:
        """Return what is known at the end of the log."""
        self._feed(self._records.end())
        return self._errors

    @property
    def _is_awake(self) -> bool:
        return self._records.in_traceback or self._errors.is_alarmed

    def _feed(self, found: Iterable[tuple[int, Record]]) -> None:
        for number, record in found:
            self._errors.read(number, record)

    def _read_last_bar(self, number: int) -> None:
        """Let it be known how far training had come."""
        while self._recent:
            # Of what a line drew over and over, the last is asked first, and mostly tells.
            for part in reversed(parts(self._recent.pop())):
                bar = _last_bar_of_training(part)
                if bar is not None:
                    self._errors.read(number, bar)
                    self._recent.clear()
                    return


def _last_bar_of_training(text: str) -> ProgressBar | None:
    """Return the last bar of training in a text."""
    bars = [one for one in records(text) if isinstance(one, ProgressBar)] if "%" in text else []
    return next((bar for bar in reversed(bars) if training_step(bar) is not None), None)
