"""A sequence that holds no items: each is computed when it is asked for."""

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class Computed(Sequence[T_co]):
    """So many items, of which number `n` is `item(n)`. Slices are lists.

    >>> squares = Computed(1_000_000, lambda n: n * n)
    >>> squares[3], squares[-1], squares[10:13]
    (9, 999998000001, [100, 121, 144])
    """

    def __init__(self, count: int, item: Callable[[int], T_co]) -> None:
        self._numbers = range(count)
        self._item = item

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> list[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | list[T_co]:
        if isinstance(index, slice):
            return [self._item(number) for number in self._numbers[index]]
        return self._item(self._numbers[index])
