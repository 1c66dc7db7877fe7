"""Numbers with commas, which group thousands or stand for the decimal point.

A comma between thousands groups them (`12,345,678`, `1,234.5`); one that can't is the decimal point
(`0,532`, `12,5`). What `1,532` is, the line's other numbers tell: it is like one that has a decimal
comma, and nothing where yet another has a point. Where none tells, the comma groups; but hardly anybody
writes a loss, a reward or an epoch so, and theirs is no number. Neither is anything else (`1.234,5`): no
point is better than one that is wrong.
"""

import re
from functools import lru_cache
from typing import Final

from dashscope_ftlogs.reading.forms.names import is_loss_or_reward

GROUPED: Final = r"[1-9]\d{0,2}(?:,\d{3})++(?!\d)"
PLAIN: Final = rf"(?:{GROUPED}(?:\.\d*+)?|\d++(?:\.\d*+|,\d++(?![.,]?\d))?|\.\d++)(?:[eE][-+]?\d++)?"
"""What a number without a sign may look like; whether it is one, `number` tells."""
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
    """
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
