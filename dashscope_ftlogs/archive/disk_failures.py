"""The thread of one log's file, and failures of the disk in our words."""

import errno
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from dashscope_ftlogs.archive.directory import Archive, in_our_words
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.errors import ArchiveWriteError

T = TypeVar("T")


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
        try:
            return work(*arguments)
        except OSError as error:
            self._archive.check_is_ours()
            told = in_our_words(error, "write to", self._archive.directory)
            if error.errno == errno.EROFS:  # it could be written to before
                told = ArchiveWriteError(told.summary())
            raise told from None
