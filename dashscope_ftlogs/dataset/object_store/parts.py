"""Parts: Parquet files of the rows of many logs, made of others."""

import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from dashscope_ftlogs.archive.store import KeptLog, label
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.dataset.parquet_file import made_of, month_of, spellings, write_points
from dashscope_ftlogs.dataset.partitions import Partition, points_of
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern

_ROWS: Final = 100_000
"""In one group of rows, at least."""


@attrs.frozen
class LogRows:
    """The rows of one log."""

    log: str
    """Its job's id, with the profile whose it is: two accounts may have jobs of one id."""
    month: str
    digest: str
    """Of what they were made of."""
    count: int
    data: bytes = attrs.field(repr=False)
    """A Parquet file."""
    fits: Fits = frozenset()
    """What of the user's own patterns fitted."""


def rows_of(pattern: OwnPattern | None, _name: str, log: KeptLog) -> LogRows:
    """Read a log; return its rows.

    Raises:
        ArchiveError: the log can't be read.
    """
    partition, file = Partition(log.name, log), io.BytesIO()
    points, fits = points_of(log, pattern)
    write_points(file, partition, points, pattern)
    month, digest = month_of(partition), digest_of(partition, pattern)
    return LogRows(label(log.profile, log.name), month, digest, len(points), file.getvalue(), fits)


def digest_of(partition: Partition, pattern: OwnPattern | None) -> str:
    """Return a digest of what the rows of a log would be made of."""
    return hashlib.sha256(made_of(partition, pattern).encode()).hexdigest()[:32]


def merged(old: Sequence[bytes], new: Sequence[bytes], logs: Collection[str]) -> tuple[bytes, int]:
    """Return the rows of Parquet files as one, without the old ones of these logs, and their number."""
    pyarrow, compute, parquet = extra("data", "pyarrow", "pyarrow.compute", "pyarrow.parquet")
    files = [parquet.ParquetFile(io.BytesIO(data)) for data in (*old, *new)]
    # As who reads files together by DuckDB has it: what one log calls `Loss`, and another one `loss`.
    kept = spellings(name for file in files for name in file.schema_arrow.names)
    schemas = [_spelled(file.schema_arrow.empty_table(), kept).schema for file in files]
    schema = pyarrow.unify_schemas(schemas).remove_metadata()
    profile, job = compute.field("profile"), compute.field("job_id")
    log = compute.coalesce(compute.binary_join_element_wise(profile, job, "/"), job)
    others = ~log.isin(list(logs))

    def tables() -> Iterator[Any]:
        for number, file in enumerate(files):
            for batch in file.iter_batches():
                table = _spelled(pyarrow.Table.from_batches([batch]), kept)
                yield table.filter(others) if number < len(old) else table

    out, count = io.BytesIO(), 0
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for some in _groups(tables()):
            table = pyarrow.concat_tables([schema.empty_table(), *some], promote_options="default")
            writer.write_table(table)
            count += table.num_rows
    return out.getvalue(), count


def _spelled(table: Any, kept: Mapping[str, str]) -> Any:
    """Return a table whose columns are called as is kept, unless it is an old one that has both."""
    names = [kept[name.lower()] for name in table.column_names]
    return table.rename_columns(names) if len(set(names)) == len(names) else table


def _groups(tables: Iterator[Any]) -> Iterator[list[Any]]:
    """Yield tables together that are worth a group of rows."""
    some: list[Any] = []
    for table in tables:
        some.append(table)
        if sum(one.num_rows for one in some) >= _ROWS:
            yield some
            some = []
    yield some
