"""Validators: which numbers an attribute may be."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    import attrs

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is one to whoever writes an argument: to Python, True is one too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(words: str, fits: Callable[[float], bool]) -> Validator:
    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if not is_number(value) or not fits(value):
            raise ValueError(f"{attribute.name} must be {words}, not {value!r}")

    return check


# Written so that nan fits nowhere; nothing here can be done endlessly often, fast or long.
above_0 = _number("above 0 and finite", lambda value: 0 < value < math.inf)
from_0 = _number("0 or more and finite", lambda value: 0 <= value < math.inf)
from_1 = _number("1 or more and finite", lambda value: 1 <= value < math.inf)
a_share = _number("from 0 to below 1", lambda value: 0 <= value < 1)
a_status = _number("an HTTP status from 200 to 599", lambda value: value in range(200, 600))
