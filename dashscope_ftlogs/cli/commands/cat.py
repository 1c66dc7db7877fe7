"""`ftlogs cat`: the log of one job on stdout."""

import sys
from typing import Annotated

import typer

from dashscope_ftlogs import FTLogsError, LogPage, LogPaginator
from dashscope_ftlogs.checks import within
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.options import Concurrency, Raw, grouped
from dashscope_ftlogs.cli.run_command import run
from dashscope_ftlogs.cli.short_job_ids import whole_job_id
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.cli.terminal.stdout import Format, encoder, printing, write


@grouped
def cat(
    job_id: Annotated[
        str,
        typer.Argument(
            metavar="JOB_ID",
            help="The job, such as ft-202410291653-1c7f, the end of its id, or @last.",
            autocompletion=complete_job_ids,
        ),
    ],
    *,
    offset: Annotated[int, typer.Option(help="Skip this many lines.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Print at most this many lines.")] = None,
    page_size: Annotated[int, typer.Option(help="Lines asked for at once, 1 to 1000.")] = 1000,
    concurrency: Concurrency = None,
    form: Annotated[
        Format, typer.Option("--format", help="Plain lines, or JSON objects with their offsets.")
    ] = Format.TEXT,
    raw: Raw = False,
    connection: Connection,
) -> None:
    """Print every line of a job's log, once and in order.

    Into a file or pipe go the exact bytes; on a terminal, control characters are shown escaped.
    """
    encode = encoder(form, for_terminal=sys.stdout.isatty() and not raw)
    found, resume_at = job_id, offset

    def how_to_go_on() -> str:
        return f"stopped; go on with: ftlogs cat {found} --offset {resume_at}"

    def put_out(page: LogPage) -> None:
        nonlocal resume_at
        write(encode(page.lines, page.offset))
        resume_at = page.next_offset  # here, since an interrupt lets a write that has begun end

    async def main() -> int:
        nonlocal found
        async with connection.session(concurrency) as session:
            found = await whole_job_id(session, job_id)
            reader: LogPaginator = session.lines(found, offset=offset, limit=limit, page_size=page_size)
            with progress(f"{found}: lines") as show, printing() as printer:
                try:
                    async with reader.pages() as pages:
                        async for page in pages:
                            await printer.run(put_out, page)
                            show(resume_at, reader.total)
                    within(found, offset, reader.total)
                except FTLogsError as error:
                    if resume_at > offset:
                        error.advice = (
                            f"{error.advice} What was read is printed; {how_to_go_on()}".strip()
                        )
                    raise
        return 0

    run(main(), on_interrupt=how_to_go_on)
