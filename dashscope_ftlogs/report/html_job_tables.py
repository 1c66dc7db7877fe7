"""The tables of a report: jobs, failures, and hyper-parameters that differ."""

from collections.abc import Iterable, Sequence
from typing import Final

from dashscope_ftlogs.metrics.hyper_parameters import differing
from dashscope_ftlogs.reading.failure_causes import Cluster, Failure, clusters
from dashscope_ftlogs.report.html_elements import Markup, element, joined
from dashscope_ftlogs.report.log_digest import ReadLog
from dashscope_ftlogs.report.loss_and_duration import Loss
from dashscope_ftlogs.text import excerpt

_NOTHING: Final = Markup("")
_UNKNOWN: Final = "\N{EN DASH}"
_LONGEST_CELL: Final = 300
_TONES: Final = {
    "SUCCEEDED": "good",
    "FAILED": "bad",
    "CANCELED": "muted",
    "RUNNING": "active",
}


def jobs(logs: Sequence[ReadLog]) -> Markup:
    """Return the table of all jobs; what is not known is a dash."""
    return _table(
        "What is known of each job, and its training loss",
        ("Job", "Model", "Status", "Created", "Duration", "Tokens", "Final loss", "Best loss", "Lines"),
        (_job(number, log) for number, log in enumerate(logs)),
    )


def _job(number: int, log: ReadLog) -> list[Markup | str]:
    job, facts = log.job, log.facts
    title = job.job_name if job is not None and job.job_name not in {None, log.name} else None
    return [
        joined(
            [
                _link(number, None, log.name),
                _NOTHING if title is None else element("small", excerpt(title, _LONGEST_CELL)),
            ]
        ),
        _known(None if job is None else job.model),
        _UNKNOWN if job is None else _status(job.status),
        _known(None if job is None else job.create_time),
        _known(facts.duration),
        _UNKNOWN if facts.tokens is None else f"{facts.tokens:,}",
        _loss(number, facts.final),
        _loss(number, facts.best),
        f"{log.lines.seen:,}",
    ]


def _status(status: str) -> Markup:
    return element("span", excerpt(status), class_=f"status {_TONES.get(status, 'other')}")


def _loss(number: int, loss: Loss | None) -> Markup | str:
    if loss is None:
        return _UNKNOWN
    where = f"line {loss.offset:,}" if loss.step is None else f"step {loss.step:,}"
    where += "" if loss.metric == "loss" else f", {excerpt(loss.metric, _LONGEST_CELL)}"
    return joined([_link(number, loss.offset, f"{loss.value:.6g}"), element("small", where)])


def _link(number: int, line: int | None, label: str) -> Markup:
    """Return a link to a log, or to one line of it; report.js makes it go there."""
    if line is None:
        return element("a", label, href="#log", data_log=number)
    return element("a", label, href="#log", data_log=number, data_line=line)


def failures(logs: Sequence[ReadLog]) -> Markup:
    """Return the digest of failures; nothing where there are none."""
    numbers = {log.name: number for number, log in enumerate(logs)}
    found = clusters(log.failure for log in logs if log.failure is not None)
    if not found:
        return _NOTHING
    return element(
        "section",
        element("h2", "Failures", id="failures-title"),
        *(_cluster(cluster, numbers) for cluster in found),
        aria_labelledby="failures-title",
        id="failures",
    )


def _cluster(cluster: Cluster, numbers: dict[str, int]) -> Markup:
    example = cluster.failures[0]
    many = len(cluster.failures)
    return element(
        "article",
        element(
            "h3",
            element("span", f"{many} log{'s' * (many > 1)}", class_="count"),
            " ",
            cluster.text or "No error is known",
        ),
        element("pre", example.text, tabindex=0, aria_label="The first of them in full")
        if example.text
        else _NOTHING,
        element("ul", *(_failed(failure, numbers[failure.source]) for failure in cluster.failures)),
    )


def _failed(failure: Failure, number: int) -> Markup:
    told = failure.told
    error = failure.error
    return element(
        "li",
        _link(number, None if error is None else error.offset, failure.source),
        _NOTHING if error is None else f", line {error.offset:,}",
        f"; the service says: {excerpt(told, _LONGEST_CELL)}" if told else _NOTHING,
        element("em", "; a guess from the log alone: its job may have gone on")
        if failure.guessed
        else _NOTHING,
    )


def differences(logs: Sequence[ReadLog]) -> Markup:
    """Return the table of hyper-parameters that differ; nothing where no two jobs can be compared."""
    if sum(log.job is not None for log in logs) < 2:
        return _NOTHING
    found = differing({log.name: log.job for log in logs})
    rows: Iterable[list[Markup | str]] = (
        [_link(number, None, log.name), *(_known(values[number]) for values in found.values())]
        for number, log in enumerate(logs)
    )
    return element(
        "section",
        element("h2", "Hyper-parameters that differ", id="differences-title"),
        _table("Those that all jobs share are not shown", ("Job", *found), rows)
        if found
        else element("p", "None: as far as is known, all jobs were given the same."),
        aria_labelledby="differences-title",
    )


def notes(logs: Sequence[ReadLog]) -> Markup:
    """Say which logs are not here in full."""
    return joined(
        element("p", f"{log.name}: {left_out(log)}", class_="note") for log in logs if log.lines.left_out
    )


def left_out(log: ReadLog) -> str:
    """Say what of a log is not in the report."""
    return (
        f"{log.lines.left_out:,} of {log.lines.seen:,} lines are left out, to keep this page fluid. "
        "Here are its end, and from before that lines with a metric or an error."
    )


def _known(value: object) -> str:
    try:
        return _UNKNOWN if value is None else excerpt(str(value), _LONGEST_CELL)
    except RecursionError:
        return "nested too deeply to show"


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Markup | str]]) -> Markup:
    head = element("tr", *(element("th", excerpt(name), scope="col") for name in columns))
    body = (
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:]))
        for row in rows
    )
    table = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *body)
    )
    return element("div", table, class_="wide", tabindex=0, role="region", aria_label=caption)
