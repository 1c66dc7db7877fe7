"""Which lines of a page can matter to points, found by searching the page as one text.

All others can be passed over as long as nothing goes on over lines: they hold no metrics, begin no
traceback, no dict and no table, and say nothing of tokens or of the beginning of training. What a line
says is not asked here; each that is named goes to the reader of lines.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, count, repeat
from operator import itemgetter
from typing import Final

from dashscope_ftlogs.reading.forms.json_in_json import KEYS
from dashscope_ftlogs.reading.forms.progress_bars import PLAIN_RATES, RATES
from dashscope_ftlogs.reading.forms.under_headings import WORDS
from dashscope_ftlogs.reading.redrawn_lines import AT_ONCE, without_escapes

_Search = Callable[..., "re.Match[str] | None"]

TRACEBACK: Final = "Traceback (most recent call last):"
_WORDS: Final = (
    *("loss", "Loss", "LOSS", "eward", "_runtime", "step:"),
    *(TRACEBACK, "tokens is", "training usage", "Running training", "start to fine-tune"),
)
_WORDS_BY_SIGN: Final = {
    "<": RATES,
    "*": ("*****",),
    "=": WORDS,
    "\\": ("\\u00",),  # JSON's way to write any of these letters
}
"""Words that hold a sign that most pages do not: one sign is looked for in a fraction of the time."""
_TOLD: Final = 'aeflowAEFLOW_*\\={"\x00\x1b'
"""A line needs one of these signs to tell anything beside what bars say."""
_EXAMPLES: Final = " examples/s]"
_ENDS: Final = (*PLAIN_RATES, _EXAMPLES)
"""Bars that end so tell nothing, unless the text before them or a sign in them does."""
_SIGNS: Final = '<*\\={"\x00\x1b'
"""Text without words and these signs tells nothing."""
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
_OFTEN: Final = 8
"""One line in so many is often: it takes less time to ask each than to find out which it is."""


def lines_that_matter(lines: Sequence[str], *, bars: bool = False, word: str = "") -> list[int]:
    """Return the indexes of the lines that can matter, in order.

    Args:
        lines: Of one page, without line ends in them.
        bars: Whether those with bars of training do.
        word: One more that makes a line matter; none if it is empty.

    >>> lines_that_matter(["one", "{'loss': 1.5}", "two", " 10%|█ | 1/10 [00:01<00:09,  1.0s/it]"])
    [1]
    """
    kept: Sequence[int] = range(len(lines))
    indexes: set[int] = set()
    if not bars:
        kept, lines = _less(lines, word)
        dicts = compress(count(), map(str.startswith, lines, repeat("{")))
        indexes.update(index for index in dicts if "loss" in lines[index])
        for index in indexes:
            lines[index] = ""
    # The first line is like all others then: it comes after a line end.
    text = "\n" + "\n".join(lines)
    if "\x1b" in text or "\x00" in text:
        lines = [without_escapes(line) for line in lines]
        text = "\n" + "\n".join(lines)
    begins: set[int] = set()
    for one in _words(text, word):
        search = _searched(one)
        found = search(text)
        if found and _OFTEN * text.count(one, found.start()) > len(lines):
            indexes.update(index for index, line in enumerate(lines) if one in line)
        else:
            begins.update(_with_word(text, search, found))
    for pattern in _patterns(text, bars=bars):
        begins.update(_with_pattern(text, pattern))
    indexes.update(_indexes(text, begins))
    return sorted(map(kept.__getitem__, indexes))


def is_mere_text(line: str) -> bool:
    """Whether a line that does not matter is one text, or blank: no bar, and no text within JSON."""
    return not any(sign in line for sign in _NO_TEXT)


def _less(lines: Sequence[str], word: str) -> tuple[Sequence[int], list[str]]:
    """Return the lines without bars that tell nothing more, and the index of each that is left.

    Most of a log is bars that nobody asks for: it takes several times as long to look for every word.
    """
    ends = list(map(str.endswith, lines, repeat(_ENDS)))
    bars = list(compress(lines, ends))
    text = "\n".join(bars)
    if word and word in text:
        return range(len(lines)), list(lines)
    if not _is_mere(text):
        mere = iter(_are_mere(bars))
        ends = [is_bar and next(mere, False) for is_bar in ends]
    kept = [index for index, is_mere in enumerate(ends) if not is_mere]
    return kept, [lines[index] for index in kept]


def _is_mere(bars: str) -> bool:
    return not any(sign in bars for sign in _TOLD)


def _are_mere(bars: Sequence[str]) -> Iterable[bool]:
    """Return of each bar whether it tells nothing: most have one of a few descriptions."""
    halves = list(map(str.rpartition, bars, repeat("%|")))
    if not _is_mere("\n".join(map(itemgetter(2), halves)).replace(_EXAMPLES, "")):
        return ()
    texts = list(map(itemgetter(0), halves))
    mere = {text for text in set(texts) if not any(one in text for one in (*_WORDS, *_SIGNS))}
    return map(mere.__contains__, texts)


def _words(text: str, word: str) -> Iterator[str]:
    """Yield those that a text may hold."""
    yield from _WORDS
    for sign, words in _WORDS_BY_SIGN.items():
        if sign in text:
            yield from words
    if word:
        yield word


def _patterns(text: str, *, bars: bool) -> Iterator["re.Pattern[str]"]:
    """Yield those that a text may hold, judged by a word of each: they take longer to look for."""
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


@lru_cache
def _searched(word: str) -> _Search:
    """Return what searches for a word, which a pattern does in half the time that `find` takes."""
    return re.compile(re.escape(word)).search


def _with_word(text: str, search: _Search, found: "re.Match[str] | None") -> Iterator[int]:
    """Yield where the lines with a word begin, from the first that was found."""
    while found is not None:
        yield text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", found.end())
        found = search(text, end) if end >= 0 else None


def _with_pattern(text: str, pattern: "re.Pattern[str]") -> Iterator[int]:
    """Yield where the lines with a pattern begin, and those that are too long to look for it."""
    for at, stop in _lines_together(text):
        if stop - at > AT_ONCE:
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
