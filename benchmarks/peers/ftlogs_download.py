"""Ours, to disk: lines synced before the manifest that vouches for them."""

import atexit
import shutil
import tempfile
from collections.abc import Callable

from dashscope_ftlogs import Job, LogSession
from peers import KEY


async def read(base_url: str, jobs: list[str], concurrency: int, got: Callable[[int], None]) -> None:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)  # which is no part of what is measured
    async with LogSession(KEY, base_url=base_url, concurrency=concurrency) as session:
        # As if they ran: what has just ended would be looked at once more, after the lag.
        running = [Job(job, "RUNNING") for job in jobs]
        for done in await session.download(running, folder):
            assert done.state == "running", done
            got(done.lines)
