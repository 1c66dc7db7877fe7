"""What stands before the text of a line: stamps, ranks, pids, the names of containers and tasks.

Whoever carries a program's output, a rank's launcher, Ray, a container's runtime, a scheduler, may put
something before each line. It stays as it is for one program, but for the time in it.
"""

import re
from typing import Final

_LONGEST: Final = 300
"""Characters. What is longer is no prefix but text, that something was glued to."""
_MOST: Final = 12
"""Parts of a prefix."""
_STAMP: Final = re.compile(
    r"\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/]\d\d[-/]\d{2,4}|\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2}"
    r"|\b[IWEFC]\d{3,8}(?= \d\d:)|\b\d{10,19}(?:\.\d+)?|\b\d+\.\d{3,9}(?![.\d])"
)
# Where what one program puts there can end, and what another one adds can begin.
_BOUNDARY: Final = re.compile(r"(?<=[\s\]):|>\"])")
_WHOSE: Final = re.compile(
    r"\[rank ?\d+\]|\brank ?[:=] ?\d+|\([\w.:]+ pid=\d+|\[\d+,\d+\]<std\w+>"
    r"|^ *\d+: |^[\w.-]+ +\| |\bpid[ =]\d+"
)
# What log carriers and launchers put before a line, any number of them one after the other.
_CARRIED: Final = re.compile(
    r"(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?:? "
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d\d:\d\d:\d\d \S{1,80} \S{1,80}: "
    r"|(?:stdout|stderr) [FP] |\[(?:default)?\d+\]: ?|\[rank ?\d+\]: ?|\[\d+,\d+\]<std\w+>: ?|\d{1,4}: "
    r"|\([\w.:]{1,60} (?:pid|ip)=[^)]{1,80}\) ?|\[\w+/[\w./-]{1,120}\] |[\w.-]{1,60} +\| )*"
)


def text_of(line: str) -> str:
    """Return a line's text behind what carriers of logs and launchers put before it.

    >>> text_of("2026-01-05T03:04:05.123Z stderr F [rank1]: Killed")
    'Killed'
    """
    found = _CARRIED.match(line)
    return line if found is None else line[found.end() :]


def whose(line: str) -> str:
    """Return which of several programs a line seems to be from, as it says itself; empty if it doesn't.

    >>> whose("2026-01-05T03:04:05Z [rank1]: OSError"), whose("OSError")
    ('[rank1]', '')
    """
    found = _WHOSE.search(line, 0, _LONGEST)
    return "" if found is None else found[0].strip()


class Prefix:
    """What stands before one line, by which further lines of the same program are known."""

    def __init__(self, text: str) -> None:
        """Take it from a line; whatever a time in it is, it may be another one in the next line."""
        self.text = text
        self._any_time = _pattern(text)
        bare = text.rstrip()
        self._nothing_else = _pattern(bare, end=True) if bare else None

    def behind(self, line: str) -> str | None:
        """Return what a line says behind it; None if the line begins otherwise."""
        if not self.text:
            return line
        if (found := self._any_time.match(line)) is not None:
            return line[found.end() :]
        # Blanks at the end of a line are easily lost.
        return "" if self._nothing_else is not None and self._nothing_else.match(line) else None


def _pattern(text: str, *, end: bool = False) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    for stamp in _STAMP.finditer(text):
        parts += re.escape(text[at : stamp.start()]), _like(stamp[0])
        at = stamp.end()
    parts.append(re.escape(text[at:]))
    return re.compile("".join(parts) + (r"\s*$" if end else ""))


def _like(stamp: str) -> str:
    """Return the pattern of all times that are written in the same way."""
    name = r"[A-Z][a-z]{2}"
    if stamp[0].isalpha() and not stamp[1].isdigit():
        return rf"{name} +\d{{1,2}}" if stamp[-1].isdigit() else name
    digits = re.sub(r"\d+", r"\\d+", re.escape(stamp))
    if ":" in stamp:  # a fraction that is zero may be left out
        digits = re.sub(r"(?:\\\.|,)\\d\+$", "", digits) + r"(?:[.,]\d+)?"
    return digits


def heads(text: str) -> list[str]:
    """Return what a prefix can be cut down to where a line lacks what a logger added: the longest first.

    >>> heads("[rank1]: ERROR:")
    ['[rank1]: ERROR:', '[rank1]: ', '[rank1]:', '[rank1]', '']
    """
    if len(text) > _LONGEST:
        return [""]
    ends = [found.start() for found in _BOUNDARY.finditer(text)]
    return [text, *(text[:end] for end in reversed(ends[:_MOST]) if end != len(text)), ""]
