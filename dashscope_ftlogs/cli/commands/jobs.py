"""`ftlogs jobs`: what jobs there are."""

import asyncio
import enum
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, nullcontext
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job
from dashscope_ftlogs.archive.manifest import facts
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import UnaskedError
from dashscope_ftlogs.cli.job_selection import Filters, NoneHasItError
from dashscope_ftlogs.cli.log_sources import OF_ONE_LOG, code_of
from dashscope_ftlogs.cli.options import column_names, grouped, told_columns, whole_number
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.cli.terminal.stdout import fitted, rows, table, wrapped_table, write
from dashscope_ftlogs.metrics.hyper_parameters import brief_value, few_differing, objective
from dashscope_ftlogs.reading.forms.names import is_better_higher
from dashscope_ftlogs.text import excerpt

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
"""For a pipe, where columns stay where they were, but with `--metrics`: newer ones come last."""
_EVAL_LOSS: Final = "eval_loss"
"""A column where logs are read."""
_KNOWN: Final = (*_COLUMNS, _PROFILE, _EVAL_LOSS)
_TOLD: Final = frozenset({"model", "training_type"})
"""In what jobs may differ, and a column says it already."""
_MOST: Final = 20
"""Names of hyper-parameters that there are to choose from."""
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
    limit: Annotated[
        int | None, whole_number("At most so many; with --metrics, the best of each kind in turn.", 0)
    ] = None,
    sort: Annotated[
        Sort | None,
        typer.Option(
            help="Times and tokens: the latest or most first; as the service lists, if not said."
        ),
    ] = None,
    metrics: Annotated[
        bool,
        typer.Option(
            "--metrics",
            help="The best loss of evaluations, read from each log; best first, by kinds of training.",
        ),
    ] = False,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Only these: job, status, model, type, created, name, tokens, ended, profile, "
            "eval_loss (with --metrics, which puts it second if it is not named), or hyper-parameters, "
            "such as learning_rate.",
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
        chosen, sessions = _chosen(columns, form, metrics=metrics), connection.sessions()
        as_they_come = form is Format.JSONL and sort is None and not metrics and len(sessions) == 1
        parameters = [name for name in chosen or () if name not in _KNOWN]
        compared = metrics and chosen is None and form is Format.TABLE
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
                return found if asked is None else await asked.more_of(session, found)

        with progress("jobs") if metrics or parameters else nullcontext() as show:
            asked = show and _Asked(
                show, failed, losses=metrics, parameters=compared or bool(parameters)
            )
            found = list(chain(*await _of_each(sessions, list_jobs, failed)))
        _check(parameters, found)
        if len(sessions) > 1:
            found = (found if sort is None else _sorted(found, sort))[:at_most]
        if metrics and sort is None:
            found = _best_first(found, limit)
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


_Column = tuple[str, Callable[[_Listed], object]]
_LOSS: Final[_Column] = (
    "EVAL LOSS",
    lambda one: None if one.loss is None else f"{one.loss.value:.6g}",
)


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


def _chosen(columns: str | None, form: Format, *, metrics: bool) -> Sequence[str] | None:
    if columns is None:
        return None
    if form is Format.JSONL:
        raise InvalidArgumentError("--columns: only for a table; JSON objects hold every fact")
    names = column_names(columns)
    if _EVAL_LOSS in names and not metrics:
        raise InvalidArgumentError(f"--columns: {_EVAL_LOSS} needs --metrics, which reads the logs")
    return names


def _check(parameters: Sequence[str], found: Sequence[_Listed]) -> None:
    given = dict.fromkeys(name for one in found for name in one.job.hyper_parameters or {})
    there = [name for name in given if name and name not in _KNOWN]
    for name in parameters:
        if found and name not in there:
            known = told_columns((*_KNOWN, *(excerpt(one, 40) for one in islice(there, _MOST))))
            raise InvalidArgumentError(f"--columns: there is no {name!r}; there are {known}")


