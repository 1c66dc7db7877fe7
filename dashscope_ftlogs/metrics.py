"""The metrics of logs as a table: one row for each point, one column for each metric."""

from array import array
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from dashscope_ftlogs import arrow
from dashscope_ftlogs.points import Point, read_points

_ABOUT: Final = {
    "source": "u",
    "offset": "l",
    "segment": "l",
    "kind": "u",
    "step": "l",
    "total_steps": "l",
    "epoch": "g",
    "time": "tsm:",
}
"""The columns that say where a row is from, each with its Arrow type; see `MetricsTable`."""

Value = int | float | str | datetime


class MetricsTable:
    """The points of one or more logs.

    The first columns say where a row is from:

    | column | type | |
    |---|---|---|
    | `source` | text | the job's id, or whatever the log was called |
    | `offset` | int | the number of its line |
    | `segment` | int | from 0; a restart that sets step or epoch back begins another |
    | `kind` | text | `train`, `eval` or `final` |
    | `step`, `total_steps` | int | absent where the log does not say |
    | `epoch` | float | as printed, so often rounded |
    | `time` | datetime without zone | of the last line before that had one |

    The others are the metrics by their own names, in the order in which they first appeared: floats, or
    text if any of their values is none. One that is called as a column above gets a `_` behind its name.

    Whatever takes Arrow streams takes a table as it is: `pyarrow.table(t)`, `polars.DataFrame(t)`,
    `pandas.DataFrame.from_arrow(t)`, and DuckDB's `select * from t`. NaN stays NaN; what a row does not
    have is null.

    >>> table = MetricsTable.from_lines(["{'loss': 1.5, 'epoch': 0.5}", "{'eval_loss': 1.2}"], "ft-1")
    >>> table.metrics, len(table)
    (('loss', 'eval_loss'), 2)
    >>> table["loss"]
    [1.5, None]
    """

    def __init__(self, points: Iterable[tuple[str, Point]]) -> None:
        """Make a table of points, each with the name of its log."""
        columns = {name: _Column(form) for name, form in _ABOUT.items()}
        rows = 0
        for source, point in points:
            for name, value in _entries(source, point):
                if name not in columns:
                    columns[name] = _Column("g")
                columns[name].put(rows, value)
            rows += 1
        self._columns = {name: column.filled(rows) for name, column in columns.items()}
        self._rows = rows

    @classmethod
    def from_lines(cls, lines: Iterable[str], source: str = "", *, offset: int = 0) -> "MetricsTable":
        """Read the metrics of one log, given as its lines, of which the first has number `offset`."""
        return cls((source, point) for point in read_points(lines, offset))

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"<MetricsTable {self._rows} rows: {', '.join(self.metrics)}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(self._columns)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the columns that hold metrics."""
        return self.columns[len(_ABOUT) :]

    def __getitem__(self, column: str) -> list[Value | None]:
        """Return a column; None where a row has nothing."""
        found = self._columns[column]
        if column != "time":
            return list(found.cells())
        return [None if value is None else _moment(value) for value in found.cells()]

    def rows(self) -> Iterator[dict[str, Value]]:
        """Yield each row, without what it does not have."""
        for row in zip(*(self[name] for name in self._columns), strict=True):
            named = zip(self._columns, row, strict=True)
            yield {name: value for name, value in named if value is not None}

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return an Arrow stream of one batch; the schema is always the table's own."""
        return arrow.stream(self._columns, self._rows)


def _entries(source: str, point: Point) -> Iterator[tuple[str, Value | None]]:
    yield "source", source
    for name in list(_ABOUT)[1:]:
        yield name, getattr(point, name)
    for key, value in point.values.items():
        if key not in {"epoch", "step", "total_steps"}:
            yield f"{key}_" if key in _ABOUT else key, value


def _moment(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


@attrs.define
class _Column:
    """A column that grows; rows may be missing."""

    format: str
    values: Any = attrs.field(init=False)
    valid: bytearray = attrs.field(factory=bytearray)

    def __attrs_post_init__(self) -> None:
        self.values = {"g": array("d"), "u": list[str]()}.get(self.format, array("q"))

    def put(self, row: int, value: Value | None) -> None:
        if value is None:
            return
        if isinstance(value, str) and self.format == "g":
            self._become_text()
        if len(self.values) < row:
            self._pad(row)
        self.values.append(str(value) if self.format == "u" else value)
        self.valid.append(1)

    def filled(self, rows: int) -> arrow.Column:
        self._pad(rows)
        return arrow.Column(self.format, self.values, self.valid)

    def _pad(self, rows: int) -> None:
        missing = rows - len(self.values)
        self.values.extend([self._gap] * missing)
        self.valid.extend(bytes(missing))

    @property
    def _gap(self) -> Value:
        return "" if self.format == "u" else 0

    def _become_text(self) -> None:
        self.format = "u"
        self.values = [str(value) for value in self.values]
