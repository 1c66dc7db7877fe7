"""`ftlogs metrics ARCHIVE -o DATASET/`: Parquet files beside an archive, by all processors."""

import os
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

from dashscope_ftlogs import ArchiveWriteError, FTLogsError, InvalidArgumentError
from dashscope_ftlogs.archive.object_store.url import is_store_url
from dashscope_ftlogs.archive.store import KeptLog
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE
from dashscope_ftlogs.cli.options import SEPARATORS
from dashscope_ftlogs.cli.reading_processes import Reading
from dashscope_ftlogs.cli.run_command import complain, told
from dashscope_ftlogs.cli.terminal.output_file import check_folder, told_of
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.cli.terminal.table_export import ENDINGS
from dashscope_ftlogs.dataset.dask_cluster import Outcome, add_by_cluster
from dashscope_ftlogs.dataset.parquet_dataset import Dataset
from dashscope_ftlogs.dataset.partitions import Partition, partitions
from dashscope_ftlogs.reading.own_pattern import OwnPattern


def is_dataset(output: str) -> bool:
    """Whether what `-o` names is a directory, there already or not; what ends as a file does is none."""
    path = Path(output)
    return path.suffix not in ENDINGS and (output.endswith(SEPARATORS) or path.is_dir())


async def add_to_dataset(
    words: Iterable[str], output: str, pattern: OwnPattern | None, dask: str | None
) -> int:
    """Add the logs of archives to a dataset, as far as it has not got them; return the exit code.

    A log that can't be read stops no other.

    Args:
        words: The archives.
        output: The directory of the dataset.
        pattern: For lines that no known form fits.
        dask: The address of a cluster that does it; all processors of this machine, if none is named.

    Raises:
        ConfigError: what is needed for it is not installed, or the cluster can't be used.
        InvalidArgumentError: one of the words names no archive, or the dataset can't be written there.
        ArchiveError: one names a directory that is none; or the disk of the dataset is full.
    """
    extra("data", "pyarrow", "arro3.core")
    dataset = Dataset(_anywhere(output), pattern)
    option = f"-o {output!r}"
    check_folder(option, dataset.directory)
    # A disk may take its time, and Ctrl-C should not.
    with Thread(patience=0) as thread:
        found = await thread.run(lambda: list(_logs(words)))
        new = await thread.run(lambda: [one for one in found if not dataset.has(one)])
    outcomes = _by_processors(dataset, new) if dask is None else add_by_cluster(dask, dataset, new)
    points = failed = done = 0
    with progress("logs") as show, told_of(option, ArchiveWriteError):
        async with aclosing(outcomes) as coming:
            async for one, outcome in coming:
                if isinstance(outcome, FTLogsError):
                    complain(f"{one.job_id}: {told(outcome)}")
                    failed += 1
                else:
                    points += outcome
                done += 1
                show(done, len(new))
    added = f"{done - failed:,} new of {len(found):,} logs, {points:,} points"
    complain(f"{added} in {output}")
    return INCOMPLETE if failed else 0


async def _by_processors(dataset: Dataset, logs: Sequence[Partition]) -> AsyncGenerator[Outcome, None]:
    add = partial(_add, dataset)
    with Thread(patience=0) as thread:
        async with Reading(add, [(one.job_id, one.log) for one in logs]) as others:
            for one in logs:
                try:
                    count = await others.result(one.job_id)
                    yield one, await thread.run(add, one.job_id, one.log) if count is None else count
                except FTLogsError as error:
                    yield one, error


def _logs(words: Iterable[str]) -> Iterator[Partition]:
    """Yield the logs of archives, each job once."""
    taken = set[str]()
    for word in words:
        there = is_store_url(word) or os.path.lexists(word)
        logs = partitions(word if is_store_url(word) else _anywhere(word)) if there else []
        if not all(one.log.version for one in logs) or not logs:
            raise InvalidArgumentError(
                f"{word!r} is no archive, of which datasets are made; `ftlogs download` makes one"
            )
        for one in logs:
            if one.job_id not in taken:
                taken.add(one.job_id)
                yield one


def _anywhere(path: str) -> Path:
    """Return a path for others as well, who work in folders of their own."""
    return Path(path).absolute()


def _add(dataset: Dataset, job_id: str, log: KeptLog) -> int:
    return dataset.add(Partition(job_id, log))
