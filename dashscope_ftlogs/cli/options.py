"""Options that several commands share, and how a command takes those that belong together."""

import functools
import inspect
import os
from collections.abc import Callable, Container, Iterable, Sequence
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import attrs
import typer

from dashscope_ftlogs.archive.object_store.url import KINDS, is_store_url, store_url
from dashscope_ftlogs.checks import is_url
from dashscope_ftlogs.errors import InvalidArgumentError

if TYPE_CHECKING:
    from dashscope_ftlogs.reading.own_pattern import OwnPattern

SEPARATORS: Final = tuple(one for one in (os.sep, os.altsep) if one)

Concurrency = Annotated[
    int | None, typer.Option(help="Requests in flight at once; learned, up to 32, if not given.")
]
Pattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="For lines that no known form fits; named groups are the step and metrics: "
        r"'step (?P<step>\d+) .* loss (?P<loss>\S+)'.",
    ),
]
Raw = Annotated[bool, typer.Option("--raw", help="Send control characters to a terminal as they are.")]


def to_file(text: str) -> Any:
    """Return the option for the file that a command writes."""
    return typer.Option("--output", "-o", metavar="FILE", help=text, parser=file)


def file(said: str | Path) -> Path:
    """Return a file's name; a `Path` no longer tells `x/`, which is a directory's, from `x`."""
    if isinstance(said, str) and len(said) > 1 and said.endswith(SEPARATORS):
        raise typer.BadParameter(f"{said!r} is a directory's name; name a file")
    return local(Path(said))


def archive(place: str) -> str:
    """Return the place of an archive, for an option: a directory, or a URL of a kind that is known."""
    if place == "-":
        raise typer.BadParameter("an archive is a directory, and can't go to stdout")
    if is_store_url(place):
        try:
            store_url(place)
        except InvalidArgumentError as error:
            raise typer.BadParameter(error.summary()) from None
    elif is_url(place):
        kinds = ", ".join(f"{kind}://" for kind in KINDS)
        raise typer.BadParameter(f"{place!r} is a URL of another kind than {kinds}")
    return place


def local(path: Path) -> Path:
    """Return a path, for an option, if it is none of a URL."""
    if is_url(str(path)):
        raise typer.BadParameter(f"'{path}' is a URL, and no path of this machine")
    return path


def chosen(pattern: str | None) -> "OwnPattern | None":
    """Return what the option `--pattern` says.

    Raises:
        InvalidArgumentError: it is no pattern, or has no group for a metric.
    """
    from dashscope_ftlogs.reading.own_pattern import own_pattern  # noqa: PLC0415  (few commands need it)

    return None if pattern is None else own_pattern(pattern)


def given(context: typer.Context, without: Container[str]) -> list[str]:
    """Return the options as they were given, for a command that goes on, but for some by their names."""
    words: list[str] = []
    for option in context.command.params:
        name = option.name or ""
        source = context.get_parameter_source(name)
        is_option = option.opts[0].startswith("-") and name not in without
        if not is_option or source is None or source.name != "COMMANDLINE":
            continue
        said: Any = context.params[name]
        if isinstance(said, bool):
            words.append(max(option.opts if said else option.secondary_opts, key=len))
            continue
        several = isinstance(said, list | tuple)
        for one in cast("Sequence[Any]", said) if several else (said,):
            words += [max(option.opts, key=len), str(getattr(one, "value", one))]
    return words


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take its options by groups.

    Where an argument of `command` is of an attrs class, that class's fields stand on the command line in
    its place, each with the annotation and the default that the class gives it.
    """
    signature = inspect.signature(command)
    groups = {
        name: one.annotation for name, one in signature.parameters.items() if attrs.has(one.annotation)
    }

    @functools.wraps(command)
    def with_options(**said: Any) -> None:
        made = {
            name: group(**{field.name: said.pop(field.name) for field in attrs.fields(group)})
            for name, group in groups.items()
        }
        command(**said, **made)

    parameters = [
        parameter
        for name, one in signature.parameters.items()
        for parameter in (_parameters(groups[name]) if name in groups else [one])
    ]
    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options


def _parameters(group: type[attrs.AttrsInstance]) -> Iterable[Parameter]:
    for field in attrs.fields(group):
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
