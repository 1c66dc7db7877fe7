"""`ftlogs download`: the logs of many jobs on disk."""

import asyncio
import enum
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from dashscope_ftlogs import Downloaded, FTLogsError, Job
from dashscope_ftlogs.archive.manifest import is_of_form
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE, exit_code
from dashscope_ftlogs.cli.job_selection import Filters, NoneHasItError, Selection, Shard, ShardOption
from dashscope_ftlogs.cli.options import Concurrency, RunningOk, archive, duration, grouped
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.terminal.download_progress import Run, watched
from dashscope_ftlogs.cli.terminal.stdout import (
    Format,
    is_stderr_too,
    rows,
    wrapped_table,
    write,
    write_if_open,
)
from dashscope_ftlogs.text import counted

_TOLD = 20
"""Of names that mean no job, so many are told: a file that holds no ids has one in each line."""
_STATES = ("complete", "skipped", "settling", "running", "failed")
_WHOLE = frozenset({"complete", "skipped"})
_RUNNING = frozenset({"settling", "running"})


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
        Path | None,
        typer.Option(
            help="Read job ids from this file, one per line; - is stdin. A line that names no job is "
            "told, and the others go on."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All jobs of the workspace.")] = False,
    shard: ShardOption = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Of new logs: plain lines, or JSON objects, which lose nothing."),
    ] = None,
    compress: Annotated[
        Compress | None, typer.Option(help="Compress new logs; zcat and zgrep read them.")
    ] = None,
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
    running_ok: RunningOk = False,
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
        runs = [Run(profile, one) for profile, one in connection.sessions(concurrency).items()]
        failed: list[FTLogsError] = []

        async def bring(one: Run) -> None:
            try:
                await one.session.download(
                    _selected(selection, one, failed),
                    out,
                    format=None if form is None else form.value,
                    compression=None if compress is None else "gzip",
                    settle=settle,
                    recheck=recheck,
                    progress=one.progress,
                )
            except FTLogsError as error:  # which stops no other profile's
                one.error = error
            one.ended = True

        async with AsyncExitStack() as stack:
            for one in runs:
                await stack.enter_async_context(one.session)
            if not quiet:
                await stack.enter_async_context(watched(runs, progress_every))
            failed += await _name_profiles(selection, runs)
            async with asyncio.TaskGroup() as group:
                for one in runs:
                    if one.error is None:
                        group.create_task(bring(one))
        whole = _WHOLE | _RUNNING if running_ok else _WHOLE
        code = _end(runs, failed, out, whole, as_json=as_json, quiet=quiet)
        if not (quiet or as_json):
            _tell_of_older_forms(runs, form, compress)
        return code

    run(
        main(),
        on_interrupt=lambda: "stopped; what has arrived is kept. The same command goes on from there.",
        show_retries=False,  # of thousands of requests; manifests count them
    )


async def _name_profiles(selection: Selection, runs: Sequence[Run]) -> list[FTLogsError]:
    """Find out which profiles have the jobs that were named; return why some are in none."""
    failed: list[FTLogsError] = []
    if selection.are_named and runs[0].profile:
        lost: dict[str, FTLogsError] = {}
        sessions = {one.profile: one.session for one in runs}
        named = await selection.by_profile(sessions, failed, lost)
        for one in runs:
            one.jobs, one.error = named.get(one.profile, []), lost.pop(one.profile, None)
        failed += lost.values()
    return failed


async def _selected(
    selection: Selection, run: Run, failed: list[FTLogsError]
) -> AsyncGenerator[str | Job, None]:
    """Yield the jobs. Nothing is asked before the archive is ours and wants the first one."""
    jobs = await selection.jobs(run.session, failed) if run.jobs is None else run.jobs
    run.progress.jobs = len(jobs)
    for job in jobs:
        yield job


