"""What pages of logs are read from, and how a page is asked for that may be too large to hold."""

from collections.abc import Awaitable
from typing import Protocol

from dashscope_ftlogs.client.tasks import Tasks
from dashscope_ftlogs.errors import ResponseTooLargeError
from dashscope_ftlogs.models import LogPage


class PageSource(Protocol):
    """What a paginator needs of a session."""

    tasks: Tasks
    """Own the tasks that read."""

    def read_page(self, job_id: str, offset: int, line: int) -> Awaitable[LogPage]:
        """Return a page that is empty only if the log has ended before `offset`."""
        ...


async def smaller_page(
    source: PageSource, job_id: str, offset: int, line: int, error: ResponseTooLargeError
) -> tuple[LogPage, int]:
    """Return a page of fewer lines than the one that was too large to hold, and how many were asked for.

    Raises:
        ResponseTooLargeError: a single line is too large.
    """
    while line > 1:
        line = (line + 1) // 2
        try:
            return await source.read_page(job_id, offset, line), line
        except ResponseTooLargeError as larger:
            error = larger
    raise error


async def first_lines(source: PageSource, job_id: str, count: int) -> tuple[tuple[str, ...], int]:
    """Return so many lines, or all if there are fewer, however short the answers; and the total."""
    lines: tuple[str, ...] = ()
    while True:
        line = count - len(lines)
        try:
            page = await source.read_page(job_id, len(lines), line)
        except ResponseTooLargeError as error:
            page, _ = await smaller_page(source, job_id, len(lines), line, error)
        lines += page.lines
        if len(lines) == count or not page.lines:
            return lines, page.total
