"""A log on object storage that goes on in further objects."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import attrs

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.object_store.chain import Chain
from dashscope_ftlogs.archive.object_store.commits import OBJECT_BYTES
from dashscope_ftlogs.archive.object_store.contents import Filling
from dashscope_ftlogs.archive.store import OvertakenError
from dashscope_ftlogs.errors import ArchiveError
from dashscope_ftlogs.text import TAIL, digests, jsonl_bytes, text_bytes

_ALL: Final = 64 * 2**20
"""Bytes of content that wait in all logs together, from which on smaller objects are written."""


@attrs.define
class Shared:
    """What the logs of one download share."""

    patience: float
    """Seconds for which a cancelled download goes on with its last commits."""
    waiting: int = 0
    """How much content waits to be committed, in all of them."""


class ObjectLog:
    """A log that goes on in further objects."""

    def __init__(self, chain: Chain, manifest: Manifest, shared: Shared, *, whole: bool) -> None:
        self._chain = chain
        self._shared = shared
        self._committed = manifest
        self._whole = whole
        self._filling = Filling()
        self._last: list[str] = []
        self.sound = False

    @property
    def manifest(self) -> Manifest:
        """What is committed."""
        return self._committed

    @property
    def has_uncommitted(self) -> bool:
        """Whether lines wait to be committed."""
        return self._filling.lines > 0

    @property
    def is_due(self) -> bool:
        """Whether an object is full, or as much as there is room for while other logs wait, too."""
        waiting = len(self._filling.data)
        crowded = self._shared.waiting >= _ALL
        return waiting >= OBJECT_BYTES or (crowded and waiting >= OBJECT_BYTES / 8)

    async def open(self) -> None:
        """Check what is there, if that is wanted."""
        if self._whole and self._committed.lines:
            await self._chain.check()
        self.sound = True

    def append(self, lines: Sequence[str]) -> None:
        """Take lines for the end."""
        offset = self._committed.lines + self._filling.lines
        data = self._encoded(lines, offset)
        self._filling.add(len(lines), data)
        self._shared.waiting += len(data)
        self._last = [*self._last, *lines[-TAIL:]][-TAIL:]

    async def write(self, facts: Mapping[str, Any]) -> None:
        """Commit what was appended: an object that no commit names is lost work."""
        await self.commit(facts)

    async def commit(self, facts: Mapping[str, Any]) -> None:
        """Put what was appended, and commit it."""
        before = self._committed
        manifest = attrs.evolve(
            before,
            lines=before.lines + self._filling.lines,
            tail=(*before.tail, *digests(self._last))[-TAIL:],
            **facts,
        )
        try:
            self._committed = await self._chain.commit(manifest, self._filling)
        except Exception:
            self.sound = False
            raise
        self._let_go()

    async def take_back(self, line: str) -> bool:
        """Commit all but the last line."""
        before = self._committed
        data = self._encoded([line], before.lines - 1)
        manifest = attrs.evolve(before, lines=before.lines - 1, tail=before.tail[:-1])
        shorter = await self._chain.take_back(manifest, data)
        self._committed = shorter or before
        return shorter is not None

    async def prove(self) -> None:
        """Do nothing: to read all of it again is left to `verify`, and to where a log is compacted."""

    async def begins_with(self, lines: Sequence[str]) -> bool:
        """Whether these are the first lines of what was committed."""
        return await self._chain.begins_with(self._encoded(lines, 0))

    async def finish(self, facts: Mapping[str, Any] | None) -> None:
        """Commit, for some seconds also where the caller was cancelled."""
        task = asyncio.current_task()
        try:
            if facts is not None and task is not None and task.cancelling():
                with suppress(TimeoutError, OvertakenError, ArchiveError):
                    async with asyncio.timeout(self._shared.patience):
                        await self.commit(facts)
            elif facts is not None:
                await self.commit(facts)
        finally:
            self._let_go()

    def _encoded(self, lines: Sequence[str], offset: int) -> bytes:
        return text_bytes(lines) if self._committed.format == "text" else jsonl_bytes(lines, offset)

    def _let_go(self) -> None:
        self._shared.waiting -= len(self._filling.data)
        self._filling, self._last = Filling(), []
