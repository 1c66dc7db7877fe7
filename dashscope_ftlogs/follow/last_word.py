"""Whether a failure may pass, or is the last word on a job: the service's, or the caller's. Pure."""

import math
from typing import Final

from dashscope_ftlogs.client.retry_on_429_and_5xx import worth_a_retry
from dashscope_ftlogs.errors import (
    APIError,
    FTLogsError,
    MalformedResponseError,
    ResponseTooLargeError,
    ThrottlingError,
    TransportError,
)

_LAST_WORDS: Final = frozenset(
    {
        *("InvalidApiKey", "AccessDenied", "Arrearage"),
        *("InvalidParameter", "UnsupportedOperation", "NotFound"),
    }
)
"""The documented codes that say something of the key or of the job, up to the first dot. Whatever comes
without one may be a gateway's, a firewall's or a portal's, or a slip of one machine."""


def may_pass(error: FTLogsError, *, answered: bool) -> bool:
    """Whether a live job is worth asking for again after that.

    Args:
        error: What came in place of an answer.
        answered: Whether the service has described the job before. If it has not, what is wrong may be
            the settings, so that only what is retried anyway is asked for again.
    """
    if worth_a_retry(error) or not answered:
        return worth_a_retry(error)
    match error:
        case APIError():
            return error.code.partition(".")[0] not in _LAST_WORDS
        case ResponseTooLargeError():
            return False
        case _:
            return isinstance(error, TransportError | MalformedResponseError)


def asked_wait(error: FTLogsError) -> float:
    """Return how many seconds a server wants to be left alone that is asked too often."""
    return (error.retry_after or 0.0) if isinstance(error, ThrottlingError) else 0.0


def left_for(error: FTLogsError, lasted: float, give_up_after: float | None) -> float:
    """Return how many seconds longer an error may last; 0 if it is given up, which it says then."""
    if give_up_after is None:
        return math.inf
    left, wait = give_up_after - lasted, asked_wait(error)
    error.outlasted = left <= wait
    if not error.outlasted:
        return left
    # What the policy for one answer said of that would name other seconds, and another remedy.
    error.gave_up = f"It has lasted for {give_up_after:g} s, as long as was allowed."
    if left > 0:
        error.gave_up = f"The server asked for a wait of {wait:g} s, which would end after the "
        error.gave_up += f"{give_up_after:g} s that were allowed."
    if isinstance(error, ThrottlingError):
        error.advice = "Lower the concurrency, or allow more time."
    return 0.0
