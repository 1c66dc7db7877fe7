"""A running server, as a case sees it: where it is, and what it was asked."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

BENCHMARKS = Path(__file__).parents[1]


@attrs.frozen
class Counts:
    """What a server did so far; nginx counts requests only."""

    requests: int
    refused: int = 0
    sent: int = 0
    """Bytes of answers, heads included."""

    def __sub__(self, earlier: "Counts") -> "Counts":
        return Counts(
            self.requests - earlier.requests, self.refused - earlier.refused, self.sent - earlier.sent
        )


@attrs.frozen
class Server:
    """Is asked for its counts between two runs, which is no request that counts."""

    name: str
    port: int
    counts: Callable[[], Counts]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"


def fetch(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        text: str = answer.read().decode()
        return text


@contextmanager
def lean(
    *totals: int,
    latency: float = 0.0,
    per_second: float = 0.0,
    bits_per_second: float = 0.0,
    at_once: int = 0,
) -> Iterator[Server]:
    """Run `lean.py` for the length of a block; see there for what it does."""
    options = {
        "latency": latency,
        "per-second": per_second,
        "bits-per-second": bits_per_second,
        "at-once": at_once,
    }
    command = [
        *(sys.executable, "-m", "servers.lean", "--total", *map(str, totals)),
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    with subprocess.Popen(
        command, cwd=BENCHMARKS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Server("lean", port, lambda: Counts(**json.loads(fetch(port, "/counts"))))
        finally:
            process.communicate("")
