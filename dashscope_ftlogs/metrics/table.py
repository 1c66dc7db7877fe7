"""The metrics of logs as a table: one row for each point, one column for each metric."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.metrics import arrow
from dashscope_ftlogs.metrics.points import Point, read_points

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
_OF_POINTS: Final = tuple(_ABOUT)[1:]
_TOLD: Final = frozenset({"step", "total_steps", "epoch"})
"""The entries of a metric dict that columns of their own tell."""
_ARRAYS: Final = {"l": "q", "tsm:": "q", "g": "d"}
"""Python's word for the type of an array, by Arrow's."""

MetricValue = int | float | str | datetime


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
    | `time` | datetime without zone | when it was logged, as far as its line or the time passed tells |

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
        named = [_named(one) for one in checks.many("points", points, "pairs of a name and a Point")]
        rows = self._rows = len(named)
        self._columns = {"source": _column("u", [source for source, _ in named], rows)}
        for name in _OF_POINTS:
            cells = [getattr(point, name) for _, point in named]
            self._columns[name] = _column(_ABOUT[name], cells, rows)
        for name, cells in _by_metric(point for _, point in named).items():
            self._columns[name] = _column("u" if str in map(type, cells) else "g", cells, rows)

    @classmethod
    def from_lines(cls, lines: Iterable[str], source: str = "", *, offset: int = 0) -> "MetricsTable":
        """Read the metrics of one log, given as its lines, of which the first has number `offset`."""
        checks.kind_of("source", source, str)
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

    def __getitem__(self, column: str) -> list[MetricValue | None]:
        """Return a column; None where a row has nothing."""
        found = self._columns[column]
        if column != "time":
            return list(found.cells())
        return [None if value is None else _moment(value) for value in found.cells()]

    def rows(self) -> Iterator[dict[str, MetricValue]]:
        """Yield each row, without what it does not have."""
        for row in zip(*(self[name] for name in self._columns), strict=True):
            named = zip(self._columns, row, strict=True)
            yield {name: value for name, value in named if value is not None}

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return an Arrow stream of one batch; the schema is always the table's own."""
        return arrow.stream(self._columns, self._rows)


def _named(one: Any) -> tuple[str, Point]:
    match one:
        case str(source), Point() as point:
            return source, point
        case _:
            raise checks.refused("points", one, "pairs of a name and a Point, each of them")


def _by_metric(points: Iterable[Point]) -> dict[str, list[Any]]:
    """Return the values of each metric, None where a point has none, as far as the last that has one."""
    metrics = defaultdict[str, list[Any]](list)
    for row, point in enumerate(points):
        for name, value in point.values.items():
            if name not in _ABOUT:
                cells = metrics[name]
            elif name not in _TOLD:
                cells = metrics[f"{name}_"]
            else:
                continue
            if len(cells) < row:
                cells.extend([None] * (row - len(cells)))
            cells[row:] = (value,)
    return metrics


def _moment(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def _column(form: str, cells: list[Any], rows: int) -> arrow.Column:
    """Return cells as a column; what is missing behind them is a gap too."""
    cells += [None] * (rows - len(cells))
    valid = bytearray(cell is not None for cell in cells)
    if form == "u":
        return arrow.Column(form, ["" if cell is None else str(cell) for cell in cells], valid)
    numbers = array(_ARRAYS[form], [0 if cell is None else cell for cell in cells])
    return arrow.Column(form, numbers, valid)
