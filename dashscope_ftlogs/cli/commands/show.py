"""`ftlogs show`: one job at a glance, and why it failed."""

import enum
import json
from collections.abc import Iterable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
import typer

from dashscope_ftlogs import (
    APIError,
    Checkpoint,
    FTLogsError,
    InternalServerError,
    Job,
    RetryPolicy,
    ThrottlingError,
)
from dashscope_ftlogs.archive.manifest import facts, storable
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.key_in_messages import without_key
from dashscope_ftlogs.cli.log_sources import Log, Sources, code_of, complain_of_patterns, read_logs
from dashscope_ftlogs.cli.options import Pattern, chosen, command_line, grouped
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.terminal.download_progress import duration
from dashscope_ftlogs.cli.terminal.stdout import rows, width, write
from dashscope_ftlogs.reading.forms.names import is_better_higher
from dashscope_ftlogs.reading.records import whole
from dashscope_ftlogs.text import escaped, file_for_shell, for_shell

if TYPE_CHECKING:
    from dashscope_ftlogs.metrics.point import Point
    from dashscope_ftlogs.reading.failure_causes import Failure
    from dashscope_ftlogs.reading.own_pattern import Fits
    from dashscope_ftlogs.report.job_at_a_glance import Glance
    from dashscope_ftlogs.report.loss_and_duration import Loss


_WIDTH: Final = 66
"""Of 80 columns, what is left beside the names."""
_BEFORE: Final = 10
"""So many lines before an error are worth reading."""
_MOST: Final = 4
"""Checkpoints that are told."""
_PASSING: Final = (InternalServerError, ThrottlingError)
"""Of what the service refuses a list of checkpoints with, what does not mean that there is none."""

Checkpoints = tuple[Checkpoint, ...]


class Format(enum.StrEnum):
    """How jobs are shown."""

    TEXT = "text"
    JSONL = "jsonl"


@grouped
def show(
    logs: Sources,
    *,
    form: Annotated[
        Format, typer.Option("--format", help="To be read, or a JSON object for each log.")
    ] = Format.TEXT,
    pattern: Pattern = None,
    connection: Connection,
) -> None:
    """Show how far a job came, and why it failed."""

    async def main() -> int:
        from dashscope_ftlogs.report.job_at_a_glance import GlanceReader  # noqa: PLC0415  (only this command needs it)

        fits: list[Fits] = []
        failed: list[FTLogsError] = []
        own = chosen(pattern)
        begin = partial(GlanceReader, pattern=own)
        async with aclosing(read_logs(logs, connection, begin, failed)) as found:
            async for log in found:
                saved = await _checkpoints(log)
                write(
                    rows([_object(log.read, saved)])
                    if form is Format.JSONL
                    else _text(log, saved, connection, again=bool(fits))
                )
                fits.append(log.read.fits)
        complain_of_patterns(own, fits)
        return code_of(failed)

    run(main())


async def _checkpoints(log: "Log[Glance]") -> Checkpoints | None:
    """Return the checkpoints of a job, or None if the service has no list of them for it.

    It has one for few models, and how it refuses one for the others is not documented.
    """
    if log.session is None or log.job is None:
        return None
    try:
        return await log.session.with_options(retry=RetryPolicy(max_tries=2)).checkpoints(log.job)
    except FTLogsError as error:
        if not isinstance(error, APIError) or isinstance(error, _PASSING):
            complain(f"{log.name}: its checkpoints are not known: {error.summary()}")
        return None


def _object(glance: "Glance", saved: Checkpoints | None) -> dict[str, Any]:
    last, why = glance.last, glance.failure
    losses = {
        "final": glance.summary.final,
        "best": glance.summary.best,
        "eval": glance.eval_loss,
        "best_eval": glance.best_eval_loss,
    }
    return {
        "name": glance.name,
        "status": None if glance.job is None else glance.job.status,
        "job": None if glance.job is None else facts(glance.job),
        "lines": glance.lines,
        "first_time": glance.first_time,
        "last_time": glance.last_time,
        "progress": None
        if last is None
        else {"step": last.step, "total_steps": last.total_steps, "epoch": last.epoch},
        "restarts": [
            {"step": one.step, "epoch": one.epoch, "offset": one.offset} for one in glance.restarts
        ],
        "losses": {name: None if loss is None else attrs.asdict(loss) for name, loss in losses.items()},
        "not_finite": [
            {**attrs.asdict(one.first), "count": one.count, "total": one.total}
            for one in glance.not_finite
        ],
        "failure": None if why is None else _why(why),
        "checkpoints": None if saved is None else [attrs.asdict(one) for one in saved],
    }


def _why(failure: "Failure") -> dict[str, Any]:
    offset = None if failure.error is None else failure.error.offset
    return {"text": failure.text, "offset": offset, "guessed": failure.guessed}


def _text(
    log: "Log[Glance]", saved: Checkpoints | None, connection: Connection, *, again: bool
) -> bytes:
    glance, job = log.read, log.read.job
    head = [glance.name]
    if job is not None:
        head += [job.status, job.model or "", job.training_type or ""]
    said = ["", "  ".join(filter(None, head))] if again else ["  ".join(filter(None, head))]
    said += [f"  {name:<11} {told}" for name, told in _facts(glance, saved or ()) if told]
    if job is not None:
        said.append(f"  {'next':<11} {without_key(_next(log, job, connection))}")
    return "".join(f"{escaped(line)}\n" for line in said).encode("utf-8", "backslashreplace")


