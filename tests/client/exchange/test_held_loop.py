"""A consumer that holds the loop for longer than a request may take, with a server that answers."""

import asyncio
import time

import pytest

from dashscope_ftlogs import LogSession, RetryPolicy
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = ["x" * 500] * 4000
"""A page of them is more than is taken from a socket at once."""
TIMEOUT = 0.2


@pytest.mark.parametrize("concurrency", [1, 4, None])
def test_it_reads_each_page_once_and_none_passes_for_late(concurrency: int | None) -> None:
    async def run(emulator: Emulator) -> None:
        async with LogSession(
            emulator.api_key,
            base_url=emulator.base_url,
            timeout=TIMEOUT,
            concurrency=concurrency,
            retry=RetryPolicy(max_tries=1),
        ) as session:
            async with session.lines("ft-1").pages() as pages:
                async for _ in pages:
                    time.sleep(1.5 * TIMEOUT)  # noqa: ASYNC251  (that is the question)
            assert session.requests == 4

    with Emulator([EmulatedJob("ft-1", LINES)], latency=0.02) as emulator:  # in a thread of its own
        asyncio.run(run(emulator))
