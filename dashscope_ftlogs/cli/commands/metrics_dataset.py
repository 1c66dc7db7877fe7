"""`ftlogs metrics ARCHIVE -o DATASET/`: Parquet files beside an archive, by all processors."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

from dashscope_ftlogs import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.archive.object_store.url import is_store_url
from dashscope_ftlogs.archive.store import KeptLog, UnvouchedLog
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.where import is_there
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE
from dashscope_ftlogs.cli.options import SEPARATORS
from dashscope_ftlogs.cli.reading_processes import Reading
from dashscope_ftlogs.cli.run_command import complain, told
from dashscope_ftlogs.cli.terminal.output_file import refuse_trap
from dashscope_ftlogs.cli.terminal.read_progress import progress
from dashscope_ftlogs.cli.terminal.table_export import ENDINGS
from dashscope_ftlogs.dataset.dask_cluster import Outcome, add_by_cluster
from dashscope_ftlogs.dataset.parquet_dataset import Dataset
from dashscope_ftlogs.dataset.partitions import Partition, partitions, points_of
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
        InvalidArgumentError: one of the words names no archive.
        ArchiveError: one names a directory that is none.
        OSError: the dataset can't be written.
    """
    extra("data", "pyarrow", "arro3.core")
    dataset = Dataset(_anywhere(output), pattern)
    words = list(words)
    refuse_trap(f"-o {output!r}", dataset.directory)
    # A disk may take its time, and Ctrl-C should not.
    with Thread(patience=0) as thread:
        found = await thread.run(lambda: list(_logs(words)))
        _refuse_within(output, dataset.directory, words)
        unvouched = [one.log for one in found if isinstance(one.log, UnvouchedLog)]
        vouched = [one for one in found if not isinstance(one.log, UnvouchedLog)]
        await thread.run(dataset.sweep)
        new = await thread.run(lambda: [one for one in vouched if not dataset.has(one)])
    for log in unvouched:
        complain(told(log.why))
    outcomes = _by_processors(dataset, new) if dask is None else add_by_cluster(dask, dataset, new)
    points = failed = done = 0
    try:
        with progress("logs") as show:
            async with aclosing(outcomes) as coming:
                async for one, outcome in coming:
                    if isinstance(outcome, FTLogsError):
                        complain(f"{one.job_id}: {told(outcome)}")
                        failed += 1
                    else:
                        points += outcome
                    done += 1
                    show(done, len(new))
    finally:
        dataset.sweep()  # after other processes of ours, which are killed where we are stopped
    added = f"{done - failed:,} new of {len(found):,} logs, {points:,} points"
    complain(f"{added} in {output}")
    return INCOMPLETE if failed or unvouched else 0


async def _by_processors(dataset: Dataset, logs: Sequence[Partition]) -> AsyncGenerator[Outcome, None]:
    add = partial(_add, dataset)
    # What is being written here is written to its end.
    with Thread(patience=0) as reading, Thread() as writing:
        async with Reading(add, [(one.job_id, one.log) for one in logs]) as others:
            for one in logs:
                try:
                    count = await others.result(one.job_id)
                    if count is None:
                        points = await reading.run(points_of, one.log, dataset.pattern)
                        count = await writing.run(dataset.put, one, points)
                    yield one, count
                except FTLogsError as error:
                    yield one, error


def _logs(words: Iterable[str]) -> Iterator[Partition]:
    """Yield the logs of archives, each job once."""
    taken = set[str]()
    for word in words:
        logs = partitions(word if is_store_url(word) else _anywhere(word)) if is_there(word) else []
        if not all(one.log.version for one in logs) or not logs:
            raise InvalidArgumentError(
                f"{word!r} is no archive, of which datasets are made; `ftlogs download` makes one"
            )
        for one in logs:
            if one.job_id not in taken:
                taken.add(one.job_id)
                yield one


def _refuse_within(output: str, directory: Path, words: Iterable[str]) -> None:
    """Refuse a dataset in an archive, and one around it: each takes what is there for its own.

    Raises:
        InvalidArgumentError: that is so.
    """
    for word in words:
        if not is_store_url(word) and (path := Path(word)).exists():
            archive = path if path.is_dir() else path.parent
            if _is_within(archive, directory) or _is_within(directory, archive):
                raise InvalidArgumentError(
                    f"-o {output!r}: that is, or lies in, or holds the archive {str(archive)!r}; name "
                    "another directory for the dataset"
                )


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path is a folder, or leads into it, by whatever names."""
    there = path.resolve()
    return folder.exists() and any(
        one.exists() and one.samefile(folder) for one in (there, *there.parents)
    )


def _anywhere(path: str) -> Path:
    """Return a path for others as well, who work in folders of their own."""
    return Path(path).absolute()


def _add(dataset: Dataset, job_id: str, log: KeptLog) -> int:
    return dataset.add(Partition(job_id, log))
