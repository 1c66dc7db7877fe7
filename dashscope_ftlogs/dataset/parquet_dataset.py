"""A dataset of Parquet files beside an archive: the metrics of each log, with the facts of its job.

Each log has one file, `month=2026-11/job=JOB_ID/metrics.parquet`, by the month in which its job was
created: names that DuckDB, Polars, pyarrow and Spark take for columns. A file is replaced as a whole, so
whoever reads the dataset meanwhile sees each log once. It says what it was made of: a log that is still
the same is not read again.

Metrics are numbers in every file, so that files can be read together: what a log has as text stands as
JSON in `text_metrics`.
"""

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from dashscope_ftlogs import __version__
from dashscope_ftlogs.archive.directory import set_lock
from dashscope_ftlogs.archive.manifest import stem
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.dataset.partitions import Partition, points_of
from dashscope_ftlogs.metrics import arrow
from dashscope_ftlogs.metrics.arrow import Column
from dashscope_ftlogs.metrics.columns import Metric, Repeated, Texts, rows
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.table import table_of, wide
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.own_pattern import OwnPattern
from dashscope_ftlogs.text import json_bytes

FILE: Final = "metrics.parquet"
_NEW: Final = ".ftlogs-new-"
"""How names begin of files that are being written; they are no reader's of Parquet."""
_TRIES: Final = 3
_MADE_OF: Final = b"ftlogs"
"""Under this name, a file says what it was made of."""
_FACTS: Final = (
    *("job_name", "status", "model", "base_model", "training_type", "finetuned_output"),
    *("create_time", "end_time", "hyper_parameters"),
)
_TEXTS: Final = "text_metrics"
_OWN: Final = frozenset({"month", "job", "job_id", _TEXTS, *_FACTS})
"""What the columns are called that tell of the job; a metric of that name gets a `_` behind it."""
_MONTH: Final = re.compile(r"\d{4}-\d{2}(?=\D)")


@attrs.frozen
class Dataset:
    """A dataset in a directory, which is made when the first log is added."""

    directory: Path
    pattern: OwnPattern | None = None
    """Of the user's own, for lines that no known form fits."""

    def path(self, partition: Partition) -> Path:
        """Return the file of one log."""
        created = _MONTH.match((partition.job and partition.job.create_time) or "")
        month = created[0] if created else "unknown"
        return self.directory / f"month={month}" / f"job={stem(partition.job_id)}" / FILE

    def has(self, partition: Partition) -> bool:
        """Whether the dataset has the metrics of a log as it is now."""
        pyarrow, parquet = extra("data", "pyarrow", "pyarrow.parquet")
        path = self.path(partition)
        try:
            # By its path, pyarrow would map it to memory, and crash where it is cut meanwhile.
            with path.open("rb") as file:
                said: dict[bytes, bytes] = parquet.ParquetFile(file).schema_arrow.metadata or {}
        except (OSError, pyarrow.ArrowException):
            return False
        return said.get(_MADE_OF, b"").decode("utf-8", "replace") == self._made_of(partition)

    def add(self, partition: Partition) -> int:
        """Read a log, put its metrics in the place of those that were there; return how many points.

        Raises:
            ArchiveError: the log can't be read.
            OSError: the file can't be written; what was there stays.
        """
        return self.put(partition, points_of(partition.log, self.pattern))

    def put(self, partition: Partition, points: PointColumns) -> int:
        """Put these in the place of the points of a log that were there; return how many there are.

        Raises:
            OSError: the file can't be written; what was there stays.
        """
        for _ in range(_TRIES):
            # Who sweeps may take it for what a killed one left, while it is not locked yet or no longer.
            with suppress(FileNotFoundError):
                self._put(partition, points)
                return len(points)
        self._put(partition, points)
        return len(points)

    def _put(self, partition: Partition, points: PointColumns) -> None:
        path = self.path(partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.directory / f"{_NEW}{secrets.token_hex(8)}"
        try:
            with new.open("xb") as file:
                with suppress(OSError):  # not every file system knows locks; there, nothing is swept
                    set_lock(file.fileno(), take=True)
                _write(file, _columns(partition, points), len(points), self._made_of(partition))
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def sweep(self) -> None:
        """Remove what those left who were killed while they wrote: what nobody has locked."""
        for left in self.directory.glob(f"{_NEW}*"):
            with suppress(OSError):
                with left.open("r+b") as file:
                    set_lock(file.fileno(), take=True)
                left.unlink()

    def _made_of(self, partition: Partition) -> str:
        by = None if self.pattern is None else self.pattern.pattern.pattern
        facts = _facts(partition.job)
        return json_bytes([__version__, partition.log.version, facts, by]).decode("utf-8", "replace")


def _facts(job: Job | None) -> dict[str, str | None]:
    told = {name: None if job is None else getattr(job, name) for name in _FACTS}
    given = told["hyper_parameters"]
    return told | {"hyper_parameters": None if given is None else json_bytes(given).decode()}


def _columns(partition: Partition, points: PointColumns) -> dict[str, Column]:
    count = len(points)
    facts = {"job_id": partition.job_id, **_facts(partition.job)}
    columns: dict[str, Column] = {}
    for name, fact in facts.items():
        same = Repeated[str]()
        same.repeat(fact, count)
        columns[name] = Column("text", same)
    texts: dict[str, Texts] = {}
    for name, column in wide(table_of([("", points)])).items():
        data = column.data
        own = f"{name}_" if name in _OWN else name
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


def _write(file: Any, columns: Mapping[str, Column], rows: int, made_of: str) -> None:
    pyarrow, parquet = extra("data", "pyarrow", "pyarrow.parquet")
    batches = pyarrow.RecordBatchReader.from_stream(_Stream(columns, rows))
    schema = batches.schema.with_metadata({_MADE_OF: made_of.encode()})
    with parquet.ParquetWriter(pyarrow.PythonFile(file, "w"), schema, compression="zstd") as out:
        for batch in batches:
            out.write_batch(batch.cast(schema))
