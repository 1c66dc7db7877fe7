"""`ftlogs tail`: the last lines of jobs, and those that are still to come."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.alarms import Alarm, duration, parse_alarm
from dashscope_ftlogs.checks import job_id as checked_id
from dashscope_ftlogs.checks import seconds, whole_number
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection import Connection, connected
from dashscope_ftlogs.cli.lines import Level, View, When, pattern
from dashscope_ftlogs.cli.output import Format
from dashscope_ftlogs.cli.running import complain

_LINES = "Lines"
_END = "With --follow"


@connected
def tail(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB[:OFFSET]",
            help="Jobs; with an offset, the first line wanted, from 0.",
            autocompletion=complete_job_ids,
        ),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until every job has ended.")
    ] = False,
    count: Annotated[
        str, typer.Option("-n", metavar="N|all", help="Begin with the last N lines.")
    ] = "10",
    all_running: Annotated[
        bool, typer.Option("--all-running", help="Follow all running jobs, new ones too.")
    ] = False,
    prefix: Annotated[
        When,
        typer.Option(
            help="Each line's job before it; auto: if there are several.", rich_help_panel=_LINES
        ),
    ] = When.AUTO,
    grep: Annotated[
        str | None,
        typer.Option(metavar="RE", help="Only lines that match.", rich_help_panel=_LINES),
    ] = None,
    exclude: Annotated[
        str | None,
        typer.Option(metavar="RE", help="Only lines that do not match.", rich_help_panel=_LINES),
    ] = None,
    highlight: Annotated[
        str | None,
        typer.Option(metavar="RE", help="Make what matches stand out.", rich_help_panel=_LINES),
    ] = None,
    level: Annotated[
        Level | None,
        typer.Option(
            help="Only messages of this level and above.", case_sensitive=False, rich_help_panel=_LINES
        ),
    ] = None,
    collapse: Annotated[
        bool | None,
        typer.Option(
            "--collapse/--no-collapse",
            help="Of a progress bar that is redrawn, show the last state; default on a terminal.",
            rich_help_panel=_LINES,
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option("--format", help="Plain lines, or JSON objects.", rich_help_panel=_LINES),
    ] = Format.TEXT,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="When each line was received.", rich_help_panel=_LINES)
    ] = False,
    colour: Annotated[
        When, typer.Option("--color", help="auto: on a terminal.", rich_help_panel=_LINES)
    ] = When.AUTO,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Send control characters to a terminal as they are.", rich_help_panel=_LINES
        ),
    ] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="End with 9 on nan, stall=10m, or a bound such as 'grad_norm>100'.",
            rich_help_panel=_END,
        ),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="The same, for what is hoped for: 'loss<0.5'.",
            rich_help_panel=_END,
        ),
    ] = None,
    give_up_after: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Fail after so long without an answer, such as 10m; default: never.",
            rich_help_panel=_END,
        ),
    ] = None,
    shortest_poll: Annotated[
        float, typer.Option(help="Seconds between two looks at a log, at least.", rich_help_panel=_END)
    ] = 1.0,
    longest_poll: Annotated[float, typer.Option(help="And at most.", rich_help_panel=_END)] = 15.0,
    look_every: Annotated[
        float,
        typer.Option(help="Seconds between two looks for new running jobs.", rich_help_panel=_END),
    ] = 30.0,
    stats: Annotated[
        bool, typer.Option("--stats", help="Say in the end how late lines came.", rich_help_panel=_END)
    ] = False,
    connection: Connection,
) -> None:
    """Print the last lines of jobs; with -f, go on until they have ended.

    The exit code of -f tells their end: 0 if all succeeded, 7 if one failed, 8 if one was canceled, 9 if
    a condition was met.
    """
    from dashscope_ftlogs.cli.following import Following  # noqa: PLC0415  (completion needs none of it)

    try:
        offsets = _places(jobs or (), all_running=all_running)
        on_terminal = sys.stdout.isatty()
        following = Following(
            connection=connection,
            offsets=offsets,
            all_running=all_running,
            follow=follow or all_running,
            count=None if count == "all" else whole_number("-n", _number(count), 0),
            view=View(
                form=form,
                prefix=prefix.means(auto=all_running or len(offsets) > 1),
                colour=colour.means(auto=on_terminal and not os.environ.get("NO_COLOR")),
                for_terminal=on_terminal and not raw,
                collapse=on_terminal and form is Format.TEXT if collapse is None else collapse,
                timestamps=timestamps,
                grep=pattern("--grep", grep),
                exclude=pattern("--exclude", exclude),
                highlight=pattern("--highlight", highlight),
                level=level,
            ),
            alarms=tuple(_alarms(fail_on, until)),
            give_up_after=_duration(give_up_after),
            polls=(shortest_poll, longest_poll),
            look_every=seconds("--look-every", look_every),
            stats=stats,
        )
    except InvalidArgumentError as error:
        complain(str(error))
        raise typer.Exit(2) from None
    following.run()


def _places(jobs: Sequence[str], *, all_running: bool) -> dict[str, int | None]:
    if bool(jobs) == all_running:
        raise InvalidArgumentError("say which jobs: by id, or else --all-running")
    return dict(map(_place, jobs))


def _place(text: str) -> tuple[str, int | None]:
    job_id, colon, offset = text.partition(":")
    return checked_id(job_id), whole_number("offset", _number(offset), 0) if colon else None


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text


def _alarms(*conditions: list[str] | None) -> list[Alarm]:
    return [parse_alarm(condition) for group in conditions for condition in group or ()]


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    lasting = duration(text)
    if not lasting:
        raise InvalidArgumentError(f"--give-up-after {text!r}: must be a duration such as 90s or 10m")
    return lasting
