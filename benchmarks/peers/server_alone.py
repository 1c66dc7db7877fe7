"""How fast the server can go: pages are asked for ahead, and what comes is thrown away."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from peers.raw_socket import LOGS, length_of_next

AHEAD = 8


def read(base_url: str, jobs: list[str], _concurrency: int, got: Callable[[int], None]) -> None:
    url = urlsplit(base_url)
    with (
        socket.create_connection((url.hostname, url.port)) as connection,
        connection.makefile("rb", 2**18) as answers,
    ):

        def ask(page: int) -> None:
            path = f"{url.path}/fine-tunes/{jobs[0]}/logs?offset={page * 1000}&line=1000"
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

        ask(0)
        if (first := LOGS.search(answers.read(length_of_next(answers)))) is None:
            raise ValueError("no page")
        got(1000)
        pages = int(first[1]) // 1000
        for page in range(1, min(AHEAD, pages)):
            ask(page)
        bin_ = memoryview(bytearray(2**20))
        for page in range(1, pages):
            if page + AHEAD - 1 < pages:
                ask(page + AHEAD - 1)
            answers.readinto(bin_[: length_of_next(answers)])
            got(1000)
