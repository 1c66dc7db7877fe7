"""What a terminal makes of a line: escapes move its cursor or colour, and line ends begin it anew."""

import re
from collections.abc import Iterator
from typing import Final

_ESCAPES: Final = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
AT_ONCE: Final = 2**16
"""So many characters are searched in one go, in which no other thread has its turn."""


def redrawn(line: str) -> list[str]:
    """Return what stands between line ends; not by a pattern, which would hold up all other threads."""
    return line.replace("\n", "\r").split("\r")


def parts(line: str) -> list[str]:
    r"""Return what a terminal would have shown one after the other, less what only moves its cursor.

    >>> parts("10%\r\x1b[1m20%\x1b[0m\nend")
    ['10%', '20%', 'end']
    """
    found = redrawn(without_escapes(line))
    return [*found[:1], *filter(None, found[1:-1]), *found[1:][-1:]]


def without_escapes(raw: str) -> str:
    """Return a text without what moves a terminal's cursor, or colours it."""
    text = raw.replace("\x00", "")
    return "".join(_ESCAPES.sub("", part) for part in _escaped(text)) if "\x1b" in text else text


def _escaped(text: str) -> Iterator[str]:
    """Yield it in parts, each of which but the last ends before an escape, or where none is near."""
    at = 0
    while len(text) - at > AT_ONCE:
        end = text.rfind("\x1b", at + 1, at + AT_ONCE)
        if end < 0:
            end = at + AT_ONCE
        yield text[at:end]
        at = end
    yield text[at:]
