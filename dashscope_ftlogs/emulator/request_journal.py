"""What the emulator remembers of each request."""

from collections.abc import Mapping

import attrs


@attrs.define
class Exchange:
    """One request and what became of it.

    It enters the journal on arrival; `status` and `lines` are filled in as the answer leaves.

    Attributes:
        number: counts from 1 in order of arrival.
        at: when it arrived, in seconds of the emulator's monotonic clock.
        path: as it was sent, still percent-encoded.
        query: the first value of each parameter.
        headers: the names in lower case. Left out of the repr: they hold the API key.
        endpoint: "logs", "list", "job", "checkpoints" or "other".
        job_id: None where the path names none.
        fault: the class name of the reply that a fault put in place, such as "Reset".
        lag: how many seconds behind the machine was that answered; nothing is older than the start.
        offset: what a logs request asked for, defaults filled in; None if it could not be read.
        line: like `offset`.
        status: None until a whole answer is on its way, and for good if the connection broke.
        lines: how many log lines that answer held.
    """

    number: int
    at: float
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = attrs.field(repr=False)
    endpoint: str
    job_id: str | None = None
    fault: str | None = None
    lag: float = 0.0
    offset: int | None = None
    line: int | None = None
    status: int | None = None
    lines: int = 0
