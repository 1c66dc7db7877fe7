r"""Secrets: strings that do not show themselves, and answers in which they are blacked out.

However the service spelled one: each character may be written as itself, as an escape of JSON, as a
percent-encoded byte or as a reference of HTML, once or over and over, one so and the next otherwise; the
whole may stand in base64, together with what was before and after it.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from string import ascii_letters, digits
from typing import Final, NoReturn, SupportsIndex

_SHOWN: Final = "[secret]"
_HTML: Final = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}
_MARKS: Final = (b"%", b"&", b"\\u00", b"\\x")
"""Where none of these is, letters and digits stand for themselves."""
_ESCAPED: Final = "\"'/\\"
"""What JSON may also write with a backslash before it."""
_OF_IDS: Final = "0123456789abcdef-"
"""What request ids are made of."""
_BEGINNING: Final = 16 * 2**10
"""Bytes that are looked at of what is long, where no more than a few hundred of them are shown."""
_IN_SPELLINGS: Final = rb"\%&;#+/=-_" + (ascii_letters + digits).encode()
"""What may be in a copy of a secret besides its own characters."""
_SHORTEST: Final = 8
"""What is shorter in base64 may stand there by chance."""


class Secret(str):
    """A string that shows itself only where it is asked to be one, never in a repr.

    A traceback that prints local variables, a logged dictionary of headers, a frozen value that holds
    it: all of them go through repr.

    >>> {"Authorization": Secret("Bearer sk-1234")}
    {'Authorization': '[secret]'}
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[secret]'"

    def __getitem__(self, key: SupportsIndex | slice) -> "Secret":
        """Return a part, no less secret: tools that shorten long strings show the repr of a part."""
        return Secret(super().__getitem__(key))

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be pickled, and so does all that holds it."""
        raise TypeError("a secret, such as an API key, is not pickled: hand on where it is found")


def without(
    secret: str, status: int, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    r"""Return an answer with every copy of `secret`, which is visible ASCII, blacked out.

    >>> without("sk-1/2", 401, {"X-Echo": "sk-1%2F2"}, b'{"message": "no: sk\\u002d1\\/2"}')
    (401, {'x-echo': '[secret]'}, b'{"message": "no: [secret]"}')
    """
    clean: dict[str, str] = {}
    for name, value in headers.items():
        name, value = hidden(secret, name).lower(), hidden(secret, value)  # noqa: PLW2901
        clean[name] = f"{clean[name]}, {value}" if name in clean else value
    return status, clean, _hidden(secret, body)


def hidden(secret: str, text: str) -> str:
    """Return a text with every copy of `secret` blacked out."""
    # Nearly always one of these: each request id is looked through.
    if not text.strip(_OF_IDS) and not _is_like_an_id(secret):
        return text
    if not any(sign in text for sign in _signs_in_text(secret)):
        return text
    data = text.encode("utf-8", "surrogatepass")
    clean = _hidden(secret, data)
    return text if clean is data else clean.decode("utf-8", "surrogatepass")


def hidden_beginning(secret: str, data: bytes) -> bytes:
    r"""Return the beginning of what may be long, with every copy of `secret` blacked out.

    What is cut off may be the end of a copy: its beginning is left out too, with all around that it may
    be part of.

    >>> hidden_beginning("sk-1234", b"refused: sk%2D1234" + b" " * 100_000)[:20]
    b'refused: [secret]   '
    """
    if len(data) <= _BEGINNING:
        return _hidden(secret, data)
    data = data[:_BEGINNING]
    if any(mark in data for mark in _signs(secret)[1]):
        return _hidden(secret, data.rstrip(_IN_SPELLINGS + secret.encode()))
    # What is left of one that is cut off is no longer than its base64; those that are whole are gone.
    return _hidden(secret, data)[: -2 * len(secret)]


def _hidden(secret: str, data: bytes) -> bytes:
    plain, marks = _signs(secret)
    # To look for every spelling takes a hundred times as long as this.
    if not any(sign in data for sign in marks + plain):
        return data
    clean = _any_spelling(secret).sub(_SHOWN.encode(), data)
    return data if clean == data else clean


@lru_cache(maxsize=8)
def _signs_in_text(secret: str) -> tuple[str, ...]:
    plain, marks = _signs(secret)
    return tuple(sign.decode() for sign in marks + plain)


@lru_cache(maxsize=8)
def _is_like_an_id(secret: str) -> bool:
    """Whether a request id may hold a secret, as it is or in base64, and no character but its own."""
    return any(not sign.strip(_OF_IDS) for sign in _signs_in_text(secret))


@lru_cache(maxsize=8)
def _signs(secret: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return what of a secret may stand there as it is, and what marks other spellings."""
    marks = (*_MARKS, b"\\") if set(secret) & set(_ESCAPED) else _MARKS
    return tuple(one.encode() for one in (secret, *_in_base64(secret))), marks


@lru_cache(maxsize=8)
def _any_spelling(secret: str) -> re.Pattern[bytes]:
    plain = [secret, *_in_base64(secret)]
    spelled = "|".join(_spelled(one[0], first=True) + "".join(map(_spelled, one[1:])) for one in plain)
    # Where none can begin is told by one look.
    firsts = re.escape("".join(sorted({one[0] for one in plain} | set("%&\\"))))
    return re.compile(f"(?=[{firsts}])(?:{spelled})".encode())


def _in_base64(secret: str) -> list[str]:
    """Return what of the base64 of a text comes of the secret alone, wherever in it that stands."""
    found: list[str] = []
    for before in range(3):
        data = b64encode(b"\0" * before + secret.encode() + b"\0\0").decode()
        core = data[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        if len(core) >= _SHORTEST:
            found += {core, core.replace("+", "-").replace("/", "_")}
    return found


def _spelled(character: str, *, first: bool = False) -> str:
    r"""Return a pattern for one character, the longest spellings first.

    A run of backslashes is one step, however long: the first character is looked for from the run's
    beginning only, and none gives a part of it back. What begins with a percent sign or an ampersand has
    no second one in it, so that nothing is read again for another beginning.

    >>> bool(re.fullmatch(_spelled("-"), "%252D")), bool(re.fullmatch(_spelled("-"), r"\u002d"))
    (True, True)
    """
    number = ord(character)
    hexes = "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in f"{number:02x}")
    named = f"|{_HTML[character]};" if character in _HTML else ""
    start = r"(?<!\\)" if first else ""
    if character == "\\":  # of many in a row, each but the last may be one, and the last all the others
        itself = rf"{start}(?:\\++|\\)"
    elif character in _ESCAPED:
        itself = rf"(?:{start}\\++|){character}"
    else:
        itself = re.escape(character)
    return (
        rf"(?:%(?:25)*{hexes}|{start}\\++(?:u00|x){hexes}"
        rf"|&(?:amp;)*(?:#0*{number};?|#[xX]0*{hexes};?{named})|{itself})"
    )
