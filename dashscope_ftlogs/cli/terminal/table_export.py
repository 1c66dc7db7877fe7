"""A metrics table on a terminal, in a file, and as TensorBoard's events."""

import codecs
import csv
import io
import math
import re
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from dashscope_ftlogs import InvalidArgumentError, MetricsTable
from dashscope_ftlogs.archive.manifest import storable
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.cli.options import told_columns
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.cli.terminal.output_file import (
    check_folder,
    check_output,
    put_by,
    refuse_trap,
    told_of,
)
from dashscope_ftlogs.cli.terminal.stdout import aligned, width, write
from dashscope_ftlogs.metrics.arrow import Column
from dashscope_ftlogs.metrics.columns import cell
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.table import wide
from dashscope_ftlogs.reading.forms.names import STEP_NAMES, TOTAL_NAMES, is_loss_or_reward, main_metric
from dashscope_ftlogs.text import distinct, escaped_json, fitted

_AT_ONCE: Final = 1000
"""Rows that are made ready to be written at a time."""
_OURS: Final = ".ftlogs"
"""What the names of our event files end with."""
_FORMULA: Final = re.compile(r"[=+\-@\t\r]")


def _show(table: MetricsTable, chosen: Sequence[str]) -> None:
    """Print the columns that are chosen, or all; on a terminal only as many as fit there.

    Raises:
        InvalidArgumentError: there is none of that name.
    """
    columns, rows = wide(table), len(table)
    named = _chosen(columns, chosen) if chosen else _telling(columns, rows)
    widths = {name: _width(name, columns[name], rows) for name in named}
    wanted = _fitting(widths) if sys.stdout.isatty() and not chosen else named
    room = [widths[name] for name in wanted]
    write(aligned([[name.upper() for name in wanted]], room))
    for part in _in_parts([columns[name] for name in wanted], rows):
        write(aligned([[_cell(one) for one in row] for row in part], room))
    if hidden := [name for name in named if name not in wanted]:
        complain(f"not shown: {told_columns(hidden)}; choose by --columns, or name a file with -o")


def _chosen(columns: Collection[str], names: Sequence[str]) -> list[str]:
    """Return the columns of these names, in their order, each once; all, if none is named.

    Raises:
        InvalidArgumentError: there is none of that name.
    """
    for name in names:
        if name not in columns:
            raise InvalidArgumentError(
                f"--columns {name}: there is no such; those there are: {told_columns(columns)}"
            )
    return list(dict.fromkeys(names or columns))


def _telling(columns: Mapping[str, Column], rows: int) -> list[str]:
    """Return the columns that hold anything, but for those that say the same of every point."""
    filled = [name for name, column in columns.items() if any(column.data.items(0, rows))]
    if len(_different(columns["source"], rows)) == 1:
        filled.remove("source")
    if _different(columns["segment"], rows) == {0}:
        filled.remove("segment")
    return filled


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
    """Return what fits, of what says most: which point it is, its loss or reward, then all else."""
    room = shutil.get_terminal_size().columns
    main = main_metric(widths)
    tells = [name for name in ("source", "segment", "kind", "step", main) if name and name in widths]
    others = sorted(
        (name for name in widths if name not in tells), key=lambda name: not is_loss_or_reward(name)
    )
    fitting: set[str] = set()
    for name in [*tells, *others]:
        if room >= widths[name]:
            fitting.add(name)
            room -= widths[name] + 2
    return [name for name in widths if name in fitting]


def _cell(value: object) -> str | None:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return None if value is None else str(value)


def _write_csv(table: MetricsTable, file: BinaryIO, names: Sequence[str]) -> None:
    columns = wide(table)
    wanted = _chosen(columns, names)
    text = io.TextIOWrapper(file, "utf-8", "backslashreplace", newline="")
    rows = csv.writer(text)
    rows.writerow(fitted(wanted, lambda name: str(_harmless(name))).values())
    for part in _in_parts([columns[name] for name in wanted], len(table)):
        rows.writerows(map(_harmless, row) for row in part)
    text.detach()


def _harmless(value: object) -> object:
    """Keep a spreadsheet from taking a text of a log for a formula, and readers NaN for a text."""
    if value != value:  # noqa: PLR0124  (as `nan`, it makes a column of texts for Polars)
        return "NaN"
    if isinstance(value, str) and _FORMULA.match(value) and not _is_number(value):
        return f"'{value}"
    return value.isoformat() if isinstance(value, datetime) else value


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _write_jsonl(table: MetricsTable, file: BinaryIO, names: Sequence[str]) -> None:
    # NaN and infinity become null: JSON has no word for them.
    rows: Iterable[Mapping[str, Any]] = table.rows()
    if names:
        chosen = _chosen(table.columns, names)
        rows = ({name: row.get(name) for name in chosen} for row in rows)
    file.writelines(_json(row) + b"\n" for row in rows)


