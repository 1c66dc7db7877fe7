"""A metrics table on a terminal, in a file, and as TensorBoard's events."""

import csv
import io
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from dashscope_ftlogs import InvalidArgumentError, MetricsTable
from dashscope_ftlogs.archive.manifest import storable
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.cli.terminal.output_file import check_output, extra, put_by
from dashscope_ftlogs.cli.terminal.stdout import aligned, width, write
from dashscope_ftlogs.metrics.arrow import Column
from dashscope_ftlogs.metrics.columns import cell
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.table import wide

_AT_ONCE: Final = 1000
"""Rows that are made ready to be written at a time."""
_FORMULA: Final = re.compile(r"[=+\-@\t\r]")


def show(table: MetricsTable) -> None:
    """Print a table; on a terminal only as many columns as fit there."""
    columns, rows = wide(table), len(table)
    filled = [name for name, column in columns.items() if any(column.data.items(0, rows))]
    if len(_different(columns["source"], rows)) == 1:
        filled.remove("source")
    if _different(columns["segment"], rows) == {0}:
        filled.remove("segment")
    widths = {name: _width(name, columns[name], rows) for name in filled}
    wanted = _fitting(widths) if sys.stdout.isatty() else filled
    room = [widths[name] for name in wanted]
    write(aligned([[name.upper() for name in wanted]], room))
    for part in _in_parts([columns[name] for name in wanted], rows):
        write(aligned([[_cell(one) for one in row] for row in part], room))
    if hidden := [name for name in filled if name not in wanted]:
        complain(f"not shown: {', '.join(hidden)}; all are in a file that you name with -o")


def _different(column: Column, rows: int) -> set[object]:
    return {one for part in _in_parts([column], rows) for (one,) in part}


def _width(name: str, column: Column, rows: int) -> int:
    parts = _in_parts([column], rows)
    return max(width([name.upper()]), *(width(_cell(one) for (one,) in part) for part in parts))


def _in_parts(columns: Sequence[Column], rows: int) -> Iterator[Iterable[Sequence[Any]]]:
    """Yield the rows, so many at a time that their cells are no burden."""
    for begin in range(0, rows, _AT_ONCE):
        end = min(begin + _AT_ONCE, rows)
        yield zip(*(column.cells(begin, end) for column in columns), strict=True)


def _fitting(widths: Mapping[str, int]) -> list[str]:
    room = shutil.get_terminal_size().columns
    fitting: list[str] = []
    for name, needed in widths.items():
        if room >= needed:
            fitting.append(name)
            room -= needed + 2
    return fitting


def _cell(value: object) -> str | None:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return None if value is None else str(value)


def _write_csv(table: MetricsTable, path: Path) -> None:
    columns = wide(table)

    def write(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
        rows = csv.writer(text)
        rows.writerow(map(_harmless, columns))
        for part in _in_parts(list(columns.values()), len(table)):
            rows.writerows(map(_harmless, row) for row in part)
        text.detach()

    put_by(path, write)


def _harmless(value: object) -> object:
    """Keep a spreadsheet from taking a text that a log holds for a formula."""
    if isinstance(value, str) and _FORMULA.match(value) and not _is_number(value):
        return f"'{value}"
    return value.isoformat() if isinstance(value, datetime) else value


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _write_jsonl(table: MetricsTable, path: Path) -> None:
    # NaN and infinity become null: JSON has no word for them.
    put_by(path, lambda file: file.writelines(_json(row) + b"\n" for row in table.rows()))


def _json(row: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(row)
    except UnicodeEncodeError:  # a lone surrogate
        return msgspec.json.encode(storable(msgspec.to_builtins(row)))


def _write_parquet(table: MetricsTable, path: Path) -> None:
    arrow, parquet = extra("data", "pyarrow", "pyarrow.parquet")

    def write(file: BinaryIO) -> None:
        batches = arrow.RecordBatchReader.from_stream(table)
        with parquet.ParquetWriter(arrow.PythonFile(file, "w"), batches.schema) as rows:
            for batch in batches:
                rows.write_batch(batch)

    put_by(path, write)


FORMATS: Final[Mapping[str, Callable[[MetricsTable, Path], None]]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
"""How a table is written to a file, by the ending of its name."""


def check_table(path: Path, sources: Iterable[str]) -> None:
    """Refuse a file that can't be written, or is a source, before anything is read for it.

    Raises:
        InvalidArgumentError: its name does not do.
        ConfigError: what writes it is not installed.
    """
    check_output(path, FORMATS, sources)
    if path.suffix == ".parquet":
        extra("data", "pyarrow")
        extra("data", "arro3.core")


def check_events(directory: Path) -> None:
    """The same for TensorBoard's files; the directory is made, and those that it lies in.

    Raises:
        InvalidArgumentError: something else lies there.
        ConfigError: what writes them is not installed.
    """
    extra("tensorboard", "tensorboardX")
    there = next(one for one in (directory, *directory.absolute().parents) if os.path.lexists(one))
    if not there.is_dir():
        raise InvalidArgumentError(f"--tensorboard {str(directory)!r}: {str(there)!r} is no directory")


def write_events(logs: Iterable[tuple[str, PointColumns]], directory: Path) -> None:
    """Write event files that TensorBoard opens: a run for each log, and for each of its segments.

    Where a log does not tell the steps of its points, the numbers of their lines stand for them.
    """
    (tensorboard,) = extra("tensorboard", "tensorboardX")
    for source, points in logs:
        folder = directory / re.sub(r"[^\w.-]+", "-", source).lstrip(".")
        told = _tells_steps(points)
        values = points.values()
        for begin, segment, count in points.segment.runs(0, len(points)):
            writer = tensorboard.SummaryWriter(str(folder / f"segment-{segment}" if segment else folder))
            last = 0
            places = points.step if told else points.offset
            for row, own in zip(range(begin, begin + count), values, strict=False):
                last = cell(places, row) or last
                at = cell(points.time, row)
                time = None if at is None else at / 1000
                for name, value in own.items():
                    if isinstance(value, float):
                        writer.add_scalar(name, value, last, walltime=time)
            writer.close()


def _tells_steps(points: PointColumns) -> bool:
    """Whether each point of the training has a step."""
    return all(
        sum(count for _, _, count in points.step.runs(begin, begin + length)) == length
        for begin, kind, length in points.kind.runs(0, len(points))
        if kind == "train"
    )
