"""`ftlogs metrics ARCHIVE -o DATASET/`: Parquet files beside an archive, by all processors."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from dashscope_ftlogs import ArchiveError, ArchiveWriteError, FTLogsError, InvalidArgumentError
from dashscope_ftlogs.archive.local.profile_folder import profile_around
from dashscope_ftlogs.archive.object_store import profile_folder
from dashscope_ftlogs.archive.object_store.bucket import Bucket
from dashscope_ftlogs.archive.object_store.url import StoreURL, is_store_url, store_url
from dashscope_ftlogs.archive.store import KeptLog, UnvouchedLog, label
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.where import is_there
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE
from dashscope_ftlogs.cli.log_sources import complain_of_patterns, of_profiles
from dashscope_ftlogs.cli.options import SEPARATORS
from dashscope_ftlogs.cli.reading_processes import Reading
from dashscope_ftlogs.cli.run_command import complain, told
from dashscope_ftlogs.cli.terminal.output_file import check_folder, told_of
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.cli.terminal.table_export import ENDINGS
from dashscope_ftlogs.dataset.dask_cluster import made_by_cluster
from dashscope_ftlogs.dataset.object_store.parts import LogRows, digest_of, rows_of
from dashscope_ftlogs.dataset.object_store.remote_dataset import RemoteDataset
from dashscope_ftlogs.dataset.parquet_dataset import Added, Dataset
from dashscope_ftlogs.dataset.parquet_file import month_of
from dashscope_ftlogs.dataset.partitions import Partition, partitions, points_of
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern
from dashscope_ftlogs.text import counted

_PATIENCE: Final = 10.0
"""Seconds for which an interrupted command goes on to put what it has to object storage."""


class _Target(Protocol):
    """A dataset that logs are added to."""

    @property
    def make(self) -> Callable[[str, KeptLog], Any]:
        """What another process does with one log, by its job's id."""
        ...

    async def new(self, logs: Sequence[Partition], /) -> list[Partition]:
        """Return the logs that it has not got as they are."""
        ...

    async def make_here(self, one: Partition, /) -> Any:
        """Do what `make` does, where no other process could."""
        ...

    async def take(self, made: Any, /) -> None:
        """Take what became of a log."""
        ...

    async def end(self) -> None:
        """Keep what was taken."""
        ...

    def tidy(self) -> None:
        """Clear away what is half written."""
        ...


class _InDirectory:
    """Each process writes the file of its log."""

    def __init__(self, dataset: Dataset, reading: Thread, writing: Thread) -> None:
        self._dataset = dataset
        self._reading = reading
        self._writing = writing
        self.make: Callable[[str, KeptLog], Added] = dataset.add
        self.tidy = dataset.sweep

    async def new(self, logs: Sequence[Partition]) -> list[Partition]:
        await self._reading.run(self._dataset.check_place)
        await self._reading.run(self._dataset.sweep)
        return await self._reading.run(lambda: [one for one in logs if not self._dataset.has(one)])

    async def make_here(self, one: Partition) -> Added:
        points, fits = await self._reading.run(points_of, one.log, self._dataset.pattern)
        return Added(await self._writing.run(self._dataset.put, one, points), fits)

    async def take(self, made: Added) -> None:
        pass

    async def end(self) -> None:
        pass


class _InBucket:
    """Other processes read logs; this one puts the rows of many at once."""

    def __init__(
        self, bucket: Bucket, pattern: OwnPattern | None, reading: Thread, work: Thread
    ) -> None:
        self._dataset = RemoteDataset(bucket, work)
        self._pattern = pattern
        self._reading = reading
        self.make: Callable[[str, KeptLog], LogRows] = partial(rows_of, pattern)

    async def new(self, logs: Sequence[Partition]) -> list[Partition]:
        await self._dataset.look()
        await self._dataset.check_place()
        has = self._dataset.head.logs
        new = [one for one in logs if has.get(_name(one)) != digest_of(one, self._pattern)]
        return sorted(new, key=month_of)

    async def make_here(self, one: Partition) -> LogRows:
        return await self._reading.run(rows_of, self._pattern, one.job_id, one.log)

    async def take(self, made: LogRows) -> None:
        await self._dataset.take(made)

    async def end(self) -> None:
        await self._dataset.end()

    def tidy(self) -> None:
        pass


def is_dataset(output: str) -> bool:
    """Whether what `-o` names is a directory, there already or not, or a place on object storage.

    What ends as a file does is none, unless a slash says that it is a directory's name.
    """
    if output.endswith(SEPARATORS):
        return True
    there = os.path.isdir(output)  # noqa: PTH112  (Path's raises for names that are too long)
    return Path(output).suffix not in ENDINGS and (there or is_store_url(output))


