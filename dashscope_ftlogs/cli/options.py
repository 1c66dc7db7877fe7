"""Options that several commands share, and how a command takes those that belong together."""

import csv
import functools
import inspect
import os
import re
from collections.abc import Callable, Container, Iterable, Sequence
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast, get_args

import attrs
import typer

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.object_store.url import KINDS, is_store_url, store_url
from dashscope_ftlogs.checks import is_url
from dashscope_ftlogs.errors import InvalidArgumentError
from dashscope_ftlogs.text import shown

if TYPE_CHECKING:
    from dashscope_ftlogs.reading.own_pattern import OwnPattern

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,4000}")
_DURATION: Final = "DURATION"
_LIKE_AN_OPTION: Final = re.compile(r"(\$?')?-.")
"""How a word begins that a command takes for an option, quoted or not."""
SEPARATORS: Final = tuple(one for one in (os.sep, os.altsep) if one)

Pattern = Annotated[
    list[str] | None,
    typer.Option(
        metavar="REGEX",
        help="For lines that no known form fits: those come first, but for tables. Named groups are the "
        "step and metrics: "
        r"'step (?P<step>\d+) .* loss (?P<loss>\S+)'. Again for each other form; a line is read by the "
        "first that fits.",
    ),
]
RunningOk = Annotated[
    bool,
    typer.Option(
        "--running-ok",
        help="End with 0 also where all that is not whole is of jobs that still run, or ended just now.",
    ),
]
Raw = Annotated[bool, typer.Option("--raw", help="Send control characters to a terminal as they are.")]


def whole_number(text: str, low: int, high: int | None = None, **more: Any) -> Any:
    """Return the option for a whole number of a range; at least `low`, where `high` is None."""

    def read(said: str) -> int:
        number = int(said) if _WHOLE.fullmatch(said) else said
        return checks.whole_number("", number, low, high)

    return typer.Option(help=text, metavar="N", parser=_parser(read), **more)


def number(text: str, fits: Callable[[str, Any], float], **more: Any) -> Any:
    """Return the option for a number, of which one of our `checks` says whether it fits."""

    def read(said: str) -> float:
        value = checks.number(said)
        return fits("", said if value is None else value)

    return typer.Option(help=text, metavar="NUMBER", parser=_parser(read), **more)


def duration(text: str, *names: str, or_zero: bool = False, **more: Any) -> Any:
    """Return the option for a duration above 0, or of 0, too; it becomes seconds."""

    def read(said: str) -> float:
        seconds = seconds_in(said)
        what = "a duration such as 45s or 2m, or seconds,"
        return checks.above_zero("", said if seconds is None else seconds, what, or_zero=or_zero)

    return typer.Option(*names, help=text, metavar=_DURATION, parser=_parser(read), **more)


def seconds_in(said: str) -> float | None:
    """Return the seconds that a duration or a number stands for; None if it is neither."""
    value = checks.number(said)
    return checks.duration(said) if value is None else value


def _parser(read: Callable[[str], float]) -> Callable[[object], float]:
    def parse(said: object) -> float:
        try:
            return read(str(said))
        except InvalidArgumentError as error:
            _, must, allowed = error.summary().rpartition(": must be ")
            raise typer.BadParameter(f"{shown(said)}{must}{allowed}") from None

    return parse


Concurrency = Annotated[
    int | None, whole_number("Requests in flight at once; learned, up to 32, if not given.", 1)
]


def to_file(text: str) -> Any:
    """Return the option for the file that a command writes."""
    return typer.Option("--output", "-o", metavar="FILE", help=text, parser=file)


def file(said: str | Path) -> Path:
    """Return a file's name; a `Path` no longer tells `x/`, which is a directory's, from `x`."""
    if isinstance(said, str) and len(said) > 1 and said.endswith(SEPARATORS):
        raise typer.BadParameter(f"{said!r} is a directory's name; name a file")
    return local(Path(said))


def column_names(said: str) -> list[str]:
    """Return the names of columns, as a line of CSV has them.

    >>> column_names('step,"loss, mean"')
    ['step', 'loss, mean']

    Raises:
        InvalidArgumentError: it is no such line.
    """
    try:
        return next(csv.reader([said], strict=True))
    except csv.Error:
        raise InvalidArgumentError(
            f"--columns {shown(said)}: must be names with commas between them, as in CSV: "
            """'step,"loss, mean"'"""
        ) from None


def told_columns(names: Iterable[str]) -> str:
    """Return names as `column_names` reads them, to be chosen from.

    >>> told_columns(["step", "loss, mean"])
    'step, "loss, mean"'
    """
    doubled = (name.replace('"', '""') for name in names)
    return ", ".join(f'"{name}"' if {",", '"'} & set(name) else name for name in doubled)


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


def chosen(patterns: Sequence[str] | None) -> "OwnPattern | None":
    """Return what the option `--pattern` says.

    Raises:
        InvalidArgumentError: one is no pattern, or has no group for a metric.
    """
    from dashscope_ftlogs.reading.own_pattern import own_pattern  # noqa: PLC0415  (few commands need it)

    return own_pattern(patterns) if patterns else None


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
            text = checks.lasting(one) if option.metavar == _DURATION else getattr(one, "value", one)
            words += [max(option.opts, key=len), str(text)]
    return words


def command_line(name: str, operands: Iterable[str], *options: str) -> str:
    """Return a command that is told, of words as a shell has them: no operand passes for an option.

    >>> command_line("cat", ["ft-1"], "--offset 3"), command_line("cat", ["-1"], "--offset 3")
    ('ftlogs cat ft-1 --offset 3', 'ftlogs cat --offset 3 -- -1')
    """
    named = list(operands)
    if any(map(_LIKE_AN_OPTION.match, named)):
        words = [name, *options, "--", *named]
    else:
        words = [name, *named, *options]
    return " ".join(["ftlogs", *filter(None, words)])


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take its options by groups.

    Where an argument of `command` is of an attrs class, that class's fields stand on the command line in
    its place, each with the annotation and the default that the class gives it. In the help, they stand
    under the class's `TITLE`, if it has one.
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
        for option in get_args(field.type)[1:]:
            option.rich_help_panel = getattr(group, "TITLE", None)
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
