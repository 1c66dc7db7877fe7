"""Object storage as what a download writes to. Nobody is kept out: commits decide between writers."""

from contextlib import suppress
from typing import Final, Self

from dashscope_ftlogs.archive.manifest import stem
from dashscope_ftlogs.archive.object_store.bucket import AlreadyThereError, Bucket
from dashscope_ftlogs.archive.object_store.chain import Chain
from dashscope_ftlogs.archive.object_store.object_log import Shared
from dashscope_ftlogs.archive.object_store.object_place import ObjectPlace
from dashscope_ftlogs.archive.object_store.profile_folder import profile_around
from dashscope_ftlogs.archive.store import MARK, OF_PROFILE, refuse_beside_profiles, refuse_folder_of
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
            await self._refuse_beside_profiles()
            await self._mark_folder_of_profile()
            await self._bucket.amark()
        except BaseException:
            await self.__aexit__()
            raise
        return self  # pragma: no cover  (3.11 tells no tracer: it follows an awaited exception)

    async def _refuse_folder_of_profile(self) -> None:
        if (folder := await profile_around(self._named)) is not None:
            refuse_folder_of(folder.name, self._named.url, folder.around)

    async def _refuse_beside_profiles(self) -> None:
        """Refuse that as far as the first names around it tell: marks of profiles come early."""
        url = self._named.url
        if not self._is_profiles or not url.prefix:
            return
        names = {one.name for one in await self._bucket.alisted("")}
        if MARK in names:  # pragma: no branch  (3.11 tells no tracer: it follows an await)
            return
        with suppress(StoreDeniedError):  # who may use this prefix need not be permitted to list others
            for one in await Bucket(url.around).alisted(""):
                folder, _, name = one.name.partition("/")
                if name == OF_PROFILE and is_profile_name(folder):
                    refuse_beside_profiles(url, url.around)

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
