"""Which numbers an argument or attribute may be; and whether it is many of something."""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    import attrs

# For a float, in which all of them are reckoned with.
_TOO_MANY_BITS = 1000

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is one to whoever writes an argument: to Python, True is one too, and so is 10**400."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or value.bit_length() < _TOO_MANY_BITS


def is_share(value: object) -> bool:
    """Whether it is a number from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


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
an_epoch = _number(
    "a whole number from 0 to 9999", lambda value: isinstance(value, int) and value in range(10_000)
)


def is_many(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether it is many of something; a text would be taken for its characters."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def several(name: str, value: object, what: str) -> Iterable[Any]:
    """Return `value` if it is many of something.

    Raises:
        ValueError: it is none.
    """
    if not is_many(value):
        raise ValueError(f"{name} must be {what}, not {value!r}")
    return value
