"""`ftlogs jobs`: what jobs there are."""

import enum
import sys
from typing import Annotated

import typer

from dashscope_ftlogs import Job
from dashscope_ftlogs.archive.manifest import facts
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.options import Model, Status, grouped
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.stdout import rows, table, write

_COLUMNS = ("JOB ID", "STATUS", "MODEL", "CREATED", "ENDED", "TOKENS")


class Format(enum.StrEnum):
    """How jobs are listed."""

    TABLE = "table"
    JSONL = "jsonl"


@grouped
def jobs(
    *,
    status: Status = None,
    model: Model = None,
    form: Annotated[
        Format, typer.Option("--format", help="A table, or every fact as JSON objects.")
    ] = Format.TABLE,
    connection: Connection,
) -> None:
    """List the fine-tuning jobs of the workspace."""

    async def main() -> int:
        found: list[Job] = []
        async with connection.session() as session:
            async for job in session.jobs(status=status, model=model):
                if form is Format.JSONL:
                    write(rows([facts(job)]))
                else:
                    found.append(job)
        if found:
            write(table(_COLUMNS, [_row(job) for job in found]))
        elif form is Format.TABLE and sys.stderr.isatty():
            complain("no jobs")
        return 0

    run(main())


def _row(job: Job) -> tuple[object, ...]:
    return (job.job_id, job.status, job.model, job.create_time, job.end_time, job.usage)
