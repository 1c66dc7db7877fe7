"""Object storage as what a download writes to. Nobody is kept out: commits decide between writers."""

from collections.abc import Collection
from contextlib import suppress
from typing import Final, Self

from dashscope_ftlogs.archive.manifest import stem
from dashscope_ftlogs.archive.object_store.bucket import AlreadyThereError, Bucket, NotThereError
from dashscope_ftlogs.archive.object_store.chain import Chain
from dashscope_ftlogs.archive.object_store.object_log import Shared
from dashscope_ftlogs.archive.object_store.object_place import ObjectPlace
from dashscope_ftlogs.archive.object_store.profile_folder import profile_around
from dashscope_ftlogs.archive.object_store.remote_logs import is_from_disk
from dashscope_ftlogs.archive.store import (
    MARK,
    OF_PROFILE,
    copied,
    refuse_beside_profiles,
    refuse_folder_of,
)
from dashscope_ftlogs.archive.threads import Threads
from dashscope_ftlogs.client.settings.config_file import is_profile_name
from dashscope_ftlogs.errors import StoreDeniedError

_THREADS: Final = 2
"""How many objects are hashed and compressed at the same time."""


class RemoteStore:
    """An archive on object storage.

    Args:
        bucket: Where it is.
        profile: In whose folder of it the logs are; empty for nobody's.
        patience: Seconds for which a cancelled download goes on with its last commits.
    """

    # A commit is an object for good, so there should not be many.
    first_commit_after = 60.0
    commit_every = 60.0

    def __init__(self, bucket: Bucket, profile: str = "", *, patience: float = 10.0) -> None:
        self._named = bucket
        self._bucket = Bucket(bucket.url.folder(profile)) if profile else bucket
        self._is_profiles = bool(profile)
        self._shared = Shared(patience)
        self._threads = Threads(_THREADS)

    async def __aenter__(self) -> Self:
        try:
            await self._refuse_folder_of_profile()
            if (
                not await self._is_marked()
            ):  # pragma: no branch  (3.11 tells no tracer: an awaited exception)
                await self._refuse_what_is_there()
            await self._mark_folder_of_profile()
            await self._bucket.amark()
        except BaseException:
            await self.__aexit__()
            raise
        return self  # pragma: no cover  (3.11 tells no tracer: it follows an awaited exception)

    async def _refuse_folder_of_profile(self) -> None:
        if (folder := await profile_around(self._named)) is not None:
            refuse_folder_of(folder.name, self._named.url, folder.around)

    async def _refuse_what_is_there(self) -> None:
        """Refuse what is no place for a new archive, as far as the first names there and around tell."""
        for place in [self._bucket, self._named][: 1 + self._is_profiles]:
            with suppress(StoreDeniedError):  # who may use a prefix need not be permitted to list it all
                if _are_from_disk({one.name for one in await place.alisted("")}):
                    raise copied(self._named.url, "disk", "in a bucket")
        url = self._named.url
        if not self._is_profiles or not url.prefix:
            return
        with suppress(StoreDeniedError):
            for one in await Bucket(url.around).alisted(""):
                folder, _, name = one.name.partition("/")
                if name == OF_PROFILE and is_profile_name(folder):
                    refuse_beside_profiles(url, url.around)

    async def _is_marked(self) -> bool:
        try:
            return await self._bucket.aget(MARK) == b""
        except NotThereError:
            return False

    async def _mark_folder_of_profile(self) -> None:
        if self._is_profiles:
            with suppress(AlreadyThereError):
                await self._bucket.acreate(OF_PROFILE, b"")

    async def __aexit__(self, *_: object) -> None:
        self._threads.__exit__()

    async def check(self) -> None:
        """Do nothing: a bucket that goes away refuses the next request."""

    def place(self, job_id: str) -> ObjectPlace:
        """Return where a job's log is."""
        chain = Chain(stem(job_id), self._bucket, self._threads.next())
        return ObjectPlace(chain, self._shared)

    def name_of(self, file: str) -> str:
        """Return the URL of a log."""
        return f"{self._bucket.url}/{file}"


def _are_from_disk(names: Collection[str]) -> bool:
    """Whether these are of an archive that was copied from disk, or of a profile's folder of one."""
    parted = [name.rpartition("/") for name in names]
    profiles = {folder for folder, _, name in parted if name == OF_PROFILE and is_profile_name(folder)}
    return any(
        is_from_disk(name) and f"{folder}{slash}{MARK}" not in names
        for folder, slash, name in parted
        if not folder or folder in profiles
    )
