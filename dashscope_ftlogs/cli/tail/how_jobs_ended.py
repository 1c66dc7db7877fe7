"""What the end of jobs that were watched means for the exit code of `ftlogs tail`."""

from collections.abc import Iterable, Mapping
from typing import Final

from dashscope_ftlogs import Job
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE

FAILED: Final = 7
CANCELED: Final = 8
ALARM: Final = 9
"""A condition of `--fail-on` was met."""
UNMET: Final = 10
UNWATCHED: Final = 2
"""A condition of `--fail-on` was about what no line has."""

_ENDED: Final[Mapping[str, tuple[int, int]]] = {
    "SUCCEEDED": (0, UNMET),
    "FAILED": (FAILED, FAILED),
    "CANCELED": (CANCELED, CANCELED),
}
"""For each end of a job, the code if nothing was hoped for, and if `--until` was and was not met."""
_GOES_ON: Final = (0, INCOMPLETE)
_NO_JOB: Final = (0, UNMET)
"""Of a file or a pipe there is no more than was read."""
_FIRST: Final = (FAILED, CANCELED, UNMET, INCOMPLETE)
"""What counts where jobs ended in several ways: what can't change any more goes before the rest."""


def code_of_ends(jobs: Iterable[Job | None], *, until: bool) -> int:
    """Return the code for the jobs whose end counts.

    Args:
        jobs: The jobs, None for a log without one. With `--until` those that did not meet it, else those
            that were followed.
        until: Whether there was an `--until`.
    """
    codes = {_codes(job)[until] for job in jobs}
    return next((code for code in _FIRST if code in codes), 0)


def _codes(job: Job | None) -> tuple[int, int]:
    return _NO_JOB if job is None else _ENDED.get(job.status, _GOES_ON)
