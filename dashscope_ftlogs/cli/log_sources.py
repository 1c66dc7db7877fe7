"""What commands read that take a SOURCE: jobs of the service, archives, files, or a pipe."""

from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Generic, TypeVar

import attrs
import typer

from dashscope_ftlogs import (
    ArchiveError,
    ConfigError,
    FTLogsError,
    IncompleteLogError,
    InvalidArgumentError,
    Job,
    LogPage,
    LogRewrittenError,
    NotFoundError,
)
from dashscope_ftlogs.archive.local_log_reader import loose_lines, piped_lines
from dashscope_ftlogs.archive.store import KeptLog, label
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.where import is_there, logs_at
from dashscope_ftlogs.checks import job_id as checked_id
from dashscope_ftlogs.cli.completion import complete_job_ids
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.cli.key_in_messages import hiding
from dashscope_ftlogs.cli.reading_processes import Begin, Reader, Reading, read_stored
from dashscope_ftlogs.cli.run_command import complain, told
from dashscope_ftlogs.cli.short_job_ids import is_short, out_of_url, whole_jobs
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.cli.terminal.stdout import FilePage
from dashscope_ftlogs.dataset.partitions import Partition, batches
from dashscope_ftlogs.text import distinct, excerpt, shown

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession
    from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern

T = TypeVar("T")
InArchive = TypeVar("InArchive", KeptLog, Partition)

_MOST: Final = 5
"""Names of logs that are told."""
_OWN_FORM: Final = "; what no known form fits is read by --pattern"
OF_ONE_LOG: Final = (ArchiveError, IncompleteLogError, LogRewrittenError, NotFoundError)
"""What keeps one log from being read, and says nothing about the others."""
_OF_FILES: Final = (".csv", ".err", ".gz", ".json", ".jsonl", ".log", ".out", ".txt")
"""How names end that are files' and never jobs'."""

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="A job id, the beginning or end of one, @last, @running, an archive (a directory or a URL "
        "such as s3://BUCKET/PREFIX), a log file, or - for stdin.",
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
    session: "LogSession | None" = None
    """In which it was read, if it is the service's; open until the next one is asked for."""
    profile: str = ""
    """By which it was found, or in whose folder of an archive."""
    where: str = ""
    """Its path or its URL, if it is stored."""


Lines = AsyncGenerator[Sequence[tuple[int, str]], None]
"""The lines of a log with their numbers, some at a time."""


async def read_logs(
    words: Iterable[str], connection: Connection, begin: Begin[T], failed: list[FTLogsError]
) -> AsyncGenerator[Log[T], None]:
    """Yield what the logs become that the arguments of a command name, in their order.

    One of several that is not there or is broken does not end the others; it is told, and in `failed`.

    Raises:
        FTLogsError: none can be read.
    """
    some = False
    lost: dict[str, FTLogsError] = {}
    async with aclosing(_read_each(words, connection, begin, failed, lost)) as logs:
        async for log in logs:
            some = True
            yield log
    for error in failed if some else failed[:-1]:
        complain(told(error))
    for profile, error in lost.items():
        complain(f"{profile}: {told(error)}")
    if failed and not some:
        raise failed[-1]
    failed.extend(lost.values())


def code_of(failed: Sequence[FTLogsError]) -> int:
    """Return the exit code of a command of which some logs could not be read."""
    return exit_code(failed[0]) if failed else 0


