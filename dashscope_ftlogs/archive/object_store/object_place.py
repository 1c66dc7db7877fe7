"""Where one job's log is on object storage, for a download."""

from contextlib import suppress
from typing import cast

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.object_store.chain import Chain
from dashscope_ftlogs.archive.object_store.commits import Commit, file_names, following
from dashscope_ftlogs.archive.object_store.object_log import ObjectLog, Shared
from dashscope_ftlogs.archive.store import DamagedError, OvertakenError, Why


class ObjectPlace:
    """A folder with the commits of a log, and the objects that they name."""

    def __init__(self, chain: Chain, shared: Shared) -> None:
        self._chain = chain
        self._shared = shared

    async def manifest(self) -> Manifest | None:
        """Return what the newest commit says."""
        return await self._chain.look()

    async def holds_all(self, _manifest: Manifest) -> bool:
        """Whether it is there: an object that was put is whole."""
        return True

    async def is_damaged(self, _manifest: Manifest) -> bool:
        """Whether a commit or an object is not what was committed."""
        try:
            await self._chain.check()
        except DamagedError:
            return True
        return False  # pragma: no cover  (3.11 tells no tracer: it follows an awaited exception)

    async def put(self, manifest: Manifest) -> Manifest:
        """Commit that; where a log begins, that waits for its first lines."""
        if self._chain.head is None or self._chain.afresh is not None:
            return manifest
        return await self._chain.commit(manifest)

    async def set_aside(self, why: Why) -> str:
        """Let the next commit begin another generation; return what this one is called then."""
        head = cast("Commit", self._chain.head)  # of which there are lines that another log contradicts
        self._chain.afresh = why
        *_, (_, name), _ = file_names(following(head, head.manifest, (), afresh=why))
        return name

    async def tidy(self) -> None:
        """Compact a log that has ended, and sweep what nothing needs any more."""
        with suppress(OvertakenError):  # by who does it, too
            await self._chain.compact()
        await self._chain.sweep()

    def log(self, manifest: Manifest, *, whole: bool) -> ObjectLog:
        """Return the log to go on with."""
        return ObjectLog(self._chain, manifest, self._shared, whole=whole)
