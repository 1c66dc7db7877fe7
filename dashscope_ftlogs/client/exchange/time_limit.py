"""The time that one request may take, kept for all of them by one timer."""

import asyncio
from types import TracebackType
from typing import Any


class TimeLimit:
    """What `asyncio.timeout` does, for as many tasks at once as are in the same `with` block.

    A timer of its own for each would cost a request more than its turn and its retries do together.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._inside: dict[asyncio.Task[Any], tuple[float, int]] = {}
        """When each has to leave, and how often it was being cancelled when it came; the first to leave
        first, since all have the same time."""
        self._late: dict[asyncio.Task[Any], int] = {}
        """Those that were told to leave."""
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        task: Any = asyncio.current_task()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        self._inside[task] = end, task.cancelling()
        if self._timer is None:
            self._timer = loop.call_at(end, self._tell_who_is_late)

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task: Any = asyncio.current_task()
        before = self._late.pop(task, None)
        self._inside.pop(task, None)
        if self._timer is not None and not self._inside:
            self._timer.cancel()
            self._timer = None
        # Somebody else may have cancelled it at the same time: then that is what it is told.
        if before is None or task.uncancel() > before:
            return
        if isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def _tell_who_is_late(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        for task, (end, cancelling) in list(self._inside.items()):
            if end > loop.time():
                self._timer = loop.call_at(end, self._tell_who_is_late)
                break
            del self._inside[task]
            self._late[task] = cancelling
            task.cancel()
