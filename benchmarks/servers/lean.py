"""A server that costs next to nothing: ready-made answers, written by an asyncio protocol.

It serves one log under any job id, but for `ft-LINES`, if it is told to have a log of so many, too. On
request it answers late, refuses what comes too fast, works on so many requests at once while the others
queue, or sends all answers one after the other over a link of so many bits a second, gzipped for whoever
takes that. Prints its port, then serves until its standard input is closed. `GET /counts` tells what it
did.

    cd benchmarks && python -m servers.lean --total 1000000 --latency 0.05
"""

import argparse
import asyncio
import gzip
import heapq
import json
import re
import sys

from servers.pages import Log, make_log

REQUEST = re.compile(rb"GET [^ ?]*/(?:counts|ft-([^ ?/]*)/logs\?offset=(\d+)&line=\d+) HTTP/1\.1\r\n")
GZIP = re.compile(rb"\r\naccept-encoding:[^\r]*\bgzip\b", re.IGNORECASE)
BURST = 5
"""Requests that are granted at once after a rest."""
SERVING = 0.005
"""Seconds of work on one request, where only so many are worked on at once."""


def response(status: str, body: bytes, *more: str) -> bytes:
    """Return a whole answer."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *more, "", ""]).encode() + body


class Site:
    """What all connections share."""

    def __init__(
        self,
        logs: list[Log],
        *,
        latency: float,
        per_second: float,
        bits_per_second: float,
        at_once: int,
    ) -> None:
        self.log = logs[0]
        self.by_job = {b"%d" % log.total: log for log in logs}
        self.latency = latency
        self.per_second = per_second
        self.bytes_per_second = bits_per_second / 8
        self.requests = self.refused = self.sent = 0
        self.plain = {
            page: response("200 OK", page) for log in logs for page in (*log.pages, log.beyond)
        }
        self.gzipped = {
            page: response("200 OK", gzip.compress(page, 6), "Content-Encoding: gzip")
            for page in self.plain
            if bits_per_second
        }
        refusal = {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded."}
        self.refusal = response("429 Too Many Requests", json.dumps(refusal).encode())
        self._tokens, self._counted_at = float(BURST), 0.0
        self._free_at = 0.0
        self._done_at = [0.0] * at_once
        """When each of those who work on requests is done with the last one that it was given."""

    def answer(self, head: bytes, now: float) -> tuple[bytes, float]:
        """Return the answer to a request, and when it has arrived."""
        request = REQUEST.match(head)
        if request is None:
            return response("404 Not Found", b"{}"), now
        if request[2] is None:
            counts = {"requests": self.requests, "refused": self.refused, "sent": self.sent}
            return response("200 OK", json.dumps(counts).encode()), now
        self.requests += 1
        if self.per_second and not self._permitted(now):
            self.refused += 1
            return self.refusal, now + self.latency
        page = self.by_job.get(request[1], self.log).at(int(request[2]))
        compress = self.bytes_per_second and GZIP.search(head)
        whole = (self.gzipped if compress else self.plain)[page]
        self.sent += len(whole)
        return whole, self._carried(len(whole), self._worked_out(now))

    def _permitted(self, now: float) -> bool:
        self._tokens = min(BURST, self._tokens + (now - self._counted_at) * self.per_second)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _worked_out(self, now: float) -> float:
        """Return when the answer is at the client, if the link carries it at once."""
        if not self._done_at:
            return now + self.latency
        there = now + self.latency / 2
        done = max(there, self._done_at[0]) + SERVING
        heapq.heapreplace(self._done_at, done)
        return done + self.latency / 2

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
    parser.add_argument("--total", type=int, nargs="+", required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--per-second", type=float, default=0.0)
    parser.add_argument("--bits-per-second", type=float, default=0.0)
    parser.add_argument("--at-once", type=int, default=0)
    options = parser.parse_args()
    loop = asyncio.get_running_loop()
    site = Site(
        [make_log(total) for total in options.total],
        latency=options.latency,
        per_second=options.per_second,
        bits_per_second=options.bits_per_second,
        at_once=options.at_once,
    )
    server = await loop.create_server(lambda: Connection(site), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
