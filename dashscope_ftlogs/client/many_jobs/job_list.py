"""The list of jobs, which comes in numbered pages that shift while jobs come and go."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from dashscope_ftlogs.client.doubt import Contradiction, Doubt, Verdict
from dashscope_ftlogs.errors import MalformedResponseError, ResponseTooLargeError
from dashscope_ftlogs.models import Job, JobsPage

_SIZES: Final = (100, 50, 25, 5, 1)
"""Jobs a page: fewer, once so many are too large to be read. Each divides the one before it, so that
where a page of one size ends, one of the next begins."""
_PASSES = 3
_REPEATED = 3
"""So many pages in a row without a new job, of the largest size, mean that there will be none: no burst
of new ones moves the others on so far."""


class JobList:
    """Reads the whole list, again where it has more than one page: two passes have to agree."""

    def __init__(self, read_page: Callable[[int, int], Awaitable[JobsPage]], lag: float) -> None:
        self._read_page = read_page
        self._lag = lag
        self._total = 0
        self._seen: set[str] = set()
        self._told: set[str] = set()

    async def jobs(self) -> AsyncGenerator[Job, None]:
        """Yield each job once.

        Raises:
            MalformedResponseError: jobs are missing, or the same ones come again and again.
        """
        before: set[str] | None = None
        missing = differing = 0
        for _ in range(_PASSES):
            self._told, pages = set(), 0
            async with aclosing(self._pages()) as coming:
                async for page in coming:
                    pages += 1
                    for job in page.jobs:
                        if job.job_id not in self._seen:
                            self._seen.add(job.job_id)
                            yield job
            missing = self._total - len(self._told)
            if missing <= 0 and (pages == 1 or self._told == before):
                return
            differing = len(self._told ^ before) if before is not None else 0
            before = self._told
        raise MalformedResponseError(
            f"{max(missing, differing):,} of {self._total:,} jobs are missing: the list was read "
            f"{_PASSES} times, and differs",
            status=200,
        )

    async def _pages(self) -> AsyncGenerator[JobsPage, None]:
        """Yield the pages of one pass."""
        rows = repeated = 0
        page_no, size = 1, _SIZES[0]
        while True:
            try:
                page = await self._page(page_no, size, rows)
            except ResponseTooLargeError:
                if size == _SIZES[-1]:
                    raise
                if rows != (page_no - 1) * size:  # then it is only known where the first page begins
                    rows, repeated = 0, -len(self._told)
                size = _SIZES[_SIZES.index(size) + 1]
                page_no = rows // size + 1
                continue
            known = len(self._told)
            self._told.update(job.job_id for job in page.jobs)
            rows += len(page.jobs)
            yield page
            if not page.jobs or rows >= self._total:
                return
            repeated = repeated + 1 if len(self._told) == known else 0
            if repeated == _REPEATED * _SIZES[0] // size:
                raise MalformedResponseError(
                    f"the list of jobs repeats itself: {self._total:,} jobs are said to exist, and "
                    f"{known:,} are told",
                    status=200,
                )
            page_no += 1

    async def _page(self, page_no: int, size: int, rows: int) -> JobsPage:
        """Return a page; what contradicts the total that was heard only after the lag."""
        now = asyncio.get_running_loop().time
        doubt = Doubt(self._lag)
        while True:
            asked_at = now()
            page = await self._read_page(page_no, size)
            lacking = page.total < self._total or (not page.jobs and rows < page.total)
            decision = doubt.after(
                Contradiction.LINES_MISSING if lacking else None,
                repeated=True,
                asked_at=asked_at,
                now=now(),
            )
            doubt = decision.doubt
            if decision.verdict is not Verdict.DOUBTED:
                self._total = page.total
                return page
            await asyncio.sleep(decision.wait)
