"""An answer as it came, and a finding of an examination."""

import enum
from collections.abc import Mapping

import attrs


class State(enum.StrEnum):
    """How what was looked at is."""

    OK = "ok"
    ODD = "odd"
    """Not as it should be, and nothing that stops the work."""
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be looked at, or tells nothing."""


@attrs.frozen
class Finding:
    """What was looked at, how it is, and what to do: without a secret or a line of a log."""

    name: str
    state: State
    told: str
    advice: str = ""
    code: int = 0
    """The exit code that stands for it."""


@attrs.frozen
class RawAnswer:
    """An answer as it came, but for the key: where it is repeated, it is blacked out."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
