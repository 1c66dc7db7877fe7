"""What Ctrl-C and SIGTERM do: the first lets what has begun end, the second ends the process at once.

The same one again at the same moment is no second one: `timeout` sends its signal to the process, and
then to the group that it is in.
"""

import asyncio
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn

CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}
_EXPLAINED_AFTER: Final = 0.5
"""Seconds after which an end that takes its time is explained. Till then, the same one is the first."""
_TURN: Final = 0.5
_STUCK_AFTER: Final = 5.0
"""Seconds without a turn of the loop, after which it is stuck, as in a write to a full pipe.

Much longer than a turn takes where many processes share few processors.
"""
_SHOW_CURSOR: Final = b"\x1b[?25h"


class Stopping:
    """What may end a command before its work is done, and the code that this means.

    Args:
        complain: Says something on stderr.
        code: What the process ends with after a signal; None for the signal's own code.
        clock: Seconds.
    """

    def __init__(
        self,
        complain: Callable[[str], None],
        *,
        code: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._complain = complain
        self._only_code = code
        self._clock = clock
        self._code = CODES[signal.SIGINT]
        self._first: tuple[int, float] | None = None
        """The signal that was heard, and when."""
        self._work: asyncio.Task[int]
        self.nobody_reads = False
        """Whether it was stopped since nobody reads what is printed any more."""

    @property
    def code(self) -> int:
        """The exit code of what was stopped."""
        if self.nobody_reads:
            return 0
        return self._code if self._only_code is None else self._only_code

    async def work_until_stopped(self, main: Coroutine[Any, Any, int]) -> int:
        """Do the work; a signal cancels it."""
        loop = asyncio.get_running_loop()
        self._work = loop.create_task(main)

        def on_signal(number: int, frame: object) -> None:
            if self._first is not None:
                first, heard = self._first
                if number != first or self._clock() - heard >= _EXPLAINED_AFTER:
                    _end_at_once(number, frame)
                return
            self._first = number, self._clock()
            self._code = CODES[signal.Signals(number)]
            watch = _Watch(self.code)
            watch.start()
            _end_soon(self.code)
            loop.call_soon_threadsafe(watch.beat, loop)
            loop.call_soon_threadsafe(self._work.cancel)
            loop.call_soon_threadsafe(loop.call_later, _EXPLAINED_AFTER, self._explain)

        # Not the loop's own add_signal_handler(), which Windows lacks.
        _handle_with(on_signal)
        try:
            # It turns now and then: a signal that comes just before it waits is heard at the next turn.
            while not self._work.done():
                await asyncio.wait([self._work], timeout=_TURN)
            return self._work.result()
        finally:
            # The loop hears of no more signals.
            if self._first is None:
                _handle_with(_end_at_once)

    def stop_for_want_of_readers(self) -> None:
        """Cancel the work, since nobody reads what it prints any more."""
        self.nobody_reads = True
        self._work.cancel()

    def _explain(self) -> None:
        if takes_more(2):
            self._complain("finishing what has begun; Ctrl-C once more ends at once")


class _Watch(threading.Thread):
    """Ends the process, which is to end anyway, where its loop makes no more turns."""

    def __init__(self, code: int) -> None:
        super().__init__(name="ftlogs-watch", daemon=True)
        self._code = code
        self._turned = threading.Event()

    def beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say that the loop turns, now and from time to time."""
        self._turned.set()
        _end_soon(self._code)
        loop.call_later(_STUCK_AFTER / 4, self.beat, loop)

    def run(self) -> None:
        """Wait for the next turn, as long as one comes."""
        while self._turned.wait(_STUCK_AFTER):
            self._turned.clear()
        _end_and_say_so(self._code)


def _end_soon(code: int) -> None:
    """End the process when it is stuck from now on, unless this is called again.

    What searches for a pattern lets no other thread go on, but hears of signals.
    """
    if sys.platform == "win32":  # pragma: no cover  (where no alarm rings)
        return

    def on_alarm(_number: int, _frame: object) -> NoReturn:
        _end_and_say_so(code)

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, _STUCK_AFTER)


def end_now(code: int) -> NoReturn:
    """End without waiting for anything; files survive that as they survive a kill."""
    if sys.platform != "win32":  # pragma: no branch  (where no alarm rings)
        signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm would end it once more in the middle of this
    os._exit(code)


def _end_at_once(number: int, _frame: object) -> NoReturn:
    _end_and_say_so(CODES[signal.Signals(number)])


def _end_and_say_so(code: int) -> NoReturn:
    try:
        if takes_more(2):
            os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + b"ftlogs: ended at once\n")
    finally:
        end_now(code)


def _handle_with(handler: Callable[[int, Any], object]) -> None:
    for number in CODES:
        # What was started to ignore Ctrl-C, as shells do in the background, goes on ignoring it.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def takes_more(descriptor: int) -> bool:
    """Whether something can be written there without waiting for a reader."""
    if sys.platform == "win32":  # pragma: no cover  (where select() knows sockets only)
        return True
    return bool(select.select([], [descriptor], [], 0)[1])
