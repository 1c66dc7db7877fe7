"""`ftlogs metrics`: the numbers in logs as a table, a file, or TensorBoard's event files."""

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashscope_ftlogs import MetricsTable
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.log_sources import Pattern, Sources, chosen, sources
from dashscope_ftlogs.cli.options import grouped, to_file
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.table_export import (
    FORMATS,
    check_events,
    check_table,
    show,
    write_events,
)

if TYPE_CHECKING:
    from dashscope_ftlogs.metrics.points import Point


@grouped
def metrics(
    logs: Sources,
    *,
    output: Annotated[Path | None, to_file("Write a .csv, .jsonl or .parquet file.")] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write event files, a run for each log, for TensorBoard."),
    ] = None,
    pattern: Pattern = None,
    connection: Connection,
) -> None:
    """Show the loss and all other numbers of a log, point by point."""

    async def main() -> int:
        if output is not None:
            check_table(output, logs)
        if tensorboard is not None:
            check_events(tensorboard)
        own = chosen(pattern)
        points: list[tuple[str, Point]] = []
        async with aclosing(sources(logs, connection)) as found:
            async for source in found:
                points += [(source.name, point) for point in await source.points(own)]
        if not points:
            complain("no metrics there")
            return 0
        if output is not None:
            FORMATS[output.suffix](MetricsTable(points), output)
        if tensorboard is not None:
            write_events(points, tensorboard)
        if output is None and tensorboard is None:
            show(MetricsTable(points))
        return 0

    run(main())
