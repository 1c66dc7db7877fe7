"""A limit: the bare loop, with each line handed on by the emptiest `async for` that there can be.

What it takes longer than the bare loop is the language's: a coroutine is made for every line.
"""

from collections.abc import Callable
from typing import Self

from peers import bare


class Lines:
    """The lines of one page, as an async iterator."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.unread = iter(lines)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        for line in self.unread:
            return line
        raise StopAsyncIteration


async def each(lines: tuple[str, ...]) -> None:
    async for _line in Lines(lines):
        pass


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    await bare.read(base_url, jobs, concurrency, got, each)
