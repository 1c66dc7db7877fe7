"""A server that permits 20 requests a second, five of them at once, and answers the others with 429."""

from typing import Any

from measure import Effort, in_turn, spread
from peers import SEQUENTIAL
from report import Figure
from servers.lean import BURST
from servers.serving import lean

NAME = "throttled"
TITLE = "600 pages from a server that permits 20 requests/s"
PER_SECOND = 20


def measure(effort: Effort) -> dict[str, Any]:
    pages = effort.of(600, least=10)
    with lean(1000 * pages, latency=0.01, per_second=PER_SECOND) as server:
        rounds = in_turn(("ftlogs_pages", *SEQUENTIAL, "bare"), server, max(1, effort.rounds // 4))
    return {"case": NAME, "title": TITLE, "lines": 1000 * pages, "rounds": rounds}


def figures(result: dict[str, Any]) -> list[Figure]:
    runs = [one["ftlogs_pages"] for one in result["rounds"]]
    accepted = [run["requests"] - run["refused"] for run in runs]
    goodput = [
        granted / (BURST + PER_SECOND * run["seconds"])
        for granted, run in zip(accepted, runs, strict=True)
    ]
    refused = [100 * run["refused"] / run["requests"] for run in runs]
    return [
        Figure("pages(), share of the permitted requests that were made use of", spread(goodput), 0.92),
        Figure("pages(), requests refused", spread(refused), most=5, digits=1, unit=" %"),
    ]
