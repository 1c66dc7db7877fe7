"""Numbers with commas, which group thousands or stand for the decimal point.

A comma between thousands groups them (`12,345,678`, `1,234.5`); one that can't is the decimal point
(`0,532`, `12,5`). What `1,532` is, the line's other numbers tell: it is like one that has a decimal
comma, and nothing where yet another has a point. Where none tells, the comma groups; but hardly anybody
writes a loss, a reward or an epoch so, and theirs is no number. Neither is anything else (`1.234,5`): no
point is better than one that is wrong. And what numbers look like in lines of them: with names, with
units, or written short, as `1.2K`.
"""

import re
from functools import lru_cache
from typing import Final

from dashscope_ftlogs.reading.forms.names import is_loss_or_reward

GROUPED: Final = r"[1-9]\d{0,2}(?:,\d{3})++(?!\d)"
PLAIN: Final = rf"(?:{GROUPED}(?:\.\d*+)?|\d++(?:\.\d*+|,\d++(?![.,]?\d))?|\.\d++)(?:[eE][-+]?\d++)?"
"""What a number without a sign may look like; whether it is one, `number` tells."""
FACTOR: Final = r"(?:(?-i:[KkMB])(?![\w%°(]))?"
"""What may stand behind a number that is written short, such as `1.2K`."""
_FACTORS: Final = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9}
_BEFORE_FACTOR: Final = frozenset("0123456789.")
_OF_MEMORY: Final = re.compile(
    r"mem|alloc|reserv|cache|rss|heap|disk|swap|bytes|(?:^|[^a-z])v?ram", re.IGNORECASE
)
"""There such a letter is a unit, as `G` is: what is told in it stays as it is."""
COUNT: Final = rf"(?P<done>(?>{GROUPED}|\d++))(?:\s?(?:/|of)\s?(?P<total>(?>{GROUPED}|\d++)))?"
_NAN: Final = r"(?:nan|inf|infinity)\b"
SIGNED: Final = rf"(?>[-+]?(?!0[xob]\w){PLAIN}|[-+]?{_NAN})"
NUMBER: Final = (
    r"(?P<wrapped>(?:(?:np|numpy|jnp)\.\w+|tensor|array)\((?![-+]?\d+,\d))?"
    rf"(?P<value>{SIGNED}{FACTOR})(?(wrapped)(?:(?:,[^()]{{0,40}})?\))?|\)?)"
)
_UNIT: Final = (
    r"(?:%|(?!e(?![^\W\d_]))(?:/?[^\W\d_]++(?!\d)|°)[\w/%]*(?:\(\s?-?[\d.]+%?\))?"
    r"|\s?\(\s?[-+]?[\d.]+%?\w?\)|\s(?:[KMGT]i?B|[a-z]{1,12}/(?:s|sec|second|step|it))\b(?!\s?[:=]|\s[-+]?\.?\d))?"
)
_LASTING: Final = (
    r"(?P<text>\d+ days?, \d[\d:]*|(?:\d+ ?[dhms]\b ?){2,}|\d+:\d\d(?::\d\d)?(?:\.\d+)?"
    r"|\d{1,12}/\d{1,12}(?![.\d/]))"
)
"""How long something lasted, or how much of something is done."""
END: Final = r"(?=[\s)\]±]|:(?!\d)|\.(?![\d.])|\((?!\d)|$)"
PAIR: Final = re.compile(
    rf"(?P<key>[a-z_][^:=|,]{{0,120}}?)\s?[:=]\s?(?:{_LASTING}|{NUMBER}{_UNIT}){END}", re.IGNORECASE
)
WORDS: Final = re.compile(
    rf"(?P<key>[a-z_][\w/.@-]{{0,60}}(?: [a-z_(][\w/.@)-]{{0,60}}){{0,2}}) {NUMBER}{_UNIT}{END}",
    re.IGNORECASE,
)
TIMED: Final = re.compile(
    r"(?P<key>(?:[a-z_(][\w/.-]{0,60} ){1,3}?)(?P<text>\d+ days?, \d[\d:]*|(?:\d+ ?[dhms]\b ?){2,}"
    r"|\d+:[0-5]\d:[0-5]\d(?:\.\d+)?|(?<=time |left |took )\d+:[0-5]\d|(?<=elapsed )\d+:[0-5]\d"
    rf"|(?<=eta )\d+:[0-5]\d|(?<=remaining )\d+:[0-5]\d){END}",
    re.IGNORECASE,
)
"""How long something lasts, with no sign between it and its name."""
MAY_LAST: Final = re.compile(r" \d+(?::[0-5]\d| ?[dhms]| days?,)")
THOUSANDS: Final = re.compile(rf"[-+]?{GROUPED}(?:\.\d*)?")
_EITHER: Final = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
_DECIMAL: Final = re.compile(
    rf"(?<![\w.,(\[])(?<!\d:)[-+]?(?!{GROUPED}(?![\deE]))\d++,\d++(?:[eE][-+]?\d++)?(?![.,]?\d)"
)
"""A number whose comma can only be a decimal one; in a list or a stamp's seconds, it is neither."""
_COMMA: Final = re.compile(r",\d")
_POINTED: Final = re.compile(r"(?<![\w.,])(?<!\d:)\d++\.\d")


def number(text: str, name: str, line: str) -> float | None:
    """Return the number that a text is, as the value of a name in a line; None if it is none.

    >>> [number(text, "loss", "") for text in ("0,532", "1,234.5", "1.234,5", "1,532")]
    [0.532, 1234.5, None, None]
    >>> number("1,532", "loss", "loss: 1,532 lr: 0,01"), number("1,532", "tok/s", "loss: 2.5")
    (1.532, 1532.0)
    >>> [number(text, name, "") for text, name in (("1.2K", "tok/s"), ("900M", "max_mem"))]
    [1200.0, 900.0]
    """
    factor = _FACTORS.get(text[-1:])
    if factor is not None and text[-2:-1] in _BEFORE_FACTOR:
        plain = number(text[:-1], name, line)
        return plain if plain is None or _OF_MEMORY.search(name) else plain * factor
    if "," in text:
        if _EITHER.fullmatch(text) is not None:
            decimal = _has_decimal_commas(line)
            if decimal is None:
                return None
            if not decimal and (is_loss_or_reward(name) or "epoch" in name.lower()):
                return None
        else:
            decimal = _DECIMAL.fullmatch(text) is not None
            if not decimal and THOUSANDS.fullmatch(text) is None:
                return None
        text = text.replace(",", "." if decimal else "")
    try:
        return float(text)
    except ValueError:
        return None


@lru_cache(1)  # for lines of many such numbers
def _has_decimal_commas(line: str) -> bool | None:
    """Whether a line has numbers with a decimal comma; None if it has some with a point, too."""
    # One comma is that of the number in question; most lines have no other, and end here.
    if len(_COMMA.findall(line)) < 2 or _DECIMAL.search(line) is None:
        return False
    return None if _POINTED.search(line) is not None else True
