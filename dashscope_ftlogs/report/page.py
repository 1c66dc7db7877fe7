"""The page: tables that need no script, and the data and scripts of curves and logs."""

from collections.abc import Iterator, Mapping, Sequence

from dashscope_ftlogs.metrics.curves import titles
from dashscope_ftlogs.metrics.hyper_parameters import differing, few_differing, shared
from dashscope_ftlogs.reading.failure_causes import clusters
from dashscope_ftlogs.report.jinja_environment import environment
from dashscope_ftlogs.report.json_in_html import chart_data, embedded, log_data
from dashscope_ftlogs.report.log_digest import ReadLog
from dashscope_ftlogs.report.scripts_and_styles import Assets, source_hash


def page(logs: Sequence[ReadLog], assets: Assets, *, version: str, made: str) -> Iterator[str]:
    """Return the HTML of a report, piece by piece: it is never in memory as a whole.

    Args:
        logs: In the order in which they are shown, each with a name of its own.
        assets: What every page holds.
        version: Of this package.
        made: When the logs were read, in words.
    """
    jobs = {log.name: log.job for log in logs}
    apart, differences = few_differing(jobs), differing(jobs)
    # However many there are: losses of other trainings are no measure of each other.
    columns = {
        name: differences[name] for name in differences if name in apart or name == "training_type"
    }
    return (
        environment()
        .get_template("page.html")
        .generate(
            title=logs[0].name if len(logs) == 1 else f"{len(logs)} fine-tuning logs",
            version=version,
            made=made,
            assets=assets,
            policy=_policy(assets),
            logs=logs,
            titles=titles(jobs),
            left_out=left_out,
            numbers={log.name: number for number, log in enumerate(logs)},
            failures=clusters(log.failure for log in logs if log.failure is not None),
            apart={name: values for name, values in columns.items() if name != "model"},
            differences=differences,
            shared=shared(jobs),
            data=_data(logs, apart),
        )
    )


def left_out(*logs: ReadLog) -> str:
    """Say what of a log, or of several, is not in the report."""
    left, seen = sum(log.lines.left_out for log in logs), sum(log.lines.seen for log in logs)
    whose = "its end" if len(logs) == 1 else "the end of each"
    return (
        f"{left:,} of {seen:,} lines are left out, to keep this page fluid. "
        f"Here are {whose}, and from before that lines with a metric or an error."
    )


def _policy(assets: Assets) -> str:
    """Allow what is ours and nothing else: what a log smuggled in could neither run nor call home."""
    scripts = " ".join(map(source_hash, assets.scripts))
    styles = " ".join(map(source_hash, assets.styles))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _data(logs: Sequence[ReadLog], apart: Mapping[str, Sequence[object]]) -> Iterator[tuple[str, str]]:
    """Yield what the scripts read, under the id of the element that holds it."""
    yield "chart-data", embedded(chart_data(logs, apart))
    for number, log in enumerate(logs):
        yield f"log-data-{number}", embedded(log_data(log.lines))
