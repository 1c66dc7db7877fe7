"""At default settings, with nothing said of how many at once, against the best number there is.

That is the one of 1, 2, 4, 8, 16, 32 in flight with which the bare loop, measured again in the run, was
the fastest. A server that serves only so many at once needs 5 ms for each page, and the others queue
there. The process has read a log before, but not by the session that is measured.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from statistics import median
from typing import Any

from measure import Effort, Spread, spread
from report import Figure
from servers.lean import BURST, SERVING
from servers.serving import BENCHMARKS, Server, lean

from cases.throttled import PER_SECOND

NAME = "learned"
TITLE = "At default settings, against the best number in flight up to 32"
ROUND_TRIPS = (0.001, 0.01, 0.05, 0.2)
AT_ONCE = (4, 16, 0)
"""How many a server serves at once; 0 is any number."""
SIZES = {20: (1.6, 1.25), 200: (1.6, 1.25), 1000: (1.25, 1.25)}
"""By pages, times the best number's time at most, for a first and for a later log."""
SHORT = 0.25
"""Seconds of a log that is read in all rounds; where one takes longer, there is less chance in it."""
SHARED = (0.001, 0.01, 0.05)
"""Round trips at which two sessions share a server that has limits."""
MANY = 0.05
"""Round trip to the many jobs."""
LATER = ("first log", "later log")

Cell = dict[str, Any]
"""What was measured in one place of the grid."""


def measure(effort: Effort) -> dict[str, Any]:
    cells: dict[str, Cell] = {}
    for round_trip, at_once in product(ROUND_TRIPS, AT_ONCE):
        cells |= of_service(effort, round_trip, at_once)
    return {"case": NAME, "title": TITLE, "rounds": [cells | many(effort) | limit(effort)]}


def asked(server: Server, *, warm: int = 0, **modes: dict[str, Any]) -> dict[str, Any]:
    """Let a process of its own measure; see `one_service.py`."""
    command = [
        *(sys.executable, "-m", "one_service", server.base_url),
        *(json.dumps(modes), f"--warm={warm}"),
    ]
    done = subprocess.run(command, cwd=BENCHMARKS, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rounds(effort: Effort, pages: int, round_trip: float) -> int:
    """Return how often so long a log is read: what takes longer less often."""
    seconds = round_trip * (1 + pages / 32) + 0.001 * pages
    return max(1, min(effort.rounds, int(effort.rounds * SHORT / seconds)))


def of_service(effort: Effort, round_trip: float, at_once: int) -> dict[str, Cell]:
    """Measure logs of all sizes at one server; where it has limits, how long its queue is, too."""
    sizes = {size: effort.of(size, least=2) for size in SIZES}
    pages, few = sizes[1000], max(1, effort.rounds // 4)
    modes: dict[str, dict[str, Any]] = {
        "logs": {
            "unloaded": round_trip + (SERVING if at_once else 0),
            "sizes": [[pages, rounds(effort, pages, round_trip)] for pages in sizes.values()],
        }
    }
    if at_once and round_trip in SHARED:
        modes["share"] = {"pages": pages, "rounds": effort.rounds}
    if at_once == 4:
        modes["queue"] = {"pages": pages, "alone": pages // 20 + 2, "rounds": few}
    totals = (1000 * pages for pages in sizes.values())
    with lean(*totals, latency=round_trip, at_once=at_once) as server:
        found = asked(server, warm=min(sizes.values()), **modes)
    name = f"{1000 * round_trip:g} ms, {at_once or 'any number'} at once"
    logs = dict(zip(sizes, found.pop("logs"), strict=True))
    return {
        **{f"{size:,} pages, {name}": {"size": size, "rounds": rounds} for size, rounds in logs.items()},
        **{f"{mode}, {name}": {"rounds": rounds} for mode, rounds in found.items()},
    }


def many(effort: Effort) -> dict[str, Cell]:
    how = {"jobs": effort.of(1000, least=2), "unloaded": MANY, "rounds": max(1, effort.rounds // 4)}
    with lean(2000, latency=MANY) as server:
        return {"1,000 jobs": {"rounds": asked(server, warm=2, many=how)["many"]}}


def limit(effort: Effort) -> dict[str, Cell]:
    pages = effort.of(600, least=10)
    with lean(1000 * pages, latency=0.01, per_second=PER_SECOND) as server:
        (run,) = asked(server, limit={"pages": pages})["limit"]
        counts = server.counts()
    refused = {"refused_percent": 100 * counts.refused / counts.requests}
    return {"limit": {"rounds": [run | refused | {"ideal": (pages - BURST) / PER_SECOND}]}}


def figures(result: dict[str, Any]) -> list[Figure]:
    return list(found(result["rounds"][0]))


def found(cells: dict[str, Cell]) -> Iterator[Figure]:
    for name, cell in cells.items():
        taken = cell["rounds"]
        if "size" in cell:
            for place, (when, most) in enumerate(zip(LATER, SIZES[cell["size"]], strict=True)):
                best, times = against_the_best(taken, place)
                yield Figure(f"{name}, {when}, times that of {best} in flight", times, most=most)
        elif name.startswith("share"):
            shares = spread([one["share"] for one in taken])
            yield Figure(f"{name}, of the slower of two sessions", shares, least=1 / 3)
        elif name.startswith("queue"):
            most = 2.5 if name.startswith("queue, 1 ms") else 2.0
            times = spread([one["latency"] / one["alone"] for one in taken])
            yield Figure(f"{name}, median latency, times the unloaded one", times, most=most)
        elif name == "limit":
            times = spread([one["seconds"][0] / one["ideal"] for one in taken])
            yield Figure(f"{PER_SECOND} requests/s, times the ideal", times, most=1.10)
            refused = spread([one["refused_percent"] for one in taken])
            yield Figure(f"{PER_SECOND} requests/s, refused", refused, most=5, digits=1, unit=" %")
        else:
            best, times = against_the_best(taken, 0)
            yield Figure(
                f"{name} of 2,000 lines, 50 ms, times that of {best} in flight", times, most=1.25
            )


def against_the_best(rounds: list[dict[str, Any]], place: int) -> tuple[str, Spread]:
    """Return the number that was the fastest, and how many times its time the learned one's is."""
    numbers = [name for name in rounds[0] if name != "learned"]
    best = min(numbers, key=lambda name: median(one[name]["seconds"][place] for one in rounds))
    times = [one["learned"]["seconds"][place] / one[best]["seconds"][place] for one in rounds]
    return best, spread(times)
