"""Where an archive is: in a directory of this machine, or, by a URL, on object storage."""

import os
from pathlib import Path

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.local.directory_store import DirectoryStore
from dashscope_ftlogs.archive.local_log_reader import is_stored, stored_logs
from dashscope_ftlogs.archive.object_store.url import is_store_url, store_url
from dashscope_ftlogs.archive.store import KeptLog, Store


def store_at(place: str | os.PathLike[str], profile: str = "") -> Store:
    """Return the archive for a download, or a profile's folder in it; nothing is looked for yet.

    Raises:
        InvalidArgumentError: it can be neither a directory nor such a URL.
        ConfigError: what is needed to reach it is missing.
    """
    if isinstance(place, str) and is_store_url(place):
        # Few archives are there.
        from dashscope_ftlogs.archive.object_store.bucket import Bucket  # noqa: PLC0415
        from dashscope_ftlogs.archive.object_store.remote_store import RemoteStore  # noqa: PLC0415

        return RemoteStore(Bucket(store_url(place)), profile)
    return DirectoryStore(Archive(place), profile)


def is_there(place: str) -> bool:
    """Whether a place is on object storage, or a path where there is anything, or a log should be."""
    return is_store_url(place) or is_stored(Path(place))


def logs_at(place: str) -> list[KeptLog]:
    """Return the logs of an archive, or the one that a file holds. Blocks.

    Raises:
        ArchiveError: there is none.
    """
    if is_store_url(place):
        from dashscope_ftlogs.archive.object_store.remote_logs import remote_logs  # noqa: PLC0415

        return remote_logs(place)
    return stored_logs(Path(place))
