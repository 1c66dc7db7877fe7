"""Download from a service that is still but where a test says otherwise, in virtual time."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
from following import in_virtual_time
from lagging_service import History, LaggingService

from dashscope_ftlogs import Downloaded, LogSession

JOB = "ft-1"


def now() -> float:
    return asyncio.get_running_loop().time()


def kept(folder: Path, name: str) -> list[str]:
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


@attrs.define
class Run:
    """What came of one download from a service that does not change by itself."""

    outcomes: list[Downloaded]
    seconds: float
    requests: int

    @property
    def states(self) -> dict[str, str]:
        return {outcome.job_id: outcome.state for outcome in self.outcomes}


async def run(service: LaggingService, folder: Path, jobs: Any, **options: Any) -> Run:
    began = now()
    async with LogSession("sk-1", base_url=service.base_url, concurrency=2) as session:
        outcomes = await session.download(jobs, folder, **options)
        return Run(outcomes, now() - began, session.requests)


def quick(seed: int = 1) -> LaggingService:
    """A service that answers at once, and of which no machine lags unless a test says so."""
    return LaggingService(random.Random(seed), lambda: 0.0, latency=0.0)


def add(service: LaggingService, job_id: str, lines: list[str], **facts: Any) -> History:
    service.logs[job_id] = log = History([(-1e9, lines)])
    service.facts[job_id] = History([(-1e9, {"status": "SUCCEEDED", **facts})])
    return log


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S")


def in_service(work: Any) -> None:
    async def main() -> None:
        service = quick()
        async with service.serving():
            await work(service)

    in_virtual_time(main(), debug=False)
