"""Whether a failure may pass, or is the last word on a job: the service's, or the caller's. Pure."""

import math
from typing import Final

from dashscope_ftlogs.client.retry_on_429_and_5xx import worth_a_retry
from dashscope_ftlogs.errors import (
    APIError,
    FTLogsError,
    MalformedResponseError,
    ResponseTooLargeError,
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


def left_for(error: FTLogsError, lasted: float, give_up_after: float | None) -> float:
    """Return how many seconds longer an error may last, and have one that may not say so."""
    if give_up_after is None:
        return math.inf
    if lasted >= give_up_after:
        error.gave_up = f"It has lasted for {give_up_after:g} s, as long as was allowed."
    return give_up_after - lasted
