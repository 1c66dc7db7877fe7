"""A link of 20 Mbit/s, and a server that offers compression."""

from typing import Any

from measure import Effort, in_turn, spread
from peers import SEQUENTIAL
from report import Figure
from servers.pages import VARIETY, make_log
from servers.serving import lean

NAME = "slow-link"
TITLE = "250 pages of 1,000 lines over 20 Mbit/s, compression offered"
BITS_PER_SECOND = 20e6


def measure(effort: Effort) -> dict[str, Any]:
    pages = effort.of(250, least=10)
    with lean(1000 * pages, latency=0.01, bits_per_second=BITS_PER_SECOND) as server:
        rounds = in_turn(("ftlogs_pages", *SEQUENTIAL, "bare"), server, max(1, effort.rounds // 2))
    plain = sum(map(len, make_log(1000 * pages).pages)) / VARIETY * pages
    return {
        "case": NAME,
        "title": TITLE,
        "lines": 1000 * pages,
        "plain_seconds": plain * 8 / BITS_PER_SECOND,
        "rounds": rounds,
    }


def figures(result: dict[str, Any]) -> list[Figure]:
    runs = [one["ftlogs_pages"] for one in result["rounds"]]
    compressed = [run["seconds"] / (run["sent"] * 8 / BITS_PER_SECOND) for run in runs]
    plain = [run["seconds"] / result["plain_seconds"] for run in runs]
    return [
        Figure("pages(), times what the compressed bytes take", spread(compressed), most=1.10),
        Figure("pages(), times what the plain bytes would take", spread(plain), most=0.5),
    ]
