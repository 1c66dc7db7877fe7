"""The parts of a report that are the same in each: its style, its scripts, and the chart library."""

import base64
import hashlib
from importlib import resources

import attrs

_STYLES = ("vendor/uPlot.min.css", "report.css")
_SCRIPTS = (
    "vendor/uPlot.iife.min.js",
    "scripts/data.js",
    "scripts/curves.js",
    "scripts/axes.js",
    "scripts/gaps.js",
    "scripts/tip.js",
    "scripts/chart.js",
    "scripts/lines.js",
    "scripts/log.js",
    "scripts/view.js",
    "scripts/jobs.js",
    "scripts/legend.js",
    "scripts/panel.js",
    "scripts/report.js",
)


@attrs.frozen
class Assets:
    """The texts of the files that a page is made of."""

    styles: tuple[str, ...]
    scripts: tuple[str, ...]
    licence: str
    """Of the chart library, which stands in every page that holds it."""


def load() -> Assets:
    """Read them from where the package is installed."""
    here = resources.files("dashscope_ftlogs.report")

    def read(name: str) -> str:
        return here.joinpath(name).read_text("utf-8")

    return Assets(
        tuple(read(name) for name in _STYLES),
        tuple(read(name) for name in _SCRIPTS),
        read("vendor/uPlot.LICENSE"),
    )


def source_hash(content: str) -> str:
    """Return how a content security policy names an inline style or script that it allows.

    >>> source_hash("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
