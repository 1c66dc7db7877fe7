"""Which lines of a page can matter to points, found by searching the page as one text.

All others can be passed over as long as nothing goes on over lines: they hold no metrics, begin no
traceback, no dict and no table, and say nothing of tokens or of the beginning of training. What a line
says is not asked here; each that is named goes to the reader of lines.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dashscope_ftlogs.reading.forms.boxes import TITLES
from dashscope_ftlogs.reading.forms.json_in_json import KEYS
from dashscope_ftlogs.reading.forms.plain_words import COUNTED_SETS, LOSS, counts_itself
from dashscope_ftlogs.reading.forms.progress_bars import PLAIN_RATES, RATES
from dashscope_ftlogs.reading.forms.under_headings import EPOCH_ALONE, WORDS
from dashscope_ftlogs.reading.redrawn_lines import AT_ONCE, without_escapes

TRACEBACK: Final = "Traceback (most recent call last):"
_WORDS: Final = (
    *("loss", "Loss", "LOSS", "ward", "_runtime", "step:"),  # "eward" would be tried at each e
    *(TRACEBACK, "tokens is", "training usage", "Running training", "start to fine-tune"),
    *("*****", *WORDS, *TITLES),
    "\\u00",  # JSON's way to write any of these letters
)
_ANY_WORD: Final = re.compile("|".join(map(re.escape, _WORDS)))
"""All of them at once take as long as two of them, one after the other."""
_CHINESE: Final = re.compile(LOSS)
_COUNTED: Final = re.compile("|".join(map(re.escape, COUNTED_SETS)))
_RATED: Final = re.compile("|".join(re.escape(rate[rate.index("/") :]) for rate in RATES))
"""A bar's rate behind which more stands."""
_EXAMPLES: Final = " examples/s]"
_ENDS: Final = (*PLAIN_RATES, _EXAMPLES)
"""Bars that end so tell nothing, unless the text before them or a sign in them does."""
_TOLD: Final = 'aeoO*\\={"'
"""A bar without these signs tells nothing more: each word has one of them."""
_SIGNS: Final = '<*\\={"\x00\x1b'
"""A bar's description without words and these signs tells nothing."""
_NEAR: Final = 80
_DESCRIPTIONS: Final = 16
"""So many are looked at. Where a page has more, all of its bars are searched."""
_NO_TEXT: Final = ("%", '\\n"', "\x00", "\x1b")
_OPEN: Final = re.compile(r"\{[^{}\n]*+(?![{}])")
"""A brace that is not closed in its line: a dict may go on in the next."""
_JSON: Final = re.compile(r'\n[^\S\n]*+\{[^\S\n]*+"')
"""A line of JSON, which may hold a line of another."""
_SPELLED: Final = re.compile(r'\n[^\S\n]*+"[^\\\n]*+\\(?!n",?[^\S\n]*+(?:\n|$))')
"""A line that is a string of JSON with an escape before the one that ends it: any letter may be one."""
_UNRATED: Final = re.compile(r"<(?:[\d:?]+|\d+ days?, [\d:]+), *[A-Za-z_]")
"""A bar with numbers where its rate should be."""
_BAR: Final = re.compile(r'(?:[\n\]}"]|\\[nr])[^\S\n]*+(?:Train)?+[^\S\n]*+:?+[^\S\n]*+\d{1,3}%')
"""A bar that may be one of training: it is not described as anything else."""
_LAST: Final = frozenset(":*=#- \t\"',;.)]")
_TITLE: Final = re.compile(r"[:*=#-](?:\\[nr]|[^\w{}])*+$")
"""The end of a line that may be a title of a dict in the next; it ends with one of the others."""
_OFTEN: Final = 8
"""One line in so many is often: it takes less time to ask each than to find out which it is."""


