"""`ftlogs download`: the logs of many jobs on disk."""

import enum
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from dashscope_ftlogs import Downloaded, FTLogsError, Job, Progress
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE, exit_code
from dashscope_ftlogs.cli.job_selection import Filters, Selection, Shard
from dashscope_ftlogs.cli.options import Concurrency, archive, duration, grouped
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.download_progress import watched
from dashscope_ftlogs.cli.terminal.stdout import Format, rows, wrapped_table, write, write_if_open

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

_STATES = ("complete", "skipped", "settling", "running", "failed")


class Compress(enum.StrEnum):
    """How logs are compressed."""

    GZIP = "gzip"


@grouped
def download(
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="JOB_ID...", help="The jobs.", show_default=False)
    ] = None,
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", help="The archive: a directory, or s3://BUCKET/PREFIX.", callback=archive
        ),
    ] = "ftlogs-archive",
    from_file: Annotated[
        Path | None, typer.Option(help="Read job ids from this file, one per line; - is stdin.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All jobs of the workspace.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="N/OF", help="Only this share of them, such as 3/16: each machine takes another."
        ),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Plain lines, or JSON objects, which lose nothing."),
    ] = None,
    compress: Annotated[Compress | None, typer.Option(help="Compress; zcat and zgrep read it.")] = None,
    settle: Annotated[
        float | None,
        duration(
            "Look once more at jobs that ended just now, so long after that was heard; 0 leaves it to "
            "the next run.",
            or_zero=True,
            show_default="45s",
        ),
    ] = None,
    recheck: Annotated[
        bool,
        typer.Option(
            "--recheck",
            help="Ask whether complete logs have changed, and read whether they are damaged here.",
        ),
    ] = False,
    concurrency: Concurrency = None,
    as_json: Annotated[bool, typer.Option("--json", help="What became of each job, as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    progress_every: Annotated[
        float, duration("Between lines of progress off a terminal.", show_default="5s")
    ] = 5.0,
    filters: Filters,
    connection: Connection,
) -> None:
    """Bring logs to disk or object storage; later, only what is new.

    Exits with 0 only if every log is whole. A job that ended just now is looked at once more, at the end
    of the run: some machines of the service may not show its last lines yet.
    """

    async def main() -> int:
        selection = Selection(
            job_ids=tuple(job_ids or ()),
            from_file=from_file,
            everything=everything,
            filters=filters,
            shard=None if shard is None else Shard.parse(shard),
        )
        progress = Progress()
        async with (
            connection.session(concurrency) as session,
            nullcontext() if quiet else watched(session, progress, progress_every),
        ):
            try:
                outcomes = await session.download(
                    _selected(selection, session, progress),
                    out,
                    format=None if form is None else form.value,
                    compression=None if compress is None else "gzip",
                    settle=settle,
                    recheck=recheck,
                    progress=progress,
                )
            except FTLogsError:
                if progress.outcomes:
                    _report(progress.outcomes, out, as_json=as_json, quiet=quiet)
                raise
        _report(outcomes, out, as_json=as_json, quiet=quiet)
        return _exit_code(outcomes)

    run(
        main(),
        on_interrupt=lambda: "stopped; what has arrived is kept. The same command goes on from there.",
        show_retries=False,  # of thousands of requests; manifests count them
    )


async def _selected(
    selection: Selection, session: "LogSession", progress: Progress
) -> AsyncGenerator[str | Job, None]:
    """Yield the jobs. Nothing is asked before the archive is ours and wants the first one."""
    jobs = await selection.jobs(session)
    progress.jobs = len(jobs)
    for job in jobs:
        yield job


def _report(outcomes: list[Downloaded], out: str, *, as_json: bool, quiet: bool) -> None:
    if not sys.stdout.isatty():
        # Whoever looks at stderr alone, as cron's mail does, should know why.
        for outcome in outcomes:
            if outcome.error is not None:
                complain(f"{outcome.job_id}: {outcome.error}")
    if as_json:
        write(rows(map(_facts, outcomes)))
        return
    columns = ("JOB ID", "STATE", "LINES", "NEW", "NOTE")
    cells = [(o.job_id, o.state, o.lines, o.new_lines, _note(o)) for o in outcomes]
    if cells:
        write_if_open(wrapped_table(columns, cells))
    if not quiet:
        counts: Counter[str] = Counter(outcome.state for outcome in outcomes)
        states = ", ".join(f"{counts[state]:,} {state}" for state in _STATES if counts[state])
        lines = sum(outcome.new_lines for outcome in outcomes)
        complain(f"{states or 'no jobs'}; {lines:,} new lines in {out}")


def _note(outcome: Downloaded) -> str:
    notes = [f"older one kept as {name}" for name in outcome.set_aside]
    if outcome.error is not None:
        notes.append(str(outcome.error))
    return "; ".join(notes)


def _facts(outcome: Downloaded) -> dict[str, Any]:
    error = outcome.error
    facts = attrs.asdict(outcome, filter=lambda field, _: field.name != "error")
    return facts | {"error": None if error is None else str(error)}


def _exit_code(outcomes: list[Downloaded]) -> int:
    """Return 0 if every log is whole; if none is and all failed alike, that failure's code."""
    if all(outcome.state in {"complete", "skipped"} for outcome in outcomes):
        return 0
    codes = {None if o.error is None else exit_code(o.error) for o in outcomes}
    (code,) = codes if len(codes) == 1 else (None,)
    return INCOMPLETE if code is None else code
