"""Whose folder of an archive a place on object storage is, where it is named by itself."""

from collections.abc import Iterable

from dashscope_ftlogs.archive.object_store.bucket import Bucket, Listed, NotThereError
from dashscope_ftlogs.archive.object_store.commits import number_of
from dashscope_ftlogs.archive.object_store.url import StoreURL
from dashscope_ftlogs.archive.store import MARK, OF_PROFILE, has_lost_mark, is_of_profile, unmarked
from dashscope_ftlogs.client.settings.config_file import is_profile_name
from dashscope_ftlogs.errors import ManifestError, StoreDeniedError


def profile_of(bucket: Bucket) -> str:
    """Return the name of a profile, or nothing; blocks."""
    name = bucket.url.name
    return name if is_of_profile(name, lambda _: _is_empty(bucket, OF_PROFILE)) else ""


async def profile_around(bucket: Bucket) -> StoreURL | None:
    """Return the folder with a profile's logs that a place is, or lies in."""
    url = bucket.url
    while url.name:
        if is_profile_name(url.name) and await _is_marked(Bucket(url), named=url == bucket.url):
            return url
        url = url.around
    return None


async def _is_marked(bucket: Bucket, *, named: bool) -> bool:
    try:
        return await bucket.aget(OF_PROFILE) == b""
    except NotThereError:
        return False
    except StoreDeniedError:
        if named:
            raise
        return False  # who may only use a part of a bucket is denied what lies around it


def was_written_to(bucket: Bucket) -> bool:
    """Whether a download has ever written there; blocks."""
    return _is_empty(bucket, MARK)


def _is_empty(bucket: Bucket, mark: str) -> bool:
    """Whether a mark is there: what answers anything to everything is no storage."""
    try:
        return bucket.get(mark) == b""
    except NotThereError:
        return False


def is_profiles(folder: str, listed: Iterable[Listed]) -> bool:
    """Whether a folder, by what is in it, is no log's, but a profile's."""
    return is_of_profile(folder, lambda _: _holds(listed, OF_PROFILE))


def unmarked_folder(bucket: Bucket, folder: str, listed: Iterable[Listed]) -> ManifestError | None:
    """Return what to say of a folder that holds logs, if nothing says any more that it is a profile's.

    Blocks, where it may be an archive of its own.
    """
    within = (one.name.split("/") for one in listed)
    lost = has_lost_mark(
        folder,
        marked=_holds(listed, OF_PROFILE),
        holds_logs=any(len(path) == 2 and number_of(path[1]) for path in within),
        are_apart=lambda: _holds(listed, MARK) and was_written_to(bucket),
    )
    if not lost:
        return None
    return unmarked(f"{bucket.url}/{folder}", "put an empty object of that name there")


def _holds(listed: Iterable[Listed], name: str) -> bool:
    return any(one.name == name for one in listed)
