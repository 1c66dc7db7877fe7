"""Refuse a wrong argument before any request is sent, naming the value and what is allowed."""

import math
import re
import stat
from collections.abc import AsyncIterable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, Final, TypeVar, cast

from dashscope_ftlogs.errors import ConfigError, InvalidArgumentError
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import TAIL, Position, counted, holds_key, shown

T = TypeVar("T")

MAX_LINE = 1000
"""The most lines that the service gives in one answer."""

MOST: Final = 1e12
"""No time and no rate is meant to be more: as seconds, that is 31,000 years."""

_LARGEST = 2**63 - 1
_UNITS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONG_UNITS: Final = {"w": 7 * 86400.0, **_UNITS}
"""What is read; told are days."""
_PART_OF_A_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_DURATION: Final = re.compile(rf"(?:{_PART_OF_A_DURATION.pattern})+")
_WAITED_FOR = iscoroutinefunction, isasyncgenfunction, isgeneratorfunction
_DIGEST = re.compile(r"[0-9a-f]{64}")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""One letter would be a drive of Windows."""
_JOB_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_KINDS: Final = {
    stat.S_IFREG: "a plain file",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


def refused(name: str, value: object, allowed: str) -> InvalidArgumentError:
    """Return the error that says which values an argument may have."""
    error = InvalidArgumentError(f"{name}={shown(value)}: must be {allowed}")
    error.argument = name
    return error


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return `value` if it is an integer within `low`..`high`, or of 64 bits where that is None."""
    if high is None and type(value) is int and value > _LARGEST:
        high = _LARGEST
    # bool is an int to Python, but nobody means offset=True.
    if type(value) is not int or value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"{low} to {high}"
        raise refused(name, value, f"a whole number, {allowed}")
    return value


def number(text: str) -> float | None:
    """Return the number that a text is, as people write it; None if it is none, or an infinite one.

    Python takes more for one: `1_000`, `nan`, and the digits of any script.

    >>> number("-1.5e3"), number("1_000"), number("inf")
    (-1500.0, None, None)
    """
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def duration(text: str) -> float | None:
    """Return the seconds of `90s`, `10m`, `1h30m` or `2w`; None if it is no such text.

    >>> duration("1h30m"), duration("2w"), duration("soon")
    (5400.0, 1209600.0, None)
    """
    # As a whole first: parts would be looked for from each digit on, to the end of all digits.
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _LONG_UNITS[unit] for number, unit in _PART_OF_A_DURATION.findall(text))


def lasting(seconds: float) -> str:
    """Return so many seconds as the text of a duration.

    >>> lasting(45), lasting(5400), lasting(90061.5), lasting(0)
    ('45s', '1h30m', '1d1h1m1.5s', '0s')
    """
    text = ""
    for unit, size in _UNITS.items():
        count, seconds = (seconds, 0.0) if unit == "s" else divmod(seconds, size)
        text += f"{count:g}{unit}" if count else ""
    return text or "0s"


def seconds(name: str, value: Any, *, or_zero: bool = False) -> float:
    """Return `value` if it is a number of seconds above 0, or else 0 where that means something too."""
    return above_zero(name, value, "a number of seconds", or_zero=or_zero)


def above_zero(name: str, value: Any, what: str = "a number", *, or_zero: bool = False) -> float:
    """Return `value` if it is a number above 0, or 0 where that may be; `what` is said if it is not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        fits = False
    else:
        fits = value > 0 or or_zero
    if not fits:
        low = "0 or above" if or_zero else "above 0"
        raise refused(name, value, f"{what} {low}, {MOST:,.0f} at most")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, bool):
        raise refused(name, value, "True or False")
    return value


def word(name: str, value: Any, words: Sequence[str] = ()) -> Any:
    """Return `value` if it is None, or one of these words; without any, whatever string."""
    if value is not None and (not isinstance(value, str) or (words and value not in words)):
        allowed = " or ".join(map(repr, words)) if words else "a string"
        raise refused(name, value, f"{allowed}, or None")
    return value


def words(name: str, value: Any) -> tuple[str, ...]:
    """Return the strings that `value` is: one, or several; None is none."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    allowed = "a string, or several, or None"
    several = tuple(many(name, value, allowed))
    if not several or not all(isinstance(one, str) for one in several):
        raise refused(name, value, allowed)
    return several


def kind_of(name: str, value: Any, kind: type[T]) -> T:
    """Return `value` if it is of that kind."""
    if not isinstance(value, kind):
        raise refused(name, value, f"a {kind.__name__}")
    return value


