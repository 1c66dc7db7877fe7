"""Asking again after a failure, for no longer than it may last."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from dashscope_ftlogs.errors import FTLogsError


@asynccontextmanager
async def in_time(
    failure: FTLogsError | None, since: float, give_up_after: float | None
) -> AsyncGenerator[asyncio.Timeout, None]:
    """Wait for an answer, and for one's turn to ask; whoever has one says so: `reschedule(None)`.

    Args:
        failure: What came when this was last asked for. Without one nothing bounds the wait: a turn that
            is late is no failure.
        since: From when on it lasts.
        give_up_after: For how many seconds it may; it is asked for up to a quarter longer.

    Raises:
        FTLogsError: the failure, since nothing else has come.
    """
    is_bounded = failure is not None and give_up_after is not None
    patience = asyncio.timeout_at(since + 1.25 * (give_up_after or 0.0) if is_bounded else None)
    try:
        async with patience:
            yield patience
    except TimeoutError:
        if failure is None or not patience.expired():  # the caller's own code raised it
            raise
    else:
        return
    raise failure
