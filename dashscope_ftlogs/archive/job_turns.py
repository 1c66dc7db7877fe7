"""The turns that jobs take in one download: when each is due, and what the earlier ones found. Pure."""

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING

import attrs

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.outcomes import Downloaded, DownloadState
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.archive.when_a_log_is_complete import end_heard, seconds_since
from dashscope_ftlogs.client.doubt import Contradiction, Doubt, Growth, Verdict
from dashscope_ftlogs.errors import FTLogsError, NotFoundError
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import counted, without_keys

if TYPE_CHECKING:
    from dashscope_ftlogs.client.paginator import LogPaginator


@attrs.define(eq=False)
class Turn:
    """A job that is to be looked at, and what this run knows of it from earlier looks."""

    job: str | Job
    profile: str = ""
    due: float = 0.0
    """When. Times are monotonic."""
    asked: bool = False
    """Whether the job was described just now. Else that was at any time before, when it is a `Job`."""
    ended_at: float | None = None
    """When its end was first heard."""
    before: int | None = None
    """How many lines there were before this run."""
    older: list[str] = attrs.Factory(list[str])
    """The names of what was set aside."""
    so_far: Downloaded | None = None
    """What there is to tell of it, until it has settled."""
    doubted: "LogPaginator | None" = None
    """The read that is in doubt. None in a later turn: the log is settling."""
    looks: int = 0
    """How often it was looked at only to see whether the log has settled."""
    gone: Doubt | None = None
    """What is known of whether the service still has the job; None where nothing is in doubt."""
    beginning: Doubt | None = None
    """What is known of whether the log still begins as it did; None before that was asked."""

    growth: Growth | None = None
    """How the last line that is here goes on, until the whole of it is here, too."""

    def grew(self, growth: Growth) -> None:
        """Take note of how the last line goes on; it may do so again and again."""
        if self.growth is not None:
            growth = attrs.evolve(growth, length=self.growth.length)
        self.growth = growth

    @property
    def is_in_doubt(self) -> bool:
        """Whether it is to be asked again what the service has; else its log is settling."""
        return self.doubted is not None or self.gone is not None

    def hear_of(self, job: Job, manifest: Manifest | None, now: float) -> None:
        """Take note of what is said of the job, and of when its end was first heard, by any run."""
        self.job, self.gone = job, None
        if self.ended_at is None and job.ended:
            heard = "" if manifest is None else end_heard(manifest, job)
            self.ended_at = now - seconds_since(heard, job.http_date)

    def date_end(self, job: Job, manifest: Manifest, now: float) -> None:
        """Take note of when the end was heard that a given job tells of, by what is said of it now."""
        if job.ended and self.ended_at is not None:
            self.ended_at = min(self.ended_at, now - seconds_since(manifest.ended_by, job.http_date))

    def is_gone(self, lag: float, asked_at: float, now: float) -> bool:
        """Whether to believe that the service no longer has the job; if not, it is due once more."""
        decision = (self.gone or Doubt(lag)).after(
            Contradiction.ANOTHER_LOG, repeated=False, asked_at=asked_at, now=now
        )
        self.gone, self.due = decision.doubt, now + decision.wait
        return decision.verdict is Verdict.BELIEVED

    def may_be_of_two(self, lines: int, job: Job) -> bool:
        """Whether answers of two logs may have been joined to so many lines."""
        return lines > 0 and not (self.before == 0 and job.ended_long_ago)

    def outcome(self, manifest: Manifest, *, skipped: bool = False) -> Downloaded:
        """Return what became of it, if no error did."""
        known: DownloadState = "settling" if manifest.settling else "running"
        if manifest.complete:
            known = "skipped" if skipped else "complete"
        return Downloaded(
            job_id=manifest.job_id,
            state=known,
            lines=manifest.lines,
            # One less may be here, where to put a whole line in the place of its beginning has failed.
            new_lines=0 if self.before is None else max(0, manifest.lines - self.before),
            file=manifest.file,
            set_aside=tuple(self.older),
            profile=self.profile,
        )

    def failed(self, job_id: str, manifest: Manifest | None, error: FTLogsError) -> Downloaded:
        """Return what became of it where an error ended it, with what is there of it."""
        if manifest is None:
            return Downloaded(
                job_id=without_keys(job_id),
                state="failed",
                set_aside=tuple(self.older),
                profile=self.profile,
                error=error,
            )
        if isinstance(error, NotFoundError) and manifest.lines:
            error.advice = _of_what_is_forgotten(manifest, self.profile)
        return attrs.evolve(self.outcome(manifest), state="failed", error=error)


def _of_what_is_forgotten(manifest: Manifest, profile: str) -> str:
    """Return what to do about a job that is unknown to the service, and of which lines are here."""
    known = "If key, workspace and region are those it was created in, the service has forgotten it, and"
    if manifest.complete:
        return (
            f"{known} what is damaged here can't be fetched anew: it stays as it is. Put it back from a "
            "copy, if there is one."
        )
    option = f"--forgotten-ok {label(profile, manifest.job_id)}"
    return (
        f"{known} what is here, {counted(manifest.lines, 'line')}, is all there will be: leave it out "
        f"from now on, and give `ftlogs verify --all` the option `{option}`."
    )


def next_round(later: list[Turn]) -> tuple[float, list[Turn], list[Turn]]:
    """Return when the next turns are to be taken, which those are, and the others.

    All that is in doubt is asked for together, and so is all that has to settle.
    """
    doubted = [turn for turn in later if turn.is_in_doubt]
    settling = [turn for turn in later if not turn.is_in_doubt]
    ask_at, look_at = (max((turn.due for turn in turns), default=inf) for turns in (doubted, settling))
    if ask_at <= look_at:
        return ask_at, doubted, settling
    return look_at, settling, doubted


def pages_ahead(requests: int, logs: int) -> int:
    """Return how many pages of each log are read ahead: no request waits, and no more is held.

    >>> [pages_ahead(8, logs) for logs in (1, 2, 3, 5, 9, 99)]
    [8, 8, 5, 3, 1, 1]
    """
    return max(1, min(requests, 2 * requests // logs))


def doubled(first: float, most: float) -> Iterator[float]:
    """Yield seconds, each time twice as many, up to the most.

    >>> pauses = doubled(0.3, 1.0)
    >>> [next(pauses) for _ in range(4)]
    [0.3, 0.6, 1.0, 1.0]
    """
    while True:
        yield min(first, most)
        first = min(2 * first, most)
