"""The logs of an archive one by one, so that engines of any kind can read many at the same time."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.store import KeptLog, label
from dashscope_ftlogs.archive.where import logs_at
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.metrics.table import MetricsTable, table_of
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern, own_pattern

_AT_ONCE: Final = 1000
"""Lines."""


@attrs.frozen
class Partition:
    """One log of an archive, as `partitions` returns it.

    It holds names and numbers, no lines: it can be pickled, and read by another process, or by another
    machine that has the archive at the same path or URL.
    """

    job_id: str
    """The job's id; of a log that lies in no archive, the file's name."""
    log: KeptLog = attrs.field(repr=False)

    @property
    def profile(self) -> str:
        """In which profile's folder of the archive the log is; empty where it is in none's."""
        return self.log.profile

    @property
    def job(self) -> Job | None:
        """The job as it was when its log was downloaded, if that is known."""
        return self.log.job


def partitions(archive: str | os.PathLike[str]) -> list[Partition]:
    """Return the logs of an archive, each once, in the order of their names; nothing of them is read.

    Args:
        archive: A directory, or a URL of object storage as `LogSession.download` takes it.

    Raises:
        ArchiveError: there is no archive. What is wrong with one log is told by who reads that; and so
            is a folder that has lost the mark of a profile's, which stands here for one without an id.
    """
    return [Partition(log.name, log) for log in logs_at(os.fspath(archive))]


def read(partition: Partition, *, pattern: str | Iterable[str] | None = None) -> MetricsTable:
    """Return the metrics of one log, as `LogSession.metrics` does of a job's. It blocks.

    A `concurrent.futures` pool, Dask, Ray or Spark maps it over the partitions of an archive:
    `pool.map(read, partitions("logs"))`, or `pool.map(partial(read, pattern=...), partitions("logs"))`.

    Args:
        partition: The log.
        pattern: For lines that no known form fits, as `LogSession.metrics` takes it.

    Raises:
        ArchiveError: the log can't be read.
        InvalidArgumentError: a pattern is none, or has no group for a metric.
    """
    checks.kind_of("partition", partition, Partition)
    own = None if pattern is None else own_pattern(pattern)
    name = label(partition.profile, partition.job_id)
    return table_of([(name, points_of(partition.log, own)[0])])


def points_of(log: KeptLog, pattern: OwnPattern | None) -> tuple[PointColumns, Fits]:
    """Return the points of a log, and what fitted of the user's own patterns."""
    points = LogPoints(pattern)
    for lines in batches(log.lines()):
        points.read_numbered(lines)
    return points.columns(), points.fits


def batches(lines: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Yield lines some at a time."""
    while batch := list(islice(lines, _AT_ONCE)):
        yield batch
