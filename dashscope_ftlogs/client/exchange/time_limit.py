"""The time that one request may take, kept for all of them by one timer."""

import asyncio
from types import TracebackType
from typing import Any


class TimeLimit:
    """What `asyncio.timeout` does, for as many tasks at once as are in the same `with` block.

    A timer for each would take longer than its turn and its retries do together, so there is one. Where
    requests follow each other it is not even begun anew: it goes on until it finds nobody inside.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._inside: dict[asyncio.Task[Any], tuple[float, int]] = {}
        """When each has to leave, and how often it was being cancelled when it came; the first to leave
        first, since all have the same time."""
        self._late: dict[asyncio.Task[Any], int] = {}
        """Those that were told to leave."""
        self._timer: tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle] | None = None
        """With the loop that it is of: a session may be opened again in another one."""

    def __enter__(self) -> None:
        task: Any = asyncio.current_task()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        self._inside[task] = end, task.cancelling()
        if self._timer is None or self._timer[0] is not loop:
            self._timer = loop, loop.call_at(end, self._tell_who_is_late)

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task: Any = asyncio.current_task()
        if self._inside.pop(task, None) is not None:
            return
        # Somebody else may have cancelled it at the same time: then that is what it is told.
        is_ours = task.uncancel() <= self._late.pop(task)
        if is_ours and isinstance(error, asyncio.CancelledError):
            # Without it: where that was is no matter, and it may have been the caller's own function.
            raise TimeoutError from None

    def rest(self) -> None:
        """Let go of the timer, if nobody is inside."""
        if self._timer is not None and not self._inside:
            self._timer[1].cancel()
            self._timer = None

    def _tell_who_is_late(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        for task, (end, cancelling) in list(self._inside.items()):
            if end > loop.time():
                self._timer = loop, loop.call_at(end, self._tell_who_is_late)
                break
            del self._inside[task]
            self._late[task] = cancelling
            task.cancel()
