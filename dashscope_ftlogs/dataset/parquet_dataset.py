"""A dataset of Parquet files beside an archive: the metrics of each log, with the facts of its job.

Each log has one file, `month=2026-11/job=JOB_ID/metrics.parquet`, by the month in which its job was
created: names that DuckDB, Polars, pyarrow and Spark take for columns. One from a profile's folder has
`metrics-PROFILE.parquet`, as two accounts may have jobs of one id. A file is replaced as a whole, so
whoever reads the dataset meanwhile sees each log once. It says what it was made of: a log that is still
the same is not read again.
"""

import glob
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from dashscope_ftlogs.archive.directory import LOCK, set_lock
from dashscope_ftlogs.archive.manifest import stem, stem_of
from dashscope_ftlogs.archive.store import MARK, KeptLog
from dashscope_ftlogs.checks import extra
from dashscope_ftlogs.dataset.parquet_file import MADE_OF, MONTH, made_of, month_of, write_points
from dashscope_ftlogs.dataset.partitions import Partition, points_of
from dashscope_ftlogs.errors import ArchivePathError
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern

FILE: Final = "metrics.parquet"
DATASET_MARK: Final = ".ftlogs-dataset"
"""The name of an object by which a dataset on object storage is known."""
_OF_PROFILE: Final = "metrics-{}.parquet"
_NEW: Final = ".ftlogs-new-"
"""How names begin of files that are being written; they are no reader's of Parquet."""
_TRIES: Final = 3


def no_dataset(place: object, lacks: str) -> ArchivePathError:
    """Return the error for a place that was only to be read: nothing there is in the way."""
    error = ArchivePathError(f"{place} holds no {lacks}, so it is no dataset")
    error.advice = "Name one that `ftlogs metrics -o` wrote."
    return error


def check_place(place: object, names: Iterable[str], copied: str) -> None:
    """Refuse a place for a new dataset where other readers take what is there for their own.

    Args:
        place: What was named.
        names: Of what lies right in it.
        copied: How a name begins by which a dataset of the other kind is known.

    Raises:
        ArchivePathError: that is so.
    """
    for name in names:
        if name in {LOCK, MARK} or stem_of(name) is not None:
            what = "an archive"
        elif name.startswith(copied):
            what = "a dataset that was copied, and has another format here"
        else:
            continue
        error = ArchivePathError(f"{place} is {what}, by {name}")
        error.advice = "Name another place for the dataset."
        raise error


@attrs.frozen
class Added:
    """What became of one log."""

    count: int
    """How many points it has."""
    fits: Fits
    """What of the user's own patterns fitted."""


@attrs.frozen
class Dataset:
    """A dataset in a directory, which is made when the first log is added."""

    directory: Path
    pattern: OwnPattern | None = None
    """Of the user's own, for lines that no known form fits."""

    def path(self, partition: Partition) -> Path:
        """Return the file of one log."""
        file = _OF_PROFILE.format(partition.profile) if partition.profile else FILE
        return self.directory / month_of(partition) / f"job={stem(partition.job_id)}" / file

    def check_place(self) -> None:
        """Raise ArchivePathError if something else is there: an archive, say."""
        if self.directory.is_dir():
            names = sorted(path.name for path in self.directory.iterdir())
            check_place(self.directory, names, DATASET_MARK)

    def has(self, partition: Partition) -> bool:
        """Whether the dataset has the metrics of a log as it is now."""
        pyarrow, parquet = extra("data", "pyarrow", "pyarrow.parquet")
        path = self.path(partition)
        try:
            # By its path, pyarrow would map it to memory, and crash where it is cut meanwhile.
            with path.open("rb") as file:
                said: dict[bytes, bytes] = parquet.ParquetFile(file).schema_arrow.metadata or {}
        except (OSError, pyarrow.ArrowException):
            return False
        return said.get(MADE_OF, b"").decode("utf-8", "replace") == made_of(partition, self.pattern)

    def add(self, _name: str, log: KeptLog) -> Added:
        """Read a log, put its metrics in the place of those that were there.

        Raises:
            ArchiveError: the log can't be read.
            OSError: the file can't be written; what was there stays.
        """
        points, fits = points_of(log, self.pattern)
        return Added(self.put(Partition(log.name, log), points), fits)

    def put(self, partition: Partition, points: PointColumns) -> int:
        """Put these in the place of the points of a log that were there; return how many there are.

        Raises:
            OSError: the file can't be written; what was there stays.
        """
        for _ in range(_TRIES):
            # Who sweeps may take it for what a killed one left, while it is not locked yet or no longer.
            with suppress(FileNotFoundError):
                self._put(partition, points)
                return len(points)
        self._put(partition, points)
        return len(points)

    def _put(self, partition: Partition, points: PointColumns) -> None:
        path = self.path(partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.directory / f"{_NEW}{secrets.token_hex(8)}"
        try:
            with new.open("xb") as file:
                with suppress(OSError):  # not every file system knows locks; there, nothing is swept
                    set_lock(file.fileno(), take=True)
                write_points(file, partition, points, self.pattern)
                file.flush()
                os.fsync(file.fileno())
            # First, or who is killed in between leaves the log there twice.
            self._remove_others(path)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _remove_others(self, path: Path) -> None:
        """Remove the log's file of another month: when its job was created may be told late."""
        for other in self.directory.glob(f"{MONTH}*/{glob.escape(f'{path.parent.name}/{path.name}')}"):
            if other != path:
                other.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what those left who were killed while they wrote: what nobody has locked."""
        for left in self.directory.glob(f"{_NEW}*"):
            with suppress(OSError):
                with left.open("r+b") as file:
                    set_lock(file.fileno(), take=True)
                left.unlink()
