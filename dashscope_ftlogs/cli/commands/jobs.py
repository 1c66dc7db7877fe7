"""`ftlogs jobs`: what jobs there are."""

import asyncio
import enum
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job
from dashscope_ftlogs.archive.manifest import facts
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.job_selection import Filters
from dashscope_ftlogs.cli.log_sources import OF_ONE_LOG, code_of
from dashscope_ftlogs.cli.options import grouped, whole_number
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.terminal.stdout import fitted, rows, table, wrapped_table, write
from dashscope_ftlogs.reading.forms.names import is_better_higher

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession
    from dashscope_ftlogs.report.loss_and_duration import Loss

_COLUMNS: Final[dict[str, Callable[[Job], object]]] = {
    "job": lambda job: job.job_id,
    "status": lambda job: job.status,
    "model": lambda job: job.model,
    "type": lambda job: job.training_type,
    "created": lambda job: job.create_time,
    "name": lambda job: None if job.job_name == job.job_id else job.job_name,
    "tokens": lambda job: job.usage,
    "ended": lambda job: job.end_time,
}
"""The columns, those first that stay where a terminal has no room for all."""
_PIPED: Final = ("job", "status", "model", "created", "ended", "tokens", "type", "name")
"""For a pipe, where columns stay where they were: newer ones come last."""
_LOSS: Final = "eval loss"
_AT_ONCE: Final = 8
"""Logs."""


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
    limit: Annotated[int | None, whole_number("At most so many.", 0)] = None,
    sort: Annotated[
        Sort | None,
        typer.Option(
            help="Times and tokens: the latest or most first; as the service lists, if not said."
        ),
    ] = None,
    metrics: Annotated[
        bool,
        typer.Option("--metrics", help="The best loss of evaluations, read from each log; best first."),
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Only these: job, status, model, type, created, name, tokens, ended.",
            show_default="what fits",
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="A table, or every fact as JSON objects.")
    ] = Format.TABLE,
    connection: Connection,
) -> None:
    """List the fine-tuning jobs of the workspace."""
    as_they_come = form is Format.JSONL and sort is None and not metrics
    # What is to be put in order has to be there.
    at_most = limit if sort is None and not metrics else None

    async def main() -> int:
        chosen = _chosen(columns)
        found: list[Job] = []
        failed: list[FTLogsError] = []
        async with connection.session() as session, aclosing(filters.jobs(session)) as listed:
            async for job in listed:
                if len(found) == at_most:
                    break
                found.append(job)
                if as_they_come:
                    write(rows([facts(job)]))
            found = found if sort is None else _sorted(found, sort)[:limit]
            losses = await _best_evaluations(session, found, failed) if metrics else {}
        if metrics and sort is None:
            found = sorted(found, key=lambda job: _rank(losses[job.job_id]))[:limit]
        if not as_they_come:
            _print(found, losses, chosen, form)
        return code_of(failed)

    run(main())


def _print(
    jobs: Sequence[Job],
    losses: "Mapping[str, Loss | None]",
    chosen: Sequence[str] | None,
    form: Format,
) -> None:
    if form is Format.JSONL:
        write(rows(facts(job) | _told(job, losses) for job in jobs))
    elif jobs:
        _show(jobs, losses, chosen)
    elif sys.stderr.isatty():
        complain("no jobs")


def _chosen(columns: str | None) -> Sequence[str] | None:
    names = None if columns is None else columns.split(",")
    for name in names or ():
        if name not in _COLUMNS:
            raise InvalidArgumentError(
                f"--columns: there is no {name!r}; there are {', '.join(_COLUMNS)}"
            )
    return names


def _show(
    jobs: Sequence[Job], losses: Mapping[str, "Loss | None"], chosen: Sequence[str] | None
) -> None:
    names = list(chosen or (_COLUMNS if sys.stdout.isatty() else _PIPED))
    cells = [[_COLUMNS[name](job) for name in names] for job in jobs]
    heads = ["JOB ID" if name == "job" else name.upper() for name in names]
    if losses:
        heads.insert(1, _LOSS.upper())
        for job, row in zip(jobs, cells, strict=True):
            loss = losses[job.job_id]
            row.insert(1, None if loss is None else f"{loss.value:.6g}")
    if chosen is None and sys.stdout.isatty():
        write(table(*fitted(heads, cells, elastic="NAME")))
    else:
        write(wrapped_table(heads, cells))


async def _best_evaluations(
    session: "LogSession", jobs: Sequence[Job], failed: list[FTLogsError]
) -> "dict[str, Loss | None]":
    """Return for each job the best loss of an evaluation that its log tells.

    One that can't be read does not end the others; it is told, and in `failed`.
    """
    from dashscope_ftlogs.report.loss_and_duration import best_evaluation  # noqa: PLC0415
    from dashscope_ftlogs.session import read_points  # noqa: PLC0415  (an HTTP client takes long to import)

    turn = asyncio.Semaphore(_AT_ONCE)

    async def read(job: Job) -> "Loss | FTLogsError | None":
        async with turn:
            try:
                return await read_points(session, job.job_id, best_evaluation)
            except OF_ONE_LOG as error:
                return error

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {job.job_id: group.create_task(read(job)) for job in jobs if not job.unstarted}
    except* FTLogsError as errors:
        raise errors.exceptions[0] from None
    losses: dict[str, Loss | None] = {job.job_id: None for job in jobs}
    for job_id, task in tasks.items():
        found = task.result()
        if isinstance(found, FTLogsError):
            complain(told(found))
            failed.append(found)
        else:
            losses[job_id] = found
    return losses


def _rank(loss: "Loss | None") -> tuple[int, float]:
    if loss is None:
        return 2, 0.0
    return (1, -loss.value) if is_better_higher(loss.metric) else (0, loss.value)


def _told(job: Job, losses: Mapping[str, "Loss | None"]) -> dict[str, object]:
    if not losses:
        return {}
    loss = losses[job.job_id]
    return {"best_eval_loss": None if loss is None else attrs.asdict(loss)}


def _sorted(jobs: list[Job], by: Sort) -> list[Job]:
    """Return them in order; those that lack what they are put in order by come last."""

    def key(job: Job) -> Any:
        return getattr(job, _FIELDS[by])

    told = [job for job in jobs if key(job) is not None]
    told.sort(key=key, reverse=by in {Sort.CREATED, Sort.ENDED, Sort.TOKENS})
    return told + [job for job in jobs if key(job) is None]
