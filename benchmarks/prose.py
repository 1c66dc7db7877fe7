"""What is said of speed, made of the results that are published; no number is typed in by hand."""

import json
import re
from pathlib import Path
from typing import Any

from cases import CASES
from measure import Round
from report import rows

HERE = Path(__file__).parent
PUBLISHED = HERE / "published"
README = HERE.parent / "README.md"
PAGE = PUBLISHED / "README.md"
BEGIN, END = "<!-- speed:begin -->", "<!-- speed:end -->"
FELT = ("latency", "many-jobs", "throttled")
LIMITS = """\
What limits it. The bare loop takes pages as they come. Whoever hands them out in order holds up to
eight of them, and each has left the processor's cache when its turn comes: that is the bare loop in
order. An `async for` makes a coroutine for every line, whatever it does: that is the same by line. Of
the bare loop's time a third is JSON, and most of the rest is aiohttp's and the kernel's, so no client on
aiohttp comes much closer to the socket that parses nothing."""
CHARTS = {"Lines a second": "cost-per-line", "The same at 50 ms": "latency", "Growth": "growth"}


def published() -> dict[str, dict[str, Any]]:
    """Return the published results by the names of their cases."""
    return {name: json.loads((PUBLISHED / f"{name}.json").read_text("utf-8")) for name in CASES}


def text(results: dict[str, dict[str, Any]]) -> str:
    """Return what README says between its two markers: the first case, and what users feel."""
    felt = (f"- {results[name]['title']}: {'; '.join(found(results, name))}." for name in FELT)
    return f"{first_case(results)}\n\n" + "\n".join(felt)


def first_case(results: dict[str, dict[str, Any]]) -> str:
    """Return the table of the first case under its title."""
    first = results["cost-per-line"]
    return f"{first['title']}, served by {first['server']}:\n\n{table(first['rounds'])}"


def found(results: dict[str, dict[str, Any]], name: str) -> list[str]:
    """Return the figures of a case."""
    return [figure.found for figure in CASES[name].figures(results[name])]


def page(results: dict[str, dict[str, Any]]) -> str:
    """Return all figures, as the page beside the results."""
    machine = results["cost-per-line"]["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    claims = [
        f"- [{result['title']}]({name}.json)\n"
        + "\n".join(f"  - {figure}" for figure in found(results, name))
        for name, result in results.items()
    ]
    setting = f"{machine['cores']} cores, Python {machine['python']}, {packages}"
    parts = [
        "# Speed, as measured",
        f"Medians of rounds in turn, with the extremes; they compare within a case only. {setting}.",
        first_case(results),
        "\n".join(f"![{what}]({name}.svg)" for what, name in CHARTS.items()),
        "\n".join(claims),
        LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def table(rounds: list[Round]) -> str:
    """Return the peers of a case as a Markdown table."""
    head = "| | lines/s | spread | CPU s per million lines | peak MiB | requests |"
    body = (f"| {' | '.join(cells[:6])} |" for cells in rows(rounds))
    return "\n".join([head, "|---|--:|--:|--:|--:|--:|", *body])


def with_text(readme: str, words: str) -> str:
    """Return README with these words between its markers."""
    block = f"{BEGIN}\n{words}\n{END}"
    return re.sub(f"{BEGIN}.*{END}", lambda _: block, readme, flags=re.DOTALL)
