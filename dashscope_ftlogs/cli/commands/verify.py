"""`ftlogs verify`: is an archive what it says it is, and is it all there is?"""

import enum
import glob
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import attrs
import typer
from rich.filesize import decimal

from dashscope_ftlogs import (
    ArchiveError,
    ConfigError,
    FTLogsError,
    InvalidArgumentError,
    Job,
    Verdict,
    verify_remotely,
)
from dashscope_ftlogs.archive.object_store.url import is_store_url, store_url
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.verify import reopen_stale, verified
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE, exit_code
from dashscope_ftlogs.cli.job_selection import (
    NO_ZONE,
    Shard,
    ShardOption,
    any_fits,
    complete_days,
    created_since,
    earliest,
)
from dashscope_ftlogs.cli.options import RunningOk, archive, command_line, grouped
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.terminal.stdout import rows, wrapped_table, write
from dashscope_ftlogs.text import file_for_shell, for_shell


class Format(enum.StrEnum):
    """How verdicts are told."""

    TABLE = "table"
    JSONL = "jsonl"


_FINE = {"ok", "superseded"}
_TO_COME = {"settling", "incomplete", "stale", "missing"}
"""What a download brings."""
_FEW = 5
"""Jobs that are named in a command; of more, that would be hard to read."""
_INNER = {"tail", "endpoint", "first_request_id", "error", "in_the_way"}
"""What a verdict has for comparing, or for what is advised, and nobody reads."""


@attrs.frozen
class _Expected:
    """Of which jobs of the listing a log is expected, and by which options that was said."""

    of: bool | Callable[[Job], bool]
    since: str = ""
    shard: str = ""

    @classmethod
    def said(cls, *, everything: bool, since: str | None, shard: str | None) -> Self:
        """Return what the options say.

        Raises:
            InvalidArgumentError: one is no such, or is about a listing for which nobody asks.
        """
        begin = None if since is None else earliest(since)
        share = None if shard is None else Shard.parse(shard)
        if share is not None and not (everything or since):
            raise InvalidArgumentError("--shard needs --all or --since: else no job is listed")
        if begin is None and share is None:
            return cls(everything)

        def fits(job: Job) -> bool:
            return (begin is None or created_since(job, begin)) and (share is None or share.holds(job))

        return cls(
            fits,
            "" if since is None else f" --since {for_shell(since)}",
            "" if shard is None else f" --shard {for_shell(shard)}",
        )


