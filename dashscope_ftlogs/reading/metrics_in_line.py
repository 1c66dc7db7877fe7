"""Metric dicts as trainers print them: Python's repr or JSON, never evaluated.

They are flat. Numbers come bare, quoted, as `nan`, or wrapped as in `np.float64(0.5)`. Every function
here takes time linear in the length of its text.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

MetricValues = Mapping[str, float | str]
"""What a metric dict holds. A number that was quoted is a number; what is none stays text."""

decode_numbers = msgspec.json.Decoder(dict[str, float], strict=False).decode

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeEncodeError)

_PAIR: Final = re.compile(
    r"""\s*(?:'([^']*)'|"([^"]*)")\s*:\s*"""
    r"""(?:'([^']*)'|"([^"]*)"|([^\s,'"{}\[\]()]+(?:\([^()]*\))?))\s*(?:,|$)"""
)
_WRAPPED: Final = re.compile(r"(?:np\.\w+|tensor|array)\(\s*([^\s,()]+)")


def numbers(text: str) -> MetricValues | None:
    """Return what a dict of nothing but numbers holds, in the shortest time; None if it is no such.

    >>> numbers("{'loss': 1.5, 'epoch': '0.3'}")
    {'loss': 1.5, 'epoch': 0.3}
    """
    try:
        return decode_numbers(text.replace("'", '"'))
    except DECODE_ERRORS:
        return None


def flat_dicts(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each innermost pair of braces begins and ends.

    >>> list(flat_dicts("{a} {{b} }"))
    [(0, 3), (5, 8)]
    """
    begin = 0
    while (end := text.find("}", begin)) >= 0:
        brace = text.rfind("{", begin, end)
        if brace >= 0:
            yield brace, end + 1
        begin = end + 1


def metrics_in(text: str) -> MetricValues | None:
    """Return the values if `text`, a pair of braces with what is between, is a metric dict.

    >>> metrics_in("{'loss': nan, 'grad_norm': np.float64(0.5), 'elapsed_time': '1m 9s'}")
    {'loss': nan, 'grad_norm': 0.5, 'elapsed_time': '1m 9s'}
    >>> metrics_in("{'role': 'user'}") is None
    True
    """
    if "loss" not in text and "_runtime" not in text:
        return None
    values = numbers(text)
    if values is None:
        values = _pairs(text[1:-1])
    return values if values is not None and is_metrics(values) else None


def is_metrics(values: MetricValues) -> bool:
    """Whether a dict is one of metrics: it holds a loss or a summary."""
    # The usual names first: this is asked for each line.
    return (
        "loss" in values
        or "eval_loss" in values
        or any(key.endswith("_loss") or key in {"train_runtime", "eval_runtime"} for key in values)
    )


def _pairs(text: str) -> MetricValues | None:
    values: dict[str, float | str] = {}
    at = 0
    text = text.rstrip()
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return None
        single, double, *value = pair.groups()
        found = _value(*value)
        if found is not None:
            values[single if double is None else double] = found
        at = pair.end()
    return values


def _value(single: str | None, double: str | None, bare: str | None) -> float | str | None:
    text = next(part for part in (single, double, bare) if part is not None)
    if bare is not None:
        if bare in {"None", "null"}:
            return None
        wrapped = _WRAPPED.match(bare)
        if wrapped:
            text = wrapped[1]
    try:
        return float(text)
    except ValueError:
        return bare or text
