"""The end of a process in which the storage's library was awaited.

An answer comes by a thread of the library's own, which calls the loop's `call_soon_threadsafe`. Whoever
awaited it goes on while that thread is still in there, maybe to the end of the process; and before
Python 3.14 a thread that comes back to an interpreter which ends takes the process with it (SIGABRT,
after all was done). So the end waits until all of them have left.
"""

import asyncio
import sys
import time
from types import FrameType
from typing import Final

_PATIENCE: Final = 5.0
"""Seconds; a loop that never wakes up would be a fault of somebody else's."""
_LOOK: Final = 0.001


def let_threads_leave(patience: float = _PATIENCE) -> None:
    """Wait until no thread of the library is within a loop, for so many seconds at most."""
    until = time.monotonic() + patience
    # Documented, whatever its underscore says; `threading` knows Python's own threads only.
    while any(map(_tells_a_loop, sys._current_frames().values())):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if time.monotonic() >= until:
            return
        time.sleep(_LOOK)


def _tells_a_loop(innermost: FrameType) -> bool:
    """Return whether a thread began with that call, as none of Python's own does."""
    frame = innermost
    while frame.f_back:
        frame = frame.f_back
    return frame.f_code is asyncio.BaseEventLoop.call_soon_threadsafe.__code__
