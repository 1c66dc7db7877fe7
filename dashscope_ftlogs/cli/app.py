"""The commands, and what they have in common."""

import re
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperOption

from dashscope_ftlogs import __version__

COMMANDS: Final = (
    *("cat", "tail", "jobs", "show", "download", "verify", "metrics", "plot", "report"),
    *("doctor", "emulator", "demo"),
)


def app(words: Sequence[str] = ()) -> typer.Typer:
    """Return the commands; only the one that `words` begin with, if they do: the others cost time."""
    made = typer.Typer(
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
    made.callback()(_shared)
    for name in words[:1] if words and words[0] in COMMANDS else COMMANDS:
        made.command(cls=_Command)(getattr(import_module(f"dashscope_ftlogs.cli.commands.{name}"), name))
    return made


_OF_ALL: Final = "Connection"
"""The title of options that are the same in all commands."""
_EXPLAINS: Final = "doctor"
"""The command that is about these, whose help explains them."""
_IN_WORDS: Final = re.compile(r"\[default: \((.*)\)\]")


class _Command(TyperCommand):
    """A command that refuses what is said twice and taken once, and whose help has titles."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:  # as it is while the shell completes what is half typed
            *_, said = self.make_parser(ctx).parse_args(args=list(args))
            for one, times in Counter(said).items():
                if times > 1 and isinstance(one, TyperOption) and not (one.multiple or one.is_flag):
                    ctx.fail(f"{max(one.opts, key=len)} is given more than once")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        titled: dict[str, list[tuple[str, str]]] = {}
        told = [(one, row) for one in self.get_params(ctx) if (row := one.get_help_record(ctx))]
        for one, (names, text) in told:
            title = getattr(one, "rich_help_panel", None) or f"{one.param_type_name.title()}s"
            titled.setdefault(title, []).append((names, _IN_WORDS.sub(r"[default: \1]", text)))
        for title, records in titled.items():
            with formatter.section(title):
                if title == _OF_ALL and self.name != _EXPLAINS:
                    # The same in all commands, and longer than most have options of their own.
                    formatter.write_text(" ".join(f"[{names}]" for names, _ in records))
                    formatter.write_text(f"What they mean: ftlogs {_EXPLAINS} --help")
                else:
                    formatter.write_dl(records)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ftlogs {__version__}")
        raise typer.Exit


def _shared(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """The logs of fine-tuning jobs on Alibaba Cloud Model Studio (DashScope)."""