@grouped
def verify(
    directory: Annotated[str, typer.Argument(help="The archive.", callback=archive)] = "ftlogs-archive",
    *,
    remote: Annotated[
        bool, typer.Option("--remote", help="Also ask the service how each log ends by now.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also name the jobs of the service that have no log here.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE|DURATION",
            help="The same as --all, but for jobs created then or later: 2024-10-29, 7d, yesterday. "
            f"{NO_ZONE}",
            autocompletion=complete_days,
        ),
    ] = None,
    shard: ShardOption = None,
    running_ok: RunningOk = False,
    forgotten_ok: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Accept what there is of jobs whose id fits, and which the service no longer knows.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing if there is none.")] = False,
    form: Annotated[
        Format,
        typer.Option("--format", help="What is bad as a table, or every verdict as JSON objects."),
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    connection: Connection,
) -> None:
    """Name the logs of an archive that are damaged or incomplete.

    All of it is read. Exits with 0 if there is none, else with 6. --remote names stale logs, too; the
    next download goes on with them. --all does what --remote does, and names missing logs, too: with
    --shard those of this share, to which `download --shard` was given. Where
    the service is asked, --running-ok knows of each job whether it still runs, or has ended within the
    last day; and where it no longer knows one, its log is `forgotten`, till --forgotten-ok accepts that.
    """

    async def main() -> int:
        expected = _Expected.said(everything=everything, since=since, shard=shard)
        if forgotten_ok and not (remote or expected.of):
            raise InvalidArgumentError(
                "--forgotten-ok needs --all or --remote: else no job is asked for, so none is forgotten"
            )
        with Thread(patience=0) as reading:
            found = await reading.run(lambda: {who: list(some) for who, some in verified(directory)})
        verdicts = [verdict for some in found.values() for verdict in some]
        failed: list[FTLogsError] = []
        if remote or expected.of:
            asked = await _asked(connection, found, failed, every_job=expected.of)
            fine = {one.file for one in verdicts if one.state == "ok"}
            with Thread(patience=0) as reopening:
                await reopening.run(_reopen, directory, fine, asked)
            verdicts = sorted(asked, key=lambda verdict: verdict.file)
        bad = [
            one
            for one in verdicts
            if one.state not in _FINE
            and not (running_ok and one.running)
            and not _is_accepted(one, forgotten_ok or ())
        ]
        if as_json or form is Format.JSONL:
            write(rows(map(_facts, verdicts)))
        elif bad:
            write(wrapped_table(("FILE", "STATE", "WHY"), [(v.file, v.state, v.why) for v in bad]))
        counts = Counter("running" if running_ok and one.running else one.state for one in verdicts)
        told_of = ", ".join(f"{n:,} {state}" for state, n in counts.most_common())
        if bad or not quiet:
            size = decimal(sum(one.bytes for one in verdicts))
            complain(f"{directory}: {f'{told_of}; {size}' if verdicts else 'no logs yet'}")
        _advise(connection, bad, directory, next(iter(found)), expected)
        return _exit_code(bad, failed)

    run(main(), show_retries=not quiet)


def _exit_code(bad: Sequence[Verdict], failed: Sequence[FTLogsError]) -> int:
    """Return the code of what kept the service from being asked, unless more is wrong than that."""
    errors = [*failed, *(one.error for one in bad if one.error is not None)]
    if any(one.error is None and one.state not in _TO_COME for one in bad):
        return INCOMPLETE
    return exit_code(errors[0]) if errors else INCOMPLETE if bad else 0


def _advise(
    connection: Connection, bad: Sequence[Verdict], directory: str, own: str, expected: _Expected
) -> None:
    """Tell what to do about what is not whole, where a command or an option is all it takes."""
    for error in {type(one.error): one.error for one in reversed(bad) if one.error}.values():
        complain(told(error))
    damaged = [one for one in bad if one.state == "damaged" and one.job_id and not one.in_the_way]
    left = [one for one in bad if one.state == "incomplete" and one.job_id and not one.running]
    for logs, how, what in (
        (damaged, ("--recheck",), "fetches damaged logs anew, and keeps what is here of them"),
        (left, (), "goes on with logs that are incomplete"),
    ):
        # A download with a profile writes to folders only.
        apart = [one for one in logs if not one.profile], [one for one in logs if one.profile]
        for some in filter(None, apart):
            names = _names_of(some)
            which = ("" if names else f"--all{expected.shard}", *how)
            again = _download_of(connection, some, directory, own, *which, jobs=names)
            complain(f"`{again}` {what}")
    if missing := [one for one in bad if one.state == "missing" and one.job_id]:
        every = f"--all{expected.since}{expected.shard}"
        complain(f"`{_download_of(connection, missing, directory, own, every)}` fetches what is missing")
    if forgotten := [one for one in bad if one.state == "forgotten"]:
        complain(_how_to_accept(forgotten))


def _download_of(
    connection: Connection,
    some: list[Verdict],
    directory: str,
    own: str,
    *which: str,
    jobs: Sequence[str] = (),
) -> str:
    """Return the command by which such logs come: into the archive around a profile's folder."""
    if own:
        folder = Path(os.path.realpath(directory))
        directory = str(store_url(directory).around if is_store_url(directory) else folder.parent)
    profiles = sorted({one.profile for one in some if one.profile})
    where = f"--out {file_for_shell(directory)}{connection.given(*profiles)}"
    return command_line("download", jobs, *which, where)


def _names_of(some: list[Verdict]) -> list[str]:
    """Return what names the jobs of logs in a command; nothing, if they are too many for that."""
    names = sorted({for_shell(label(one.profile, one.job_id)) for one in some})
    return names if len(names) <= _FEW else []


def _is_accepted(verdict: Verdict, globs: Sequence[str]) -> bool:
    """Whether a log is forgotten, and that was said to be all right."""
    names = verdict.job_id, label(verdict.profile, verdict.job_id)
    return verdict.state == "forgotten" and any_fits(names, globs)


def _how_to_accept(forgotten: Sequence[Verdict]) -> str:
    names = sorted(glob.escape(label(one.profile, one.job_id)) for one in forgotten)
    options = " ".join(f"--forgotten-ok {for_shell(name)}" for name in names)
    if len(names) > _FEW:
        options = "--forgotten-ok GLOB"
    accepts = f"`{options}` accepts what is here as all there will be"
    return f"if key and workspace are those of what is forgotten, {accepts}"


def _to_ask_for(
    found: Mapping[str, list[Verdict]], named: Collection[str], *, every_job: bool
) -> dict[str, list[Verdict]]:
    """Return what to compare, by the profile to ask; nothing of one whose jobs alone are listed."""
    asking = {
        profile: some
        for profile, some in found.items()
        if every_job or any(verdict.job_id for verdict in some)
    }
    if every_job and "" in found and not any(verdict.job_id for verdict in found[""]):
        # What is in no folder is nobody's, and a profile that is named may have no folder yet.
        asking.update((profile, []) for profile in named if profile not in found)
        if len(asking) > 1:
            del asking[""]
    return asking


async def _asked(
    connection: Connection,
    found: Mapping[str, list[Verdict]],
    failed: list[FTLogsError],
    *,
    every_job: bool | Callable[[Job], bool],
) -> list[Verdict]:
    """Return the verdicts after asking the service, those in a profile's folder by that profile.

    One that can't be asked is told, and `failed`; what could not be compared stays as it is.
    """
    chosen = connection.by_profile()
    asking = _to_ask_for(found, chosen, every_job=bool(every_job))
    asked = [one for profile, some in found.items() if profile not in asking for one in some]
    left_out = {one for one in asking if one and connection.profile and one not in chosen}
    names = ", ".join(sorted(left_out))
    if left_out and left_out == asking.keys():
        raise InvalidArgumentError(f"--profile {', '.join(chosen)}: these are the logs of {names}")
    if left_out:
        complain(f"not compared, since --profile names others: the logs of {names}")
    if "" in asking and len(chosen) > 1:
        raise InvalidArgumentError(_why_one(found[""]))
    for profile, some in asking.items():
        if profile in left_out:
            asked += some
            continue
        of = attrs.evolve(connection, profile=[profile]) if profile else connection
        # Of a profile that has a folder, all jobs are meant to be there.
        is_whole = profile != "" or chosen.keys().isdisjoint(found.keys() - {""})
        heard = {verdict.file: verdict for verdict in some}
        try:
            async with (
                of.session() as session,
                verify_remotely(session, some, every_job=is_whole and every_job) as answers,
            ):
                async for verdict in answers:
                    heard[verdict.file] = verdict
        except FTLogsError as error:
            failed.append(error)
            whose = f"{profile}: its logs" if profile else "the logs"
            some_were = "" if isinstance(error, ConfigError) else "all "
            complain(f"{whose} were not {some_were}compared: {told(error)}")
            heard |= {one.file: one for one in some if heard[one.file].state == "unasked"}
        asked += heard.values()
    return asked


def _why_one(stray: list[Verdict]) -> str:
    logs = [one.file for one in stray if one.job_id]
    lie = "1 log lies" if len(logs) == 1 else f"{len(logs):,} logs lie"
    return (
        f"--profile: this takes one, since {lie} in no profile's folder, such as {logs[0]}: remove what "
        "is a copy, and move what is not to its profile's folder, or run this once for each profile"
    )


def _facts(verdict: Verdict) -> dict[str, Any]:
    return attrs.asdict(verdict, filter=lambda field, _: field.name not in _INNER)


def _reopen(directory: str, fine: set[str], asked: list[Verdict]) -> None:
    """Let the next download go on with what it would else take for complete."""
    stale = [verdict for verdict in asked if verdict.state == "stale" and verdict.file in fine]
    if stale:
        try:
            reopen_stale(directory, stale)
        except ArchiveError as error:
            complain(
                f"{error.summary()}. So `ftlogs download` needs --recheck to go on with stale logs."
            )
