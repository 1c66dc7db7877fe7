"""The thread of one log's file, and why something in an archive can't be written to.

Files that go away one by one are an archive that is being removed, as far as anybody can tell: once its
lock has gone, that is what is said, and until then each log of which something went.
"""

import errno
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.disk_failures import in_our_words
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.errors import ArchiveError, ArchiveWriteError, LogGoneError

T = TypeVar("T")


@attrs.frozen
class Disk:
    """The thread of one log's file; what fails there is told in our words."""

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
            raise why_unwritten(self._archive, error) from None


def why_unwritten(archive: Archive, error: OSError) -> ArchiveError:
    """Return why an archive that was locked, or a file in it, can't be written to.

    Raises:
        ArchiveGoneError: it is no longer the directory that was locked.
    """
    archive.check_is_ours()
    if isinstance(error, FileNotFoundError):  # what we had seen, or had made ourselves
        return LogGoneError(f"{error.filename} has gone: it was moved or removed while it was in use")
    told = in_our_words(error, "write to", archive.directory)
    if error.errno == errno.EROFS:  # it could be written to before
        return ArchiveWriteError(told.summary())
    return told
