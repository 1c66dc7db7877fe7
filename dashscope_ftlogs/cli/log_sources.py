"""What `show`, `metrics`, `plot` and `report` read: jobs of the service, archives, files, or a pipe."""

import os
from collections.abc import AsyncGenerator, Callable, Container, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from itertools import chain, count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer

from dashscope_ftlogs import InvalidArgumentError, Job
from dashscope_ftlogs.archive.local_log_reader import piped_lines, stored_logs
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.checks import job_id as checked_id
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.key_in_messages import hiding
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.metrics.points import LogPoints, Point
from dashscope_ftlogs.reading.own_pattern import OwnPattern, own_pattern

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

_AT_ONCE: Final = 1000

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="A job id, an archive directory, a log file, or - for stdin.",
        autocompletion=complete_job_ids,
        show_default=False,
    ),
]


Pattern = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="For lines that no known form fits; named groups are the step and metrics: "
        r"'step (?P<step>\d+) .* loss (?P<loss>\S+)'.",
    ),
]


def chosen(pattern: str | None) -> OwnPattern | None:
    """Return what the option `--pattern` says.

    Raises:
        InvalidArgumentError: it is no pattern, or has no group for a metric.
    """
    return None if pattern is None else own_pattern(pattern)


@attrs.define
class Source:
    """One log, and what is known of its job."""

    name: str
    job: Job | None
    batches: "AsyncGenerator[Sequence[tuple[int, str]], None]"
    """The lines with their numbers, which are consecutive, some at a time; none is empty."""

    async def points(self, pattern: OwnPattern | None) -> list[Point]:
        """Read it to its end, and return its points."""
        points = LogPoints(pattern)
        async with aclosing(self.batches) as batches:
            async for batch in batches:
                points.read_all([line for _, line in batch], batch[0][0])
        return points.points()

    async def read(self, take: Callable[[int, str], None]) -> None:
        """Read it to its end, and let `take` have each line with its number."""
        async with aclosing(self.batches) as batches:
            async for batch in batches:
                for number, line in batch:
                    take(number, line)


async def sources(words: Iterable[str], connection: Connection) -> AsyncGenerator[Source, None]:
    """Yield the logs that the arguments of a command name; each has to be read before the next.

    Raises:
        InvalidArgumentError: one is neither a file nor a job id.
        FTLogsError: one can't be read.
    """
    taken: set[str] = set()
    async with AsyncExitStack() as stack:
        session: LogSession | None = None
        for word in words:
            if word == "-":
                taken.add(name := distinct(taken, "stdin"))
                yield Source(name, None, _batches(piped_lines()))
            elif _is_there(word):
                hide = hiding()
                for log in stored_logs(Path(word)):
                    taken.add(name := distinct(taken, hide(log.name), hide(str(log.path))))
                    yield Source(name, log.job, _batches(log.lines()))
            else:
                job_id = _job_id(word)
                if session is None:
                    session = await stack.enter_async_context(connection.session())
                job = await session.job(job_id)
                taken.add(name := distinct(taken, job_id))
                yield Source(name, job, _remote(session, job_id))


def distinct(taken: Container[str], *names: str) -> str:
    """Return the first of these names that is not taken; if all are, the last with a number."""
    counted = (f"{names[-1]} ({number})" for number in count(2))
    return next(name for name in chain(names, counted) if name not in taken)


def _is_there(word: str) -> bool:
    return os.path.lexists(word)


def _job_id(word: str) -> str:
    try:
        return checked_id(word)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"there is no file {word!r}, nor such a job: {error.summary()}"
        ) from None


async def _batches(lines: Iterable[tuple[int, str]]) -> AsyncGenerator[Sequence[tuple[int, str]], None]:
    lines = iter(lines)
    # A pipe may take its time, and Ctrl-C should not.
    with Thread(patience=0) as reading:
        while batch := await reading.run(lambda: list(islice(lines, _AT_ONCE))):
            yield batch


async def _remote(session: "LogSession", job_id: str) -> AsyncGenerator[Sequence[tuple[int, str]], None]:
    reader = session.lines(job_id)
    with progress(f"{job_id}: lines") as show:
        async with reader.pages() as pages:
            async for page in pages:
                yield list(enumerate(page.lines, page.offset))
                show(page.next_offset, reader.total)
