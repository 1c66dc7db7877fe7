"""Wrong usage: what typer says of it, without any key that was typed, and what typer lets pass."""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NoReturn

import typer

from dashscope_ftlogs.cli.key_in_messages import keep_files_out_of_messages, without_key
from dashscope_ftlogs.cli.run_command import cannot_write, complain
from dashscope_ftlogs.text import escaped

# Of what typer raises for any wrong usage, it names this one kind.
_WRONG_USAGE: Final[Any] = typer.BadParameter.__mro__[1]

_KEY_FILE: Final = "--api-key-file"
_MAY_BE_EMPTY: Final = frozenset({"--grep", "--exclude", "--highlight", "--metric"})
"""Patterns fit every line then; and a log may call a number anything."""
_MEANT: Final = {
    **dict.fromkeys(("follow", "watch", "stream"), "tail -f"),
    **dict.fromkeys(("list", "ls", "status"), "jobs"),
    **dict.fromkeys(("logs", "log", "print"), "cat"),
    **dict.fromkeys(("fetch", "get", "sync", "archive"), "download"),
    **dict.fromkeys(("dataset", "export"), "metrics -o"),
    **dict.fromkeys(("serve", "mock"), "emulator"),
}
"""What does what other tools call so."""


def parse_and_run(app: Callable[..., Any], words: Sequence[str]) -> NoReturn:
    """Run the command that the words name, and exit with its code."""
    keep_files_out_of_messages(value for _, name, value in _said(words) if value and name == _KEY_FILE)
    odd = _odd(words)
    if odd is not None:
        complain(odd)
        sys.exit(2)
    try:
        code = app(list(words), prog_name="ftlogs", standalone_mode=False)
    except _WRONG_USAGE as error:
        _suggest_form(error)
        _suggest_command(error)
        text = io.StringIO()
        error.show(text)
        lines = without_key(text.getvalue()).split("\n")
        sys.stderr.write("\n".join(map(escaped, lines)))
        code = error.exit_code
    except OSError as error:  # help or the version, into a full disk or a stream that is closed
        cannot_write(error)
        code = 1
    sys.exit(code)


def _suggest_form(error: Any) -> None:
    """Name the form of output that is meant by an option, or a form, that there is not.

    What some commands call `--json`, others call `--format jsonl`.
    """
    options = {name: one for one in (error.ctx.command.params if error.ctx else ()) for name in one.opts}
    said = getattr(error, "option_name", "").removeprefix("--")
    form = "jsonl" if said == "json" else said
    if "--format" in options and form in getattr(options["--format"].type, "choices", ()):
        error.possibilities = [f"--format {form}"]
    elif error.message.startswith("'json' is not one of"):
        meant = "--json" if "--json" in options else "jsonl"
        error.message = f"{error.message} (Possible options: {meant})"


def _suggest_command(error: Any) -> None:
    """Name the command that is meant by a word that is none."""
    no_such = re.fullmatch(r"No such command '(\w+)'\.", error.message)
    if no_such and (meant := _MEANT.get(no_such[1])):
        error.message = f"{error.message} Did you mean '{meant}'?"


def _odd(words: Sequence[str]) -> str | None:
    """Say what no command can make sense of."""
    for word, name, value in _said(words):
        if value == "" and name not in _MAY_BE_EMPTY:
            named = name if name.startswith("-") else "an argument"
            return f"{named} is empty: is a variable not set?"
        if not _can_be_given(word):
            return f"{word!r} can't be the name of anything here: no system takes such characters"
    return None


def _said(words: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Yield each word, the option that it may be a value of, and the value, if it is or has one."""
    for before, word in pairwise(("", *words)):
        name, equals, value = word.partition("=") if word.startswith("--") else (before, "=", word)
        yield word, name, value if equals else None


def _can_be_given(word: str) -> bool:
    """Whether a word can come from a shell, where bytes that are no text are allowed, and be a path."""
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False