async def add_to_dataset(
    words: Sequence[str],
    output: str,
    pattern: OwnPattern | None,
    dask: str | None,
    profiles: Collection[str] | None,
) -> int:
    """Add the logs of archives to a dataset, as far as it has not got them; return the exit code.

    A log that can't be read stops no other.

    Args:
        words: The archives.
        output: The directory of the dataset, or its URL.
        pattern: For lines that no known form fits.
        dask: The address of a cluster that does it; all processors of this machine, if none is named.
        profiles: Whose logs; those of all, if none is named.

    Raises:
        ConfigError: what is needed for it is not installed, or the cluster can't be used.
        InvalidArgumentError: one of the words names no archive, or the dataset is in it or around it.
        ArchiveError: one names a directory that is none, object storage fails, or the disk of the
            dataset is full.
    """
    extra("data", "pyarrow", "arro3.core")
    # A disk may take its time, and Ctrl-C should not; but what is being written is written to its end.
    with Thread(patience=0) as reading, Thread() as writing:
        target: _Target
        around: Path | StoreURL | None
        if is_store_url(output):
            bucket = Bucket(store_url(output))
            around = await profile_folder.profile_around(bucket)
            target = _InBucket(bucket, pattern, reading, writing)
        else:
            directory = _anywhere(output)
            check_folder(f"-o {output!r}", directory)
            around = profile_around(directory)
            target = _InDirectory(Dataset(directory, pattern), reading, writing)
        if around is not None:
            raise InvalidArgumentError(
                f"-o {output!r}: {str(around)!r} holds the logs of a profile; name another place "
                "for the dataset"
            )
        found = await reading.run(lambda: list(_logs(words, profiles)))
        _refuse_within(output, words)
        readable = [one for one in found if not isinstance(one.log, UnvouchedLog)]
        new = await target.new(readable)
        unread = {_name(one) for one in new}
        damaged = await reading.run(
            lambda: list(_damaged(one for one in found if _name(one) not in unread))
        )
        for why in damaged:
            complain(why)
        with told_of(f"-o {output!r}", ArchiveWriteError):
            points, failed, fits = await _add(target, new, dask)
    # Of a pattern that was changed, too; a few new logs may well lack what others have.
    if fits and len(new) == len(readable):
        complain_of_patterns(pattern, fits)
    told = f"{len(new) - failed:,} new of {counted(len(found), 'log')}, {counted(points, 'point')}"
    complain(f"{told} in {output}")
    return INCOMPLETE if failed or damaged else 0


async def _add(
    target: _Target, logs: Sequence[Partition], dask: str | None
) -> tuple[int, int, list[Fits]]:
    """Add logs to a dataset; return how many points they have, how many can't be read, what fitted."""
    by = _by_processors(target, logs) if dask is None else made_by_cluster(dask, target.make, logs)
    points = failed = done = 0
    fits: list[Fits] = []
    try:
        with progress("logs") as show:
            async with aclosing(by) as coming:
                async for one, made in coming:
                    if isinstance(made, FTLogsError):
                        complain(f"{_name(one)}: {told(made)}")
                        failed += 1
                    else:
                        await target.take(made)
                        points += made.count
                        fits.append(made.fits)
                    done += 1
                    show(done, len(logs))
        await target.end()
    except asyncio.CancelledError:
        with suppress(TimeoutError, ArchiveError):
            async with asyncio.timeout(_PATIENCE):
                await target.end()
        raise
    finally:
        target.tidy()  # after other processes of ours, which are killed where we are stopped
    return points, failed, fits


async def _by_processors(
    target: _Target, logs: Sequence[Partition]
) -> AsyncGenerator[tuple[Partition, Any], None]:
    async with Reading(target.make, [(_name(one), one.log) for one in logs]) as others:
        for one in logs:
            try:
                made = await others.result(_name(one))
                yield one, await target.make_here(one) if made is None else made
            except FTLogsError as error:
                yield one, error


def _logs(words: Iterable[str], profiles: Collection[str] | None) -> Iterator[Partition]:
    """Yield the logs of archives, each job once."""
    taken = set[str]()
    for word in words:
        logs = partitions(word if is_store_url(word) else _anywhere(word)) if is_there(word) else []
        if not all(one.log.version for one in logs) or not logs:
            raise InvalidArgumentError(
                f"{word!r} is no archive, of which datasets are made; `ftlogs download` makes one"
            )
        for one in of_profiles(word, logs, profiles):
            if _name(one) not in taken:
                taken.add(_name(one))
                yield one


def _damaged(logs: Iterable[Partition]) -> Iterator[str]:
    """Yield what is wrong with logs that are not read, as far as a glance tells."""
    for one in logs:
        try:
            one.log.glance()
        except ArchiveError as error:
            yield told(error) if isinstance(one.log, UnvouchedLog) else f"{_name(one)}: {told(error)}"


def _refuse_within(output: str, words: Iterable[str]) -> None:
    """Refuse a dataset in an archive, and one around it: each takes what is there for its own.

    Raises:
        InvalidArgumentError: that is so.
    """
    for word in words:
        if is_store_url(word) != is_store_url(output):
            continue
        within = _is_url_within if is_store_url(word) else _is_within
        archive = word if is_store_url(word) or Path(word).is_dir() else str(Path(word).parent)
        if within(archive, output) or within(output, archive):
            raise InvalidArgumentError(
                f"-o {output!r}: that is, or lies in, or holds the archive {archive!r}; name another "
                "place for the dataset"
            )


def _is_url_within(url: str, folder: str) -> bool:
    place, around = f"{store_url(url)}/", f"{store_url(folder)}/"
    return place.startswith(around)


def _is_within(path: str, folder: str) -> bool:
    """Whether a path is a folder, or leads into it, by whatever names."""
    there = Path(path).resolve()
    return Path(folder).exists() and any(
        one.exists() and one.samefile(folder) for one in (there, *there.parents)
    )


def _anywhere(path: str) -> Path:
    """Return a path for others as well, who work in folders of their own."""
    return Path(path).absolute()


def _name(one: Partition) -> str:
    return label(one.profile, one.job_id)
