"""The lines of a paginator's pages, one at a time.

A class, since a coroutine for each line costs little more than half of what an asynchronous generator
does.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Self

from dashscope_ftlogs.models import LogPage


class LineIterator:
    """The lines of pages; `unfold` returns those of one, and notes how many are left of them."""

    def __init__(
        self, pages: AsyncGenerator[LogPage, None], unfold: Callable[[LogPage], Iterator[str]]
    ) -> None:
        self._pages = pages
        self._unfold = unfold
        self._unread: Iterator[str] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            for line in self._unread:
                return line
            self._unread = self._unfold(await anext(self._pages))

    async def aclose(self) -> None:
        """Leave the log early."""
        self._unread = iter(())
        await self._pages.aclose()