def _end(
    runs: Sequence[Run],
    failed: list[FTLogsError],
    out: str,
    whole: frozenset[str],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Report what became of all jobs, and return the exit code."""
    raised = runs[0].error  # which is told in the end
    before = [error for error in failed if error is not raised]
    for error in before[:_TOLD]:
        complain(told(error))
    if before[_TOLD:]:
        complain(f"and {counted(len(before) - _TOLD, 'more failure')} like these")
    outcomes = [outcome for one in runs for outcome in one.progress.outcomes]
    refused = [Downloaded(job_id="", state="failed", error=error) for error in failed]
    none_has_it = all(isinstance(one.error, NoneHasItError) for one in runs)
    for one in runs:
        if isinstance(one.error, NoneHasItError) and not none_has_it:
            one.error = None
    (first, *others) = runs
    if first.error is not None and (none_has_it or not others):
        if outcomes or (as_json and refused):
            _report(runs, outcomes, refused, out, as_json=as_json, quiet=quiet)
        raise first.error
    _report(runs, outcomes, refused, out, as_json=as_json, quiet=quiet)
    errors = [*failed, *(one.error for one in runs if one.error is not None)]
    return _exit_code(outcomes, errors, whole)


def _report(
    runs: Sequence[Run],
    outcomes: Sequence[Downloaded],
    refused: Sequence[Downloaded],
    out: str,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    if not sys.stdout.isatty() and not is_stderr_too():
        # Whoever looks at stderr alone, as cron's mail does, should know why.
        for outcome in outcomes:
            if outcome.error is not None:
                complain(f"{label(outcome.profile, outcome.job_id)}: {told(outcome.error)}")
    if as_json:
        write(rows(map(_facts, [*outcomes, *refused])))
    elif outcomes:
        columns = ("PROFILE", "JOB ID", "STATE", "LINES", "NEW", "NOTE")
        cells = [(o.profile, o.job_id, o.state, o.lines, o.new_lines, _note(o)) for o in outcomes]
        begin = 0 if outcomes[0].profile else 1
        write_if_open(wrapped_table(columns[begin:], [row[begin:] for row in cells]))
    alike: dict[str, list[str]] = {}
    for one in runs:
        if one.error is not None and len(runs) > 1:
            alike.setdefault(told(one.error), []).append(one.profile)
        elif not quiet and not as_json:
            counts: Counter[str] = Counter(outcome.state for outcome in one.progress.outcomes)
            states = ", ".join(f"{counts[state]:,} {state}" for state in _STATES if counts[state])
            lines = sum(outcome.new_lines for outcome in one.progress.outcomes)
            where = f"{out.rstrip('/')}/{one.profile}" if one.profile else out
            complain(f"{states or 'no jobs'}; {counted(lines, 'new line')} in {where}")
    for why, profiles in alike.items():
        complain(f"{', '.join(profiles)}: {why}")


def _tell_of_older_forms(runs: Sequence[Run], form: Format | None, compress: Compress | None) -> None:
    """Say that logs go on as they began: whoever asks for another form may think that they have it."""
    older = [
        label(outcome.profile, outcome.file)
        for one in runs
        for outcome in one.progress.outcomes
        if outcome.file
        and not is_of_form(
            outcome.file,
            None if form is None else form.value,
            None if compress is None else "gzip",
        )
    ]
    if older:
        logs = f"{older[0]} goes" if len(older) == 1 else f"{len(older):,} logs, as {min(older)}, go"
        complain(f"{logs} on in the form that was there: --format and --compress are for new logs")


def _note(outcome: Downloaded) -> str:
    notes = [f"older one kept as {name}" for name in outcome.set_aside]
    if outcome.error is not None:
        notes.append(told(outcome.error))
    return "; ".join(notes)


def _facts(outcome: Downloaded) -> dict[str, Any]:
    error = outcome.error
    without = {"error"} if outcome.profile else {"error", "profile"}
    facts = attrs.asdict(outcome, filter=lambda field, _: field.name not in without)
    facts["job_id"] = outcome.job_id or None  # of a name that stands for none
    return facts | {"error": None if error is None else told(error)}


def _exit_code(outcomes: list[Downloaded], errors: list[FTLogsError], whole: frozenset[str]) -> int:
    """Return 0 if every log is whole; if none is and all failed alike, that failure's code."""
    if not errors and all(outcome.state in whole for outcome in outcomes):
        return 0
    codes = {None if o.error is None else exit_code(o.error) for o in outcomes}
    codes.update(map(exit_code, errors))
    (code,) = codes if len(codes) == 1 else (None,)
    return INCOMPLETE if code is None else code
