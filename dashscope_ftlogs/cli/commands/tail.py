"""`ftlogs tail`: the last lines of jobs, and those that are still to come."""

import os
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.archive.store import KeptLog
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.checks import lasting
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.cli.log_sources import is_local, job_name, named_logs
from dashscope_ftlogs.cli.options import Pattern, chosen, duration, given, grouped
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.short_job_ids import RUNNING, one_place_each
from dashscope_ftlogs.cli.tail.line_format import Lines
from dashscope_ftlogs.metrics.fail_on_and_until_conditions import parse_alarm
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm
from dashscope_ftlogs.text import shown


@attrs.frozen
class Watch:
    """What the options say about how long to read, and how often to ask."""

    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="End with 9 where any job meets it: nan (of a loss, gradient norm or learning rate), "
            "loss=nan, any=nan, 'nan except kl', stall=10m, 'grad_norm>100', 'loss>1.5 for 10' "
            "(in a row), 'eval_loss>best*1.2', in any line that is read: with a condition, that is all "
            "unless -n says less.",
        ),
    ] = None
    until: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="The same, for what is hoped for: 'loss<0.5', 'step>=1000'. End with 0 once every job "
            "has met it, with 10 if none runs or one ends that has not (7 if it failed, 8 if it was "
            "canceled).",
        ),
    ] = None
    give_up_after: Annotated[
        float | None,
        duration(
            "Give a job up after so long without an answer, such as 10m; with --all-running, all.",
            show_default="never",
        ),
    ] = None
    shortest_poll: Annotated[
        float, duration("Between two looks at a log, at least.", show_default="1s")
    ] = 1.0
    longest_poll: Annotated[float, duration("And at most.", show_default="15s")] = 15.0
    look_every: Annotated[
        float, duration("Between two looks for new running jobs.", show_default="30s")
    ] = 30.0
    settle: Annotated[
        float | None,
        duration(
            "Wait so long after a job's end for lines that come late.", or_zero=True, show_default="45s"
        ),
    ] = None
    pattern: Pattern = None
    stats: Annotated[bool, typer.Option("--stats", help="Say in the end how late lines came.")] = False

    def refuse_without_follow(self, conditions: Iterable[Alarm]) -> None:
        """Refuse what would be ignored.

        Raises:
            InvalidArgumentError: something only means anything while jobs are followed.
        """
        ignored = {
            "--give-up-after": self.give_up_after is not None,
            "--settle": self.settle is not None,
            "--stats": self.stats,
        }
        for option, is_said in ignored.items():
            if is_said:
                raise InvalidArgumentError(
                    f"{option}: only with -f, which follows the jobs to their end"
                )
        if self.pattern and not (self.fail_on or self.until):
            raise InvalidArgumentError(
                "--pattern: names what --fail-on or --until looks at: say one of these, too"
            )
        for condition in conditions:
            if condition.stall is not None:
                raise InvalidArgumentError(f"{condition.text}: only with -f: time has to pass")

    def alarms(self) -> tuple[Alarm, ...]:
        """Return the conditions of `--fail-on`.

        Raises:
            InvalidArgumentError: one is none.
        """
        return tuple(map(parse_alarm, self.fail_on or ()))

    def polls(self) -> tuple[float, float]:
        """Return between how many seconds and how many a log is looked at again.

        Raises:
            InvalidArgumentError: there is no such time.
        """
        if self.longest_poll < self.shortest_poll:
            least = f"at least --shortest-poll, {lasting(self.shortest_poll)}"
            raise InvalidArgumentError(f"--longest-poll {lasting(self.longest_poll)}: must be {least}")
        return self.shortest_poll, self.longest_poll

    def goals(self) -> tuple[Alarm, ...]:
        """Return those of `--until`.

        Raises:
            InvalidArgumentError: one is none.
        """
        return tuple(map(parse_alarm, self.until or ()))


