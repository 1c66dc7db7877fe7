"""What is told of each request: to the application's own function, and in fields of log records."""

from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import attrs
import msgspec

from dashscope_ftlogs.errors import FTLogsError

if TYPE_CHECKING:
    from dashscope_ftlogs.client.wire import Request

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class RequestEvent:
    """One request that was sent, and how it ended. Each retry is a request of its own.

    It holds neither the key nor any header, and of an answer no more than the code of an error.
    """

    what: Literal["page", "job", "jobs", "checkpoints"]
    """What was asked for: lines of a log, a job, a page of the list of jobs, or a job's checkpoints."""
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


class Call(msgspec.Struct, Generic[T], eq=False):
    """A request on its way through its tries.

    One is made for every page, so it is a Struct, as the request is.
    """

    request: "Request[T]"
    tries: int = 0
    first_failure: float = 0.0
    failure: FTLogsError | None = None
    """What the first try met and backoff has not yet heard of."""
    last: FTLogsError | None = None
    """What the latest try met, until the turn of the next one has come."""
    sent_at: float = 0.0
    seconds: float = 0.0
    status: int | None = None
    is_large: bool = False
    """Whether its answer is one of the few large ones at a time."""

    def event(self, error: FTLogsError | None = None) -> RequestEvent:
        """Return what is told of the latest try."""
        return RequestEvent(
            what=self.request.what,
            job_id=self.request.job_id,
            offset=self.request.offset,
            attempt=self.tries,
            seconds=self.seconds,
            status=self.status,
            error=None if error is None else type(error).__name__,
            code=getattr(error, "code", None) or None,
            wait=None if error is None else error.retry_in,
        )


def fields(event: RequestEvent) -> dict[str, Any]:
    """Return what a log record has as attributes of its own, named so that none is taken already."""
    return {f"ftlogs_{name}": value for name, value in attrs.asdict(event).items()}
