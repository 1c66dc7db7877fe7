"""What `show`, `metrics`, `plot` and `report` read: jobs of the service, archives, files, or a pipe."""

import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final, Generic, TypeVar

import attrs
import typer

from dashscope_ftlogs import InvalidArgumentError, Job
from dashscope_ftlogs.archive.local_log_reader import piped_lines
from dashscope_ftlogs.archive.object_store.url import is_store_url
from dashscope_ftlogs.archive.store import KeptLog
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.where import logs_at
from dashscope_ftlogs.checks import job_id as checked_id
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.key_in_messages import hiding
from dashscope_ftlogs.cli.reading_processes import Begin, Reader, Reading, read_stored
from dashscope_ftlogs.cli.short_job_ids import is_short, whole_job_ids
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.dataset.partitions import batches
from dashscope_ftlogs.text import distinct, excerpt

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

T = TypeVar("T")

_MOST: Final = 5
"""Names of logs that are told."""
_OF_FILES: Final = (".csv", ".err", ".gz", ".json", ".jsonl", ".log", ".out", ".txt")
"""How names end that are files' and never jobs'."""

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="A job id, the end of one, @last, @running, an archive (a directory or a URL such as "
        "s3://BUCKET/PREFIX), a log file, or - for stdin.",
        autocompletion=complete_job_ids,
        show_default=False,
    ),
]


@attrs.frozen
class Log(Generic[T]):
    """One log that was read to its end, and what is known of its job."""

    name: str
    job: Job | None
    read: T


Lines = AsyncGenerator[Sequence[tuple[int, str]], None]
"""The lines of a log with their numbers, some at a time."""


async def read_logs(
    words: Iterable[str], connection: Connection, begin: Begin[T]
) -> AsyncGenerator[Log[T], None]:
    """Yield what the logs become that the arguments of a command name, in their order.

    Raises:
        InvalidArgumentError: one is neither a file nor a job id.
        FTLogsError: one can't be read.
    """
    async with AsyncExitStack() as stack:
        session: LogSession | None = None
        words = list(words)
        if short := list(filter(_is_short, words)):
            session = await stack.enter_async_context(connection.session())
            ids = dict(zip(short, await whole_job_ids(session, short), strict=True))
            words = [meant for word in words for meant in ids.get(word, [word])]
        named = list(_named(words))
        stored = [(name, log) for name, log in named if log is not None and not isinstance(log, str)]
        others = await stack.enter_async_context(Reading(partial(read_stored, begin), stored))
        for name, log in named:
            if log is None:
                yield Log(name, None, await _read(begin(name, None), _batches(piped_lines())))
            elif isinstance(log, str):
                if session is None:
                    session = await stack.enter_async_context(connection.session())
                job = await session.job(log)
                yield Log(name, job, await _read(begin(name, job), _remote(session, log)))
            else:
                found = await others.result(name)
                if found is None:
                    found = await _read(begin(name, log.job), _batches(log.lines()))
                yield Log(name, log.job, found)


def _is_short(word: str) -> bool:
    return word != "-" and not _is_there(word) and is_short(_job_id(word))


def _named(words: Iterable[str]) -> Iterator[tuple[str, KeptLog | str | None]]:
    """Yield each log under a name of its own: one that is stored here, a job's id, or None for stdin.

    A job of the service is one log, however often it is named.
    """
    taken, jobs = set[str](), set[str]()
    hide = None
    for word in words:
        if word == "-":
            taken.add(name := distinct(taken, "stdin"))
            yield name, None
        elif _is_there(word):
            hide = hide or hiding()
            for log in logs_at(word):
                taken.add(name := distinct(taken, hide(log.name), hide(log.where)))
                yield name, log
        elif (job_id := _job_id(word)) not in jobs:
            jobs.add(job_id)
            taken.add(name := distinct(taken, job_id))
            yield name, job_id


def no_metrics(names: Iterable[str]) -> str:
    """Say that these logs hold none, and what can be done."""
    told = ", ".join(excerpt(name, 60) for name in islice(names, _MOST))
    return f"no metrics in {told or 'nothing'}; what no known form fits is read by --pattern"


async def _read(reader: Reader[T], lines: Lines) -> T:
    async with aclosing(lines) as some:
        async for batch in some:
            reader.read(batch)
    return reader.end()


def _is_there(word: str) -> bool:
    return is_store_url(word) or os.path.lexists(word)


def _job_id(word: str) -> str:
    if word.endswith(_OF_FILES):
        raise InvalidArgumentError(f"there is no file {word!r}")
    try:
        return word if word.startswith("@") else checked_id(word)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"there is no file {word!r}, nor such a job: {error.summary()}"
        ) from None


async def _batches(lines: Iterator[tuple[int, str]]) -> Lines:
    some = batches(lines)
    # A pipe may take its time, and Ctrl-C should not.
    with Thread(patience=0) as reading:
        while batch := await reading.run(lambda: next(some, None)):
            yield batch


async def _remote(session: "LogSession", job_id: str) -> Lines:
    reader = session.lines(job_id)
    with progress(f"{job_id}: lines") as show:
        async with reader.pages() as pages:
            async for page in pages:
                yield list(enumerate(page.lines, page.offset))
                show(page.next_offset, reader.total)
