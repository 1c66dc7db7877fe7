"""Cells as columns: eight bytes for a number, and nothing for what a row does not have.

Rows are numbered from 0. A column is given them in order, and of each run of consecutive rows it keeps
only where that begins: a log whose every line names a new metric costs no more than its numbers.
"""

from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

T = TypeVar("T", int, float, str)

_AT_ONCE: Final = 4096
"""Rows that are Python objects at the same time."""


class Cells(Protocol):
    """What a column holds."""

    def cells(self, begin: int, end: int) -> list[Any]:
        """Return what is in each of these rows; None for a gap."""
        ...

    def items(self, begin: int, end: int) -> Iterator[tuple[int, Any]]:
        """Yield what is in these rows, each with its number, without gaps."""
        ...

    def row_from(self, row: int) -> int | None:
        """Return the first row from there on that may hold something; None if there is none."""
        ...


class Numbers:
    """Numbers of one type, with gaps.

    >>> column = Numbers("d")
    >>> column.add(1, [0.5, 0.25])
    >>> column.add(7, [9.0])
    >>> column.cells(0, 4), list(column.runs(2, 99)), len(column)
    ([None, 0.5, 0.25, None], [(2, 1, 1), (7, 2, 1)], 3)
    """

    __slots__ = ("begins", "end", "places", "values")

    def __init__(self, kind: Literal["d", "q"]) -> None:
        self.values: array[Any] = array(kind)
        """All numbers, without the gaps."""
        self.begins = array("q")
        """The first row of each run."""
        self.places = array("q")
        """Where that is in `values`."""
        self.end = 0
        """The row after the last one that has a number."""

    def __len__(self) -> int:
        return len(self.values)

    def add(self, row: int, numbers: Sequence[float]) -> None:
        """Take the numbers of some consecutive rows, which come after all before.

        Raises:
            TypeError: one is no number; none is taken then.
            OverflowError: one needs more than 64 bits; none is taken then.
        """
        place = len(self.values)
        # As an array first, which is made in half the time.
        self.values.extend(array(self.values.typecode, numbers))
        if row != self.end or not place:
            self.begins.append(row)
            self.places.append(place)
        self.end = row + len(numbers)

    def add_cells(self, row: int, cells: Sequence[float | None]) -> None:
        """Take some consecutive rows, some with nothing: None, or what needs more than 64 bits."""
        there = 0
        if (gaps := cells.count(None)) == len(cells):
            return
        for known, same in groupby(cells, key=_is_known) if gaps else ((True, cells),):
            run: list[Any] = list(same)
            if known and run:
                try:
                    self.add(row + there, run)
                except OverflowError:
                    self._add_what_fits(row + there, run)
            there += len(run)

    def _add_what_fits(self, row: int, numbers: Sequence[float]) -> None:
        for at, number in enumerate(numbers, row):
            try:
                self.add(at, [number])
            except OverflowError:
                continue

    def runs(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield what is in these rows as runs of consecutive ones.

        Of each: its first row, where that is in `values`, and how many rows it has.
        """
        for at in range(max(0, bisect_right(self.begins, begin) - 1), len(self.begins)):
            row, place = self.begins[at], self.places[at]
            if row >= end:
                return
            skipped = max(0, begin - row)
            count = min(self._after(at) - place, end - row) - skipped
            if count > 0:
                yield row + skipped, place + skipped, count

    def _after(self, at: int) -> int:
        """Return where a run ends in `values`."""
        return self.places[at + 1] if at + 1 < len(self.places) else len(self.values)

    def cells(self, begin: int, end: int) -> list[Any]:
        """Return what is in each of these rows; None for a gap."""
        found: list[Any] = [None] * (end - begin)
        for row, place, count in self.runs(begin, end):
            found[row - begin : row - begin + count] = self.values[place : place + count]
        return found

    def items(self, begin: int, end: int) -> Iterator[tuple[int, Any]]:
        """Yield what is in these rows, each with its number, without gaps."""
        for row, place, count in self.runs(begin, end):
            yield from enumerate(self.values[place : place + count], row)

    def row_from(self, row: int) -> int | None:
        """Return the first row from there on that has a number; None if there is none."""
        found = next(self.runs(row, self.end), None)
        return None if found is None else found[0]

    def extend(self, other: "Numbers", row: int) -> None:
        """Take all of another column, whose row 0 becomes this one."""
        place = len(self.values)
        if other.values:
            self.values.extend(other.values)
            self.begins.extend([begin + row for begin in other.begins])
            self.places.extend([begin + place for begin in other.places])
            self.end = other.end + row

    def every(self, step: int) -> "Numbers":
        """Return a column of every so many rows, from row 0 on."""
        found = Numbers("q" if self.values.typecode == "q" else "d")
        for row, place, count in self.runs(0, self.end):
            first = -row % step
            if first < count:
                found.add((row + first) // step, self.values[place + first : place + count : step])
        return found


class Repeated(Generic[T]):
    """What stays the same for many rows, or is None; no row is left out.

    >>> column = Repeated[str]()
    >>> column.add(["train", "train", "eval"])
    >>> list(column.runs(1, 3))
    [(1, 'train', 1), (2, 'eval', 1)]
    """

    __slots__ = ("begins", "rows", "values")

    def __init__(self) -> None:
        self.rows = 0
        self.begins = array("q")
        """The first row of each run."""
        self.values: list[T | None] = []
        """What each run has."""

    def add(self, values: Iterable[T | None]) -> None:
        """Take the next rows."""
        cells = list(values)
        if cells and cells.count(cells[0]) == len(cells):
            self.repeat(cells[0], len(cells))
        else:
            for value, same in groupby(cells):
                self.repeat(value, len(list(same)))

    def repeat(self, value: T | None, count: int) -> None:
        """Take so many rows that have the same."""
        if count and not (self.values and self.values[-1] == value):
            self.begins.append(self.rows)
            self.values.append(value)
        self.rows += count

    def runs(self, begin: int, end: int) -> Iterator[tuple[int, T | None, int]]:
        """Yield what is in these rows: of each run its first row, the value, and the number of rows."""
        end = min(end, self.rows)
        for at in range(max(0, bisect_right(self.begins, begin) - 1), len(self.begins)):
            row = max(self.begins[at], begin)
            if row >= end:
                return
            after = self.begins[at + 1] if at + 1 < len(self.begins) else self.rows
            yield row, self.values[at], min(after, end) - row

    def cells(self, begin: int, end: int) -> list[T | None]:
        """Return what is in each of these rows."""
        return [value for _, value, count in self.runs(begin, end) for _ in range(count)]

    def items(self, begin: int, end: int) -> Iterator[tuple[int, T]]:
        """Yield what is in these rows, each with its number, without those that have None."""
        for row, value, count in self.runs(begin, end):
            if value is not None:
                yield from ((at, value) for at in range(row, row + count))

    def row_from(self, row: int) -> int | None:
        """Return the row itself, if there are so many."""
        return row if row < self.rows else None

    def extend(self, other: "Repeated[T]") -> None:
        """Take all rows of another column as the next ones."""
        for _, value, count in other.runs(0, other.rows):
            self.repeat(value, count)

    def every(self, step: int) -> "Repeated[T]":
        """Return a column of every so many rows, from row 0 on."""
        found = Repeated[T]()
        for row, value, count in self.runs(0, self.rows):
            found.repeat(value, -(-(row + count) // step) + -row // step)
        return found


class Texts:
    """Texts with gaps, all in one piece of memory; a lone surrogate stays one.

    >>> column = Texts()
    >>> column.add(1, "1m 9s")
    >>> column.cells(0, 3)
    [None, '1m 9s', None]
    """

    __slots__ = ("data", "ends")

    def __init__(self) -> None:
        self.data = bytearray()
        self.ends = Numbers("q")
        """Where the text of a row ends in `data`; it begins where the one before ends."""

    def __len__(self) -> int:
        return len(self.ends)

    def add(self, row: int, text: str) -> None:
        """Take the text of a row, which comes after all before."""
        self.data += text.encode("utf-8", "surrogatepass")
        self.ends.add(row, [len(self.data)])

    def cells(self, begin: int, end: int) -> list[str | None]:
        """Return what is in each of these rows; None for a gap."""
        found: list[str | None] = [None] * (end - begin)
        for row, text in self.items(begin, end):
            found[row - begin] = text
        return found

    def items(self, begin: int, end: int) -> Iterator[tuple[int, str]]:
        """Yield what is in these rows, each with its number, without gaps."""
        for row, place, count in self.ends.runs(begin, end):
            low = self.ends.values[place - 1] if place else 0
            for at, high in enumerate(self.ends.values[place : place + count], row):
                yield at, self.data[low:high].decode("utf-8", "surrogatepass")
                low = high

    def row_from(self, row: int) -> int | None:
        """Return the first row from there on that has a text; None if there is none."""
        return self.ends.row_from(row)

    def extend(self, other: "Texts", row: int) -> None:
        """Take all of another column, whose row 0 becomes this one."""
        before, place = len(self.data), len(self.ends)
        self.data += other.data
        self.ends.extend(other.ends, row)
        for at in range(place, len(self.ends)):
            self.ends.values[at] += before


class Metric:
    """What points say under one name: numbers, and in rare cases texts."""

    __slots__ = ("numbers", "texts")

    def __init__(self) -> None:
        self.numbers = Numbers("d")
        self.texts: Texts | None = None

    def __len__(self) -> int:
        return len(self.numbers) + (0 if self.texts is None else len(self.texts))

    def add(self, row: int, values: Sequence[float | str]) -> None:
        """Take the values of some consecutive rows, which come after all before."""
        try:
            self.numbers.add(row, values)  # type: ignore[arg-type]  # there seldom is a text
        except TypeError:
            for at, value in enumerate(values, row):
                if isinstance(value, str):
                    self.texts = Texts() if self.texts is None else self.texts
                    self.texts.add(at, value)
                else:
                    self.numbers.add(at, [value])

    def cells(self, begin: int, end: int) -> list[float | str | None]:
        """Return what is in each of these rows, as text if the column has any; None for a gap."""
        found: list[float | str | None] = self.numbers.cells(begin, end)
        if self.texts is None:
            return found
        pairs = zip(found, self.texts.cells(begin, end), strict=True)
        return [text if number is None else str(number) for number, text in pairs]

    def items(self, begin: int, end: int) -> Iterator[tuple[int, float | str]]:
        """Yield what is in these rows, each with its number, without gaps."""
        if self.texts is None:
            return self.numbers.items(begin, end)
        cells = enumerate(self.cells(begin, end), begin)
        return ((row, cell) for row, cell in cells if cell is not None)

    def row_from(self, row: int) -> int | None:
        """Return the first row from there on that has a value; None if there is none."""
        rows = (self.numbers.row_from(row), None if self.texts is None else self.texts.row_from(row))
        return min((found for found in rows if found is not None), default=None)

    def extend(self, other: "Metric", row: int) -> None:
        """Take all of another column, whose row 0 becomes this one."""
        self.numbers.extend(other.numbers, row)
        if other.texts is not None:
            self.texts = Texts() if self.texts is None else self.texts
            self.texts.extend(other.texts, row)


def _is_known(cell: object) -> bool:
    return cell is not None


def cell(column: Cells, row: int) -> Any:
    """Return what is in one row; None for a gap."""
    (found,) = column.cells(row, row + 1)
    return found


def rows(columns: Mapping[str, Cells], count: int) -> Iterator[dict[str, Any]]:
    """Yield so many rows, each without what it does not have, in the order of the columns.

    >>> one, other = Numbers("d"), Numbers("q")
    >>> one.add(1, [0.5])
    >>> other.add(0, [7, 8])
    >>> list(rows({"one": one, "other": other}, 2))
    [{'other': 7}, {'one': 0.5, 'other': 8}]
    """
    named = list(columns.items())
    # A column is looked at only where it holds something: most may hold next to nothing.
    due: defaultdict[int, list[int]] = defaultdict(list)
    due[0] = list(range(len(named)))
    for begin in range(0, count, _AT_ONCE):
        end = min(begin + _AT_ONCE, count)
        found: list[dict[str, Any]] = [{} for _ in range(begin, end)]
        for number in sorted(due.pop(begin, ())):
            name, column = named[number]
            for row, there in column.items(begin, end):
                found[row - begin][name] = there
            after = column.row_from(end)
            if after is not None:
                due[after - after % _AT_ONCE].append(number)
        yield from found
