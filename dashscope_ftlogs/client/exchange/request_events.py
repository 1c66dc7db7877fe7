"""What is told of each request: to the application's own function, and in fields of log records."""

from typing import Any, Literal

import attrs


@attrs.frozen(kw_only=True)
class RequestEvent:
    """One request that was sent, and how it ended. Each retry is a request of its own.

    It holds neither the key nor any header, and of an answer no more than the code of an error.
    """

    what: Literal["page", "job", "jobs"]
    """What was asked for: lines of a log, a job, or a page of the list of jobs."""
    job_id: str | None
    offset: int | None
    """The first line that was asked for, if lines were."""
    attempt: int
    """1 for the first request, 2 for the first retry, and so on."""
    seconds: float
    """How long it took, from its turn to the last byte; no wait before it is counted."""
    status: int | None
    """The HTTP status; None where no answer began."""
    error: str | None = None
    """The class of the error that it came to, such as `ThrottlingError`; None for a success."""
    code: str | None = None
    """The service's code, such as `Throttling.RateQuota`, as sent: not safe to print."""
    wait: float | None = None
    """Seconds until it is sent again; None if it is not."""


def fields(event: RequestEvent) -> dict[str, Any]:
    """Return what a log record has as attributes of its own, named so that none is taken already."""
    names = ("what", "job_id", "offset", "attempt", "seconds", "status", "error", "code", "wait")
    return {f"ftlogs_{name}": getattr(event, name) for name in names}
