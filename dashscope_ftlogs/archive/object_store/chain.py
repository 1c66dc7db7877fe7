"""The chain of commits of one log on object storage, as a writer goes on with it."""

import secrets
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

import attrs

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.object_store.bucket import Bucket, Listed, NotThereError
from dashscope_ftlogs.archive.object_store.commits import (
    Commit,
    DataObject,
    check_link,
    commit_name,
    compacted,
    data_name,
    decode,
    encode,
    following,
    groups,
    number_of,
    unneeded,
)
from dashscope_ftlogs.archive.object_store.contents import Content, Filling, joined, packed, unpacked
from dashscope_ftlogs.archive.store import DamagedError, OvertakenError, Why
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.archive.when_a_log_is_complete import stamp
from dashscope_ftlogs.errors import ArchiveStoreError, ManifestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

GIVEN_UP_AFTER: Final = 3600.0
"""Seconds from the first object of a commit to the commit. A day later it may be swept."""
SWEPT_AFTER: Final = timedelta(days=1)
_MANY: Final = 32
"""More objects than that are merged, where all of them have to be named anew."""
_CLOCK: Final = ".ftlogs-clock"


def uptime() -> float:
    """Return seconds, by a clock that nobody sets, and that goes on while the machine sleeps."""
    if sys.platform == "win32":  # pragma: no cover  (where every such clock does)
        return time.monotonic()
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Chain:
    """The commits of a log in its folder, and the objects that they name.

    Args:
        folder: The log's.
        bucket: Where it is.
        thread: Does what takes a while to compute.
        clock: Tells seconds, also those for which the machine sleeps.
    """

    def __init__(
        self, folder: str, bucket: Bucket, thread: Thread, clock: Callable[[], float] = uptime
    ) -> None:
        self.head: Commit | None = None
        """The newest commit, as far as is known."""
        self.afresh: Why | None = None
        """Why the next commit begins another generation, if it does."""
        self._folder = folder
        self._bucket = bucket
        self._run = thread.run
        self._now = clock
        self._listed: list[Listed] = []

    async def look(self) -> Manifest | None:
        """Return what the newest commit says by now: two requests, however long the chain is."""
        self._listed = await self._bucket.alisted(self._folder)
        self.afresh = None
        newest = max(filter(None, (number_of(one.name) for one in self._listed)), default=None)
        self.head = None if newest is None else await self._commit(newest)
        return None if self.head is None else self.head.manifest

    async def commit(self, manifest: Manifest, filling: Filling | None = None) -> Manifest:
        """Put lines, if there are, and the commit that names them; return what it says.

        Raises:
            OvertakenError: another writer has put a commit of that number.
        """
        began = self._now()
        objects: tuple[DataObject, ...] = ()
        if filling is not None and filling.lines:
            made = await self._made(manifest, bytes(filling.data), manifest.lines - filling.lines)
            objects = (made,)
            manifest = attrs.evolve(
                manifest,
                bytes=manifest.bytes + made.bytes,
                file_bytes=manifest.file_bytes + made.stored_bytes,
            )
        manifest = attrs.evolve(manifest, updated=stamp(datetime.now(UTC)))
        await self._create(following(self.head, manifest, objects, afresh=self.afresh), began)
        self.afresh = None
        return manifest

    async def take_back(self, manifest: Manifest, data: bytes) -> Manifest | None:
        """Let a chain of its own say that of all lines but the last; None if it is not that one.

        Raises:
            DamagedError: what is there is not what was committed.
            OvertakenError: another writer has put a commit of that number.
        """
        began, head = self._now(), cast("Commit", self.head)
        objects = [one async for commit in self._chain() for one in commit.objects]
        last = objects.pop()
        content = await self._content(last, manifest)
        if not content.endswith(data):
            return None
        if rest := content[: -len(data)]:
            objects.append(await self._made(manifest, rest, last.from_line))
        if len(objects) > _MANY:
            objects = await self._merged(objects, manifest)
        manifest = attrs.evolve(
            manifest,
            bytes=sum(one.bytes for one in objects),
            file_bytes=sum(one.stored_bytes for one in objects),
            updated=stamp(datetime.now(UTC)),
        )
        await self._create(compacted(attrs.evolve(head, manifest=manifest), objects), began)
        return manifest

    async def _made(self, manifest: Manifest, data: bytes, from_line: int) -> DataObject:
        """Put an object of the last lines of a log, from that one on."""
        stored, sha256 = await self._run(packed, data, manifest.compression)
        return DataObject(
            name=await self._put(manifest, stored),
            from_line=from_line,
            to_line=manifest.lines,
            bytes=len(data),
            stored_bytes=len(stored),
            sha256=sha256,
        )

    async def check(self) -> None:
        """Raise DamagedError unless the chain is whole, and each object what was committed."""
        async with aclosing(self._chain()) as chain:
            # The last turns follow awaited exceptions, of which 3.11 tells no tracer.
            async for commit in chain:  # pragma: no branch
                for one in commit.objects:  # pragma: no branch
                    await self._read(one, commit.manifest)

    async def begins_with(self, data: bytes) -> bool:
        """Whether the content begins with that."""
        found = bytearray()
        async with aclosing(self._chain()) as chain:
            async for commit in chain:
                for one in commit.objects:
                    found += await self._content(one, commit.manifest)
                    if len(found) >= len(data):
                        return found.startswith(data)
        return bytes(found) == data

    async def _chain(self) -> "AsyncGenerator[Commit, None]":
        """Yield the commits of the log from the first one of its chain on."""
        head = cast("Commit", self.head)
        before: Commit | None = None
        for number in range(head.first, head.number + 1):
            try:
                commit = head if number == head.number else await self._commit(number)
            except ManifestError as error:
                raise DamagedError(error.summary()) from None
            if before is not None:
                check_link(before, commit)
            yield commit
            before = commit

    async def _commit(self, number: int) -> Commit:
        try:
            data = await self._bucket.aget(f"{self._folder}/{commit_name(number)}")
        except NotThereError:
            raise ManifestError(f"commit {number} of {self._folder} has gone") from None
        return decode(data, self._folder, number)

    async def _read(self, one: DataObject, manifest: Manifest) -> bytes:
        """Return what an object holds, as it is stored, once that is proved."""
        content, parts = Content(one, manifest.format, manifest.compression), list[bytes]()
        try:
            async with aclosing(self._bucket.achunks(f"{self._folder}/{one.name}")) as chunks:
                async for chunk in chunks:
                    await self._run(content.take, chunk)
                    parts.append(chunk)
        except NotThereError:
            raise DamagedError(f"{one.name} has gone") from None
        content.end()
        return b"".join(parts)

    async def _content(self, one: DataObject, manifest: Manifest) -> bytes:
        return await self._run(unpacked, await self._read(one, manifest), manifest.compression)

    async def _put(self, manifest: Manifest, stored: bytes) -> str:
        older = 0 if self.head is None else len(self.head.older)
        generation = older + (self.afresh is not None)
        name = data_name(generation, secrets.token_hex(16), manifest)
        await self._bucket.aput(f"{self._folder}/{name}", stored)
        return name

    async def _create(self, commit: Commit, began: float) -> None:
        data, commit = encode(commit)
        path = f"{self._folder}/{commit_name(commit.number)}"
        if self._now() - began > GIVEN_UP_AFTER:
            raise ArchiveStoreError(
                f"cannot write to {self._bucket.url}: a commit took more than an hour, and was given up"
            )
        if not await self._bucket.aclaim(path, data):
            raise OvertakenError
        self.head = commit

    async def compact(self) -> None:
        """Merge what is small, and let one commit say all that the chain says.

        Raises:
            OvertakenError: another writer has put a commit of that number.
        """
        if (head := self.head) is None or head.begins_chain:
            return
        began = self._now()
        objects = [one async for commit in self._chain() for one in commit.objects]
        await self._create(compacted(head, await self._merged(objects, head.manifest)), began)

    async def _merged(self, objects: list[DataObject], manifest: Manifest) -> list[DataObject]:
        return [
            group[0] if len(group) == 1 else await self._merge(group, manifest)
            for group in groups(objects)
        ]

    async def _merge(self, group: list[DataObject], manifest: Manifest) -> DataObject:
        parts = [await self._read(one, manifest) for one in group]
        stored, sha256 = await self._run(joined, parts, manifest.compression)
        return DataObject(
            name=await self._put(manifest, stored),
            from_line=group[0].from_line,
            to_line=group[-1].to_line,
            bytes=sum(one.bytes for one in group),
            stored_bytes=len(stored),
            sha256=sha256,
        )

    async def sweep(self) -> None:
        """Delete what no commit has needed for a day, by the storage's own clock."""
        if (head := self.head) is None or not head.begins_chain:
            return
        when = {one.name: one.modified for one in self._listed}
        names = unneeded(head, when)
        # Who began to read before the last commit may still need what that took the place of.
        since = when.get(commit_name(head.number))
        if names and since is not None:
            past = await self._bucket.atime(_CLOCK) - SWEPT_AFTER
            old = [f"{self._folder}/{name}" for name in names if max(when[name], since) < past]
            if old:
                await self._bucket.adelete(old)
