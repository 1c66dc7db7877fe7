"""Ways to ask an emulator: plain HTTP, and bare bytes where a library would hide things."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import attrs
import pytest
from yarl import URL

from dashscope_ftlogs.emulator import Emulator


@attrs.frozen
class Got:
    """An answer, as it came."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[str]:
        assert self.status == 200, self.body
        return self.json["output"]["logs"]

    @property
    def total(self) -> int:
        return self.json["output"]["total"]


Ask = Callable[..., Awaitable[Got]]
Bytes = Callable[..., Awaitable[bytes]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Ask for the log of ft-1, or what else is named."""
    # Nothing is decompressed or followed: a test sees what was sent.
    async with aiohttp.ClientSession(auto_decompress=False) as client:

        async def get(
            emulator: Emulator,
            path: str = "/fine-tunes/ft-1/logs",
            *,
            method: str = "GET",
            headers: dict[str, str] | None = None,
            **query: Any,
        ) -> Got:
            url = URL(emulator.base_url + path, encoded=True).update_query(query)
            key = {"Authorization": f"Bearer {emulator.api_key}", "Accept-Encoding": "identity"}
            async with client.request(
                method, url, headers={**key, **(headers or {})}, allow_redirects=False
            ) as response:
                return Got(response.status, response.headers, await response.read())

        yield get


@pytest.fixture
def wire() -> Bytes:
    """Ask for the log of ft-1 and return all bytes until the connection ends."""

    async def get(emulator: Emulator, *, limit: int = -1) -> bytes:
        reader, writer = await connected(emulator)
        try:
            return await (reader.read() if limit < 0 else reader.readexactly(limit))
        finally:
            writer.close()

    return get


@pytest.fixture
def connect_bare() -> Callable[[Emulator], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Ask for the log of ft-1 and return the connection, nothing read yet."""
    return connected


async def connected(emulator: Emulator) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = URL(emulator.base_url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        b"GET %b/fine-tunes/ft-1/logs HTTP/1.1\r\nHost: emulator\r\nConnection: close\r\n"
        b"Authorization: Bearer %b\r\n\r\n" % (url.path.encode(), emulator.api_key.encode())
    )
    return reader, writer


@attrs.define
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait, at most 5 seconds, for what another task is about to do."""

    async def wait(done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                await asyncio.sleep(0.001)

    return wait