class Page:
    """The lines of a page, with what is not searched put aside.

    Most of a log is bars that nobody asks for: it takes several times as long to look for every word.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        """Take them; none is anything but a string."""
        self.lines = lines
        bars: list[str] = []
        others: list[int] = []
        for index, line in enumerate(lines):
            if line.endswith(_ENDS):
                bars.append(line)
            elif line and not (line.isspace() and line.isprintable()):  # no line end is printable
                others.append(index)
        self._drawn, self._others = "".join(bars), others
        """All bars, each of which ends with a bracket; and what is neither a bar nor blank."""
        self._said = "".join([lines[index] for index in others])
        self.has_traceback = TRACEBACK in self._said
        """Whether one may begin."""
        self._has_escapes = "\x1b" in self._said or "\x00" in self._said
        self._dicts: list[int] | None = None
        self._kept: list[int] = []

    @property
    def size(self) -> int:
        """How many characters there are, but for blank lines."""
        return len(self._drawn) + len(self._said)

    @property
    def has_line_ends(self) -> bool:
        """Whether a line goes on behind a line end."""
        return any(end in text for end in "\n\r" for text in (self._said, self._drawn))

    def lines_that_matter(self, *, bars: bool = False, word: str = "") -> list[int]:
        """Return the indexes of the lines that can matter, in order.

        Args:
            bars: Whether those with bars of training do.
            word: One more that makes a line matter; none if it is empty.

        >>> page = Page(["one", "{'loss': 1.5}", "two", " 10%|█ | 1/10 [00:01<00:09,  1.0s/it]"])
        >>> page.lines_that_matter()
        [1]
        """
        if bars or (word and any(sign in self._drawn for sign in (word, "\x00", "\x1b"))):
            found = set(_found(self.lines, range(len(self.lines)), bars=bars, word=word))
            return sorted(found.union(i for i in self._others if self._may_be_title(self.lines[i])))
        if self._dicts is None:
            self._dicts = self._sorted_out()
        return sorted([*self._dicts, *_found(self.lines, self._kept, bars=False, word=word)])

    def _may_be_title(self, line: str) -> bool:
        if self._has_escapes:
            line = without_escapes(line)
        return line[-1:] in _LAST and _TITLE.search(line, max(0, len(line) - _NEAR)) is not None

    def _sorted_out(self) -> list[int]:
        """Return which lines are dicts with a loss, or titles; keep which others have to be searched."""
        dicts: list[int] = []
        for index in self._others:
            line = self.lines[index]
            if (line[:1] == "{" and "loss" in line) or self._may_be_title(line):
                dicts.append(index)
            else:
                self._kept.append(index)
        for said in _telling(self._drawn):
            self._kept += [
                index for index, line in enumerate(self.lines) if said in line and line.endswith(_ENDS)
            ]
        return dicts


def is_mere_text(line: str) -> bool:
    """Whether a line that does not matter is one text, or blank: no bar, and no text within JSON."""
    return not any(sign in line for sign in _NO_TEXT)


def _telling(bars: str) -> Sequence[str]:
    """Return what stands in those of some bars that may tell more. Most have one of few descriptions."""
    if not any(sign in bars for sign in _TOLD):
        return ()
    text = "]" + bars.replace(_EXAMPLES, "]")
    found: list[str] = []
    for _ in range(_DESCRIPTIONS):
        at = next((at for sign in _TOLD if (at := text.find(sign)) >= 0), -1)
        if at < 0:
            return found
        # No word has a bracket within it, or goes on behind a colon.
        begin, colon, end = text.rfind("]", 0, at), text.find(":", at), text.find("]", at)
        said = text[begin : (end if colon < 0 else min(colon, end)) + 1]
        if any(one in said for one in (*_WORDS, *_SIGNS)):
            found.append(said[1:-1])
        text = text.replace(said, "]")
    return ("",)


def _found(lines: Sequence[str], kept: Sequence[int], *, bars: bool, word: str) -> Iterator[int]:
    """Yield the indexes of those lines that a word or a pattern is in, of those that are kept."""
    # The first line is like all others then: it comes after a line end.
    text = "\n" + "\n".join([lines[index] for index in kept])
    if "\x1b" in text or "\x00" in text:
        text = without_escapes(text)  # none goes on over a line end
    begins: set[int] = set()
    for pattern in _patterns(text, bars=bars, word=word):
        begins.update(_with_pattern(text, pattern))
    return map(kept.__getitem__, _indexes(text, begins))


def _patterns(text: str, *, bars: bool, word: str) -> Iterator["re.Pattern[str]"]:
    """Yield those that a text may hold, some judged by a sign of each: they take longer to look for."""
    yield _ANY_WORD
    if LOSS[0] in text:  # one sign is found in a fraction of the time of two
        yield _CHINESE
    if counts_itself(text):
        yield _COUNTED
    if "/" in text:
        yield _RATED
        yield EPOCH_ALONE
    if "{" in text:
        yield _OPEN
    if '"' in text and any(key in text for key in KEYS):
        yield _JSON
    if '"' in text and "\\" in text:
        yield _SPELLED
    if "=" in text and "<" in text:
        yield _UNRATED
    if bars and "%" in text:
        yield _BAR
    if word and word in text:
        yield re.compile(re.escape(word))


def _with_pattern(text: str, pattern: "re.Pattern[str]") -> Iterator[int]:
    """Yield where the lines with a pattern begin, and those that are too long to look for it."""
    for at, stop in _lines_together(text):
        if stop - at > AT_ONCE:
            if pattern is not _ANY_WORD or any(text.find(word, at, stop) >= 0 for word in _WORDS):
                yield at + 1
            continue
        found = pattern.search(text, at, stop)
        while found is not None:
            # A match may begin with the end of the line before.
            begin = found.start() + (found[0][0] == "\n")
            yield text.rfind("\n", 0, begin) + 1
            end = text.find("\n", begin, stop)
            found = pattern.search(text, end, stop) if end >= 0 else None


def _lines_together(text: str) -> Iterator[tuple[int, int]]:
    """Yield where lines begin and end that are searched together; each begins after a line end."""
    at = 0
    while at < len(text):
        stop = text.rfind("\n", at + 1, at + AT_ONCE) if len(text) - at > AT_ONCE else len(text)
        if stop < 0:
            stop = text.find("\n", at + 1)
        if stop < 0:
            stop = len(text)
        yield at, stop
        at = stop


def _indexes(text: str, begins: Iterable[int]) -> Iterator[int]:
    """Yield the indexes of lines that begin there."""
    index, before = -1, 0
    for begin in sorted(begins):
        index += text.count("\n", before, begin)
        yield index
        before = begin
