"""One job of 1,000 pages, 50 ms away: what real users feel.

Those that ask for one page after the other are given a tenth of it, since only their speed counts.
"""

from typing import Any

from measure import Effort, in_turn, merged, ratio, spread
from peers import SEQUENTIAL
from report import Figure
from servers.serving import lean

NAME = "latency"
TITLE = "One job, 1,000 pages of 1,000 lines, 50 ms away, 8 in flight"
LATENCY = 0.05
CONCURRENCY = 8


def measure(effort: Effort) -> dict[str, Any]:
    pages = effort.of(1000, least=16)
    rounds = max(1, effort.rounds // 2)
    with lean(1000 * pages, latency=LATENCY) as server:
        fast = in_turn(("ftlogs_pages", "ftlogs_lines", "bare"), server, rounds)
    with lean(1000 * max(2, pages // 10), latency=LATENCY) as server:
        slow = in_turn(SEQUENTIAL, server, rounds)
    # The first page tells how many there are, so it comes alone.
    ideal = LATENCY * (1 + (pages - 1) / CONCURRENCY)
    return {
        "case": NAME,
        "title": TITLE,
        "lines": 1000 * pages,
        "ideal": ideal,
        "rounds": merged(fast, slow),
    }


def figures(result: dict[str, Any]) -> list[Figure]:
    rounds = result["rounds"]
    return [
        *(
            Figure(
                f"{what}, times the ideal of {result['ideal']:.2f} s",
                spread([one[peer]["seconds"] / result["ideal"] for one in rounds]),
                most=1.10,
            )
            for what, peer in (("pages()", "ftlogs_pages"), ("lines()", "ftlogs_lines"))
        ),
        *against_sequential(rounds, "ftlogs_pages", "pages()"),
    ]


def against_sequential(rounds: list[dict[str, Any]], peer: str, what: str) -> list[Figure]:
    """Return how many times the fastest of the sequential peers' speed a peer reaches."""
    present = [other for other in SEQUENTIAL if other in rounds[0]]
    if not present:
        return []
    nearest = min(present, key=lambda other: ratio(rounds, peer, other).median)
    label = f"{what}, times the speed of the fastest sequential peer"
    return [Figure(label, ratio(rounds, peer, nearest), least=7)]
