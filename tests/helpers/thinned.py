"""Parameters of which the quick suite tries some, and the session `larger` all."""

from collections.abc import Container, Iterable
from itertools import product
from typing import Any

import pytest


def thinned(values: Iterable[Any], keep: Container[Any]) -> list[Any]:
    """Mark as long all values but those to keep."""
    return [value if value in keep else pytest.param(value, marks=pytest.mark.long) for value in values]


def every(step: int, *values: Iterable[Any]) -> list[Any]:
    """Mark as long all combinations of values but one of so many."""
    return [
        pytest.param(*combination, marks=[pytest.mark.long] if number % step else [])
        for number, combination in enumerate(product(*values))
    ]