async def _read_each(
    words: Iterable[str],
    connection: Connection,
    begin: Begin[T],
    failed: list[FTLogsError],
    lost: dict[str, FTLogsError],
) -> AsyncGenerator[Log[T], None]:
    async with AsyncExitStack() as stack:
        sessions: Mapping[str, LogSession] = {}
        words = list(_words(words, connection.profile, failed))
        sought = [
            word for word in words if not is_local(word) and (connection.profile or is_short(word))
        ]
        if sought:
            sessions = await opened(stack, connection)
            meant = await whole_jobs(sessions, sought, failed, lost)
            names = {word: [label(*job) for job in of] for word, of in zip(sought, meant, strict=True)}
            words = [name for word in words for name in names.get(word, [word])]
        named = await found_logs(words, connection.profile, failed)
        stored = [(name, log) for name, log in named if log is not None and not isinstance(log, str)]
        others = await stack.enter_async_context(Reading(partial(read_stored, begin), stored))
        for name, log in named:
            job: Job | None = None
            read: T | None = None
            asked: LogSession | None = None
            profile = where = ""
            try:
                if log is None:
                    lines = _batches(piped_lines())
                elif not isinstance(log, str):
                    profile, where = log.profile, log.where
                    job, read = log.job, await others.result(name)
                    lines = _batches(log.lines())
                else:
                    sessions = sessions or await opened(stack, connection)
                    asked, job_id = session_of(sessions, log)
                    profile = log.rpartition("/")[0]
                    job = await asked.job(job_id)
                    lines = _remote(asked, job_id, name)
                if read is None:
                    read = await _read(begin(name, job), lines)
            except OF_ONE_LOG as error:
                failed.append(error)
            else:
                yield Log(name, job, read, asked, profile, where)


async def opened(
    stack: AsyncExitStack, connection: Connection, concurrency: int | None = None
) -> "Mapping[str, LogSession]":
    """Return a session of each profile that is named, or the only one; the stack closes them."""
    sessions = connection.sessions(concurrency)
    for session in sessions.values():
        await stack.enter_async_context(session)
    return sessions


def session_of(sessions: "Mapping[str, LogSession]", name: str) -> "tuple[LogSession, str]":
    """Return by which session to ask for a job that is named as `label` does, and its id."""
    profile, _, job_id = name.rpartition("/")
    return sessions[profile], job_id


def is_local(word: str) -> bool:
    """Whether a word stands for what is on this machine or in a store, and not for a job."""
    return word == "-" or is_there(word)


def _words(
    words: Iterable[str], profiles: Collection[str] | None, failed: list[FTLogsError]
) -> Iterator[str]:
    for word in words:
        try:
            yield word if is_local(word) else job_name(word, profiles)
        except InvalidArgumentError as error:
            failed.append(error)


def named_logs(
    words: Iterable[str],
    others: Mapping[str, KeptLog | None] = MappingProxyType({}),
    *,
    profiles: Collection[str] | None,
    failed: list[FTLogsError] | None = None,
) -> Iterator[tuple[str, KeptLog | str | None]]:
    """Yield each log under a name of its own: one that is stored here, a job's id, or None for stdin.

    A job of the service is one log, however often it is named, and so is what is stored here: by its
    file and its manifest, say. `others` have names already. Logs in an archive of other `profiles` than
    those are left out. Where there is a list for what `failed`, a word for no archive, or for one out of
    reach, stands for none.

    Raises:
        ConfigError: what is needed to reach an archive is missing.
        InvalidArgumentError: one has an impossible URL, or only logs of other profiles.
        ArchiveError: one is none, or can't be reached.
    """
    taken, jobs = set(others), set[str]()
    stored = {log.where for log in others.values() if log is not None}
    hide = None
    for word in words:
        if word == "-":
            taken.add(name := distinct(taken, "stdin"))
            yield name, None
        elif is_there(word):
            hide = hide or hiding()
            try:
                logs = of_profiles(word, logs_at(word), profiles)
            except (ArchiveError, ConfigError, InvalidArgumentError) as error:
                if failed is None:
                    raise
                failed.append(error)
                continue
            for log in logs:
                if log.where in stored:
                    continue
                stored.add(log.where)
                named = hide(label(log.profile, log.name))
                taken.add(name := distinct(taken, named, hide(log.where)))
                yield name, log
        elif word not in jobs:
            jobs.add(word)
            taken.add(name := distinct(taken, word))
            yield name, word


async def found_logs(
    words: Iterable[str],
    profiles: Collection[str] | None,
    failed: list[FTLogsError] | None = None,
) -> list[tuple[str, KeptLog | str | None]]:
    """Return what `named_logs` yields. A store may take its time, and Ctrl-C should not."""
    with Thread(patience=0) as looking:
        return await looking.run(lambda: list(named_logs(words, profiles=profiles, failed=failed)))


