"""`ftlogs report`: jobs, curves, failures and logs as one page that opens from disk."""

from contextlib import aclosing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from dashscope_ftlogs import FTLogsError, __version__
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.log_sources import Sources, code_of, complain_of_patterns, read_logs
from dashscope_ftlogs.cli.options import Pattern, chosen, grouped, to_file
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.output_file import check_output, put_by
from dashscope_ftlogs.cli.terminal.stdout import write
from dashscope_ftlogs.text import counted

if TYPE_CHECKING:
    from dashscope_ftlogs.reading.own_pattern import OwnPattern
    from dashscope_ftlogs.report.log_digest import ReadLog

_STDOUT = Path("-")
_LARGE = 25 * 10**6
"""Bytes of a page. A browser takes about a second for so many on a desktop, and longer anywhere else."""


@grouped
def report(
    logs: Sources,
    *,
    output: Annotated[Path, to_file("The page to write; - for stdout.")] = Path("report.html"),
    pattern: Pattern = None,
    connection: Connection,
) -> None:
    """Write one HTML page of jobs, curves, failures and logs. It opens from disk, without network."""

    async def main() -> int:
        from dashscope_ftlogs.report.page import left_out, page  # noqa: PLC0415
        from dashscope_ftlogs.report.scripts_and_styles import load  # noqa: PLC0415  (only this command needs them)

        if output != _STDOUT:
            check_output(output, sources=logs)
        failed: list[FTLogsError] = []
        own = chosen(pattern)
        found = await _read(logs, connection, own, failed)
        complain_of_patterns(own, (log.fits for log in found))
        if cut := [log for log in found if log.lines.left_out]:
            which = cut[0].name if len(cut) == 1 else f"{len(cut):,} of {counted(len(found), 'log')}"
            complain(f"{which}: {left_out(*cut)}")
        made = datetime.now().astimezone().isoformat(" ", "minutes")
        pieces = page(found, load(), version=__version__, made=made)
        data = (piece.encode("utf-8") for piece in pieces)
        if output == _STDOUT:
            for piece in data:
                write(piece)
            return code_of(failed)
        sizes: list[int] = []
        put_by(output, lambda file: sizes.extend(map(file.write, data)))
        complain(f"{output}: {counted(len(found), 'log')}, {_size(sum(sizes))}")
        if sum(sizes) > _LARGE:
            complain(
                f"a browser takes a while to open {_size(sum(sizes))}; fewer logs make a smaller page"
            )
        return code_of(failed)

    run(main())


async def _read(
    words: list[str],
    connection: Connection,
    pattern: "OwnPattern | None",
    failed: list[FTLogsError],
) -> "list[ReadLog]":
    from dashscope_ftlogs.report.log_digest import LogReader, fit  # noqa: PLC0415

    logs: list[ReadLog] = []
    begin = partial(LogReader, pattern=pattern)
    async with aclosing(read_logs(words, connection, begin, failed)) as found:
        async for log in found:
            logs.append(log.read)
            fit(logs)
    return logs


def _size(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count < 10**6 else f"{count / 10**6:.1f} MB"
