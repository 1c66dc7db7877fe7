"""What is said to whoever typed a key where something else belongs does not repeat it."""

import os
import stat
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from dashscope_ftlogs.client.redaction import hidden
from dashscope_ftlogs.text import without_keys

_OPTION: Final = "--api-key-file"
_SHORTEST: Final = 8
"""What is shorter is nobody's key, and may be a part of many words."""
_LONGEST: Final = 64 * 2**10
"""Bytes of a file that holds a key or settings."""

_in_use: Final[set[str]] = set()
"""Keys from files that only an option names."""
_named: Final[set[str]] = set()
"""Those files, of which none may have been read yet."""


def keep_out_of_messages(key: str) -> None:
    """Let nothing that is said from now on show this key."""
    _in_use.add(key.strip())


def keep_files_out_of_messages(words: Sequence[str]) -> None:
    """Let nothing that is said show the key in a file that the words of a command name."""
    for before, word in pairwise(("", *words)):
        if before == _OPTION:
            _named.add(word)
        elif word.startswith(f"{_OPTION}="):
            _named.add(word.removeprefix(f"{_OPTION}="))


def without_key(message: str) -> str:
    """Return a message with all that looks like a key blacked out, and those that are set anyhow."""
    for key in {*_in_use, *_set()}:
        if len(key) >= _SHORTEST and key.isascii() and key.isprintable():
            message = hidden(key, message)
    return without_keys(message)


def _set() -> set[str]:
    """Return what stands where keys are kept, one that another goes before included."""
    config = _text(os.environ.get("DASHSCOPE_CONFIG") or "~/.dashscope/config.toml")
    try:
        in_config = tomllib.loads(config).get("api_key")
    except (ValueError, RecursionError):
        in_config = None
    kept = (
        os.environ.get("DASHSCOPE_API_KEY", ""),
        _text(os.environ.get("DASHSCOPE_API_KEY_FILE_PATH", "")),
        _text("~/.dashscope/api_key"),
        in_config if isinstance(in_config, str) else "",
        *map(_text, _named),
    )
    return {key.strip() for key in kept}


def _text(path: str) -> str:
    """Return what a plain file holds, and nothing of any other: to say something never waits."""
    try:
        file = Path(path).expanduser()
        found = file.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LONGEST:
            return ""
        return file.read_text("utf-8")
    except (OSError, RuntimeError, ValueError):
        return ""
