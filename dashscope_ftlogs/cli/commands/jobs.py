"""`ftlogs jobs`: what jobs there are."""

import enum
import sys
from contextlib import aclosing
from typing import Annotated, Any, Final

import typer

from dashscope_ftlogs import Job
from dashscope_ftlogs.archive.manifest import facts
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.job_selection import Filters
from dashscope_ftlogs.cli.options import grouped
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.stdout import rows, table, write

_COLUMNS: Final = ("JOB ID", "STATUS", "MODEL", "CREATED", "ENDED", "TOKENS")


class Format(enum.StrEnum):
    """How jobs are listed."""

    TABLE = "table"
    JSONL = "jsonl"


class Sort(enum.StrEnum):
    """What jobs are put in order by."""

    CREATED = "created"
    ENDED = "ended"
    STATUS = "status"
    MODEL = "model"
    TOKENS = "tokens"


_FIELDS: Final = {
    Sort.CREATED: "create_time",
    Sort.ENDED: "end_time",
    Sort.STATUS: "status",
    Sort.MODEL: "model",
    Sort.TOKENS: "usage",
}


@grouped
def jobs(
    *,
    filters: Filters,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many.")] = None,
    sort: Annotated[
        Sort | None,
        typer.Option(
            help="Times and tokens: the latest or most first; as the service lists, if not said."
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="A table, or every fact as JSON objects.")
    ] = Format.TABLE,
    connection: Connection,
) -> None:
    """List the fine-tuning jobs of the workspace."""
    as_they_come = form is Format.JSONL and sort is None
    at_most = limit if sort is None else None  # what is to be put in order has to be there

    async def main() -> int:
        found: list[Job] = []
        async with connection.session() as session, aclosing(filters.jobs(session)) as listed:
            async for job in listed:
                if len(found) == at_most:
                    break
                found.append(job)
                if as_they_come:
                    write(rows([facts(job)]))
        if as_they_come:
            return 0
        if sort is not None:
            found = _sorted(found, sort)[:limit]
        if form is Format.JSONL:
            write(rows(map(facts, found)))
        elif found:
            write(table(_COLUMNS, [_row(job) for job in found]))
        elif sys.stderr.isatty():
            complain("no jobs")
        return 0

    run(main())


def _sorted(jobs: list[Job], by: Sort) -> list[Job]:
    """Return them in order; those that lack what they are put in order by come last."""

    def key(job: Job) -> Any:
        return getattr(job, _FIELDS[by])

    told = [job for job in jobs if key(job) is not None]
    told.sort(key=key, reverse=by in {Sort.CREATED, Sort.ENDED, Sort.TOKENS})
    return told + [job for job in jobs if key(job) is None]


def _row(job: Job) -> tuple[object, ...]:
    return (job.job_id, job.status, job.model, job.create_time, job.end_time, job.usage)
