"""1,000 jobs of 2,000 lines each, 50 ms away.

Those that ask for one page after the other are given a twentieth of them, since only their speed counts.
"""

from typing import Any

from measure import Effort, in_turn, merged, spread
from peers import SEQUENTIAL
from report import Figure
from servers.serving import lean

from cases.latency import CONCURRENCY, LATENCY, against_sequential

NAME = "many-jobs"
TITLE = "1,000 jobs of 2,000 lines, 50 ms away, 8 in flight"


def measure(effort: Effort) -> dict[str, Any]:
    jobs = effort.of(1000, least=16)
    rounds = max(1, effort.rounds // 2)
    with lean(2000, latency=LATENCY) as server:
        fast = in_turn(("ftlogs_jobs", "bare"), server, rounds, jobs=jobs)
        slow = in_turn(SEQUENTIAL, server, rounds, jobs=max(1, jobs // 20))
    ideal = LATENCY * 2 * jobs / CONCURRENCY
    return {
        "case": NAME,
        "title": TITLE,
        "lines": 2000 * jobs,
        "ideal": ideal,
        "rounds": merged(fast, slow),
    }


def figures(result: dict[str, Any]) -> list[Figure]:
    rounds, ideal = result["rounds"], result["ideal"]
    times = spread([one["ftlogs_jobs"]["seconds"] / ideal for one in rounds])
    return [
        Figure(f"fetch_many(), times the ideal of {ideal:.2f} s", times, most=1.10),
        *against_sequential(rounds, "ftlogs_jobs", "fetch_many()"),
    ]