def function(name: str, value: Any) -> Any:
    """Return `value` if it is None, or can be called, and nobody has to wait for what it returns."""
    if value is not None and not callable(value):
        raise refused(name, value, "a function, or None")
    method = type(value).__call__ if callable(value) else None
    if any(waits(one) for one in (value, method) for waits in _WAITED_FOR):
        raise refused(name, value, "a plain function: nobody would wait for what this one returns")
    return value


def path(name: str, value: Any) -> str:
    """Return `value`, as a string, if it can be a path."""
    as_text = getattr(cast("object", type(value)), "__fspath__", None)
    text: object = value if as_text is None else as_text(value)
    if not isinstance(text, str) or not text or "\0" in text:
        raise refused(name, value, "a path: a string that is not empty, or a pathlib.Path")
    if is_url(text):
        raise refused(
            name,
            value,
            "a path of this machine (an archive may be a URL, as a string: s3://BUCKET/PREFIX)",
        )
    return text


def is_url(path: str) -> bool:
    """Whether what should be a path is a URL; a `Path` leaves its second slash out."""
    return _URL.match(path) is not None


def kind_of_file(mode: int) -> str:
    """Return what is there in place of the file that should be, in words."""
    return _KINDS.get(stat.S_IFMT(mode), "a device")


def extra(name: str, *modules: str) -> list[Any]:
    """Return modules that come with an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return [import_module(module) for module in modules]
    except ModuleNotFoundError:
        raise ConfigError(
            f"{modules[0]} is not installed: pip install 'dashscope-ftlogs[{name}]'"
        ) from None


def many(name: str, value: Any, what: str = "an iterable of strings") -> Iterable[Any]:
    """Return `value` if it can be many of something; a string would be taken for its characters."""
    if isinstance(value, str | bytes | Mapping) or not hasattr(type(cast("object", value)), "__iter__"):
        raise refused(name, cast("object", value), what)
    found: Iterable[Any] = value
    return found


def position(value: Any) -> Position:
    """Return `value` if it is a position as `LogPaginator.position` gives it."""
    match value:
        case {"offset": int(offset), "last": [*last]} if (
            len(value) == 2 and len(last) <= min(offset, TAIL) and all(map(_is_digest, last))
        ):
            return Position(offset=whole_number("offset", offset, 0), last=list(last))
        case _:
            raise refused("at", value, "a position, as a read gives it")


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def by_job(name: str, value: Mapping[Any, Any]) -> None:
    """Refuse a mapping of which a key is no job id."""
    for key in value:
        if not isinstance(key, str) or not _JOB_ID.fullmatch(key):
            raise refused(name, value, f"a mapping by job id, and {shown(key)} is none")


def job_id(value: Any) -> str:
    """Return the id of a job, given by it or as the service described it, if it can be one.

    It becomes part of a URL's path and of file names.
    """
    if isinstance(value, Job):
        value = value.job_id
    if isinstance(value, str) and _can_be_job_id(value):
        return value
    if isinstance(value, str) and _is_harmless(value):
        raise InvalidArgumentError("job id: that looks like an API key, which no URL should hold")
    raise InvalidArgumentError(
        f"job id {shown(value)}: must be 1 to 128 of the characters "
        "A-Z a-z 0-9 . _ - and not '.' or '..'"
    )


@lru_cache(256)  # the same few are asked about for each page
def _can_be_job_id(value: str) -> bool:
    return _is_harmless(value) and not holds_key(value)


def _is_harmless(value: str) -> bool:
    return _JOB_ID.fullmatch(value) is not None and value not in {".", ".."}


def jobs(value: Any) -> Any:
    """Return `value` if it can be one job or many; of a generator, what comes is looked at then."""
    if not isinstance(value, str | Job | AsyncIterable):
        if isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, Iterable):
            what = "job ids or Jobs: one, or an iterable of them"
            raise refused("jobs", cast("object", value), f"{what}, and no mapping")
        if isinstance(value, Collection):
            for one in cast("Collection[object]", value):
                job(one)
    return cast("Any", value)


def job(value: Any) -> Any:
    """Return `value` if it is a string or a Job; which strings are ids is another question."""
    if not isinstance(value, str | Job):
        raise refused("jobs", value, "a job id or a Job, each of them")
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


def within(job_id: str, offset: int, total: int | None) -> None:
    """Refuse an offset that the log has not reached; `total=None` where that is not known."""
    if total is not None and offset > total:
        raise InvalidArgumentError(
            f"offset {offset:,}: the log of {job_id} has only {counted(total, 'line')}"
        )
