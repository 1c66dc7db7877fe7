"""What is left at the end of a block."""

from abc import ABC, abstractmethod
from typing import NoReturn, Self, SupportsIndex


class LeftByBlock(ABC):
    """Is left by `aclose`, or at the end of its `async with` block."""

    @abstractmethod
    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be copied or pickled: what is under way is of its session, and there once."""
        raise TypeError(
            f"a {type(self).__name__} is neither copied nor pickled: ask the session for another; where "
            "a read stands is kept by its offset or position"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
