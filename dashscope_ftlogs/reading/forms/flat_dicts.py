"""Dicts in which nothing is nested, as most are, in the shortest time: those of one line or of many.

What a text holds that is anything more is for `dicts`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from dashscope_ftlogs.reading.metrics_in_line import MetricValues

_decode = msgspec.json.Decoder(dict[str, float | str]).decode
_decode_all = msgspec.json.Decoder(list[dict[str, float | str]]).decode
_decode_numbers = msgspec.json.Decoder(dict[str, float], strict=False).decode
_ERRORS: Final = (msgspec.DecodeError, UnicodeEncodeError)
TOGETHER: Final = 16
"""Texts that are decoded in one go: more are no faster, and one that is no dict holds up so many."""


def numbers(text: str) -> MetricValues | None:
    """Return what a dict of nothing but numbers holds, in the shortest time; None if it is no such.

    >>> numbers("{'loss': 1.5, 'epoch': '0.3'}"), numbers("{'step': '1/9'}")
    ({'loss': 1.5, 'epoch': 0.3}, None)
    """
    try:
        return _decode_numbers(_as_json(text))
    except _ERRORS:
        return None


def flat(text: str) -> MetricValues | None:
    """Return what a text holds that is nothing but a dict, in a short time; None if that fails.

    >>> flat("{'loss': 1.5, 'epoch': '0.3', 'step': '1/9'}")
    {'loss': 1.5, 'epoch': 0.3, 'step': '1/9'}
    """
    text = _as_json(text)
    try:
        values = _decode(text)
    except _ERRORS:
        return None
    _take_for_numbers(values)
    return values


def _as_json(text: str) -> str:
    """Return a text with JSON's quotes; nothing, which is no JSON, if that could change its meaning."""
    return "" if "\\" in text or ('"' in text and "'" in text) else text.replace("'", '"')


def _take_for_numbers(values: dict[str, float | str]) -> None:
    """Put numbers in the place of those texts that are some."""
    if str in map(type, values.values()):
        for name, value in values.items():
            if type(value) is str:
                values[name] = as_number(value)


def flat_each(texts: Sequence[str]) -> Iterator[MetricValues | None]:
    """Yield the same of each text, all of which begin with a brace, in an even shorter time.

    >>> list(flat_each(["{'loss': 1.5}", "{'a': 1}, {'b': 2}", "{'loss': '0.5'}"]))
    [{'loss': 1.5}, None, {'loss': 0.5}]
    """
    for begin in range(0, len(texts), TOGETHER):
        some = texts[begin : begin + TOGETHER]
        yield from _flat_together(some) or map(flat, some)


def _flat_together(texts: Sequence[str]) -> Sequence[MetricValues] | None:
    """Return what all of these texts hold; None if one of them is no flat dict, or may be none.

    No string of JSON goes on over lines, and no dict here stands in another: each text begins one.
    """
    text = _as_json(",\n".join(texts))
    try:
        found = _decode_all(f"[{text}]")
    except _ERRORS:
        return None
    if len(found) != len(texts):
        return None
    if text.count('"') != 2 * sum(map(len, found)):
        for values in found:
            _take_for_numbers(values)
    return found


def as_number(text: str) -> float | str:
    """Return what a text is: a number, or what it was."""
    try:
        return float(text)
    except ValueError:
        return text
