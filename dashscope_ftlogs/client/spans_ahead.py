"""The spans of a log that are read ahead of its consumer, each by a task, and handed out in order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from dashscope_ftlogs.client.cursor import Cursor, Span
from dashscope_ftlogs.client.tasks import InOrder, Tasks

_IN_A_ROW: Final = 8
"""So many are handed out before others have their turn of the loop: it is not for nothing."""


class SpansAhead(InOrder[Span]):
    """Spans that are read at the same time, each from where the one before it ends.

    They end with the task in which this was made.
    """

    def __init__(self, tasks: Tasks, offset: int) -> None:
        super().__init__(tasks)
        self._owner = asyncio.current_task()
        self.offset = self._end = offset
        """Where the first of them begins, if every one before it was whole."""

    def fill(
        self,
        read: Callable[[int, int], Coroutine[Any, Any, Span]],
        cursor: Cursor,
        room: int,
    ) -> None:
        """Begin as many as there is room for behind what was handed out, and something to read.

        Args:
            read: Reads one of them, from a line up to another.
            cursor: Knows how far there is something, and how much of it is one span.
            room: How many there may be that were not handed out.
        """
        last = cursor.offset + (room - 1) * cursor.page_size
        while self._end <= last and cursor.reaches(self._end):
            begin, self._end = self._end, cursor.span_end(self._end)
            self.begin(read(begin, self._end), self._owner)

    async def first(self) -> Span:
        """Return what the first of them comes to, and let go of it."""
        span = await super().first()
        self.offset = span.stop
        return span

    def whole_ones(self, room: int) -> list[Span]:
        """Return the first few that are there, and whole, and let go of them."""
        # Where nothing is asked for before the loop's next turn, that comes after half a window.
        most = _IN_A_ROW if self._tasks.can_begin_at_once else max(1, room // 2)
        spans: list[Span] = []
        while len(spans) < most and (span := self.at_hand) is not None and span.is_whole:
            spans.append(span)
            self.offset = span.stop
            self.let_go()
        return spans

    async def restart(self, offset: int) -> None:
        """End all of them; the next one begins there."""
        await self.drop()
        self.offset = self._end = offset