def _json(row: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(row)
    except UnicodeEncodeError:  # a lone surrogate
        return msgspec.json.encode(storable(msgspec.to_builtins(row)))


def _write_parquet(table: MetricsTable, file: BinaryIO, names: Sequence[str]) -> None:
    arrow, parquet = extra("data", "pyarrow", "pyarrow.parquet")
    batches = arrow.RecordBatchReader.from_stream(table)
    wanted = _chosen(wide(table), names)
    schema = arrow.schema([batches.schema.field(name) for name in wanted])
    with parquet.ParquetWriter(arrow.PythonFile(file, "w"), schema) as rows:
        for batch in batches:
            rows.write_batch(batch.select(wanted))


_FORMATS: Final[Mapping[str, Callable[[MetricsTable, BinaryIO, Sequence[str]], None]]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
"""How a table is written to a file, by the ending of its name."""
ENDINGS: Final = tuple(_FORMATS)


def write_table(table: MetricsTable, path: Path, columns: Sequence[str]) -> None:
    """Write some columns, or all, to a file of the form that its name says.

    Raises:
        InvalidArgumentError: there is no such column.
    """
    put_by(path, lambda file: _FORMATS[path.suffix](table, file, columns))


def print_table(table: MetricsTable, form: str, columns: Sequence[str]) -> None:
    """Print some columns, or all, as a `table`, `csv` or `jsonl`.

    Raises:
        InvalidArgumentError: there is no such column.
    """
    if form == "table":
        _show(table, columns)
        return
    with io.BufferedWriter(_Stdout()) as file:
        _FORMATS[f".{form}"](table, file, columns)


class _Stdout(io.RawIOBase):
    """Takes bytes as they come, and makes harmless what a terminal gets."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if sys.stdout.isatty():
            text = self._decode(bytes(data)).replace("\r\n", "\n")
            write(escaped_json(text).encode())
        else:
            write(bytes(data))
        return len(data)


def check_table(path: Path, sources: Iterable[str]) -> None:
    """Refuse a file that can't be written, or is a source, before anything is read for it.

    Raises:
        InvalidArgumentError: its name does not do.
        ConfigError: what writes it is not installed.
    """
    if path.suffix not in _FORMATS:
        raise InvalidArgumentError(
            f"-o {str(path)!r}: must end with {', '.join(_FORMATS)}; or with /, for a dataset"
        )
    check_output(path, sources=sources)
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
    check_folder(f"--tensorboard {str(directory)!r}", directory)


def write_events(logs: Iterable[tuple[str, PointColumns]], directory: Path) -> None:
    """Write event files that TensorBoard opens: a run for each log, and for each of its segments.

    They take the place of those that were written so before; no others are touched.

    Where a log does not tell the step of each point of a metric, the numbers of their lines stand for
    all steps of it: no curve is over both.

    Raises:
        InvalidArgumentError: they can't be written there.
        NotWrittenError: they could not all be written.
    """
    with told_of(f"--tensorboard {str(directory)!r}"):
        _write_events(logs, directory)


def _write_events(logs: Iterable[tuple[str, PointColumns]], directory: Path) -> None:
    files, summary, events = extra(
        "tensorboard",
        *("tensorboardX.event_file_writer", "tensorboardX.summary", "tensorboardX.proto.event_pb2"),
    )
    taken: set[str] = set()
    for source, points in logs:
        name = re.sub(r"[^\w.-]+", "-", source).lstrip(".") or "log"
        taken.add(run := distinct(taken, name, again="-{}"))
        without = _without_steps(points)
        told: dict[str, Any] = {}
        values = points.values()
        tags = fitted((*points.metrics, "epoch"), _tag)
        for begin, segment, rows in points.segment.runs(0, len(points)):
            folder = directory / run / f"segment-{segment}" if segment else directory / run
            refuse_trap("--tensorboard", folder)
            folder.mkdir(parents=True, exist_ok=True)
            for earlier in folder.glob(f"events.out.tfevents.*{_OURS}"):
                earlier.unlink(missing_ok=True)  # or each of its points would be there once more
            # Not its `SummaryWriter`: what that fails at is known to a thread of its own only.
            writer = files.EventsWriter(str(folder / "events"), _OURS)
            last = 0
            for row, own in zip(range(begin, begin + rows), values, strict=False):
                step, line, at = cell(points.step, row), cell(points.offset, row), cell(points.time, row)
                last = step or last
                moment = time.time() if at is None else at / 1000
                for name, value in own.items():
                    is_place = name in TOTAL_NAMES or (name in STEP_NAMES and value == step)
                    if is_place or not isinstance(value, float):
                        continue
                    if name not in told:
                        told[name] = summary.scalar(tags[name], 0.0)  # of a NaN, it would tell on stderr
                    told[name].value[0].simple_value = value
                    place = line if name in without else last
                    writer.write_event(events.Event(wall_time=moment, step=place, summary=told[name]))
            writer.close()


def _without_steps(points: PointColumns) -> set[str]:
    """Return the metrics of which some point tells no step; none if all of the training do."""
    if _tells_steps(points):
        return set()
    found: set[str] = set()
    for row, own in enumerate(points.values()):
        if cell(points.step, row) is None:
            found.update(own)
    return found


def _tag(name: str) -> str:
    """Return what TensorBoard's writer makes of a name: it would make one of two."""
    return re.sub(r"[^-/\w.]", "_", name).lstrip("/") or "_"


def _tells_steps(points: PointColumns) -> bool:
    """Whether each point of the training has a step."""
    return all(
        sum(count for _, _, count in points.step.runs(begin, begin + length)) == length
        for begin, kind, length in points.kind.runs(0, len(points))
        if kind == "train"
    )
