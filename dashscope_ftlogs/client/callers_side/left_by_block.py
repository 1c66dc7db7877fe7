"""What is left at the end of a block."""

from abc import ABC, abstractmethod
from typing import Self


class LeftByBlock(ABC):
    """Is left by `aclose`, or at the end of its `async with` block."""

    @abstractmethod
    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
