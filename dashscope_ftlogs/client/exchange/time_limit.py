"""The time that one request may take, kept for all of them by one timer."""

import asyncio
from types import TracebackType
from typing import Any, Final

_TURNS: Final = 64
"""Turns of the loop in which it is seen whether an answer is there. In every second one aiohttp takes
256 KiB, and few sockets hold more than 6 MiB."""

_PUNCTUAL: Final = 0.005
"""Seconds. Who is found to be late no later than this has been looked after all the time,"""
_FEW_TURNS: Final = 2
"""but for what came just now."""
_HELD: Final = 0.1
"""Who is found to be late by more than this share of the time was not looked after."""


class TimeLimit:
    """What `asyncio.timeout` does, for as many tasks at once as are in the same `with` block.

    Only, where the loop was held meanwhile, or the process stopped, it tells nobody that he is late
    before what came was looked at; and the time of those that wait all the same begins anew, once: what
    they have to say may not even have been sent.
    A timer for each would take longer than its turn and its retries do together, so there is one. Where
    requests follow each other it is not even begun anew: it goes on until it finds nobody inside.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._inside: dict[asyncio.Task[Any], tuple[float, int, bool]] = {}
        """When each has to leave, how often it was being cancelled when it came, and whether its time
        has begun anew; the first to leave first, since all have the same time."""
        self._late: dict[asyncio.Task[Any], int] = {}
        """Those that were told to leave."""
        self._timer: tuple[asyncio.AbstractEventLoop, asyncio.Handle] | None = None
        """With the loop that it is of: a session may be opened again in another one."""

    def __enter__(self) -> None:
        task: Any = asyncio.current_task()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        self._inside[task] = end, task.cancelling(), False
        if self._timer is None or self._timer[0] is not loop:
            self._timer = loop, loop.call_at(end, self._look)

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

    def _look(self) -> None:
        """Find out who is late, if anybody is; else look again when the first would be."""
        loop, self._timer = asyncio.get_running_loop(), None
        if not self._inside:
            return
        end, *_ = next(iter(self._inside.values()))
        if end > (now := loop.time()):
            self._timer = loop, loop.call_at(end, self._look)
        else:
            self._take_turns(now, _TURNS if now - end > _PUNCTUAL else _FEW_TURNS)

    def _take_turns(self, since: float, left: int) -> None:
        """Let the loop hand up what is there, then tell those to leave that are late all the same."""
        loop, self._timer = asyncio.get_running_loop(), None
        late = [task for task, (end, *_) in self._inside.items() if end <= since]
        if late and left:
            self._timer = loop, loop.call_soon(self._take_turns, since, left - 1)
            return
        for task in late:
            end, cancelling, is_anew = self._inside.pop(task)
            if since - end > _HELD * self.seconds and not is_anew:
                self._inside[task] = loop.time() + self.seconds, cancelling, True
            else:
                self._late[task] = cancelling
                task.cancel()
        self._look()
