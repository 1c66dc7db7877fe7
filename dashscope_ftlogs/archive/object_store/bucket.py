"""Object storage, by the library that speaks to it; what fails there is told in our words.

The library's own messages repeat URLs, and bodies that anyone may have written, so none of them is
passed on: an error is told by its class and by the number of the HTTP status alone.
"""

import atexit
import os
import re
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, Final, NoReturn

import attrs

from dashscope_ftlogs.archive.object_store.process_end import let_threads_leave
from dashscope_ftlogs.archive.object_store.settings import Settings, settings
from dashscope_ftlogs.archive.object_store.url import StoreURL
from dashscope_ftlogs.archive.store import MARK
from dashscope_ftlogs.errors import (
    ArchivePathError,
    ArchiveStoreError,
    ConfigError,
    StoreDeniedError,
    StoreNotFoundError,
)

AT_ONCE: Final = 8
"""So many requests of one reader are under way, so that it need not wait for one after the other."""

_PAGE: Final = 1000
"""So many names come with one answer."""
_CHUNK: Final = 2**20
_STATUS: Final = re.compile(r"status code: (\d{3})\b")
_SKEWED: Final = "RequestTimeTooSkewed"
"""As S3 and OSS call it."""
_REFUSED: Final = frozenset({401, 403})

_RETRY: Final[Mapping[str, Any]] = {
    "max_retries": 6,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=10),
        "base": 2,
    },
}
_CLIENT: Final[Mapping[str, Any]] = {"connect_timeout": "5s", "timeout": "2min"}
# To which nothing goes: it takes the place of what the environment names, and that could read all of it.
_NO_PROXY: Final[Mapping[str, Any]] = {
    "proxy_url": "http://127.0.0.1:9",
    "proxy_excludes": "127.0.0.0/8,::1,localhost",
}

atexit.register(let_threads_leave)


class AlreadyThereError(Exception):
    """There is an object of that name."""


class NotThereError(ArchiveStoreError):
    """There is no object of that name."""


@attrs.frozen
class Listed:
    """An object of a folder."""

    name: str
    """Within the folder, with those that are nested in it."""
    modified: datetime
    """By the storage's own clock."""


