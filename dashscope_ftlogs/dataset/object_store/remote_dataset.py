"""A dataset on object storage, as who adds to it sees it. Nobody is locked out: commits decide."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence

from dashscope_ftlogs.archive.object_store.bucket import Bucket, Listed, NotThereError
from dashscope_ftlogs.archive.object_store.chain import GIVEN_UP_AFTER, SWEPT_AFTER, uptime
from dashscope_ftlogs.archive.object_store.url import store_url
from dashscope_ftlogs.archive.store import OvertakenError
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.dataset.object_store.dataset_commits import (
    COMMITS,
    PART_BYTES,
    PARTS,
    DatasetCommit,
    Part,
    commit_path,
    decode,
    encode,
    following,
    numbers_of,
    part_name,
    taken_apart,
)
from dashscope_ftlogs.dataset.object_store.parts import LogRows, merged
from dashscope_ftlogs.dataset.parquet_dataset import DATASET_MARK, check_place, no_dataset
from dashscope_ftlogs.dataset.parquet_file import MONTH
from dashscope_ftlogs.errors import ArchiveStoreError, ManifestError

_CLOCK = ".ftlogs-clock"


class RemoteDataset:
    """A dataset on object storage.

    Args:
        bucket: Where it is.
        thread: Does what takes a while to compute.
        clock: Tells seconds, also those for which the machine sleeps.
        at_once: So many bytes of rows wait for more to be put with.
    """

    def __init__(
        self,
        bucket: Bucket,
        thread: Thread,
        clock: Callable[[], float] = uptime,
        at_once: int = PART_BYTES,
    ) -> None:
        self.head = DatasetCommit(number=0)
        """The newest commit, as far as is known."""
        self._bucket = bucket
        self._run = thread.run
        self._now = clock
        self._listed: list[Listed] = []
        self._commits = set[int]()
        """The numbers of those that are there."""
        self._marked = False
        self._at_once = at_once
        self._waiting: list[LogRows] = []

    async def look(self) -> None:
        """Learn what the newest commit says by now: two requests."""
        self._listed = await self._bucket.alisted(COMMITS)
        self._commits = _numbers(self._listed)
        newest = max(self._commits, default=0)
        data = await self._bucket.aget(commit_path(newest)) if newest else b""
        self.head = decode(data, newest) if newest else DatasetCommit(number=0)

    async def check_place(self) -> None:
        """Raise ArchivePathError if something else is there, as far as the first names tell.

        Only where no commit is there: a request more.
        """
        if not self._commits:
            listed = await self._bucket.alisted("")
            check_place(self._bucket.url, (one.name.partition("/")[0] for one in listed), MONTH)

    async def take(self, rows: LogRows) -> None:
        """Take the rows of a log, and add them when there are enough."""
        self._waiting.append(rows)
        if sum(len(one.data) for one in self._waiting) >= self._at_once:
            await self._put()

    async def end(self) -> None:
        """Add what waits, and sweep, unless nothing was ever added."""
        if self._waiting:
            await self._put()
        if self._marked:
            await self.sweep()

    async def _put(self) -> None:
        await self.add(self._waiting)
        self._waiting = []

    async def add(self, logs: Sequence[LogRows]) -> None:
        """Put the rows of logs in the place of those that there are of them, by one commit.

        Of what another writer has put meanwhile, that stays.

        Raises:
            ArchiveError: the storage fails, or what is there is damaged.
        """
        if not self._marked:
            await self._bucket.amark(DATASET_MARK)
            self._marked = True  # pragma: no cover  (3.11 traces none after an awaited exception)
        known = self.head.logs
        while logs:
            try:
                await self._commit(logs)
            except OvertakenError:
                await self.look()
                now = self.head.logs
                logs = [one for one in logs if now.get(one.log) == known.get(one.log)]
            else:
                return

    async def _commit(self, logs: Sequence[LogRows]) -> None:
        began, head = self._now(), self.head
        names = {one.log for one in logs}
        months = {one.month for one in logs}
        old = taken_apart(head, months, names)
        parts: list[Part] = []
        for month in sorted(months | {part.month for part in old}):
            of_month = [part for part in old if part.month == month]
            added = [one for one in logs if one.month == month]
            left = {
                name: digest
                for part in of_month
                for name, digest in part.logs.items()
                if name not in names
            }
            if left or added:
                files = [await self._read(part) for part in of_month]
                data, rows = await self._run(merged, files, [one.data for one in added], names)
                name = part_name(month, secrets.token_hex(16))
                await self._bucket.aput(name, data)
                parts.append(
                    Part(
                        name=name,
                        rows=rows,
                        stored_bytes=len(data),
                        sha256=hashlib.sha256(data).hexdigest(),
                        logs=left | {one.log: one.digest for one in added},
                    )
                )
        commit = following(head, old, parts, self._commits)
        if self._now() - began > GIVEN_UP_AFTER:
            raise ArchiveStoreError(
                f"cannot write to {self._bucket.url}: a commit took more than an hour, and was given up"
            )
        if not await self._bucket.aclaim(commit_path(commit.number), encode(commit)):
            raise OvertakenError
        self._commits.add(commit.number)
        self.head = commit

    async def _read(self, part: Part) -> bytes:
        try:
            data = await self._bucket.aget(part.name)
        except NotThereError:
            data = b""
        if hashlib.sha256(data).hexdigest() != part.sha256:
            told = ManifestError(f"{self._bucket.url}/{part.name} is gone, or not what was committed")
            told.advice = "Delete the dataset, or name another one: it is made anew from the archive."
            raise told
        return data

    async def sweep(self) -> None:
        """Delete what no commit has needed for a day, by the storage's own clock."""
        await self.look()
        past = await self._bucket.atime(_CLOCK) - SWEPT_AFTER
        old = [one for one in self._listed if one.modified < past]
        recent = self._commits - _numbers(old)
        needed = {part.name for part in self.head.parts}
        needed |= {one.name for one in self.head.superseded if one.since in recent}
        parts = await self._run(self._parts)
        gone = [one.name for one in parts if one.name not in needed and one.modified < past]
        gone += map(commit_path, _numbers(old) - {self.head.number})
        if gone:
            await self._bucket.adelete(gone)

    def _parts(self) -> Iterable[Listed]:
        return [
            Listed(f"{PARTS}/{month}/{one.name}", one.modified)
            for month in self._bucket.folders(PARTS)
            for one in self._bucket.listed(f"{PARTS}/{month}")
        ]


def parts_of(url: str) -> list[str]:
    """Return the URLs of the parts with rows of which a dataset consists now. Blocks.

    Raises:
        ArchiveError: there is no dataset, or it can't be read.
    """
    bucket = Bucket(store_url(url))
    commits = _numbers(bucket.listed(COMMITS))
    if not commits:
        raise no_dataset(bucket.url, "commit")
    commit = decode(bucket.get(commit_path(max(commits))), max(commits))
    return [f"{bucket.url}/{part.name}" for part in commit.parts if part.rows]


def _numbers(listed: Iterable[Listed]) -> set[int]:
    return numbers_of(one.name for one in listed)
