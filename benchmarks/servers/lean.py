"""A server that costs next to nothing: ready-made answers, written by an asyncio protocol.

It serves one log under any job id. On request it answers late, refuses what comes too fast, or sends
all answers one after the other over a link of so many bits a second, gzipped for whoever takes that.
Prints its port, then serves until its standard input is closed. `GET /counts` tells what it did.

    cd benchmarks && python -m servers.lean --total 1000000 --latency 0.05
"""

import argparse
import asyncio
import gzip
import json
import re
import sys

from servers.pages import Log, make_log

REQUEST = re.compile(rb"GET [^ ?]*(?:/counts|\?offset=(\d+)&line=(\d+)) HTTP/1\.1\r\n")
GZIP = re.compile(rb"\r\naccept-encoding:[^\r]*\bgzip\b", re.IGNORECASE)
BURST = 5
"""Requests that are granted at once after a rest."""


def response(status: str, body: bytes, *more: str) -> bytes:
    """Return a whole answer."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *more, "", ""]).encode() + body


class Site:
    """What all connections share."""

    def __init__(self, log: Log, latency: float, per_second: float, bits_per_second: float) -> None:
        self.log = log
        self.latency = latency
        self.per_second = per_second
        self.bytes_per_second = bits_per_second / 8
        self.requests = self.refused = self.sent = 0
        self.plain = {page: response("200 OK", page) for page in (*log.pages, log.beyond)}
        self.gzipped = {
            page: response("200 OK", gzip.compress(page, 6), "Content-Encoding: gzip")
            for page in self.plain
            if bits_per_second
        }
        refusal = {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded."}
        self.refusal = response("429 Too Many Requests", json.dumps(refusal).encode())
        self._tokens, self._counted_at = float(BURST), 0.0
        self._free_at = 0.0

    def answer(self, head: bytes, now: float) -> tuple[bytes, float]:
        """Return the answer to a request, and when it has arrived."""
        request = REQUEST.match(head)
        if request is None:
            return response("404 Not Found", b"{}"), now
        if request[1] is None:
            counts = {"requests": self.requests, "refused": self.refused, "sent": self.sent}
            return response("200 OK", json.dumps(counts).encode()), now
        self.requests += 1
        if self.per_second and not self._permitted(now):
            self.refused += 1
            return self.refusal, now + self.latency
        page = self.log.at(int(request[1]))
        compress = self.bytes_per_second and GZIP.search(head)
        whole = (self.gzipped if compress else self.plain)[page]
        self.sent += len(whole)
        return whole, self._carried(len(whole), now + self.latency)

    def _permitted(self, now: float) -> bool:
        self._tokens = min(BURST, self._tokens + (now - self._counted_at) * self.per_second)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _carried(self, size: int, now: float) -> float:
        """Return when `size` bytes have passed the link, after all those before them."""
        if not self.bytes_per_second:
            return now
        self._free_at = max(now, self._free_at) + size / self.bytes_per_second
        return self._free_at


class Connection(asyncio.Protocol):
    """One of them; requests are answered in their order."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        loop = asyncio.get_running_loop()
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, self.received = self.received[: end + 4], self.received[end + 4 :]
            whole, at = self.site.answer(head, now := loop.time())
            if at > now:
                loop.call_at(at, self.transport.write, whole)
            else:
                self.transport.write(whole)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--total", type=int, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--per-second", type=float, default=0.0)
    parser.add_argument("--bits-per-second", type=float, default=0.0)
    options = parser.parse_args()
    loop = asyncio.get_running_loop()
    log = make_log(options.total)
    site = Site(log, options.latency, options.per_second, options.bits_per_second)
    server = await loop.create_server(lambda: Connection(site), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