@grouped
def tail(
    context: typer.Context,
    jobs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOB[:OFFSET]...",
            help="Jobs, the ends of their ids, @last, @running; without -f also archive directories, "
            "log files, or - for stdin; with an offset, the first line wanted, from 0.",
            autocompletion=complete_job_ids,
        ),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until every job has ended.")
    ] = False,
    count: Annotated[
        str | None,
        typer.Option(
            "-n",
            "--tail",
            metavar="N|all",
            help="Begin with the last N lines.  [default: 10; all with --fail-on or --until, and of "
            "what comes through a pipe]",
        ),
    ] = None,
    all_running: Annotated[
        bool,
        typer.Option("--all-running", help="Follow all running jobs, new ones too, beside those named."),
    ] = False,
    lines: Lines,
    watch: Watch,
    connection: Connection,
) -> None:
    """Print the last lines of jobs; with -f, go on until they end.

    The exit code of -f tells their end: 0 if all succeeded, 7 if one failed, 8 if one was canceled. With
    conditions, with -f or without, it is 9 if one of --fail-on was met, and 10 if a job ended without
    meeting --until; without -f, 6 if one that has not met it still goes on; and 2 instead of 0 if no
    line has what one of --fail-on is about. -f waits a while after the end for lines that the service
    shows late; jobs that ended more than a day ago are left at once.
    """
    from dashscope_ftlogs.cli.tail.following import Following  # noqa: PLC0415  (completion needs none of it)
    from dashscope_ftlogs.cli.tail.last_lines import DEFAULT_COUNT, Tail  # noqa: PLC0415

    words, profiles, following = jobs or (), frozenset(connection.profile or ()), follow or all_running

    def shared(offsets: Mapping[str, int | None]) -> dict[str, Any]:
        several = all_running or len(profiles) > 1 or len(offsets) > 1
        several = several or any(name.endswith(RUNNING) for name in offsets)
        return {
            "connection": connection,
            "offsets": offsets,
            "count": _count(count, None if alarms or goals else DEFAULT_COUNT),
            "view": lines.view(several=several, profiles=profiles),
            "alarms": alarms,
            "goals": goals,
            "pattern": chosen(watch.pattern),
        }

    async def print_tails() -> int:
        with Thread(patience=0) as looking:  # a store may take its time, and Ctrl-C should not
            offsets, stored = await looking.run(_places, words, profiles)
        if count is None:
            offsets |= {
                name: 0
                for name, log in stored.items()
                if offsets[name] is None and _comes_bit_by_bit(log)
            }
        same = given(context, {"follow", "count", "all_running", "profile"})
        return await Tail(**shared(offsets), stored=stored, given=same).print_tails()

    try:
        if not words and not all_running:
            raise InvalidArgumentError("say which jobs: by id, or --all-running")
        alarms, goals = watch.alarms(), watch.goals()
        if not following:
            watch.refuse_without_follow([*alarms, *goals])
            run(print_tails())
        here = next(filter(is_local, (_place(text)[0] for text in words)), None)
        if here is not None:
            raise InvalidArgumentError(
                f"-f is for jobs of the service, and {here} is none; a file that grows is followed by "
                "`tail -f -n +1 FILE | ftlogs tail -`"
            )
        tailing = Following(
            **shared(_places(words, profiles)[0]),
            all_running=all_running,
            give_up_after=watch.give_up_after,
            polls=watch.polls(),
            settle=watch.settle,
            look_every=watch.look_every,
            stats=watch.stats,
            given=given(context, {"follow", "count", "all_running"}),
        )
    except FTLogsError as error:
        complain(told(error))
        raise typer.Exit(exit_code(error)) from None
    tailing.run()


def _places(
    words: Sequence[str], profiles: Collection[str]
) -> tuple[dict[str, int | None], dict[str, KeptLog | None]]:
    """Return where to begin with each log, and those that are stored. Blocks, if there are any."""
    places: list[tuple[str, int | None]] = []
    stored: dict[str, KeptLog | None] = {}
    for text in words:
        word, offset = _place(text)
        if is_local(word):
            named = named_logs([word], stored, profiles=profiles)
            here = {name: log for name, log in named if not isinstance(log, str)}
            stored |= here
            places += [(name, offset) for name in here]
        else:
            places.append((job_name(word, profiles), offset))
    return one_place_each(places), stored


def _comes_bit_by_bit(log: KeptLog | None) -> bool:
    """Whether a log is a pipe's: nobody knows yet which lines will be the last."""
    return not stat.S_ISREG(os.fstat(0).st_mode) if log is None else Path(log.where).is_fifo()


def _count(text: str | None, default: int | None) -> int | None:
    """Return of how many lines the last are wanted; None for all."""
    if text is None:
        return default
    if text.lower() == "all":
        return None
    number = _number(text)
    if not isinstance(number, int):
        raise InvalidArgumentError(f"-n {shown(text)}: must be a whole number, 0 or more, or all")
    return number


def _place(text: str) -> tuple[str, int | None]:
    if is_local(text) or "://" in text:
        return text, None
    word, colon, offset = text.rpartition(":")
    if not colon:
        return text, None
    number = _number(offset)
    if not isinstance(number, int):
        raise InvalidArgumentError(
            f"{text!r}: what follows the colon must be the number of a line, 0 or more, as in {word}:0"
        )
    return word, number


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text
