"""`ftlogs verify`: is an archive what it says it is, and is it all there is?"""

import enum
from collections import Counter
from typing import Annotated, Any

import attrs
import typer

from dashscope_ftlogs import (
    ArchiveError,
    ConfigError,
    FTLogsError,
    InvalidArgumentError,
    Verdict,
    verify_archive,
    verify_remotely,
)
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.verify import reopen_stale
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE, exit_code
from dashscope_ftlogs.cli.options import archive, grouped
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.terminal.stdout import rows, wrapped_table, write


class Format(enum.StrEnum):
    """How verdicts are told."""

    TABLE = "table"
    JSONL = "jsonl"


_FINE = {"ok", "superseded"}


@grouped
def verify(
    directory: Annotated[str, typer.Argument(help="The archive.", callback=archive)] = "ftlogs-archive",
    *,
    remote: Annotated[
        bool, typer.Option("--remote", help="Also ask the service how each log ends by now.")
    ] = False,
    form: Annotated[
        Format,
        typer.Option("--format", help="What is bad as a table, or every verdict as JSON objects."),
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    connection: Connection,
) -> None:
    """Name the logs of an archive that are damaged or incomplete.

    All of it is read. Exits with 0 if there is none, else with 6. --remote names stale logs, too; the
    next download goes on with them.
    """

    async def main() -> int:
        with Thread(patience=0) as reading:
            verdicts = await reading.run(lambda: list(verify_archive(directory)))
        failed: list[FTLogsError] = []
        if remote:
            asked = await _asked(connection, verdicts, failed)
            fine = {one.file for one in verdicts if one.state == "ok"}
            with Thread(patience=0) as reopening:
                await reopening.run(_reopen, directory, fine, asked)
            verdicts = sorted(asked, key=lambda verdict: verdict.file)
        bad = [verdict for verdict in verdicts if verdict.state not in _FINE]
        if as_json or form is Format.JSONL:
            write(rows(map(_facts, verdicts)))
        elif bad:
            write(wrapped_table(("FILE", "STATE", "WHY"), [(v.file, v.state, v.why) for v in bad]))
        counts = Counter(verdict.state for verdict in verdicts)
        told_of = ", ".join(f"{n:,} {state}" for state, n in counts.most_common())
        complain(f"{directory}: {told_of or 'no logs yet'}")
        if any(verdict.state == "damaged" and verdict.job_id for verdict in bad):
            complain(
                "`ftlogs download --recheck` fetches damaged logs anew, and keeps what is here of them"
            )
        return exit_code(failed[0]) if failed else INCOMPLETE if bad else 0

    run(main())


async def _asked(
    connection: Connection, verdicts: list[Verdict], failed: list[FTLogsError]
) -> list[Verdict]:
    """Return the verdicts after asking the service, those in a profile's folder by that profile.

    Of several profiles, one that can't be asked is told, and `failed`; its verdicts stay as they are.
    """
    chosen = connection.by_profile()
    by_profile: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_profile.setdefault(verdict.profile, []).append(verdict)
    asked: list[Verdict] = []
    left_out = {one for one in by_profile if one and connection.profile and one not in chosen}
    names = ", ".join(sorted(left_out))
    if left_out and left_out == by_profile.keys():
        raise InvalidArgumentError(f"--profile {', '.join(chosen)}: these are the logs of {names}")
    if left_out:
        complain(f"not compared, since --profile names others: the logs of {names}")
    for profile, some in by_profile.items():
        if profile in left_out:
            asked += some
            continue
        of = attrs.evolve(connection, profile=[profile]) if profile else connection
        try:
            async with of.session() as session, verify_remotely(session, some) as answers:
                asked += [verdict async for verdict in answers]
        except FTLogsError as error:
            if not profile:
                raise
            failed.append(error)
            unasked = "its logs were not compared: " if isinstance(error, ConfigError) else ""
            complain(f"{profile}: {unasked}{told(error)}")
            asked += some
    return asked


def _facts(verdict: Verdict) -> dict[str, Any]:
    return attrs.asdict(verdict, filter=lambda field, _: field.name != "tail")


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
