"""One log's metrics as a Parquet file, with the facts of its job.

Metrics are numbers in every file, so that files can be read together: what a log has as text stands as
JSON in `text_metrics`. A file says what it was made of.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from dashscope_ftlogs import __version__
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.dataset.partitions import Partition
from dashscope_ftlogs.metrics import arrow
from dashscope_ftlogs.metrics.arrow import Column
from dashscope_ftlogs.metrics.columns import Metric, Numbers, Repeated, Texts, rows
from dashscope_ftlogs.metrics.point_columns import PointColumns, called
from dashscope_ftlogs.metrics.table import table_of, wide
from dashscope_ftlogs.reading.own_pattern import OwnPattern
from dashscope_ftlogs.text import fitted, json_bytes

MADE_OF: Final = b"ftlogs"
"""Under this name, a file says what it was made of."""
_FACTS: Final = (
    *("job_name", "status", "model", "base_model", "training_type", "finetuned_output"),
    *("create_time", "end_time", "hyper_parameters"),
)
_TEXTS: Final = "text_metrics"
_STAND_INS: Final = {
    "main_loss": "loss",
    "main_eval_loss": "eval_loss",
}
"""The columns that hold, in every file, what each log calls otherwise."""
MONTH: Final = "month="
"""How the names of folders begin."""
_OWN: Final = frozenset({"month", "job", "job_id", "profile", _TEXTS, *_STAND_INS, *_FACTS})
"""What the columns are called that tell of the job; a metric of that name gets a `_` behind it.

Capitals count for nothing: DuckDB takes `Month` for the folder's.
"""
_MONTH: Final = re.compile(r"\d{4}-\d{2}(?=\D)")


def month_of(partition: Partition) -> str:
    """Return the month in which a log's job was created, as a folder is called by it."""
    created = _MONTH.match((partition.job and partition.job.create_time) or "")
    return f"{MONTH}{created[0] if created else 'unknown'}"


def made_of(partition: Partition, pattern: OwnPattern | None) -> str:
    """Return a text that is another one where another file would come of a log."""
    by = None if pattern is None else [one.pattern for one in pattern.patterns]
    said = [__version__, partition.log.version, _facts(partition), by]
    return json_bytes(said).decode("utf-8", "replace")


def write_points(
    file: Any, partition: Partition, points: PointColumns, pattern: OwnPattern | None
) -> None:
    """Write the points of a log, and what they were made of."""
    pyarrow, parquet = extra("data", "pyarrow", "pyarrow.parquet")
    batches = pyarrow.RecordBatchReader.from_stream(_Stream(_columns(partition, points), len(points)))
    schema = batches.schema.with_metadata({MADE_OF: made_of(partition, pattern).encode()})
    with parquet.ParquetWriter(pyarrow.PythonFile(file, "w"), schema, compression="zstd") as out:
        for batch in batches:
            out.write_batch(batch.cast(schema))


def _facts(partition: Partition) -> dict[str, str | None]:
    job = partition.job
    told = {name: None if job is None else getattr(job, name) for name in _FACTS}
    given = told["hyper_parameters"]
    told["hyper_parameters"] = None if given is None else json_bytes(given).decode()
    return {"profile": partition.profile or None, **told}


def _columns(partition: Partition, points: PointColumns) -> dict[str, Column]:
    count = len(points)
    facts = {"job_id": partition.job_id, **_facts(partition)}
    columns: dict[str, Column] = {}
    for name, fact in facts.items():
        same = Repeated[str]()
        same.repeat(fact, count)
        columns[name] = Column("text", same)
    for name, metric in _STAND_INS.items():
        stands_in = called(points, metric)
        columns[name] = Column("float", Numbers("d") if stands_in is None else points.numbers(stands_in))
    texts: dict[str, Texts] = {}
    told = wide(table_of([("", points)]))
    names = _names(told)
    for name, column in told.items():
        data, own = column.data, names[name]
        if name == "source":
            continue
        if isinstance(data, Metric):
            if data.numbers:
                columns[own] = Column("float", data.numbers)
            if data.texts is not None:
                texts[name] = data.texts
        else:
            columns[own] = column
    columns[_TEXTS] = Column("text", _as_json(texts, count))
    return columns


def _names(told: Iterable[str]) -> dict[str, str]:
    """Return what to call each column, so that none differs from another in capitals only.

    Which one keeps its name is the same in all files, in whatever order they were told: that of our own
    columns, or the one in small letters.
    """
    kept = spellings(told) | dict.fromkeys(_OWN, "")
    return fitted(told, lambda name: name if kept[name.lower()] == name else f"{name}_")


def spellings(names: Iterable[str]) -> dict[str, str]:
    """Return which of the names that differ in capitals only is kept, by what they are without.

    >>> spellings(["Loss", "loss", "LR", "Lr"])
    {'loss': 'loss', 'lr': 'LR'}
    """
    kept: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (name != name.lower(), name)):
        kept.setdefault(name.lower(), name)
    return kept


def _as_json(texts: Mapping[str, Texts], count: int) -> Texts:
    found = Texts()
    for row, cells in enumerate(rows(texts, count) if texts else ()):
        if cells:
            found.add(row, json_bytes(cells).decode())
    return found


@attrs.frozen
class _Stream:
    """What pyarrow takes for a table."""

    columns: Mapping[str, Column]
    rows: int

    def __arrow_c_stream__(self, _schema: object = None) -> object:
        return arrow.stream(self.columns, self.rows)