class Bucket:
    """Where the objects of an archive are. What begins with `a` is awaited, the rest blocks."""

    def __init__(self, url: StoreURL, environ: Mapping[str, str] = os.environ) -> None:
        self.url = url
        try:
            self._library: Any = import_module("obstore")
            stores: Any = import_module("obstore.store")
        except ModuleNotFoundError:
            raise ConfigError(
                "archives on object storage need obstore, which is not installed: "
                "pip install 'dashscope-ftlogs[object-store]'"
            ) from None
        self._errors: Any = self._library.exceptions
        how = settings(url, environ)
        headers = {how.create_only_header: "true"} if how.create_only_header else {}
        self._store = self._made(stores, how, {})
        self._creating = self._made(stores, how, headers) if headers else self._store
        # What does not understand the standard header knows the one that goes with each request.
        self._mode = None if headers else "create"

    def _made(self, stores: Any, how: Settings, headers: Mapping[str, str]) -> Any:
        client = {**_CLIENT, "allow_http": how.allow_http, "default_headers": dict(headers)}
        if how.allow_http:
            client |= _NO_PROXY
        try:
            return getattr(stores, how.made_by)(
                self.url.bucket,
                prefix=self.url.prefix or None,
                client_options=client,
                retry_config=_RETRY,
                **how.options,
            )
        except (self._errors.BaseError, ValueError):
            _raise_alone(
                ConfigError(
                    f"cannot use {self.url} as the environment says: a variable of its kind of storage "
                    "is missing, or not what it should be"
                )
            )

    def folders(self, within: str | None = None) -> list[str]:
        """Return the names of the folders, or of those within one, sorted."""
        with self._in_our_words("list"):
            found = self._library.list_with_delimiter(self._store, within)
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    def names(self, within: str | None = None) -> list[str]:
        """Return the names of the objects that lie in no folder, or right in one."""
        with self._in_our_words("list"):
            found = self._library.list_with_delimiter(self._store, within)
        return [one["path"].rpartition("/")[2] for one in found["objects"]]

    def listed(self, folder: str) -> list[Listed]:
        """Return the first objects of a folder in the order of names, as many as one answer tells."""
        with self._in_our_words("list"):
            for page in self._library.list(self._store, folder, chunk_size=_PAGE):
                return _names(page, folder)
        return []

    async def alisted(self, folder: str) -> list[Listed]:
        """See `listed`."""
        with self._in_our_words("list"):
            async for page in self._library.list(self._store, folder, chunk_size=_PAGE):
                return _names(page, folder)
        return []

    def get(self, path: str) -> bytes:
        """Return an object.

        Raises:
            NotThereError: there is none.
        """
        with self._in_our_words("read"):
            return bytes(self._library.get(self._store, path).bytes())

    async def aget(self, path: str) -> bytes:
        """See `get`."""
        with self._in_our_words("read"):
            found = await self._library.get_async(self._store, path)
            return bytes(await found.bytes_async())

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield what an object holds, some at a time."""
        with self._in_our_words("read"):
            stream = self._library.get(self._store, path).stream(min_chunk_size=_CHUNK)
        while True:
            with self._in_our_words("read"):
                chunk = next(stream, None)
            if chunk is None:
                return
            yield bytes(chunk)

    async def achunks(self, path: str) -> AsyncGenerator[bytes, None]:
        """See `chunks`."""
        with self._in_our_words("read"):
            stream = (await self._library.get_async(self._store, path)).stream(min_chunk_size=_CHUNK)
        while True:
            with self._in_our_words("read"):
                chunk = await anext(stream, None)
            if chunk is None:
                return  # pragma: no cover  (3.11 tells no tracer: it follows an awaited exception)
            yield bytes(chunk)

    async def aput(self, path: str, data: bytes) -> None:
        """Put an object under a name that nobody else takes."""
        with self._in_our_words("write to"):
            await self._library.put_async(self._store, path, data, use_multipart=False)

    def create(self, path: str, data: bytes) -> None:
        """Put an object, unless there is one of that name.

        Raises:
            AlreadyThereError: there is.
        """
        with self._in_our_words("write to"):
            self._library.put(self._creating, path, data, mode=self._mode, use_multipart=False)

    async def acreate(self, path: str, data: bytes) -> None:
        """See `create`."""
        with self._in_our_words("write to"):
            await self._library.put_async(
                self._creating, path, data, mode=self._mode, use_multipart=False
            )

    async def aclaim(self, path: str, data: bytes) -> bool:
        """Create an object; return whether that is what is there, or somebody else's.

        A request whose answer was lost is sent once more, and finds what it made itself.
        """
        try:
            await self.acreate(path, data)
        except AlreadyThereError:
            return await self.aget(path) == data
        return True  # pragma: no cover  (3.11 tells no tracer: it follows an awaited exception)

    async def amark(self, name: str = MARK) -> None:
        """See that it may be written to, and that what is only to be created is never written over.

        Raises:
            ArchivePathError: it is.
        """
        try:
            await self.acreate(name, b"")
            await self.acreate(name, b"")
        except AlreadyThereError:
            return
        raise ArchivePathError(
            f"{self.url} writes over objects that are only to be created, so that two writers "
            "could lose lines: it knows no conditional writes, or, on OSS, the bucket keeps versions"
        )

    async def adelete(self, paths: list[str]) -> None:
        """Delete objects; those that are not there count as deleted."""
        with self._in_our_words("write to"):
            await self._library.delete_async(self._store, paths)

    async def atime(self, path: str) -> datetime:
        """Return the time by the storage's own clock, by an object that is put there for it."""
        with self._in_our_words("write to"):
            await self._library.put_async(self._store, path, b"", use_multipart=False)
            found: datetime = (await self._library.head_async(self._store, path))["last_modified"]
            return found

    @contextmanager
    def _in_our_words(self, doing: str) -> Generator[None]:
        try:
            yield
        except self._errors.AlreadyExistsError:
            _raise_alone(AlreadyThereError())
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                _raise_alone(self._told(404, doing))
            _raise_alone(NotThereError(f"cannot {doing} {self.url}: an object has gone"))
        except (self._errors.BaseError, OSError, ValueError) as error:
            status = _STATUS.search(str(error))
            refused = isinstance(
                error, self._errors.PermissionDeniedError | self._errors.UnauthenticatedError
            )
            code = int(status[1]) if status else 403 if refused else None
            _raise_alone(self._told(code, doing, skewed=_SKEWED in str(error)))

    def _told(self, status: int | None, doing: str, *, skewed: bool = False) -> ArchiveStoreError:
        """Return what to say of a failure."""
        what = f"cannot {doing} {self.url}"
        if skewed:
            denied = StoreDeniedError(f"{what}: this machine's clock is not the storage's")
            denied.advice = "Set the clock: by it, requests are signed for a short time only."
            return denied
        if status == 404:
            return StoreNotFoundError(f"{what}: there is no such bucket (HTTP 404)")
        if status in _REFUSED:
            return StoreDeniedError(f"{what}: access is denied (HTTP {status})")
        why = (
            "it can't be reached, or gave no proper answer"
            if status is None
            else f"it answers with HTTP {status}"
        )
        return ArchiveStoreError(f"{what}: {why}")


def _raise_alone(error: Exception) -> NoReturn:
    """Raise it without the library's own: who pickles or shows an error may take its context along."""
    try:
        raise error
    finally:
        error.__context__ = None


def _names(page: list[dict[str, Any]], folder: str) -> list[Listed]:
    return sorted(
        (Listed(one["path"].removeprefix(f"{folder}/"), one["last_modified"]) for one in page),
        key=lambda one: one.name,
    )
