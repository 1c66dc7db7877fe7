"""A metrics table on a terminal, in a file, and as TensorBoard's events."""

import csv
import io
import math
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec

from dashscope_ftlogs import ConfigError, MetricsTable
from dashscope_ftlogs.archive.manifest import storable
from dashscope_ftlogs.cli.run_command import complain
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


def extra(name: str, *modules: str) -> list[Any]:
    """Return modules that come with an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return [import_module(module) for module in modules]
    except ModuleNotFoundError:
        raise ConfigError(
            f"{modules[0]} is not installed: pip install 'dashscope-ftlogs[{name}]'"
        ) from None


def put(path: Path, data: bytes) -> None:
    """Write a file so that under its name there is never half of it.

    A device, a pipe, and what a name such as /dev/stdout stands for are written to, never replaced.
    """
    if _is_no_file(path):
        with path.open("wb") as end:
            end.write(data)
        return
    new = _beside(path)
    with new.open("xb") as file:
        file.write(data)
    new.replace(path)


def _is_no_file(path: Path) -> bool:
    if path.parent.resolve().parts[1:2] in (("dev",), ("proc",)):
        return True
    try:
        kind = path.lstat().st_mode  # a link may have been laid by another: it is replaced
    except OSError:
        return False
    return stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)


def _beside(path: Path) -> Path:
    """Return a free name beside `path`; a link that waited there would lead the data elsewhere."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    return new
