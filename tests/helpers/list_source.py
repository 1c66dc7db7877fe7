"""A log in memory, for paginators."""

import asyncio
import contextlib
import random
from collections.abc import Callable

import attrs

from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.tasks import Tasks
from dashscope_ftlogs.models import LogPage

JOB = "ft-1"


@attrs.define
class ListSource:
    """A page source over a list, whose answers come in any order."""

    log: list[str]
    cap: int = 1000
    rng: random.Random | None = None
    on_request: Callable[[int], None] = lambda _number: None
    requests: list[tuple[int, int]] = attrs.Factory(list)
    tasks: Tasks = attrs.Factory(Tasks)
    in_flight: int = 0
    peak: int = 0

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        self.requests.append((offset, line))
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            self.on_request(len(self.requests))
            for _ in range(self.rng.randrange(5) if self.rng else 1):
                await asyncio.sleep(0)
            most = min(line, self.cap)
            if self.rng and most > 1:
                most = self.rng.randint(1, most)
            lines = tuple(self.log[offset : offset + most])
            total = len(self.log)
            for _ in range(self.rng.randrange(5) if self.rng else 0):
                await asyncio.sleep(0)
            return LogPage(job_id, offset, lines, total)
        finally:
            self.in_flight -= 1

    def __attrs_post_init__(self) -> None:
        with contextlib.suppress(RuntimeError):  # where no loop runs, nothing will be read
            self.tasks.open(asyncio.get_running_loop())

    def lines(
        self,
        offset: int = 0,
        limit: int | None = None,
        page_size: int = 10,
        concurrency: int = 4,
    ) -> LogPaginator:
        return LogPaginator(
            self,
            JOB,
            offset=offset,
            limit=limit,
            page_size=page_size,
            concurrency=concurrency,
            lag=0.05,
        )


@attrs.define
class SlowSource(ListSource):
    """It takes so many seconds for each answer."""

    seconds: float = 1.0

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        await asyncio.sleep(self.seconds)
        return await super().read_page(job_id, offset, line)


def numbered(count: int) -> list[str]:
    return [f"line {n}" for n in range(count)]
