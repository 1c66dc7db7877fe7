"""1,000 pages of 1,000 lines on loopback: what a line costs, where the server is no bottleneck."""

from typing import Any

from measure import Effort, in_turn, ratio
from peers import SEQUENTIAL
from report import Figure
from servers.nginx import fastest

NAME = "cost-per-line"
TITLE = "1,000 pages of 1,000 lines on loopback"
# Those that are compared most closely run one after the other: the machine changes less meanwhile.
PEERS = (
    *("server_alone", "raw_socket", "bare", "ftlogs_pages", "bare_in_order", "ftlogs_lines"),
    *("bare_lines", *SEQUENTIAL),
)


def measure(effort: Effort) -> dict[str, Any]:
    lines = 1000 * effort.of(1000, least=10)
    with fastest(lines) as server:
        rounds = in_turn(PEERS, server, effort.rounds)
        return {"case": NAME, "title": TITLE, "lines": lines, "server": server.name, "rounds": rounds}


def figures(result: dict[str, Any]) -> list[Figure]:
    rounds = result["rounds"]
    wanted: list[tuple[str, str, str, str, float | None]] = [
        ("pages()", "ftlogs_pages", "bare", "the bare loop", 0.92),
        ("limit: the bare loop in order", "bare_in_order", "bare", "the bare loop", None),
        ("pages()", "ftlogs_pages", "bare_in_order", "the bare loop in order", None),
        ("lines()", "ftlogs_lines", "bare", "the bare loop", 0.70),
        ("limit: the bare loop in order, by line", "bare_lines", "bare", "the bare loop", None),
        ("lines()", "ftlogs_lines", "bare_lines", "the bare loop in order, by line", None),
        ("pages()", "ftlogs_pages", "dashscope_v2", "dashscope v2", 8),
        ("limit: the bare loop", "bare", "dashscope_v2", "dashscope v2", None),
        ("pages()", "ftlogs_pages", "dashscope_v1", "dashscope v1", 12),
        ("limit: a raw socket that parses nothing", "raw_socket", "dashscope_v1", "dashscope v1", None),
        ("the server alone", "server_alone", "bare", "the bare loop", 2),
    ]
    speeds = [
        Figure(f"{what}, times the speed of {label}", ratio(rounds, peer, other), least=least)
        for what, peer, other, label, least in wanted
        if {peer, other} <= rounds[0].keys()
    ]
    # Other programs on the machine disturb processor time less than they do time on the clock.
    work = [
        Figure(
            f"{what}, processor time of the bare loop over its own",
            ratio(rounds, "bare", peer, "cpu_per_million"),
        )
        for what, peer in (("pages()", "ftlogs_pages"), ("lines()", "ftlogs_lines"))
    ]
    return speeds + work
