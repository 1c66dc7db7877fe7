"""Run peers in turn, each in a process of its own, and keep what they cost."""

import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs
from peers import PEERS
from servers.serving import BENCHMARKS, Server

Run = dict[str, Any]
"""What a run of a peer gave: `lines`, `seconds`, `cpu_seconds`, `peak_mib`, `error`, and the counts."""
Round = dict[str, Run]
"""One run of each, by name."""


@attrs.frozen
class Effort:
    """How much is measured: this share of the full sizes, so many rounds."""

    share: float
    rounds: int

    def of(self, full: int, least: int = 1) -> int:
        """Return this share of a whole number."""
        return max(least, round(full * self.share))


FULL = Effort(1.0, 9)
QUICK = Effort(0.1, 2)


def run(peer: str, server: Server, *, jobs: int = 1, concurrency: int = 8) -> Run:
    """Run one peer to its end."""
    command = [
        *(sys.executable, "-m", "peers", peer, server.base_url),
        *(f"--jobs={jobs}", f"--concurrency={concurrency}"),
    ]
    before = server.counts()
    done = subprocess.run(command, cwd=BENCHMARKS, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) | attrs.asdict(server.counts() - before)


def in_turn(peers: tuple[str, ...], server: Server, rounds: int, *, jobs: int = 1) -> list[Round]:
    """Run all peers that are installed once a round, A B A B, so that a slow moment hits all of them."""
    for peer in peers:
        if not PEERS[peer].installed:
            print(f"left out, since it is not installed: {PEERS[peer].label}")
    present = [peer for peer in peers if PEERS[peer].installed]
    return [{peer: run(peer, server, jobs=jobs) for peer in present} for _ in range(rounds)]


def merged(*parts: list[Round]) -> list[Round]:
    """Return the rounds of several measurements as one, the runs of each round side by side."""
    return [
        {name: one for part in same for name, one in part.items()} for same in zip(*parts, strict=True)
    ]


@attrs.frozen
class Spread:
    """The median of what the rounds gave, and the extremes."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def figure(rounds: list[Round], peer: str, what: str) -> Spread:
    """Return one figure of one peer over all rounds; `speed` is lines a second."""
    return spread([value(one[peer], what) for one in rounds])


def value(one: Run, what: str) -> float:
    if what == "speed":
        return float(one["lines"] / one["seconds"])
    if what == "cpu_per_million":
        return float(one["cpu_seconds"] / one["lines"] * 1e6)
    return float(one[what])


def ratio(rounds: list[Round], peer: str, other: str, what: str = "speed") -> Spread:
    """Return how many times the other's figure a peer's is, compared within each round."""
    return spread([value(one[peer], what) / value(one[other], what) for one in rounds])


def machine() -> dict[str, Any]:
    """Return what the figures depend on, without saying whose machine it is."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := installed_version(name))},
    }


PACKAGES = ("dashscope-ftlogs", "aiohttp", "msgspec", "dashscope", "requests", "httpx")


def installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write(result: dict[str, Any], folder: Path) -> None:
    """Keep a result as `NAME.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['case']}.json"
    path.write_text(json.dumps(result | {"machine": machine()}, indent=1) + "\n", "utf-8")
