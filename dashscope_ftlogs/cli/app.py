"""The commands, and what they have in common."""

from typing import Annotated

import typer

from dashscope_ftlogs import __version__
from dashscope_ftlogs.cli.cat import cat
from dashscope_ftlogs.cli.demo import demo
from dashscope_ftlogs.cli.download import download
from dashscope_ftlogs.cli.emulator import emulator
from dashscope_ftlogs.cli.jobs import jobs
from dashscope_ftlogs.cli.verify import verify

app = typer.Typer(
    help="The logs of fine-tuning jobs on Alibaba Cloud Model Studio (DashScope).",
    epilog=(
        "The API key comes from DASHSCOPE_API_KEY or ~/.dashscope, as for the vendor's own tools. "
        "Try `ftlogs demo`: it needs no key and no network."
    ),
    no_args_is_help=True,
    # Tracebacks are for our mistakes, and then the plain ones: pretty ones print local variables.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ftlogs {__version__}")
        raise typer.Exit


@app.callback()
def shared(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """The logs of fine-tuning jobs on Alibaba Cloud Model Studio (DashScope)."""


for command in (cat, jobs, download, verify, emulator, demo):
    app.command()(command)
