"""What an emulator may be told: all else is refused in words, whatever type it has, before it runs."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from dashscope_ftlogs.emulator.argument_ranges import is_number, is_share, several
from dashscope_ftlogs.emulator.fault_rules import Fault
from dashscope_ftlogs.emulator.jobs import EmulatedJob
from dashscope_ftlogs.emulator.rate_limit import RateLimit

_VISIBLE: Final = re.compile(r"[!-~]+")


def _is_host(value: object) -> bool:
    """Whether a resolver can be asked for it; it raises for what it can't encode."""
    try:
        return isinstance(value, str) and bool(value.encode("idna")) and value.isprintable()
    except UnicodeError:
        return False


def _is_whole(value: object) -> bool:
    return type(value) is int


_FIT: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "api_key": (
        "visible ASCII characters",
        lambda value: isinstance(value, str) and _VISIBLE.fullmatch(value) is not None,
    ),
    "host": ("a host's name or address, such as 127.0.0.1", _is_host),
    "port": ("from 0 to 65535", lambda value: _is_whole(value) and 0 <= value <= 65535),
    "seed": ("a whole number, or None", lambda value: value is None or _is_whole(value)),
    "bandwidth": (
        "above 0 bytes/s and finite",
        lambda value: value is None or (is_number(value) and 0 < value < math.inf),
    ),
    "rate_limit": ("a RateLimit, or None", lambda value: value is None or isinstance(value, RateLimit)),
    "page_cap": ("1 or more lines", lambda value: value is None or (_is_whole(value) and value >= 1)),
    "ragged": ("a probability from 0 to 1", is_share),
    "time_scale": ("0 or more and finite", lambda value: is_number(value) and 0 <= value < math.inf),
    "insist_on_content_type": ("True or False", lambda value: isinstance(value, bool)),
    "compress": ("True or False", lambda value: isinstance(value, bool)),
    "clock": ("a function", callable),
    "on_end": ("a function", callable),
}


def check(**said: object) -> None:
    """Refuse what an argument of that name can't be.

    Raises:
        ValueError: names it, and what it may be.
    """
    for name, value in said.items():
        words, fits = _FIT[name]
        if not fits(value):
            raise ValueError(f"{name} must be {words}, not {value!r}")


def a_fault(rule: Any) -> Fault:
    """Return `rule` if it is one.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(rule, Fault):
        raise ValueError(f"faults must be Faults or their texts, not {rule!r}")  # noqa: TRY004  (documented so)
    return rule


def by_id(jobs: Iterable[EmulatedJob]) -> dict[str, EmulatedJob]:
    """Return jobs by their ids.

    Raises:
        ValueError: these are none.
    """
    what = "EmulatedJobs: a list of them, or another iterable"
    found: dict[str, EmulatedJob] = {}
    for job in several("jobs", jobs, what):
        if not isinstance(job, EmulatedJob):
            raise ValueError(f"jobs must be {what}, not of {job!r}")  # noqa: TRY004  (documented so)
        found[job.job_id] = job
    return found
