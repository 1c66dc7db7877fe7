"""`ftlogs metrics`: the numbers in logs as a table, a file, or TensorBoard's event files."""

import enum
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.archive.object_store.url import is_store_url
from dashscope_ftlogs.cli.commands.metrics_dataset import add_to_dataset, is_dataset
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import NOTHING_TO_WRITE
from dashscope_ftlogs.cli.log_sources import (
    Sources,
    code_of,
    complain_of_patterns,
    no_metrics,
    read_logs,
)
from dashscope_ftlogs.cli.options import Pattern, archive, chosen, column_names, grouped, local
from dashscope_ftlogs.cli.reading_processes import PointsRead, ReadPoints
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.table_export import (
    check_events,
    check_table,
    print_table,
    write_events,
    write_table,
)
from dashscope_ftlogs.metrics.table import table_of
from dashscope_ftlogs.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashscope_ftlogs.metrics.point_columns import PointColumns


_STDOUT: Final = "-"


class Format(enum.StrEnum):
    """How metrics are printed."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


def _file_or_dataset(said: str) -> str:
    """Return a path or a URL as it was said, which tells a directory's name from a file's."""
    if is_store_url(said) and is_dataset(said):
        return archive(said)
    local(Path(said))
    return said


@grouped
def metrics(
    logs: Sources,
    *,
    output: Annotated[
        str | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE|DATASET/",
            help="Write a .csv, .jsonl or .parquet file; - for stdout, as CSV; or, of archives, a "
            "directory or s3://BUCKET/PREFIX of Parquet files, and later only what is new.",
            parser=_file_or_dataset,
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write event files, a run for each log, for TensorBoard."),
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="What is printed: a table, CSV, or JSON objects, in which NaN and infinity are null.",
        ),
    ] = Format.TABLE,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Only these columns, in this order; a name that holds a comma in quotes, as in CSV.",
        ),
    ] = None,
    pattern: Pattern = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Let a Dask cluster make the dataset: tcp://SCHEDULER:8786.  [default: all processors]",
        ),
    ] = None,
    connection: Connection,
) -> None:
    """Show the loss and all other numbers of a log, point by point."""

    async def main() -> int:
        nonlocal output, form
        if output == _STDOUT:
            output = None
            form = Format.CSV if form is Format.TABLE else form
        chosen_ones = column_names(columns) if columns else ()
        to_file = output is not None or tensorboard is not None
        _check_print(form, chosen_ones, to_file=to_file, events_only=to_file and output is None)
        if output is not None and is_dataset(output):
            _check_dataset(others=bool(chosen_ones or tensorboard))
            return await add_to_dataset(logs, output, chosen(pattern), dask, connection.profile)
        _check_no_dataset(dask)
        if output is not None:
            check_table(Path(output), logs)
        if tensorboard is not None:
            check_events(tensorboard)
        failed: list[FTLogsError] = []
        own = chosen(pattern)
        begin = partial(ReadPoints, pattern=own)
        found: list[tuple[str, PointsRead]] = []
        async with aclosing(read_logs(logs, connection, begin, failed)) as read:
            found += [(log.name, log.read) async for log in read]
        complain_of_patterns(own, (one.fits for _, one in found))
        if not any(one.points for _, one in found):
            complain(no_metrics({name: one.unlike_a_log for name, one in found}, own))
            if output is None or failed:
                return code_of(failed) or (NOTHING_TO_WRITE if to_file else 0)
        _write(found, output, tensorboard, chosen_ones)
        if not to_file:
            print_table(table_of(_let_go_of(found)), form.value, chosen_ones)
        return code_of(failed)

    run(main())


def _check_print(form: Format, columns: Sequence[str], *, to_file: bool, events_only: bool) -> None:
    if columns and events_only:
        raise InvalidArgumentError("--columns: only for tables; TensorBoard's events have none")
    if form is not Format.TABLE and to_file:
        raise InvalidArgumentError("--format: only for what is printed; a file's name says its own")


def _check_dataset(*, others: bool) -> None:
    if others:
        raise InvalidArgumentError("-o DATASET/: not with --columns or --tensorboard")


def _check_no_dataset(dask: str | None) -> None:
    if dask is not None:
        raise InvalidArgumentError("--dask: only with a dataset, -o DATASET/")


def _write(
    found: list[tuple[str, PointsRead]],
    output: str | None,
    tensorboard: Path | None,
    columns: Sequence[str],
) -> None:
    """Write the files that were asked for; where no log has a point, a table without rows."""
    points = [len(one.points) for _, one in found if one.points]
    held = f"{counted(sum(points), 'point')} of {counted(len(points), 'log')}"
    if tensorboard is not None and points:
        write_events([(name, one.points) for name, one in found], tensorboard)
        complain(f"{tensorboard}: {held}")
    if output is not None:
        write_table(table_of(_let_go_of(found)), Path(output), columns)
        complain(f"{output}: {held}")


def _let_go_of(logs: list[tuple[str, PointsRead]]) -> "Iterator[tuple[str, PointColumns]]":
    """Yield all in turn; there is no need to have each of them twice."""
    while logs:
        name, read = logs.pop(0)
        yield name, read.points
