"""Nothing that is decided depends on the wall clock, which anyone can set, and which jumps.

But how long is waited for a server that names a date, and tells no time of its own to measure it by.
Waits, deadlines and pacing read the event loop's; `nox -s soak` lets the wall clock jump by days.
"""

import ast
from importlib import resources
from pathlib import Path

import pytest

ALLOWED = {
    "archive/local/log_writer.py": "when a manifest was written, for people",
    "archive/object_store/chain.py": "when a log was committed, for people",
    "client/retry_on_429_and_5xx.py": "a Retry-After that is a date, in an answer without Date",
    "cli/tail/last_lines.py": "stamps before lines, where asked for",
    "cli/commands/doctor.py": "how far this machine's clock is off",
    "cli/commands/report.py": "when a page was made, for people",
    "cli/commands/emulator_options.py": "when the jobs that it makes up began, where asked for",
    "cli/job_selection.py": "how long ago jobs were created, where asked for",
    "cli/terminal/table_export.py": "when a point was told that no line dates, in TensorBoard's files",
    "cli/completion.py": "the age of a cache; a wrong one is asked for anew",
}
WALL_CLOCK = {"time", "time_ns", "localtime", "gmtime", "now", "utcnow", "today"}


def reads_wall_clock(path: Path) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WALL_CLOCK
        and ast.unparse(node.func.value) in {"time", "datetime", "date", "datetime.datetime"}
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )


@pytest.mark.covered
def test_little_but_what_is_shown_to_people_reads_the_wall_clock() -> None:
    package = Path(str(resources.files("dashscope_ftlogs")))
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "emulator" not in path.parts and reads_wall_clock(path)
    }
    assert found == ALLOWED.keys()
