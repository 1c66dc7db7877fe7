"""Log lines as bytes, as JSON rows, and as something safe to show.

A log line is whatever the service sent: it may hold control characters, escape sequences, line breaks
and lone surrogates. Files and pipes get it unchanged; terminals and messages get it with everything
that could act on them made visible.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import chain, count
from typing import Final, TypedDict

import msgspec

# C0 controls but the tab, DEL, the C1 controls, line and paragraph separators, the marks that reorder
# text, and lone surrogates, which no terminal can be sent.
_ACTIVE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""The surrogates that stand for no byte of a file."""

_KEY = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9._+/=-]{12,}")
_NAME_AND_PASSWORD = re.compile(r"(?<=://)[^\s/]*(?=@)")
"""As a proxy's URL may have them."""

TAIL: Final = 5
"""So many last lines tell a log from another one: a single line may be in both."""

_SHOWN: Final = 80
"""Characters of a refused value."""

_encode_json = msgspec.json.Encoder().encode


def counted(number: int, what: str) -> str:
    """Return so many of something, as words.

    >>> counted(1, "line"), counted(2000, "new line")
    ('1 line', '2,000 new lines')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"


def escaped(text: str) -> str:
    r"""Return `text` with all that could repaint a terminal written as a visible escape.

    >>> escaped("50%\r100%\x1b[2J")
    '50%\\r100%\\x1b[2J'
    """
    if text.isprintable():
        return text
    return _ACTIVE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def for_shell(word: str) -> str:
    r"""Return a word as a command that is told has it: a shell makes just that word of it again.

    What would act on the terminal, or can't be seen, is written as bash and zsh read it, and POSIX since
    2024. Escaped after it was quoted, it would name another file.

    >>> print(for_shell("a.log"), for_shell("it's"), for_shell("new\nline"))
    a.log 'it'"'"'s' $'new\nline'
    """
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_for_shell, word))}'"


def _for_shell(char: str) -> str:
    if char.isprintable() and char not in "'\\":
        return char
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", "\\": "\\\\"}.get(char)
    is_byte = "\udc80" <= char <= "\udcff"
    as_bytes = char.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
    return named or "".join(f"\\{byte:03o}" for byte in as_bytes)


def file_for_shell(path: str) -> str:
    """Return the same of a file's path, which no command takes for an option.

    >>> file_for_shell("-dash"), file_for_shell("-")
    ('./-dash', '-')
    """
    return for_shell(f"./{path}" if path.startswith("-") and path != "-" else path)


def excerpt(text: str, limit: int = 200) -> str:
    r"""Return the first `limit` characters of `text` on one line, safe to show.

    >>> excerpt("<html>\n  <h1>502 Bad Gateway</h1>", limit=20)
    '<html> <h1>502 Bad G…'
    """
    # Whitespace is folded only over as much text as can be shown, so a huge body costs nothing.
    folded = " ".join(text[: limit * 4].split())
    return escaped(folded if len(folded) <= limit else folded[:limit] + "…")


def holds_key(text: str) -> bool:
    """Whether there is something in it that looks like an API key.

    >>> holds_key("sk-0123456789abcdef"), holds_key("task-202410291653")
    (True, False)
    """
    return _KEY.search(text) is not None


def without_keys(text: str) -> str:
    """Return `text` with all that looks like a key or a password in a URL blacked out.

    They were typed in a wrong place.

    >>> without_keys("region 'sk-0123456789abcdef': must be one of ...")
    "region '[secret]': must be one of ..."
    >>> without_keys("--proxy http://me:secret@proxy.example.com:3128")
    '--proxy http://[secret]@proxy.example.com:3128'
    """
    return _NAME_AND_PASSWORD.sub("[secret]", _KEY.sub("[secret]", text))


def shown(value: object) -> str:
    r"""Return the repr of a refused value, short and safe to show.

    A string's backslashes are single, as they were typed: it may be copied back, mended.

    >>> print(shown(r"it  (\d+"))
    'it  (\d+'
    """
    if isinstance(value, str):
        text = without_keys(repr(value).replace("\\\\", "\\"))
        return escaped(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
    try:
        return excerpt(without_keys(repr(value)), _SHOWN)
    except ValueError:  # Python writes out no integer of more than 4300 digits
        return "a number too large to show"


def text_bytes(lines: Sequence[str]) -> bytes:
    r"""Return each line followed by a newline, in UTF-8; a lone surrogate becomes its escaped form.

    >>> text_bytes(["Training start!", "\ud800"])
    b'Training start!\n\\ud800\n'
    """
    if not lines:
        return b""
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def file_bytes(lines: Sequence[str], *, ended: bool = True) -> bytes:
    r"""Return lines of a file as the bytes that they were, with a newline after each, or not the last.

    Bytes that are not UTF-8 stand there as surrogates, as Python's `surrogateescape` has it. Any other
    lone surrogate becomes its escaped form.

    >>> file_bytes(["Training start!", "caf\udce9 \ud800"], ended=False)
    b'Training start!\ncaf\xe9 \\ud800'
    """
    text = "\n".join(lines) + ("\n" if ended and lines else "")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _NO_BYTE.sub(lambda match: escaped(match[0]), text).encode("utf-8", "surrogateescape")


def jsonl_bytes(lines: Sequence[str], offset: int) -> bytes:
    r"""Return one JSON object per line, with its offset; the first line has number `offset`.

    Lossless: what `json.loads` gives back is the line that the service sent.

    >>> jsonl_bytes(["Training start!"], 12)
    b'{"offset": 12, "line": "Training start!"}\n'
    """
    return b"".join(
        b'{"offset": %d, "line": %b}\n' % (number, json_bytes(line))
        for number, line in enumerate(lines, offset)
    )


def escaped_jsonl_bytes(lines: Sequence[str], offset: int) -> bytes:
    """Return the rows of `jsonl_bytes`, with all that could repaint a terminal as JSON escapes."""
    return escaped_json(jsonl_bytes(lines, offset).decode("utf-8")).encode()


def escaped_json(rows: str) -> str:
    """Return rows of JSON, with all that could repaint a terminal as JSON escapes."""
    return "\n".join(
        _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", row) for row in rows.split("\n")
    )


class Position(TypedDict):
    """Where a read of a log stands; JSON can hold it, and later versions will read it."""

    offset: int
    """How many lines were read: the number of the next one."""
    last: list[str]
    """The digests of the lines before it, five at the most: how another log in its place is noticed."""


def digests(lines: Iterable[str]) -> tuple[str, ...]:
    """Return a digest of each line, by which it is known again; lone surrogates count as themselves."""
    return tuple(hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest() for line in lines)


def json_bytes(value: object) -> bytes:
    """Return JSON; a lone surrogate in it stays one, and NaN and infinity become null."""
    try:
        return _encode_json(value)
    except UnicodeEncodeError:  # only the ASCII form can hold it
        finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(finite).encode("ascii")


def storable_text(text: str) -> str:
    r"""Return `text` with each lone surrogate, which UTF-8 has no form for, as a visible escape.

    >>> storable_text("a\ud800")
    'a\\ud800'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def distinct(
    taken: Container[str],
    *names: str,
    again: str = " ({})",
    alike: Callable[[str], str] = str,
) -> str:
    """Return the first of these names that is not taken; if all are, the last with a number.

    >>> distinct({"a", "b"}, "a", "b"), distinct({"a"}, "A", "B", alike=str.lower)
    ('b (2)', 'B')
    """
    counted = (names[-1] + again.format(number) for number in count(2))
    return next(name for name in chain(names, counted) if alike(name) not in taken)


def fitted(names: Iterable[str], fit: Callable[[str], str]) -> dict[str, str]:
    """Return what to call each of different names, so that they stay different.

    What `fit` leaves alone keeps its name, whatever comes of the others; those differ from all in more
    than capitals.

    >>> fitted(["a b", "A_b", "c"], lambda name: name.replace(" ", "_"))
    {'a b': 'a_b_', 'A_b': 'A_b', 'c': 'c'}
    """
    found = {name: fit(name) for name in names}
    taken = {name.lower() for name, fitting in found.items() if name == fitting}
    for name, fitting in found.items():
        if name != fitting:
            found[name] = distinct(taken, fitting, f"{fitting}_", again="{}", alike=str.lower)
            taken.add(found[name].lower())
    return found