def _show(found: Sequence[_Listed], chosen: Sequence[str] | None, *, with_losses: bool) -> None:
    on_terminal = sys.stdout.isatty()
    usual = _COLUMNS if on_terminal or with_losses else _PIPED
    columns = [_column(name) for name in chosen or usual]
    if chosen is None:
        if with_losses:
            apart = few_differing({str(number): one.job for number, one in enumerate(found)})
            columns[1:1] = [_parameter(name) for name in apart if name not in _TOLD]
        if found[0].profile:
            columns.insert(0, _column(_PROFILE))
    if with_losses and _EVAL_LOSS not in (chosen or ()):
        columns.insert(2 if columns[0][0] == _PROFILE.upper() else 1, _LOSS)
    if with_losses and chosen is None and len(_objectives(found)) > 1:
        kind = columns.pop([head for head, _ in columns].index("TYPE"))
        columns.insert(columns.index(_LOSS) + 1, kind)
    if with_losses and chosen is None:
        # By its name, a job is known in charts and reports: it has room before what tells less.
        name = columns.pop([head for head, _ in columns].index("NAME"))
        columns.insert([head for head, _ in columns].index("STATUS") + 1, name)
    heads = [head for head, _ in columns]
    cells = [[value(one) for _, value in columns] for one in found]
    if chosen is None and on_terminal:
        write(table(*fitted(heads, cells, elastic="NAME")))
    else:
        write(wrapped_table(heads, cells))


def _column(name: str) -> _Column:
    if name == _PROFILE:
        return name.upper(), lambda one: one.profile
    if name == _EVAL_LOSS:
        return _LOSS
    if (fact := _COLUMNS.get(name)) is None:
        return _parameter(name)
    return "JOB ID" if name == "job" else name.upper(), lambda one: fact(one.job)


def _parameter(name: str) -> _Column:
    return excerpt(name, 30).upper(), lambda one: brief_value((one.job.hyper_parameters or {}).get(name))


@attrs.define
class _Asked:
    """What is asked of each job by itself, and how many have been."""

    show: Callable[[int, int | None], None]
    failed: list[FTLogsError]
    losses: bool = attrs.field(kw_only=True)
    """The best one of evaluations, which its log tells."""
    parameters: bool = attrs.field(kw_only=True)
    """Its hyper-parameters, where the listing lacks them."""
    count: int = 0
    done: int = 0

    async def more_of(self, session: "LogSession", found: Sequence[_Listed]) -> list[_Listed]:
        """Return the jobs with what is told of them.

        One that nothing can be told of does not end the others; it is told, and in `failed`.
        """
        self.count += len(found)
        turn = asyncio.Semaphore(_AT_ONCE)

        async def ask(one: _Listed) -> _Listed | FTLogsError:
            async with turn:
                try:
                    return await self._more_of_one(session, one)
                except OF_ONE_LOG as error:
                    return error
                except InvalidArgumentError as error:  # its id, which nobody typed
                    return UnaskedError(error.summary())
                finally:
                    self.done += 1
                    self.show(self.done, self.count)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(one)) for one in found]
        except* FTLogsError as errors:
            raise errors.exceptions[0] from None
        told_of: list[_Listed] = []
        for one, task in zip(found, tasks, strict=True):
            if isinstance(more := task.result(), FTLogsError):
                complain(told(more))
                self.failed.append(more)
                more = one
            told_of.append(more)
        return told_of

    async def _more_of_one(self, session: "LogSession", one: _Listed) -> _Listed:
        from dashscope_ftlogs.report.loss_and_duration import best_evaluation  # noqa: PLC0415
        from dashscope_ftlogs.session import read_points  # noqa: PLC0415  (an HTTP client takes long to import)

        job = one.job
        if self.parameters and job.hyper_parameters is None:
            job = await session.job(job.job_id)
        if self.losses and not job.unstarted:
            return _Listed(one.profile, job, await read_points(session, job.job_id, best_evaluation))
        return _Listed(one.profile, job)


def _best_first(found: list[_Listed], limit: int | None) -> list[_Listed]:
    """Return so many in order of their losses; of unlike trainings, of each by itself."""
    found = sorted(found, key=lambda one: _rank(one.loss))
    kinds = _objectives(found)
    if len(kinds) <= 1:
        return found[:limit]
    *first, last = (excerpt(kind, 30) for kind in kinds)
    named = f"{', '.join(first)} and {last}"
    complain(f"losses of {named} are no measure of each other; of each, the best is first")
    apart = {kind: [one for one in found if objective(one.job) == kind] for kind in kinds}
    others = [one for one in found if objective(one.job) not in apart]
    # Of each kind the best, then of each the second: no kind is left out for the number of another.
    in_turn = chain(*zip_longest(*apart.values()), others)
    ranked = sorted((one for one in in_turn if one is not None), key=lambda one: one.loss is None)
    kept = {id(one) for one in ranked[:limit]}
    return [one for one in chain(*apart.values(), others) if id(one) in kept]


def _objectives(found: Sequence[_Listed]) -> list[str]:
    """Return for what those jobs are trained that have a loss, as far as that is known."""
    told = dict.fromkeys(objective(one.job) for one in found if one.loss is not None)
    return [kind for kind in told if kind]


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
