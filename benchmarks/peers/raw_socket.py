"""A limit: no HTTP library and no JSON parser. Bodies are only split into lines, which is of no use."""

import re
import socket
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import urlsplit

LOGS = re.compile(rb'"total":(\d+),"logs":\[')


def read(base_url: str, jobs: list[str], _concurrency: int, got: Callable[[int], None]) -> None:
    url = urlsplit(base_url)
    with (
        socket.create_connection((url.hostname, url.port)) as connection,
        connection.makefile("rb", 2**18) as answers,
    ):
        for job in jobs:
            offset, total = 0, 1
            while offset < total:
                path = f"{url.path}/fine-tunes/{job}/logs?offset={offset}&line=1000"
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                body = answers.read(length_of_next(answers))
                if (start := LOGS.search(body)) is None:
                    raise ValueError("no page")
                lines = body[start.end() :].split(b'","')
                offset, total = offset + len(lines), int(start[1])
                got(len(lines))


def length_of_next(answers: BinaryIO) -> int:
    """Read the head of an answer; return the length of its body."""
    length = 0
    while (line := answers.readline()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line[15:])
    return length
