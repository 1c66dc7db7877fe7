"""`ftlogs cat`: a log on stdout."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Annotated

import typer

from dashscope_ftlogs import ArchiveError, FTLogsError, InvalidArgumentError, LogPage, LogPaginator
from dashscope_ftlogs.archive.store import KeptLog
from dashscope_ftlogs.checks import MAX_LINE, within
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.log_sources import (
    code_of,
    found_logs,
    is_local,
    job_name,
    opened,
    session_of,
    stored_pages,
)
from dashscope_ftlogs.cli.options import Concurrency, Raw, command_line, given, grouped, whole_number
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.short_job_ids import whole_job
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.cli.terminal.stdout import Format, encoder, part, printing, write
from dashscope_ftlogs.text import file_for_shell, for_shell


@grouped
def cat(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A job such as ft-202410291653-1c7f, the beginning or end of its id, @last, an archive "
            "directory, a log file, or - for stdin.",
            autocompletion=complete_job_ids,
        ),
    ],
    *,
    offset: Annotated[int, whole_number("Skip this many lines.", 0)] = 0,
    limit: Annotated[int | None, whole_number("Print at most this many lines.", 0)] = None,
    page_size: Annotated[
        int, whole_number("Lines asked for at once, 1 to 1000.", 1, MAX_LINE)
    ] = MAX_LINE,
    concurrency: Concurrency = None,
    form: Annotated[
        Format, typer.Option("--format", help="Plain lines, or JSON objects with their offsets.")
    ] = Format.TEXT,
    raw: Raw = False,
    connection: Connection,
    context: typer.Context,
) -> None:
    """Print every line of a log, once and in order.

    Into a file or pipe go the exact bytes; on a terminal, control characters are shown escaped, and each
    log of an archive with several is headed by its name.
    """
    for_terminal = sys.stdout.isatty() and not raw
    encode = encoder(form, for_terminal=for_terminal)
    found, resume_at = source, offset
    which = ""  # of several logs

    def how_to_go_on() -> str:
        left = "" if limit is None else f"--limit {limit - (resume_at - offset)}"
        same = map(for_shell, given(context, {"offset", "limit"}))
        named = file_for_shell(found) if is_local(source) else for_shell(found)
        on = f"stopped{which}; go on with{' it' if which else ''}"
        return f"{on}: {command_line('cat', [named], f'--offset {resume_at}', left, *same)}"

    def begin_one(where: str, said: str) -> None:
        nonlocal found, resume_at, which
        found, resume_at, which = where, 0, said

    def put_out(page: LogPage) -> None:
        nonlocal resume_at
        write(encode(page))
        resume_at = page.next_offset  # here, since an interrupt lets a write that has begun end

    async def main() -> int:
        nonlocal found
        if is_local(source):
            with printing() as printer:
                return await _print_stored(
                    *(connection, source, offset, limit),
                    lambda page: printer.run(put_out, page),
                    begin_one,
                    headed=for_terminal and form is Format.TEXT,
                )
        name = job_name(source, connection.profile)  # or that it is none, for which no key is needed
        async with AsyncExitStack() as stack:
            sessions = await opened(stack, connection, concurrency)
            lost: dict[str, FTLogsError] = {}
            found = await whole_job(sessions, name, lost)
            for profile, lost_by in lost.items():
                complain(f"{profile}: {told(lost_by)}")
            session, job_id = session_of(sessions, found)
            reader: LogPaginator = session.lines(job_id, offset=offset, limit=limit, page_size=page_size)
            with progress(f"{found}: lines", printing=True) as show, printing() as printer:
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
        return code_of(list(lost.values()))

    run(main(), on_interrupt=how_to_go_on)


async def _print_stored(
    connection: Connection,
    source: str,
    offset: int,
    limit: int | None,
    put_out: Callable[[LogPage], Awaitable[None]],
    begin_one: Callable[[str, str], None],
    *,
    headed: bool,
) -> int:
    """Print the logs of this machine that a word names, or the asked for part of the only one.

    Of several, each may be headed by its name, as by `head` and `tail`. One that is damaged does not
    end the others. Returns the exit code.
    """
    named = await found_logs([source], connection.profile)
    logs = [(name, log) for name, log in named if not isinstance(log, str)]
    if len(logs) > 1 and (offset or limit is not None):
        raise InvalidArgumentError(
            f"{source} holds {len(logs)} logs: name the one of which a part is wanted"
        )
    failed: list[FTLogsError] = []
    for number, (name, log) in enumerate(logs):
        if len(logs) > 1 and log is not None:
            begin_one(log.where, f" in {name}, log {number + 1} of {len(logs)}")
        if headed and len(logs) > 1:
            head = f"==> {name} <=="
            await put_out(LogPage(name, 0, ("", head) if number else (head,), 0))
        try:
            await _print_one(name, log, offset, limit, put_out)
        except ArchiveError as error:
            complain(told(error))
            failed.append(error)
    return code_of(failed)


async def _print_one(
    name: str,
    log: KeptLog | None,
    offset: int,
    limit: int | None,
    put_out: Callable[[LogPage], Awaitable[None]],
) -> None:
    left, total = sys.maxsize if limit is None else limit, 0
    async with aclosing(stored_pages(name, log)) as pages:
        async for page in pages:
            begin = max(0, offset - page.offset)
            wanted = part(page, begin, begin + left)
            total = page.next_offset
            if wanted.lines:
                await put_out(wanted)
            left -= len(wanted.lines)
            if not left:
                return
    within(name, offset, total)
