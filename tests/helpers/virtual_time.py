"""An event loop whose clock jumps over every wait in which nothing happens.

Hours of polling take seconds, over real connections. Before it jumps, the loop gives the network a
moment, since what was sent on loopback may not have arrived yet. Of threads, it waits for those that
write archives.
"""

import asyncio
import gc
import inspect
import selectors
from typing import Any

from dashscope_ftlogs.archive.threads import Thread

_MOMENT = 0.001


class _Jumping(selectors.DefaultSelector):
    """Reports what is ready; if nothing is, says that the time asked for has passed."""

    jumped = 0.0
    loop: asyncio.AbstractEventLoop | None = None

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or (super().select(None) if timeout is None else [])
        ready = super().select(min(timeout, _MOMENT))
        while not ready and any(map(_waits_for_a_thread, asyncio.all_tasks(self.loop))):
            ready = super().select(_MOMENT)
        if ready:
            return ready
        self.jumped += timeout
        return []


def _waits_for_a_thread(task: "asyncio.Task[Any]") -> bool:
    """Whether a task waits for what a thread of an archive does."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        if getattr(awaited, "cr_code", None) is Thread._end_of.__code__:
            return True
        awaited = _awaited_by(awaited)
    return False


def _awaited_by(waiting: Any) -> Any:
    """Return what a coroutine waits for, or a generator that is asked for its next item."""
    if inspect.iscoroutine(waiting):
        return waiting.cr_await
    if inspect.isasyncgen(waiting):
        return waiting.ag_await
    # What asks for that item shows the generator to nobody but the garbage collector.
    return next(filter(inspect.isasyncgen, gc.get_referents(waiting)), None)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """To be given to `asyncio.Runner(loop_factory=VirtualTimeLoop)`."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self._jumping.loop = self

    def time(self) -> float:
        return super().time() + self._jumping.jumped