def of_profiles(
    word: str, logs: Sequence[InArchive], profiles: Collection[str] | None
) -> Sequence[InArchive]:
    """Return those logs of an archive that are of one of these profiles, or of none; all, without any.

    Raises:
        InvalidArgumentError: there are only others.
    """
    named = frozenset(profiles or ())
    found = [log for log in logs if not named or log.profile in named or not log.profile]
    if logs and not found:
        there = ", ".join(sorted({log.profile for log in logs}))
        raise InvalidArgumentError(f"{word!r} holds no log of --profile; it has those of {there}")
    return found


def no_metrics(logs: Mapping[str, str], own: "OwnPattern | None") -> str:
    """Say that these logs hold none, with what they are that are none, or what can be done."""
    names = [
        excerpt(name, 60) + (f" (it is {unlike})" if unlike else "")
        for name, unlike in islice(logs.items(), _MOST)
    ]
    hint = "" if all(logs.values()) else in_own_form(own)
    return f"no metrics in {', '.join(names) or 'nothing'}{hint}"


def in_own_form(own: "OwnPattern | None") -> str:
    """Say how lines are read in which no known form finds anything; or that this was tried."""
    return _OWN_FORM if own is None else "; --pattern finds nothing either"


def complain_of_patterns(own: "OwnPattern | None", each: Iterable["Fits"]) -> None:
    """Say which patterns of `--pattern` fitted in no log, and which groups never held a number.

    One that is misspelt would pass for a log in which there is nothing of it.
    """
    fits = frozenset[tuple[int, str, bool]]().union(*each)
    for at, pattern in enumerate(() if own is None else own.patterns):
        held = {name for number, name, _ in fits if number == at}
        numbers = {name for number, name, is_number in fits if number == at and is_number}
        said = f"--pattern {shown(pattern.pattern)}:"
        if not held:
            complain(f"{said} fits no line that known forms and patterns before it leave")
        elif wrong := [name for name in pattern.groupindex if name in held - numbers]:
            complain(f"{said} {', '.join(wrong)}: no number in any line that it fits")


async def _read(reader: Reader[T], lines: Lines) -> T:
    async with aclosing(lines) as some:
        async for batch in some:
            reader.read(batch)
    return reader.end()


def job_name(word: str, profiles: Collection[str] | None = None) -> str:
    """Return the id of a job, or what stands for one, that a word names; with its profile, if it does.

    Raises:
        InvalidArgumentError: it is a file's name, and there is none; or it can be no job's.
    """
    word = out_of_url(word)
    profile, slash, rest = word.partition("/")
    if slash and profile in (profiles or ()):
        return label(profile, job_name(rest))
    if word.endswith(_OF_FILES):
        raise InvalidArgumentError(f"there is no file {word!r}")
    try:
        return word if word.startswith("@") else checked_id(word)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(
            f"there is no file {word!r}, nor such a job: {error.summary()}"
        ) from None


async def stored_pages(name: str, log: KeptLog | None) -> AsyncGenerator[LogPage, None]:
    """Yield the lines of a stored log, or of stdin, as if the service had sent them."""
    if log is None or not log.version:
        path = None if log is None else Path(log.where)
        async with aclosing(_read_in_thread(loose_lines(path))) as some:
            async for one in some:
                number = one.offset + len(one.lines)
                yield FilePage(name, one.offset, one.lines, number, ended=one.ended)
        return
    async with aclosing(_batches(log.lines())) as read:
        async for batch in read:
            begin = 0
            for end in range(1, len(batch) + 1):
                number = batch[end - 1][0] + 1
                if end == len(batch) or batch[end][0] != number:  # rows of which some are left out
                    lines = tuple(line for _, line in batch[begin:end])
                    yield LogPage(name, batch[begin][0], lines, number)
                    begin = end


def _batches(lines: Iterator[tuple[int, str]]) -> Lines:
    return _read_in_thread(batches(lines))


async def _read_in_thread(some: Iterator[T]) -> AsyncGenerator[T, None]:
    # A pipe may take its time, and Ctrl-C should not.
    with Thread(patience=0) as reading:
        while (one := await reading.run(lambda: next(some, None))) is not None:
            yield one


async def _remote(session: "LogSession", job_id: str, name: str) -> Lines:
    reader = session.lines(job_id)
    with progress(f"{name}: lines") as show:
        async with reader.pages() as pages:
            async for page in pages:
                yield list(enumerate(page.lines, page.offset))
                show(page.next_offset, reader.total)
