"""What is said to whoever typed a key where something else belongs does not repeat it."""

import os
from collections.abc import Callable, Iterable
from typing import Final

from dashscope_ftlogs.client.redaction import hidden
from dashscope_ftlogs.client.settings.small_file import key_in, small_text
from dashscope_ftlogs.errors import ConfigError
from dashscope_ftlogs.text import without_keys

_SHORTEST: Final = 8
"""What is shorter is nobody's key, and may be a part of many words."""

_in_use: Final[set[str]] = set()
"""Keys from files that only an option names."""
_named: Final[set[str]] = set()
"""Those files, of which none may have been read yet."""


def key_from(path: str, option: str) -> str:
    """Return the key in a file that an option names; nothing that is said from now on shows it.

    Raises:
        ConfigError: it can't be read.
    """
    key = key_in(path, option)
    _in_use.add(key)
    return key


def keep_files_out_of_messages(paths: Iterable[str]) -> None:
    """Let nothing that is said from now on show the keys in these files."""
    _named.update(paths)


def without_key(message: str) -> str:
    """Return a message with all that looks like a key blacked out, and those that are set anyhow."""
    return hiding()(message)


def hiding() -> Callable[[str], str]:
    """Return what does that for any number of messages; where keys are kept is looked up now."""
    from dashscope_ftlogs.client.config import kept_keys  # noqa: PLC0415  (most commands say nothing)

    kept = {*_in_use, *(key for key, _ in kept_keys(os.environ, _text)), *map(_text, _named)}
    keys = [key for key in map(str.strip, kept) if len(key) >= _SHORTEST and _is_visible(key)]

    def hide(message: str) -> str:
        for key in keys:
            message = hidden(key, message)
        return without_keys(message)

    return hide


def files_with_keys() -> list[str]:
    """Return the paths of the files that hold keys, of those in which they are looked for."""
    from dashscope_ftlogs.client.config import kept_keys  # noqa: PLC0415  (most commands don't ask)

    return list(dict.fromkeys(path for key, path in kept_keys(os.environ, _text) if key and path))


def _is_visible(key: str) -> bool:
    return key.isascii() and key.isprintable()


def _text(path: str) -> str:
    """Return what a plain file holds, and nothing of any other: to say something never waits."""
    try:
        return small_text(path) or ""
    except ConfigError:
        return ""
