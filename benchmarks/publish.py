"""Turn kept results into charts, a page beside them, and the text between two markers of README.

    python benchmarks/publish.py

Copies the results beside the charts, so that every number in README stands in a file next to it. Nothing
is typed in by hand: run this again after `python benchmarks`. Needs matplotlib.
"""

import shutil
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cases import CASES
from matplotlib.axes import Axes
from measure import Round, figure
from peers import PEERS
from prose import CHARTS, HERE, PAGE, PUBLISHED, README, page, published, text, with_text
from report import names

RESULTS = HERE / "results"
OURS, THEIRS, LIMITS = "#2a6f97", "#b0b7bf", "#dfe3e7"
LIMITING = ("bare", "bare_in_order", "bare_lines", "raw_socket")


def bars(axes: Axes, rounds: list[Round], peers: list[str]) -> None:
    """Draw lines a second of each peer, the extremes of its rounds as a whisker."""
    speeds = [figure(rounds, peer, "speed") for peer in peers]
    colours = [
        OURS if peer.startswith("ftlogs") else LIMITS if peer in LIMITING else THEIRS for peer in peers
    ]
    middle = [speed.median / 1e6 for speed in speeds]
    whiskers = [
        [(speed.median - speed.low) / 1e6 for speed in speeds],
        [(speed.high - speed.median) / 1e6 for speed in speeds],
    ]
    axes.barh([PEERS[peer].label for peer in peers], middle, xerr=whiskers, color=colours, ecolor="#555")
    axes.invert_yaxis()
    axes.set_xlabel("million lines a second")


def growth(axes: Axes, result: dict[str, Any]) -> None:
    """Draw seconds against lines, with the peak memory beside each point."""
    sizes, rounds = result["sizes"], result["rounds"]
    names = [f"ftlogs_pages {size}" for size in sizes]
    seconds = [figure(rounds, name, "seconds").median for name in names]
    axes.loglog(sizes, seconds, "o-", color=OURS)
    for size, second, name in zip(sizes, seconds, names, strict=True):
        peak = figure(rounds, name, "peak_mib").median
        axes.annotate(f"{peak:.0f} MiB", (size, second), (6, -12), textcoords="offset points")
    axes.set_xlabel("lines")
    axes.set_ylabel("seconds")
    axes.margins(0.15)


def draw(results: dict[str, dict[str, Any]]) -> None:
    """Draw one chart of each kind that README shows."""
    mpl.rcParams |= {"svg.hashsalt": "repeatable", "axes.spines.top": False, "axes.spines.right": False}
    for name in CHARTS.values():
        result = results[name]
        drawing, axes = plt.subplots(figsize=(7, 3), layout="constrained")
        axes.set_title(result["title"], fontsize="medium", loc="left")
        if name == "growth":
            growth(axes, result)
        else:
            bars(axes, result["rounds"], [p for p in names(result["rounds"]) if p != "server_alone"])
        drawing.savefig(PUBLISHED / f"{name}.svg", metadata={"Date": None})
        plt.close(drawing)


def main() -> None:
    PUBLISHED.mkdir(exist_ok=True)
    for name in CASES:
        shutil.copy(RESULTS / f"{name}.json", PUBLISHED)
    results = published()
    draw(results)
    PAGE.write_text(page(results), "utf-8")
    README.write_text(with_text(README.read_text("utf-8"), text(results)), "utf-8")


if __name__ == "__main__":
    main()
