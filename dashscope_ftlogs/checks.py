"""Refuse a wrong argument before any request is sent, naming the value and what is allowed."""

import re
import sys
from typing import Any

from dashscope_ftlogs.errors import InvalidArgumentError
from dashscope_ftlogs.text import TAIL, Position, holds_key, shown

MAX_LINE = 1000
"""The most lines that the service gives in one answer."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` if it is an integer within `low`..`high`; `high=None` means no upper bound."""
    # bool is an int to Python, but nobody means offset=True.
    if type(value) is not int or value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"{low} to {high}"
        raise InvalidArgumentError(f"{name}={shown(value)}: must be a whole number, {allowed}")
    return value


def seconds(name: str, value: Any) -> float:
    """Return `value` if it is a finite number above 0."""
    return above_zero(name, value, "a number of seconds")


def above_zero(name: str, value: Any, what: str = "a number") -> float:
    """Return `value` if it is a finite number above 0; `what` is said of it if it is not."""
    # An integer can be finite and yet too large for a float.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value <= sys.float_info.max
    ):
        raise InvalidArgumentError(f"{name}={shown(value)}: must be {what} above 0")
    return float(value)


def position(value: Any) -> Position:
    """Return `value` if it is a position as `LogPaginator.position` gives it."""
    match value:
        case {"offset": int(offset), "last": [*last]} if (
            len(value) == 2 and len(last) <= min(offset, TAIL) and all(map(_is_digest, last))
        ):
            return Position(offset=whole_number("offset", offset, 0), last=list(last))
        case _:
            raise InvalidArgumentError(f"at={shown(value)}: must be a position, as a read gives it")


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def job_id(value: Any) -> str:
    """Return `value` if it can be a job's id: it becomes part of a URL's path and of file names."""
    if not isinstance(value, str) or not _JOB_ID.fullmatch(value) or value in {".", ".."}:
        raise InvalidArgumentError(
            f"job id {shown(value)}: must be 1 to 128 of the characters "
            "A-Z a-z 0-9 . _ - and not '.' or '..'"
        )
    if holds_key(value):
        raise InvalidArgumentError("job id: that looks like an API key, which no URL should hold")
    return value


def place(offset: int, at: Position | None) -> tuple[int, tuple[str, ...]]:
    """Return the offset where a read begins, and the digests of the lines before it."""
    whole_number("offset", offset, 0)
    if at is None:
        return offset, ()
    if offset:
        raise InvalidArgumentError(f"offset={offset}: `at` says where to begin")
    at = position(at)
    return at["offset"], tuple(at["last"])
