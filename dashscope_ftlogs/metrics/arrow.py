"""Columns handed to other libraries as an Arrow stream, which they all speak; arro3 makes it.

Batches are made when the consumer asks for them: DuckDB takes a stream three times, and reads one.
What a column holds without gaps is not copied.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, Literal

import attrs

from dashscope_ftlogs.errors import ConfigError
from dashscope_ftlogs.metrics.columns import Cells, Metric, Numbers, Repeated
from dashscope_ftlogs.text import storable_text

_ROWS: Final = 65_536
"""In one batch, at most."""
_KEPT: Final = 64
"""So many arrays of one value are kept for further batches, at most."""

Form = Literal["int", "float", "text", "time"]
"""`time` are milliseconds since 1970, without zone."""


@attrs.frozen
class Column:
    """What a column of a table holds, and as what it is handed out."""

    form: Form
    data: Cells

    def cells(self, begin: int, end: int) -> list[Any]:
        """Return what is in each of these rows, times as datetimes; None for a gap."""
        found = self.data.cells(begin, end)
        if self.form == "time":
            return [None if cell is None else moment(cell) for cell in found]
        return found


def moment(milliseconds: int) -> datetime:
    """Return a time on the clock of a log."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def stream(columns: Mapping[str, Column], rows: int) -> object:
    """Return a capsule with a stream of `columns`, which have so many rows.

    Raises:
        ConfigError: the library that makes it is not installed.
    """
    try:
        arro3 = import_module("arro3.core")
    except ModuleNotFoundError:
        raise ConfigError(
            "Arrow streams need arro3-core, which is not installed: pip install 'dashscope-ftlogs[data]'"
        ) from None
    return _Stream(arro3, columns, rows).capsule()


class _Stream:
    def __init__(self, arro3: Any, columns: Mapping[str, Column], rows: int) -> None:
        self._arro3, self._columns, self._rows = arro3, columns, rows
        types = arro3.DataType
        self._types = {
            "int": types.int64(),
            "float": types.float64(),
            "text": types.string(),
            "time": types.timestamp("ms"),
        }
        self._same: dict[object, Any] = {}
        """Arrays of one value, or of none, which many batches hold."""

    def capsule(self) -> object:
        fields = [
            self._arro3.Field(name, self._types[column.form], nullable=True)
            for name, column in self._columns.items()
        ]
        schema = self._arro3.Schema(fields)
        batches = self._batches(schema)
        return self._arro3.RecordBatchReader.from_batches(schema, batches).__arrow_c_stream__()

    def _batches(self, schema: Any) -> Iterator[Any]:
        for begin in range(0, self._rows, _ROWS):
            end = min(begin + _ROWS, self._rows)
            arrays = [self._array(column, begin, end) for column in self._columns.values()]
            yield self._arro3.RecordBatch.from_arrays(arrays, schema=schema)

    def _array(self, column: Column, begin: int, end: int) -> Any:
        data = column.data
        if isinstance(data, Metric) and data.texts is None:
            data = data.numbers
        if (first := data.row_from(begin)) is None or first >= end:
            return self._constant(column.form, None, end - begin)
        if isinstance(data, Numbers):
            return self._numbers(column.form, data, begin, end)
        if isinstance(data, Repeated):
            repeated: Any = column.data
            runs: list[tuple[int, Any, int]] = list(repeated.runs(begin, end))
            if len(runs) == 1:
                return self._constant(column.form, runs[0][1], end - begin)
        return self._made(column.form, column.data.cells(begin, end))

    def _numbers(self, form: Form, data: Numbers, begin: int, end: int) -> Any:
        runs = list(data.runs(begin, end))
        _, place, count = runs[0]
        if count < end - begin:
            return self._made(form, data.cells(begin, end))
        found = self._arro3.Array.from_buffer(memoryview(data.values)[place : place + count])
        return found.cast(self._types[form]) if form == "time" else found

    def _constant(self, form: Form, value: Any, count: int) -> Any:
        key = form, value, count
        if key not in self._same:
            if len(self._same) >= _KEPT:
                self._same.clear()
            self._same[key] = self._made(form, [value] * count)
        return self._same[key]

    def _made(self, form: Form, cells: list[Any]) -> Any:
        if form == "time":
            return self._arro3.Array(cells, self._types["int"]).cast(self._types[form])
        try:
            return self._arro3.Array(cells, self._types[form])
        except UnicodeEncodeError:
            storable = [cell if cell is None else storable_text(cell) for cell in cells]
            return self._arro3.Array(storable, self._types[form])
