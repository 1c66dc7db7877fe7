"""A number that the emulator can do nothing with is refused with what it may be."""

import math
from collections.abc import Callable
from typing import Any

import pytest

import dashscope_ftlogs.emulator as emulating


@pytest.mark.parametrize(
    "make",
    [
        emulating.Stall,
        emulating.Drip,
        emulating.Bomb,
        emulating.CutBody,
        emulating.ShortPage,
        emulating.Machine,
        emulating.RateLimit,
        lambda value: emulating.RateLimit(1, burst=value),
        lambda value: emulating.Refuse(status=value),
    ],
)
@pytest.mark.parametrize("value", ["1", b"1", None, [1], True, math.nan, math.inf, -1, object()])
def test_a_number_of_the_emulator_is_refused_with_what_it_may_be(
    make: Callable[[Any], Any], value: Any
) -> None:
    with pytest.raises(ValueError, match=r"\w+ must be .*, not "):
        make(value)
