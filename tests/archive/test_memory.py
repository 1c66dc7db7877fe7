"""What a download holds in memory, whatever the disk does."""

import asyncio
import gc
import os
import time
from pathlib import Path
from threading import Lock

import pytest

from dashscope_ftlogs import LogPage, LogSession
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

CONCURRENCY = 5
PAGES = 9


@pytest.mark.unmeasured
def test_pages_that_wait_for_a_slow_disk_are_as_many_as_logs_and_requests_not_their_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [EmulatedJob(f"ft-slow-{n}", ["x" * 999] * 1000 * PAGES) for n in range(2 * CONCURRENCY)]
    seen: list[int] = []
    sync, alone = os.fsync, Lock()

    def slowly(descriptor: int) -> None:
        """Take longer than the service does for all that is asked of it meanwhile."""
        asked = -1
        while asked < (asked := len(emulator.journal)):
            time.sleep(0.05)
        with alone:  # or one would count what only another's list of objects keeps alive
            pages = [one.job_id for one in gc.get_objects() if isinstance(one, LogPage)]
        seen.append(sum(name.startswith("ft-slow-") for name in pages))  # others are of other tests
        sync(descriptor)

    async def main() -> None:
        async with LogSession(
            emulator.api_key, base_url=emulator.base_url, concurrency=CONCURRENCY
        ) as session:
            outcomes = await session.download([job.job_id for job in jobs], tmp_path, settle=0)
        assert sum(outcome.lines for outcome in outcomes) == len(jobs) * 1000 * PAGES

    monkeypatch.setattr(os, "fsync", slowly)
    with Emulator(jobs) as emulator:
        asyncio.run(main())
    # In each log: the last that was written, the one that is, the one behind it, and what is asked for.
    assert max(seen) <= 4 * len(jobs)
