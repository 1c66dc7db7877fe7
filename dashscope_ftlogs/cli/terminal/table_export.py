"""A metrics table on a terminal, in a file, and as TensorBoard's events."""

import csv
import io
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from dashscope_ftlogs import InvalidArgumentError, MetricsTable
from dashscope_ftlogs.archive.manifest import storable
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.cli.terminal.output_file import check_output, extra, put
from dashscope_ftlogs.cli.terminal.stdout import table as aligned
from dashscope_ftlogs.cli.terminal.stdout import write
from dashscope_ftlogs.metrics.points import Point

_FORMULA: Final = re.compile(r"[=+\-@\t\r]")


def show(table: MetricsTable) -> None:
    """Print a table; on a terminal only as many columns as fit there."""
    columns = {name: [_cell(value) for value in table[name]] for name in table.columns}
    filled = [name for name, cells in columns.items() if any(cell is not None for cell in cells)]
    if len(set(columns["source"])) == 1:
        filled.remove("source")
    if set(columns["segment"]) == {"0"}:
        filled.remove("segment")
    wanted = _fitting(columns, filled) if sys.stdout.isatty() else filled
    rows = zip(*(columns[name] for name in wanted), strict=True)
    write(aligned([name.upper() for name in wanted], list(rows)))
    if hidden := [name for name in filled if name not in wanted]:
        complain(f"not shown: {', '.join(hidden)}; all are in a file that you name with -o")


def _fitting(columns: Mapping[str, Sequence[str | None]], names: Sequence[str]) -> list[str]:
    room = shutil.get_terminal_size().columns
    fitting: list[str] = []
    for name in names:
        width = max(len(name), *(len(cell or "-") for cell in columns[name]))
        if room >= width:
            fitting.append(name)
            room -= width + 2
    return fitting


def _cell(value: object) -> str | None:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    return None if value is None else str(value)


def _write_csv(table: MetricsTable, path: Path) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(map(_harmless, table.columns))
    rows.writerows(
        zip(*([_harmless(cell) for cell in table[name]] for name in table.columns), strict=True)
    )
    put(path, text.getvalue().encode("utf-8", "backslashreplace"))


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
    put(path, b"".join(_json(row) + b"\n" for row in table.rows()))


def _json(row: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(row)
    except UnicodeEncodeError:  # a lone surrogate
        return msgspec.json.encode(storable(msgspec.to_builtins(row)))


def _write_parquet(table: MetricsTable, path: Path) -> None:
    arrow, parquet = extra("data", "pyarrow", "pyarrow.parquet")
    data = io.BytesIO()
    parquet.write_table(arrow.table(table), data)
    put(path, data.getvalue())


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


def write_events(points: Iterable[tuple[str, Point]], directory: Path) -> None:
    """Write event files that TensorBoard opens: a run for each log, and for each of its segments.

    Where a log does not tell the steps of its points, the numbers of their lines stand for them.
    """
    (tensorboard,) = extra("tensorboard", "tensorboardX")
    logs: dict[str, list[Point]] = {}
    for source, point in points:
        logs.setdefault(source, []).append(point)
    for source, own in logs.items():
        told = all(point.step is not None for point in own if point.kind == "train")
        for segment in range(own[-1].segment + 1):
            folder = directory / re.sub(r"[^\w.-]+", "-", source).lstrip(".")
            writer = tensorboard.SummaryWriter(str(folder / f"segment-{segment}" if segment else folder))
            last = 0
            for point in own:
                if point.segment == segment:
                    last = (point.step if told else point.offset) or last
                    for name, value in point.values.items():
                        if isinstance(value, float):
                            time = None if point.time is None else point.time / 1000
                            writer.add_scalar(name, value, last, walltime=time)
            writer.close()
