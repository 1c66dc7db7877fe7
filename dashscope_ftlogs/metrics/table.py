"""The metrics of logs as a table: one row for each point, one column for each metric."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.metrics import arrow
from dashscope_ftlogs.metrics.arrow import Column, Form, moment
from dashscope_ftlogs.metrics.columns import Metric, Repeated, rows
from dashscope_ftlogs.metrics.point import Point, added
from dashscope_ftlogs.metrics.point_columns import PointColumns, called
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.metrics.wide_table import OTHERS, apart
from dashscope_ftlogs.reading.forms.names import WHATEVER_ITS_NAME
from dashscope_ftlogs.reading.own_pattern import own_pattern
from dashscope_ftlogs.text import escaped, excerpt, fitted

_ABOUT: Final[Mapping[str, Form]] = {
    "source": "text",
    "offset": "int",
    "segment": "int",
    "kind": "text",
    "step": "int",
    "total_steps": "int",
    "epoch": "float",
    "time": "time",
}
"""The columns that say where a row is from; see `MetricsTable`."""
_TOLD: Final = frozenset({"step", "total_steps", "epoch"})
"""The entries of a metric dict that columns of their own tell."""
_NAMED: Final = 8
"""So many names are told where another one was asked for."""
_AT_ONCE: Final = 1000
"""Points that are taken at a time."""

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
    text if any of their values is none. One that is called as a column above, or `other_metrics`, or not
    at all, gets a `_` behind its name, and a number if that is another's. Control characters in a name,
    which not every format and reader takes, are written as escapes.

    Whatever takes Arrow streams takes a table as it is: `pyarrow.table(t)`, `polars.DataFrame(t)`,
    `pandas.DataFrame.from_arrow(t)`, and DuckDB's `select * from t`. NaN stays NaN; what a row does not
    have is null. This needs the extra `data`. Where a log names so many metrics that hardly one cell in
    twenty would hold anything, the rarest are there in one column `other_metrics`, as JSON.

    >>> table = MetricsTable.from_lines(["{'loss': 1.5, 'epoch': 0.5}", "{'eval_loss': 1.2}"], "ft-1")
    >>> table.metrics, len(table)
    (('loss', 'eval_loss'), 2)
    >>> table["loss"], "loss" in table, "reward" in table
    ([1.5, None], True, False)
    """

    # Rows, or names of columns? Where nothing is said, Python asks for the columns 0, 1 and so on.
    __iter__ = None

    def __init__(self, points: Iterable[tuple[str, Point]]) -> None:
        """Make a table of points, each with the name of its log."""
        sources, taken = Repeated[str](), PointColumns()
        named = map(_named, checks.many("points", points, "pairs of a name and a Point"))
        while page := list(islice(named, _AT_ONCE)):
            sources.add(source for source, _ in page)
            added(taken, [point for _, point in page])
        self._take(sources, taken)

    @classmethod
    def from_lines(
        cls,
        lines: Iterable[str],
        source: str = "",
        *,
        offset: int = 0,
        pattern: str | Iterable[str] | None = None,
    ) -> "MetricsTable":
        r"""Read the metrics of one log, given as its lines: those of a file, say, or of a pipe.

        >>> table = MetricsTable.from_lines(["at 3: 2.5"], pattern=r"at (?P<step>\d+): (?P<loss>\S+)")
        >>> table["step"], table["loss"]
        ([3], [2.5])

        Args:
            lines: The lines.
            source: What to call the log.
            offset: The number of the first line.
            pattern: For lines that no known form fits, as `LogSession.metrics` takes it.

        Raises:
            InvalidArgumentError: a pattern is none, or has no group for a metric.
        """
        checks.kind_of("source", source, str)
        checks.whole_number("offset", offset, 0)
        log = LogPoints(None if pattern is None else own_pattern(pattern))
        log.read_all(checks.many("lines", lines), offset)
        return table_of([(source, log.columns())])

    def _take(self, sources: "Repeated[str]", points: PointColumns) -> None:
        self._rows = len(points)
        self._points = points
        self._columns = {"source": Column("text", sources)}
        for name, form in list(_ABOUT.items())[1:]:
            self._columns[name] = Column(form, getattr(points, name))
        for name, metric in _by_column(points).items():
            self._columns[name] = Column("float" if metric.texts is None else "text", metric)

    def __len__(self) -> int:
        return self._rows

    def __contains__(self, column: object) -> bool:
        return column in self._columns

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
        """Return a column; None where a row has nothing.

        Raises:
            InvalidArgumentError: that is no name.
            KeyError: there is none of that name. No log has those of what it never told, such as
                `eval_loss` without evaluations.
        """
        found = self._columns.get(checks.kind_of("column", column, str))
        if found is None:
            there = ", ".join(excerpt(name, 60) for name in self.metrics[:_NAMED]) or "none"
            raise KeyError(f"no point has {excerpt(column, 60)!r}; the metrics are {there}")
        return found.cells(0, self._rows)

    def column_of(self, metric: str) -> str | None:
        """Return the column that holds a metric; None if there is none.

        Trainers have many names for the `loss` and the `eval_loss`: `train/loss`, say, and `valid_loss`.
        Asked for these two, it is what stands for them in `ftlogs jobs --metrics`, `show` and `plot`; a
        reward does not. Each log has its own: this is for a table of one.

        >>> table = MetricsTable.from_lines(["{'step': 3, 'valid_loss': 0.5}"])
        >>> table.column_of("eval_loss"), table.column_of("loss"), table.column_of("kl")
        ('valid_loss', None, None)
        """
        checks.kind_of("metric", metric, str)
        if metric in WHATEVER_ITS_NAME:
            return called(self._points, metric)
        return metric if metric in self._columns else None

    def rows(self) -> Iterator[dict[str, MetricValue]]:
        """Yield each row, without what it does not have.

        A log's NaN and infinity are such floats here. JSON has no word for them, so that `json.dumps`
        writes what is none, and some web frameworks refuse it. `msgspec` writes null, and times in
        ISO 8601, as `ftlogs metrics --format jsonl` does:

        >>> import msgspec
        >>> table = MetricsTable.from_lines(["{'loss': nan, 'step': 3}"], "ft-1")
        >>> msgspec.json.encode([(row["step"], row["loss"]) for row in table.rows()])
        b'[[3,null]]'
        """
        columns = {name: column.data for name, column in self._columns.items()}
        for row in rows(columns, self._rows):
            if "time" in row:
                row["time"] = moment(row["time"])
            yield row

    def _wide(self) -> dict[str, Column]:
        about = {name: self._columns[name] for name in _ABOUT}
        return about | apart({name: self._columns[name] for name in self.metrics}, self._rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return an Arrow stream; the schema is always the table's own.

        Raises:
            ConfigError: the extra `data` is not installed.
        """
        return arrow.stream(self._wide(), self._rows)


def table_of(logs: Iterable[tuple[str, PointColumns]]) -> MetricsTable:
    """Make a table of the points of logs, each with its name. The first is kept, and grows."""
    table = MetricsTable([])
    sources, taken = Repeated[str](), PointColumns()
    for source, points in logs:
        sources.repeat(source, len(points))
        if taken:
            taken.extend(points)
        else:
            taken = points
    table._take(sources, taken)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (its own module)
    return table


def wide(table: MetricsTable) -> dict[str, Column]:
    """Return the columns of a table such as Arrow streams have them."""
    return table._wide()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (its own module)


def _named(one: Any) -> tuple[str, Point]:
    match one:
        case str(source), Point() as point:
            return source, point
        case _:
            raise checks.refused("points", one, "pairs of a name and a Point, each of them")


def _by_column(points: PointColumns) -> dict[str, Metric]:
    """Return the metrics by the names that their columns have.

    Of those that differ in capitals only, the one in small letters comes first: DuckDB takes that for
    the one of any capitals that is asked for.
    """
    told = [name for name in points.metrics if name not in _TOLD]
    first = {name.lower(): place for place, name in reversed(list(enumerate(told)))}
    told.sort(key=lambda name: (first[name.lower()], name != name.lower()))
    names = fitted(told, _column)
    return {column: points.metrics[name] for name, column in names.items()}


def _column(metric: str) -> str:
    """Return what a column can be called, by the name that a log has for a metric."""
    if not metric or metric == OTHERS or metric in _ABOUT:
        return f"{metric}_"
    if escaped(metric) == metric:
        return metric
    return escaped(metric.replace("\\", "\\\\"))
