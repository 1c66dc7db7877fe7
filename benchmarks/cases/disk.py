"""A log to disk, each block synced before the manifest that vouches for it, against only reading it."""

from typing import Any

from measure import Effort, in_turn, ratio
from report import Figure
from servers.nginx import fastest

NAME = "disk"
TITLE = "1,000,000 lines to disk, against only reading them"


def measure(effort: Effort) -> dict[str, Any]:
    lines = 1000 * effort.of(1000, least=10)
    with fastest(lines) as server:
        rounds = in_turn(("ftlogs_pages", "ftlogs_download"), server, effort.rounds)
    return {"case": NAME, "title": TITLE, "lines": lines, "rounds": rounds}


def figures(result: dict[str, Any]) -> list[Figure]:
    return [
        Figure(
            "download(), of the speed of pages()",
            ratio(result["rounds"], "ftlogs_download", "ftlogs_pages"),
            least=0.5,
        )
    ]
