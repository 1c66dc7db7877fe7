"""10,000 lines, ten times that, and so on to 10,000,000: time and memory against size."""

from typing import Any

from measure import Effort, Round, in_turn, spread
from report import Figure
from servers.nginx import fastest

NAME = "growth"
TITLE = "Logs of 10,000 to 10,000,000 lines"
SIZES = (10**4, 10**5, 10**6, 10**7)
PEERS = ("ftlogs_pages", "ftlogs_lines")


def measure(effort: Effort) -> dict[str, Any]:
    sizes = [size for full in SIZES if (size := int(full * effort.share)) >= 1000]
    rounds: list[Round] = []
    for _ in range(max(1, effort.rounds // 2)):
        one: Round = {}
        for size in sizes:
            with fastest(size) as server:
                (runs,) = in_turn(("aiohttp_imported", *PEERS), server, 1)
            one["aiohttp imported"] = runs.pop("aiohttp_imported")
            one |= {f"{peer} {size}": run for peer, run in runs.items()}
        rounds.append(one)
    return {"case": NAME, "title": TITLE, "sizes": sizes, "rounds": rounds}


def figures(result: dict[str, Any]) -> list[Figure]:
    rounds, sizes = result["rounds"], result["sizes"]
    small, large = sizes[-2:]
    linear = [
        one[f"ftlogs_pages {large}"]["seconds"] / one[f"ftlogs_pages {small}"]["seconds"]
        for one in rounds
    ]
    above = [
        max(run["peak_mib"] for name, run in one.items()) - one["aiohttp imported"]["peak_mib"]
        for one in rounds
    ]
    flat = [
        one[f"ftlogs_pages {large}"]["peak_mib"] - one[f"ftlogs_pages {small}"]["peak_mib"]
        for one in rounds
    ]
    times = large // small
    return [
        Figure(f"pages(), {large:,} lines, times {small:,}", spread(linear), most=1.1 * times),
        Figure("peak memory above aiohttp alone", spread(above), most=40, digits=1, unit=" MiB"),
        Figure(
            f"peak memory, {large:,} lines above {small:,}", spread(flat), most=5, digits=1, unit=" MiB"
        ),
    ]
