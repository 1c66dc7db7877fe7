"""Puts the commands and their options, as the program knows them, where a page says `@commands@`."""

import re
from collections.abc import Iterator
from typing import Any

import typer.main
from sphinx.application import Sphinx

from dashscope_ftlogs.cli.app import app

_PLACE = "@commands@"


def setup(sphinx: Sphinx) -> dict[str, bool]:
    """Be told of each page before it is read."""
    sphinx.connect("source-read", _fill)
    return {"parallel_read_safe": True}


def _fill(_sphinx: Sphinx, _name: str, source: list[str]) -> None:
    if f"\n{_PLACE}\n" in source[0]:
        source[0] = source[0].replace(_PLACE, "\n".join(_reference()))


def _reference() -> Iterator[str]:
    group = typer.main.get_command(app())
    commands: dict[str, Any] = group.commands  # type: ignore[attr-defined]  # typer says only "a command"
    context = typer.Context(group, info_name="ftlogs")
    shared = _shared_options(commands.values())
    for name, command in commands.items():
        with typer.Context(command, info_name=name, parent=context) as about:
            yield from (f"## ftlogs {name}", "", "```text", _usage(command, about), "```", "")
            yield from (*_prose(command.help or ""), "")
            yield from _table(about, [one for one in command.params if one.name not in shared])
            if any(one.name in shared for one in command.params):
                yield from ("Takes the [connection's options](#options-of-the-connection) too.", "")
    asking = commands["jobs"]
    with typer.Context(asking, info_name="jobs", parent=context) as about:
        yield from ("## Options of the connection", "")
        yield from ("Every command that asks the service takes these.", "")
        yield from _table(about, [one for one in asking.params if one.name in shared])


def _shared_options(commands: Any) -> set[str]:
    """Return the names of the options that all commands have that take a base URL."""
    asking = [{one.name for one in command.params} for command in commands]
    return set.intersection(*(names for names in asking if "base_url" in names))


def _usage(command: Any, context: Any) -> str:
    return str(command.get_usage(context)).removeprefix("Usage: ")


def _prose(text: str) -> list[str]:
    return [line.strip() for line in text.partition("\f")[0].splitlines()]


def _table(context: Any, parameters: list[Any]) -> Iterator[str]:
    rows = [row for one in parameters if (row := _row(one, context)) is not None]
    if rows:
        yield from ("| option | |", "|---|---|", *rows, "")


def _row(parameter: Any, context: Any) -> str | None:
    if getattr(parameter, "hidden", False):
        return None
    if parameter.param_type_name == "argument":
        names, text = parameter.make_metavar(context), parameter.help or ""
    else:
        names, text = parameter.get_help_record(context)
    # Lined up for a terminal, as it came.
    names, text = (re.sub(r"\s+", " ", one).replace("|", "\\|") for one in (names, text))
    return f"| `{names}` | {text.replace('<', '&lt;')} |"
