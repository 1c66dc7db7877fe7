"""From a log on the server to its metrics, against what most people write."""

from typing import Any

from measure import Effort, in_turn, ratio
from report import Figure
from servers.nginx import fastest

NAME = "metrics"
TITLE = "100,000 lines to metrics"


def measure(effort: Effort) -> dict[str, Any]:
    lines = 1000 * effort.of(100, least=10)
    with fastest(lines) as server:
        rounds = in_turn(("ftlogs_metrics", "literal_eval"), server, max(1, effort.rounds // 2))
    return {"case": NAME, "title": TITLE, "lines": lines, "rounds": rounds}


def figures(result: dict[str, Any]) -> list[Figure]:
    return [
        Figure(
            "metrics(), times the speed of literal_eval line by line",
            ratio(result["rounds"], "ftlogs_metrics", "literal_eval"),
        )
    ]
