"""Readers of logs, for other processes to run: what they do is not what one would wish."""

import os
import re
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from dashscope_ftlogs.models import Job


class Counts:
    """Tells who read a log, and how much of it."""

    def __init__(self, name: str, _job: Job | None) -> None:
        self.name, self.lines = name, 0

    def read(self, lines: Sequence[tuple[int, str]]) -> None:
        self.lines += len(lines)

    def end(self) -> tuple[str, int, int]:
        return self.name, self.lines, os.getpid()


class IsKilled(Counts):
    """Its process is killed while it reads."""

    def read(self, lines: Sequence[tuple[int, str]]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class CannotBeHandedOver(Counts):
    """What it has can't be sent to another process."""

    def end(self) -> tuple[str, int, int]:
        self.name = threading.Lock()  # type: ignore[assignment]
        return super().end()


class NeverEnds(Counts):
    """Says in a file who reads, and searches for ever: no other thread of it goes on."""

    def read(self, lines: Sequence[tuple[int, str]]) -> None:
        Path(os.environ["READ_BY"], str(os.getpid())).touch()
        re.search("(a+)+$", "a" * 1000 + "!")
