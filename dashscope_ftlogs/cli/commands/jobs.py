"""`ftlogs jobs`: what jobs there are."""

import asyncio
import enum
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job
from dashscope_ftlogs.archive.manifest import facts
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.job_selection import Filters, NoneHasItError
from dashscope_ftlogs.cli.log_sources import OF_ONE_LOG, code_of
from dashscope_ftlogs.cli.options import grouped, whole_number
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.terminal.stdout import fitted, rows, table, wrapped_table, write
from dashscope_ftlogs.reading.forms.names import is_better_higher

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession
    from dashscope_ftlogs.report.loss_and_duration import Loss

_PROFILE: Final = "profile"
"""A column where profiles are named."""
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
            help="Only these: job, status, model, type, created, name, tokens, ended, profile.",
            show_default="what fits",
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="A table, or every fact as JSON objects.")
    ] = Format.TABLE,
    connection: Connection,
) -> None:
    """List the fine-tuning jobs of the workspace."""
    # What is to be put in order has to be there.
    at_most = limit if sort is None and not metrics else None

    async def main() -> int:
        chosen, sessions = _chosen(columns), connection.sessions()
        as_they_come = form is Format.JSONL and sort is None and not metrics and len(sessions) == 1

        failed: list[FTLogsError] = []

        async def list_jobs(profile: str, session: "LogSession") -> list[_Listed]:
            found: list[_Listed] = []
            async with session, aclosing(filters.jobs(session)) as listed:
                async for job in listed:
                    if len(found) == at_most:
                        break
                    found.append(_Listed(profile, job))
                    if as_they_come:
                        write(rows([found[-1].facts]))
                found = found if sort is None else _sorted(found, sort)[:limit]
                return await _with_best_evaluations(session, found, failed) if metrics else found

        found = list(chain(*await _of_each(sessions, list_jobs, failed)))
        if len(sessions) > 1:
            found = (found if sort is None else _sorted(found, sort))[:at_most]
        if metrics and sort is None:
            found = sorted(found, key=lambda one: _rank(one.loss))
        if not as_they_come:
            _print(found[:limit], chosen, form, with_losses=metrics)
        if not found and limit != 0 and not failed:
            complain("no job matches" if filters.are_given else "no jobs")
        return code_of(failed)

    run(main())


@attrs.frozen
class _Listed:
    """A job, whose it is, and its best evaluation, if that was asked for."""

    profile: str
    job: Job
    loss: "Loss | None" = None

    @property
    def facts(self) -> dict[str, object]:
        """Whatever is known, for programs."""
        named: dict[str, object] = {_PROFILE: self.profile} if self.profile else {}
        return named | facts(self.job)


async def _of_each(
    sessions: "Mapping[str, LogSession]",
    ask: "Callable[[str, LogSession], Coroutine[Any, Any, list[_Listed]]]",
    failed: list[FTLogsError],
) -> list[list[_Listed]]:
    """Return the jobs of each profile, all asked at once; of several, one that fails is told."""
    found = await asyncio.gather(*(ask(*one) for one in sessions.items()), return_exceptions=True)
    results: list[list[_Listed]] = []
    none_has_it = all(isinstance(one, NoneHasItError) for one in found)
    for profile, one in zip(sessions, found, strict=True):
        if isinstance(one, list):
            results.append(one)
        elif none_has_it or len(sessions) == 1 or not isinstance(one, FTLogsError):
            raise one
        elif not isinstance(one, NoneHasItError):
            complain(f"{profile}: {told(one)}")
            failed.append(one)
    return results


def _print(
    found: Sequence[_Listed], chosen: Sequence[str] | None, form: Format, *, with_losses: bool
) -> None:
    if form is Format.JSONL:
        write(rows(one.facts | (_told(one.loss) if with_losses else {}) for one in found))
    elif found:
        _show(found, chosen, with_losses=with_losses)


def _chosen(columns: str | None) -> Sequence[str] | None:
    names = None if columns is None else columns.split(",")
    for name in names or ():
        if name not in {*_COLUMNS, _PROFILE}:
            raise InvalidArgumentError(
                f"--columns: there is no {name!r}; there are {', '.join((*_COLUMNS, _PROFILE))}"
            )
    return names


def _show(found: Sequence[_Listed], chosen: Sequence[str] | None, *, with_losses: bool) -> None:
    names = list(chosen or (_COLUMNS if sys.stdout.isatty() else _PIPED))
    if chosen is None and found[0].profile:
        names.insert(0, _PROFILE)
    cells = [
        [one.profile if name == _PROFILE else _COLUMNS[name](one.job) for name in names] for one in found
    ]
    heads = ["JOB ID" if name == "job" else name.upper() for name in names]
    if with_losses:
        at = 2 if heads[0] == _PROFILE.upper() else 1
        heads.insert(at, _LOSS.upper())
        for one, row in zip(found, cells, strict=True):
            row.insert(at, None if one.loss is None else f"{one.loss.value:.6g}")
    if chosen is None and sys.stdout.isatty():
        write(table(*fitted(heads, cells, elastic="NAME")))
    else:
        write(wrapped_table(heads, cells))


async def _with_best_evaluations(
    session: "LogSession", found: Sequence[_Listed], failed: list[FTLogsError]
) -> list[_Listed]:
    """Return the jobs, each with the best loss of an evaluation that its log tells.

    A log that can't be read does not end the others; it is told, and in `failed`.
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
            tasks = {
                one.job.job_id: group.create_task(read(one.job))
                for one in found
                if not one.job.unstarted
            }
    except* FTLogsError as errors:
        raise errors.exceptions[0] from None
    losses: dict[str, Loss | None] = {}
    for job_id, task in tasks.items():
        told_by_log = task.result()
        if isinstance(told_by_log, FTLogsError):
            complain(told(told_by_log))
            failed.append(told_by_log)
        else:
            losses[job_id] = told_by_log
    return [attrs.evolve(one, loss=losses.get(one.job.job_id)) for one in found]


def _rank(loss: "Loss | None") -> tuple[int, float]:
    if loss is None:
        return 2, 0.0
    return (1, -loss.value) if is_better_higher(loss.metric) else (0, loss.value)


def _told(loss: "Loss | None") -> dict[str, object]:
    return {"best_eval_loss": None if loss is None else attrs.asdict(loss)}


def _sorted(found: list[_Listed], by: Sort) -> list[_Listed]:
    """Return them in order; those that lack what they are put in order by come last."""

    def key(one: _Listed) -> Any:
        return getattr(one.job, _FIELDS[by])

    told = [one for one in found if key(one) is not None]
    told.sort(key=key, reverse=by in {Sort.CREATED, Sort.ENDED, Sort.TOKENS})
    return told + [one for one in found if key(one) is None]
