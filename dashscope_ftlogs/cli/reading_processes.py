"""Many logs on this machine are read by as many processes as it has processors.

Each reads one log at a time, and only what it made of it comes back. They are started afresh: a fork
would take along the locks of threads, and not every system has it. They end with us, however we end.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Generic, Protocol, TypeVar

import attrs

from dashscope_ftlogs.archive.store import KeptLog
from dashscope_ftlogs.archive.threads import processors
from dashscope_ftlogs.dataset.partitions import batches
from dashscope_ftlogs.errors import FTLogsError
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern
from dashscope_ftlogs.text import storable_text

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_WORTH_IT: Final = 8 * 2**20
"""Bytes that others read meanwhile, below which it takes longer to start them."""
_HEAD: Final = 100
"""Lines, and characters of each, by which it is told whether they are any."""
_LOOK_EVERY: Final = 0.2
"""Seconds."""


class Reader(Protocol[T_co]):
    """Takes the lines of one log in turn."""

    def read(self, lines: Sequence[tuple[int, str]], /) -> None:
        """Take the next lines, each with its number."""
        ...

    def end(self) -> T_co:
        """Return what was read, once it is all."""
        ...


class Begin(Protocol[T_co]):
    """Begins to read a log: a class or a function that another process can import, or a part of one."""

    def __call__(self, name: str, job: Job | None, /) -> Reader[T_co]:
        """Return what takes the lines of this one."""
        ...


@attrs.frozen
class PointsRead:
    """The points of a log, and what else it is that can have none."""

    points: PointColumns
    unlike_a_log: str
    """What it is instead, `empty` or `not text in UTF-8`; else nothing."""
    fits: Fits
    """What of the user's own patterns fitted."""


class ReadPoints:
    """Takes the lines of a log for their points."""

    def __init__(self, _name: str, _job: Job | None, pattern: OwnPattern | None = None) -> None:
        """Begin a log, some of whose lines a pattern of the user's own may fit."""
        self._points = LogPoints(pattern)
        self._unlike_a_log: str | None = None

    def read(self, lines: Sequence[tuple[int, str]]) -> None:
        """Take the next lines, each with its number."""
        if self._unlike_a_log is None:
            head = "".join(line[:_HEAD] for _, line in lines[:_HEAD])
            # Only both: logs that were cut while they were written begin with many a NUL.
            is_binary = "\0" in head and storable_text(head) != head
            self._unlike_a_log = "not text in UTF-8" if is_binary else ""
        self._points.read_numbered(lines)

    def end(self) -> PointsRead:
        """Return the points of what was read."""
        unlike = "empty" if self._unlike_a_log is None else self._unlike_a_log
        return PointsRead(self._points.columns(), unlike, self._points.fits)


class Reading(Generic[T]):
    """Logs that other processes read, some of them ahead."""

    def __init__(self, read: Callable[[str, KeptLog], T], logs: Sequence[tuple[str, KeptLog]]) -> None:
        """Plan to let `read` read these in turn, each under its name."""
        self._read_one = read
        self._waiting = iter(logs)
        self._count = _processes([log.size() for _, log in logs])
        self._read: dict[str, Future[T]] = {}
        self._executor: ProcessPoolExecutor | None = None
        self._alive: Connection | None = None

    async def __aenter__(self) -> "Reading[T]":
        if self._count > 1:
            context = get_context("spawn")
            heard, self._alive = context.Pipe(duplex=False)
            self._executor = ProcessPoolExecutor(
                self._count, context, initializer=_live_as_long_as, initargs=(heard,)
            )
            for _ in range(2 * self._count):
                self._submit()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._executor is not None and self._alive is not None:
            if not all(future.done() for future in self._read.values()):
                self._alive.close()  # nobody wants what they still do
            self._executor.shutdown(cancel_futures=True)
            self._alive.close()

    def _submit(self) -> None:
        if self._executor is not None and (named := next(self._waiting, None)) is not None:
            name, log = named
            with _interrupts_are_ours(), suppress(BrokenExecutor):
                self._read[name] = self._executor.submit(self._read_one, name, log)

    async def result(self, name: str) -> T | None:
        """Return what a log became; None if no other process reads it, or could."""
        self._submit()
        if name not in self._read:
            return None
        try:
            return await asyncio.wrap_future(self._read[name])
        except FTLogsError:
            raise
        except Exception:  # it was killed, or what it has can't be handed over
            return None
        finally:
            if self._read[name].done():
                del self._read[name]


def _processes(sizes: Sequence[int]) -> int:
    """Return by how many processes logs of these sizes are best read; 1 for none but this."""
    large = [size for size in sizes if size >= _WORTH_IT / 8]
    if len(large) < 2 or sum(sizes) - max(sizes) < _WORTH_IT:
        return 1
    return min(len(large), processors())


def read_stored(begin: Begin[T], name: str, log: KeptLog) -> T:
    """Read a log to its end, and return what it became."""
    reader = begin(name, log.job)
    for some in batches(log.lines()):
        reader.read(some)
    return reader.end()


@contextmanager
def _interrupts_are_ours() -> Generator[None]:
    """Let what is started in here never hear of Ctrl-C, which goes to all processes of a terminal."""
    if sys.platform == "win32":  # pragma: no cover  (where nothing can be held back)
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live_as_long_as(heard: Connection) -> None:
    """End this process soon after the other end is closed, or who has it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    ends: list[Any] = [heard, parent.sentinel] if parent is not None else [heard]
    if sys.platform == "win32":  # pragma: no cover  (where no alarm rings)

        def watch() -> None:
            wait(ends)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
        return

    def look(*_: object) -> None:
        if wait(ends, 0):
            os._exit(1)

    # Not a thread: what searches for a pattern lets none go on, but hears of signals.
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY, _LOOK_EVERY)
