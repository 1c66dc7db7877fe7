"""What a request costs that simply succeeds, behind `session.page()` and behind a bare loop.

aiohttp is replaced by an object that has the answer at hand, so nothing is left but what surrounds it.
Prints microseconds of processor time as JSON, for so many requests and rounds.

    cd benchmarks && python -m one_request 20000 10
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Self

import msgspec
from peers import KEY
from peers.bare import Answer
from servers.pages import body
from yarl import URL

from dashscope_ftlogs import LogSession

BASE_URL = "http://127.0.0.1:9/api/v1"
BODY = body(["{'loss': 1.0}"], 1_000_000)


class Answered:
    """An answer of aiohttp's and its body, as far as they are used here."""

    status = 200
    headers: dict[str, str] = {}  # noqa: RUF012  (never written to)

    def __init__(self) -> None:
        self.content, self.closed = self, False

    def at_eof(self) -> bool:
        return self.closed

    async def readany(self) -> bytes:
        chunk, self.closed = b"" if self.closed else BODY, True
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()


class Canned:
    """An aiohttp session, as far as it is used here."""

    closed = False

    def get(self, url: str | URL, **_: object) -> Answered:
        URL(url)  # as aiohttp does
        return Answered()


async def ours(requests: int) -> None:
    client: Any = Canned()
    async with LogSession(KEY, base_url=BASE_URL, client_session=client) as session:
        for offset in range(requests):
            await session.page("ft-1", offset, 1000)


async def bare(requests: int) -> None:
    client = Canned()
    for offset in range(requests):
        url = f"{BASE_URL}/fine-tunes/ft-1/logs?offset={offset}&line=1000"
        async with client.get(url, headers={"Authorization": f"Bearer {KEY}"}) as response:
            chunks = []
            while chunk := await response.readany():
                chunks.append(chunk)
            msgspec.json.decode(b"".join(chunks), type=Answer)


WAYS: dict[str, Callable[[int], Awaitable[None]]] = {"page()": ours, "bare": bare}


def microseconds(way: Callable[[int], Awaitable[None]], requests: int) -> float:
    begin = time.process_time()
    asyncio.run(way(requests))
    return (time.process_time() - begin) / requests * 1e6


if __name__ == "__main__":
    requests, rounds = map(int, sys.argv[1:])
    print(
        json.dumps(
            [
                {name: {"microseconds": microseconds(way, requests)} for name, way in WAYS.items()}
                for _ in range(rounds)
            ]
        )
    )