def _facts(glance: "Glance", saved: Checkpoints) -> Iterable[tuple[str, str]]:
    if glance.job is not None:
        yield from _job_facts(glance)
    lines = f"{glance.lines:,}"
    if glance.first_time is not None:
        last = "" if glance.last_time in {None, glance.first_time} else f" to {glance.last_time}"
        lines += f", from {glance.first_time}{last}"
    yield "lines", lines
    if glance.last is not None:
        yield "came to", _progress(glance.last)
    elif (bar := glance.last_bar) is not None:
        yield "came to", f"{_step(bar.step, whole(bar.total))}, as its last progress bar tells"
    if glance.restarts:
        begin = glance.restarts[-1]
        times = "once," if len(glance.restarts) == 1 else f"{len(glance.restarts):,} times, last"
        yield "restarted", f"{times} at {_progress(begin)} ({_place(begin.offset)})"
    losses = (
        ("{}", glance.summary.final, "loss"),
        ("at best", glance.summary.best, "loss"),
        ("eval {}", glance.eval_loss, "eval_loss"),
        ("best eval", glance.best_eval_loss, "eval_loss"),
    )
    for label, loss, usual in losses:
        if loss is not None:
            what = "reward" if is_better_higher(loss.metric) else "loss"
            named = "" if loss.metric == usual else f" ({loss.metric})"
            yield label.format(what), _loss(loss, glance) + named
    label = "not finite"
    for one in glance.not_finite:
        first = _loss(one.first, glance)
        yield label, f"{one.first.metric}: {one.count:,} of {one.total:,}, first {first}"
        label = ""
    yield from _saved(saved)
    if glance.failure is None:
        yield "failure", "none is told" if glance.job is None else ""
    else:
        yield from _failure(glance.failure)


def _job_facts(glance: "Glance") -> Iterable[tuple[str, str]]:
    job, took = glance.job, glance.summary.duration
    assert job is not None  # noqa: S101  (for type checkers)
    yield "named", "" if job.job_name in {None, job.job_id} else str(job.job_name)
    given = [f"{name}={_value(value)}" for name, value in (job.hyper_parameters or {}).items()]
    for number, line in enumerate(_wrapped(given)):
        yield "" if number else "given", line
    yield "created", job.create_time or ""
    lasted = "" if took is None else f", after {duration(took.total_seconds())}"
    yield "ended", "" if job.end_time is None else job.end_time + lasted
    yield "tokens", "" if job.usage is None else f"{job.usage:,}"
    yield "model", job.finetuned_output or ""


def _saved(saved: Checkpoints) -> Iterable[tuple[str, str]]:
    """Tell of the furthest ones when each is gone, and what it is deployed by."""
    label = "checkpoints"
    for one in saved[:_MOST]:
        until = f"until {one.expire_time}" if one.expire_time else ""
        for line in _wrapped(filter(None, (one.checkpoint, one.status, until, one.model_name))):
            yield label, line
            label = ""
    if len(saved) > _MOST:
        yield "", f"and {len(saved) - _MOST:,} more, with --format jsonl"


def _value(value: object) -> str:
    # For people, to whom a learning rate of NaN is told as such: no JSON, so not msgspec.
    if isinstance(value, str):
        return value
    return json.dumps(storable(value), ensure_ascii=False, separators=(",", ":"))


def _wrapped(words: Iterable[str]) -> Iterable[str]:
    """Put words on lines; one is never broken, since it may be looked for."""
    line = ""
    for word in words:
        if line and width((f"{line}  {word}",)) > _WIDTH:
            yield line
            line = ""
        line += ("  " if line else "") + word
    yield line


def _next(log: "Log[Glance]", job: Job, connection: Connection) -> str:
    """Return the command that tells more, of the very log that was read."""
    glance = log.read
    job_id, asking = for_shell(job.job_id), connection.given(log.profile).strip()
    if not job.ended:
        return command_line("tail -f", [job_id], asking)
    named, how = ([file_for_shell(log.where)], "") if log.where else ([job_id], asking)
    if glance.failure is not None and glance.failure.error is not None:
        begin = max(0, glance.failure.error.offset - _BEFORE)
        return command_line("cat", named, how, f"--offset {begin} --limit {3 * _BEFORE}")
    drawn = job.status == "SUCCEEDED" and glance.last is not None
    return command_line("plot" if drawn else "cat", named, how)


def _progress(last: "Point") -> str:
    step = _step(last.step, last.total_steps)
    return ", ".join(filter(None, (step, "" if last.epoch is None else f"epoch {last.epoch:g}")))


def _step(step: int | None, total: int | None) -> str:
    if step is None:
        return ""
    return f"step {step:,}" if total is None else f"step {step:,} of {total:,}"


def _loss(loss: "Loss", glance: "Glance") -> str:
    of = "" if loss.epoch is None else f"epoch {loss.epoch:g}"
    if loss.step is None:
        where = f"{of}, {_place(loss.offset)}" if of else _place(loss.offset)
    else:
        where = f"step {loss.step:,}" + (f" of {of}" if of and glance.steps_begin_again else "")
    return f"{loss.value:.6g}, {where}"


def _place(offset: int) -> str:
    """Return which line it is: as editors and the report count, and as options that take offsets do."""
    return f"line {offset + 1:,}, offset {offset}"


def _failure(failure: "Failure") -> Iterable[tuple[str, str]]:
    first, *more = (failure.text or "nothing is known of why").splitlines()
    yield "failed of", first
    for line in more:
        yield "", line
    if failure.told and failure.told != failure.text:
        yield "", f"the service says {failure.told}"
    if failure.error is not None:
        guess = "; a guess from the log alone: its job may have gone on" if failure.guessed else ""
        yield "", f"({_place(failure.error.offset)}{guess})"
