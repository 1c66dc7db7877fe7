"""A small object storage on this machine, that speaks as much of S3's dialect as is needed, or of OSS's.

It keeps everything in memory, writes down what it was asked, has a clock that tests can set, and fails
where a test says so. The servers that nobody here wrote have a session of their own: tests/object_store.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from xml.sax.saxutils import escape

import attrs
from aiohttp import web

KEY_ID, SECRET = "AKIDSMALLSTORE01", "wJalrSmallStoreSecretKey7EXAMPLE"
PAGE = 1000
KEYS = re.compile(r"<Key>(.*?)</Key>")

Fault = int | Literal["drop", "hang", "lose the answer", "skewed", "a page"]


@attrs.define
class Stored:
    data: bytes
    modified: datetime


@attrs.define
class SmallStore:
    """A bucket. What writes over objects is `versioned`, of OSS's dialect, or `naive`, of S3's."""

    dialect: Literal["s3", "oss", "versioned", "naive"] = "s3"
    objects: dict[str, Stored] = attrs.Factory(dict[str, Stored])
    requests: list[tuple[str, str]] = attrs.Factory(list[tuple[str, str]])
    headers: list[dict[str, str]] = attrs.Factory(list[dict[str, str]])
    fault: Callable[[str, str], Fault | None] = lambda _method, _path: None
    shifted: timedelta = timedelta()
    """How far its clock is ahead."""
    port: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        if self.dialect in {"oss", "versioned"}:
            names = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_ENDPOINT")
        else:
            names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL")
        return dict(zip(names, (KEY_ID, SECRET, self.endpoint), strict=True))

    @property
    def url(self) -> str:
        return f"{'oss' if self.dialect in {'oss', 'versioned'} else 's3'}://bucket/logs"

    def names(self, folder: str = "") -> list[str]:
        """What is below a folder of the archive, but for the marks of the archive itself."""
        begin = f"bucket/logs/{folder}"
        found = sorted(name.removeprefix(begin) for name in self.objects if name.startswith(begin))
        return [name for name in found if not name.startswith(".ftlogs")]

    def path(self, name: str) -> str:
        """The key of the one object whose name begins so."""
        (found,) = (key for key in self.objects if key.startswith(f"bucket/logs/{name}"))
        return found

    def counted(self, method: str, what: str = "") -> int:
        return sum(one == method and what in path for one, path in self.requests)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        method, path = request.method, request.path.strip("/")
        query = f"?{request.query_string}" if request.query_string else ""
        self.requests.append((method, path + query))
        self.headers.append(dict(request.headers))
        data = await request.read()
        fault = self.fault(method, path + query)
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault in {"drop", "lose the answer"}:
            if fault == "lose the answer":
                self._done(request, path, data)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault == "skewed":
            return failure(403, "RequestTimeTooSkewed", f"{SECRET} was told so")
        if fault == "a page":
            return web.Response(text="<html>Log in to this network</html>", content_type="text/html")
        if isinstance(fault, int):
            return failure(fault, "Told", f"{SECRET} was told so \x1b[2J")
        if KEY_ID not in request.headers.get("Authorization", ""):
            return failure(403, "AccessDenied")
        return self._done(request, path, data)

    def _done(self, request: web.Request, path: str, data: bytes) -> web.Response:
        bucket = path.partition("/")[0]
        if bucket != "bucket":
            return failure(404, "NoSuchBucket")
        match request.method:
            case "GET" if "list-type" in request.query:
                return self._list(bucket, request.query)
            case "POST":
                return self._delete([f"{bucket}/{key}" for key in KEYS.findall(data.decode())])
            case "DELETE":
                return self._delete([path])
            case "PUT":
                return self._put(request, path, data)
            case _:
                return self._get(request, path)

    def _delete(self, paths: list[str]) -> web.Response:
        for path in paths:
            self.objects.pop(path, None)
        keys = [path.partition("/")[2] for path in paths]
        done = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return web.Response(text=f"<DeleteResult>{done}</DeleteResult>")

    def _put(self, request: web.Request, path: str, data: bytes) -> web.Response:
        refused = self._refused(request, path)
        if refused is None:
            self.objects[path] = Stored(data, self.now())
        return refused or web.Response(headers={"ETag": '"1"'})

    def _get(self, request: web.Request, path: str) -> web.Response:
        if path not in self.objects:
            return failure(404, "NoSuchKey")
        found = self.objects[path]
        when = found.modified.strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"ETag": '"1"', "Last-Modified": when, "Content-Length": str(len(found.data))}
        if "Range" not in request.headers:
            return web.Response(body=found.data, headers=headers)
        part, size = request.http_range, len(found.data)
        begin, end, _ = slice(part.start, part.stop).indices(size)
        headers |= {
            "Content-Range": f"bytes {begin}-{end - 1}/{size}",
            "Content-Length": f"{end - begin}",
        }
        return web.Response(status=206, body=found.data[begin:end], headers=headers)

    def now(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0) + self.shifted

    def _refused(self, request: web.Request, path: str) -> web.Response | None:
        if self.dialect == "s3" and "If-None-Match" in request.headers and path in self.objects:
            return failure(412, "PreconditionFailed")
        if self.dialect in {"oss", "versioned"}:
            if "If-None-Match" in request.headers or "If-Match" in request.headers:
                return failure(501, "NotImplemented")
            forbidden = request.headers.get("x-oss-forbid-overwrite") == "true"
            if self.dialect == "oss" and forbidden and path in self.objects:
                return failure(409, "FileAlreadyExists")
        return None

    def _list(self, bucket: str, query: Any) -> web.Response:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        begin = query.get("continuation-token", query.get("start-after", ""))
        keys = sorted(name.removeprefix(f"{bucket}/") for name in self.objects)
        entries: dict[str, str] = {}
        for key in keys:
            if key.startswith(prefix) and key > begin:
                rest = key[len(prefix) :]
                cut = rest.find(delimiter) if delimiter else -1
                if cut >= 0:
                    common = escape(prefix + rest[: cut + 1])
                    entries[common] = f"<CommonPrefixes><Prefix>{common}</Prefix></CommonPrefixes>"
                else:
                    one = self.objects[f"{bucket}/{key}"]
                    entries[key] = (
                        f"<Contents><Key>{escape(key)}</Key><Size>{len(one.data)}</Size><ETag>1</ETag>"
                        f"<LastModified>{one.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
                    )
        told = dict(list(entries.items())[:PAGE])
        more = len(entries) > PAGE
        token = f"<NextContinuationToken>{list(told)[-1]}</NextContinuationToken>" if more else ""
        return web.Response(
            text=f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
            f"{''.join(told.values())}</ListBucketResult>",
            content_type="application/xml",
        )

    @contextmanager
    def serving(self) -> Iterator["SmallStore"]:
        """Serve in a thread of its own."""
        ready, loop = threading.Event(), asyncio.new_event_loop()
        stop = asyncio.Event()

        async def serve() -> None:
            app = web.Application(client_max_size=2**30)
            app.router.add_route("*", "/{path:.*}", self.answer)
            runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            ready.set()
            await stop.wait()
            await runner.cleanup()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


def failure(status: int, code: str, message: str = "") -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return web.Response(status=status, text=body, content_type="application/xml")
