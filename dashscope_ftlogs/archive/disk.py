"""The thread of one log's file, and failures of the disk in our words."""

import errno
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.errors import ArchiveError, ArchiveWriteError

T = TypeVar("T")

_HOPELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""What no other file in the archive will fare better with."""


@attrs.frozen
class Disk:
    """The thread of one log's file."""

    _thread: Thread
    _archive: Archive

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """See `Thread.run`."""
        return await self._thread.run(self._in_our_words, work, *arguments)

    async def run_surely(self, work: Callable[..., T], *arguments: Any) -> T:
        """See `Thread.run_surely`."""
        return await self._thread.run_surely(self._in_our_words, work, *arguments)

    def _in_our_words(self, work: Callable[..., T], *arguments: Any) -> T:
        directory = self._archive.directory
        try:
            return work(*arguments)
        except FileNotFoundError:
            if directory.is_dir():
                raise
            raise ArchiveWriteError(f"{directory} has gone: it was moved or removed") from None
        except OSError as error:
            kind = ArchiveWriteError if error.errno in _HOPELESS else ArchiveError
            raise kind(f"cannot write to {directory}: {error}") from None
