"""An event loop whose clock jumps over every wait in which nothing happens.

Hours of polling take seconds, over real connections. Before it jumps, the loop gives the network a
moment, since what was sent on loopback may not have arrived yet. Of threads, it waits for those that
write archives.
"""

import asyncio
import concurrent.futures.thread
import selectors
import sys
import threading
from typing import Any

from dashscope_ftlogs.archive.threads import NAME

_MOMENT = 0.001


class _Jumping(selectors.DefaultSelector):
    """Reports what is ready; if nothing is, says that the time asked for has passed."""

    jumped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or (super().select(None) if timeout is None else [])
        ready = super().select(min(timeout, _MOMENT))
        while not ready and _threads_work():
            ready = super().select(_MOMENT)
        if ready := ready or super().select(0):
            return ready
        self.jumped += timeout
        return []


def _threads_work() -> bool:
    """Whether a thread of an archive has work, or does it."""
    queues: Any = concurrent.futures.thread._threads_queues  # type: ignore[attr-defined]
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]
    if any(thread in queues and queues[thread].qsize() for thread in ours):
        return True
    frames = sys._current_frames()
    found = [frames[thread.ident] for thread in ours if thread.ident in frames]
    return any(frame.f_code.co_name != "_worker" for frame in found)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """To be given to `asyncio.Runner(loop_factory=VirtualTimeLoop)`."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.jumped
