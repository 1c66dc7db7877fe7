"""`ftlogs doctor`: what is right and what is wrong, from the settings to the service."""

import enum
import platform
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer

from dashscope_ftlogs import __version__
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.key_in_messages import without_key
from dashscope_ftlogs.cli.options import grouped
from dashscope_ftlogs.cli.run_command import run
from dashscope_ftlogs.cli.terminal.stdout import rows, write
from dashscope_ftlogs.text import escaped

if TYPE_CHECKING:
    from dashscope_ftlogs.cli.doctor.findings import Finding

_INDENT: Final = " " * 9


class Format(enum.StrEnum):
    """How findings are told."""

    TEXT = "text"
    JSONL = "jsonl"


@grouped
def doctor(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="[JOB]",
            help="The job to look at, named as in other commands; the newest, if not given.",
            autocompletion=complete_job_ids,
            show_default=False,
        ),
    ] = None,
    *,
    contract: Annotated[
        bool,
        typer.Option("--contract", help="Try which of the documented facts hold for that job's log."),
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", help="To be read, or a JSON object for each finding.")
    ] = Format.TEXT,
    connection: Connection,
) -> None:
    """Tell what is right and wrong between here and the service.

    The report holds no secret and no line of a log.
    """

    async def main() -> int:
        from dashscope_ftlogs.cli.doctor.examination import examine  # noqa: PLC0415  (an HTTP client takes long to import)

        code = 0
        if form is Format.TEXT:
            python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
            write(f"ftlogs {__version__}, {python}\n".encode())
        for named, one in connection.by_profile().items():
            profile = without_key(named)  # it may be no profile's name
            if profile and form is Format.TEXT:
                write(f"profile  {escaped(profile)}\n".encode("utf-8", "backslashreplace"))
            found = examine(one, job, contract=contract, now=lambda: datetime.now(UTC))
            async with aclosing(found) as findings:
                async for told in findings:
                    finding = _without_key(told)
                    write(_row(finding, profile) if form is Format.JSONL else _text(finding))
                    code = code or finding.code
        return code

    run(main())


def _without_key(finding: "Finding") -> "Finding":
    """Return a finding that does not repeat a key which was typed where something else belongs."""
    return attrs.evolve(finding, told=without_key(finding.told), advice=without_key(finding.advice))


def _row(finding: "Finding", profile: str) -> bytes:
    said = attrs.asdict(finding)
    del said["code"]
    return rows([({"profile": profile} if profile else {}) | said])


def _text(finding: "Finding") -> bytes:
    lines = [f"{finding.state:<8} {finding.name}: {finding.told}"]
    if finding.advice:
        lines.append(f"{_INDENT}{finding.advice}")
    return "".join(f"{escaped(line)}\n" for line in lines).encode("utf-8", "backslashreplace")
