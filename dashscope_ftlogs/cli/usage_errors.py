"""Wrong usage: what typer says of it, without any key that was typed, and what typer lets pass."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, NoReturn

import typer

from dashscope_ftlogs.cli.key_in_messages import keep_files_out_of_messages, without_key
from dashscope_ftlogs.cli.run_command import cannot_write, complain
from dashscope_ftlogs.text import escaped

# Of what typer raises for any wrong usage, it names this one kind.
_WRONG_USAGE: Final[Any] = typer.BadParameter.__mro__[1]

_MAY_BE_EMPTY: Final = frozenset({"--grep", "--exclude", "--highlight", "--metric"})
"""Patterns fit every line then; and a log may call a number anything."""


def parse_and_run(app: Callable[..., Any], words: Sequence[str]) -> NoReturn:
    """Run the command that the words name, and exit with its code."""
    keep_files_out_of_messages(words)
    odd = _odd(words)
    if odd is not None:
        complain(odd)
        sys.exit(2)
    try:
        code = app(list(words), prog_name="ftlogs", standalone_mode=False)
    except _WRONG_USAGE as error:
        text = io.StringIO()
        error.show(text)
        lines = without_key(text.getvalue()).split("\n")
        sys.stderr.write("\n".join(map(escaped, lines)))
        code = error.exit_code
    except OSError as error:  # help or the version, into a full disk or a stream that is closed
        cannot_write(error)
        code = 1
    sys.exit(code)


def _odd(words: Sequence[str]) -> str | None:
    """Say what no command can make sense of."""
    for before, word in pairwise(("", *words)):
        option, equals, value = word.partition("=") if word.startswith("--") else (before, "=", word)
        if equals and not value and option not in _MAY_BE_EMPTY:
            named = option if option.startswith("-") else "an argument"
            return f"{named} is empty: is a variable not set?"
        if not _can_be_given(word):
            return f"{word!r} can't be the name of anything here: no system takes such characters"
    return None


def _can_be_given(word: str) -> bool:
    """Whether a word can come from a shell, where bytes that are no text are allowed, and be a path."""
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False
