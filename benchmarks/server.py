"""A server that costs next to nothing: ready-made pages, written by an asyncio protocol.

It answers `GET .../logs?offset=&line=` for one log of TOTAL lines, LATENCY seconds after each request.
Prints its port, then serves until its standard input is closed.

    python benchmarks/server.py --total 1000000 --latency 0.05
"""

import argparse
import asyncio
import json
import re
import sys
from functools import lru_cache

REQUEST = re.compile(rb"GET [^ ?]*\?offset=(\d+)&line=(\d+) HTTP/1\.1\r\n")
LINE = "{{'loss': 1.{n:04d}, 'grad_norm': 0.87{n:04d}, 'learning_rate': 9.8e-05, 'epoch': 0.{n:04d}}}"


@lru_cache
def answer(count: int, total: int) -> bytes:
    """Return a whole HTTP answer with `count` lines. All pages of a size are alike."""
    lines = [LINE.format(n=n) for n in range(count)]
    body = json.dumps(
        {"request_id": "c0ffee00-0000-0000-0000-000000000000", "output": {"total": total, "logs": lines}}
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Pages(asyncio.Protocol):
    """One connection."""

    def __init__(self, total: int, latency: float) -> None:
        self.total = total
        self.latency = latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            request = REQUEST.match(self.received)
            self.received = self.received[end + 4 :]
            if request is None:
                self.transport.close()
                return
            offset, line = int(request[1]), int(request[2])
            whole = answer(max(0, min(line, self.total - offset)), self.total)
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.transport.write, whole)
            else:
                self.transport.write(whole)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--total", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Pages(options.total, options.latency), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
