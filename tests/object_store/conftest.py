"""Object storage that nobody here wrote, on this machine: SeaweedFS, and moto, which stands in for S3.

OSS can't be had here. What it does otherwise than S3 is done by a proxy before SeaweedFS: it knows no
conditional requests, but has a header with which nothing is overwritten.
"""

import asyncio
import json
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import boto3
import pytest
from aiohttp import web

KEY_ID, SECRET = "AKIDOBJECTSTORE1", "wJalrObjectStoreSecret7EXAMPLE"


@attrs.frozen
class Storage:
    """A bucket of its own for each test, and how the environment names it."""

    kind: str
    endpoint: str

    @property
    def url(self) -> str:
        return f"{self.kind}://bucket/{secrets.token_hex(8)}"

    @property
    def environ(self) -> dict[str, str]:
        names = {
            "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"),
            "oss": ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_ENDPOINT"),
        }[self.kind]
        return dict(zip(names, (KEY_ID, SECRET, self.endpoint), strict=True))


def free_ports(count: int) -> list[int]:
    with_sockets = [socket.socket() for _ in range(count)]
    for one in with_sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in with_sockets]
    for one in with_sockets:
        one.close()
    return ports


def bucket_at(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    """Make the bucket, as soon as somebody answers."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    for _ in range(600):
        assert process.poll() is None
        try:
            client.create_bucket(Bucket="bucket")
        except Exception:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(endpoint)


@contextmanager
def running(*words: str, folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    folder = tmp_path_factory.mktemp("seaweedfs")
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    # Each has one for gRPC, too, 10,000 above its own by default.
    names = ("s3.port", "master.port", "volume.port", "filer.port")
    ports = free_ports(8)
    where = [f"-{name}={port}" for name, port in zip(names, ports, strict=False)]
    where += [f"-{name}.grpc={port}" for name, port in zip(names, ports[4:], strict=True)]
    words = (
        *("server", "-s3", "-s3.config=s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=."),
        *("-master.volumeSizeLimitMB=128", "-volume.max=30"),
    )
    with running(program("weed"), *words, *where, folder=folder) as process:
        endpoint = f"http://127.0.0.1:{ports[0]}"
        bucket_at(endpoint, process)
        yield Storage("s3", endpoint)


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("moto")
    with running(program("moto_server"), "-H", "127.0.0.1", "-p", str(port), folder=folder) as process:
        endpoint = f"http://127.0.0.1:{port}"
        bucket_at(endpoint, process)
        yield Storage("s3", endpoint)


@pytest.fixture(scope="session")
def oss(seaweedfs: Storage) -> Iterator[Storage]:
    with oss_dialect(seaweedfs.endpoint) as endpoint:
        yield Storage("oss", endpoint)


@contextmanager
def oss_dialect(behind: str) -> Iterator[str]:
    """Serve another storage as OSS would."""
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    at: list[str] = []
    alone = asyncio.Lock()

    async def answer(request: web.Request) -> web.Response:
        if {"If-None-Match", "If-Match"} & set(request.headers):
            return web.Response(status=501, text="<Error><Code>NotImplemented</Code></Error>")
        if request.headers.get("x-oss-forbid-overwrite") != "true":
            return await passed_on(request)
        async with alone:
            # Nobody but this proxy writes there.
            if request.path in created:
                return web.Response(status=409, text="<Error><Code>FileAlreadyExists</Code></Error>")
            done = await passed_on(request)
            if done.status == 200:
                created.add(request.path)
            return done

    created: set[str] = set()

    async def passed_on(request: web.Request) -> web.Response:
        # Signed is the name of the host that was asked for.
        async with client.request(
            request.method,
            behind + request.raw_path,
            headers=request.headers,
            data=await request.read(),
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
        ) as said:
            headers = {
                name: value
                for name, value in said.headers.items()
                if name.lower()
                not in {"content-length", "transfer-encoding", "content-encoding", "date"}
            }
            data = await said.read()
            if request.method == "HEAD":
                headers["Content-Length"] = said.headers["Content-Length"]
            return web.Response(status=said.status, headers=headers, body=data)

    async def serve() -> None:
        nonlocal client
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            at.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
            ready.set()
            await stop.wait()
            await runner.cleanup()

    client: Any = None
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield at[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(params=["seaweedfs", "moto", "oss"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Each of them in turn."""
    found: Storage = request.getfixturevalue(request.param)
    return used(found, monkeypatch)


@pytest.fixture
def one_storage(seaweedfs: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The one that is quick."""
    return used(seaweedfs, monkeypatch)


def used(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    for name, said in storage.environ.items():
        monkeypatch.setenv(name, said)
    return storage


Start = Callable[..., Any]
