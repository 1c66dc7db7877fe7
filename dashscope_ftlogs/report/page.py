"""The page: tables that need no script, and the data and scripts of curves and logs."""

import re
from collections.abc import Iterable, Sequence

from dashscope_ftlogs.report import html_job_tables
from dashscope_ftlogs.report.html_elements import Markup, joined, text
from dashscope_ftlogs.report.json_in_html import chart_data, embedded, log_data
from dashscope_ftlogs.report.log_digest import ReadLog
from dashscope_ftlogs.report.scripts_and_styles import Assets, source_hash

_PLACE = re.compile(r"\{\{(\w+)\}\}")


def page(logs: Sequence[ReadLog], assets: Assets, *, version: str, made: str) -> str:
    """Return the HTML of a report.

    Args:
        logs: In the order in which they are shown, each with a name of its own.
        assets: What every page holds.
        version: Of this package.
        made: When the logs were read, in words.
    """
    parts = {
        "policy": text(_policy(assets)),
        "generator": text(f"dashscope-ftlogs {version}"),
        "title": text(_title(logs)),
        "made": text(f"Read {made} by ftlogs {version}."),
        "notes": html_job_tables.notes(logs),
        "jobs": html_job_tables.jobs(logs),
        "failures": html_job_tables.failures(logs),
        "differences": html_job_tables.differences(logs),
        "licence": joined(Markup(f"{text(line).html}\n") for line in assets.licence.splitlines()),
        "styles": joined(Markup(f"<style>{style}</style>\n") for style in assets.styles),
        "scripts": joined(Markup(f"<script>{script}</script>\n") for script in assets.scripts),
        "data": joined(_data(logs)),
    }
    return _PLACE.sub(lambda place: parts[place[1]].html, assets.template)


def _policy(assets: Assets) -> str:
    """Allow what is ours and nothing else: what a log smuggled in could neither run nor call home."""
    scripts = " ".join(map(source_hash, assets.scripts))
    styles = " ".join(map(source_hash, assets.styles))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _title(logs: Sequence[ReadLog]) -> str:
    return logs[0].name if len(logs) == 1 else f"{len(logs)} fine-tuning logs"


def _data(logs: Sequence[ReadLog]) -> Iterable[Markup]:
    yield _json("chart-data", chart_data(logs))
    for number, log in enumerate(logs):
        yield _json(f"log-data-{number}", log_data(log.lines))


def _json(name: str, value: object) -> Markup:
    return Markup(f'<script type="application/json" id="{name}">{embedded(value)}</script>\n')
