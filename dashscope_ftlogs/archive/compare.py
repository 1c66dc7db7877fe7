"""How far the service has gone on since a log was kept: its end is asked for, and compared."""

from typing import Final

import attrs

from dashscope_ftlogs.archive.outcomes import Verdict
from dashscope_ftlogs.client.config import same_service
from dashscope_ftlogs.client.doubt import Known
from dashscope_ftlogs.client.service import Service
from dashscope_ftlogs.errors import (
    AuthenticationError,
    FTLogsError,
    NotFoundError,
    ResponseTooLargeError,
    SessionStateError,
    TransportError,
)
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import counted, shown

COMPARABLE: Final = frozenset({"ok", "settling", "incomplete"})
_IN_A_ROW: Final = 10
"""So many jobs that fail, and none between them that does not, are the service's failure."""
_UNKNOWN: Final = "the service knows no such job, so no more will come"


@attrs.define
class Asking:
    """What comes of asking for one log after the other: also whether it is the service that fails."""

    session: Service
    failed_in_a_row: int = 0
    ever_answered: bool = False

    async def ask(self, verdict: Verdict) -> Verdict:
        """Return the verdict after asking for the log's end."""
        if verdict.state not in COMPARABLE:
            return verdict
        if verdict.endpoint and (why := another_service(verdict.endpoint, self.session.base_url)):
            return attrs.evolve(verdict, state="foreign", why=f"it {why}", running=False)
        try:
            found = await _compared(self.session, verdict)
        except FTLogsError as error:
            self.failed_in_a_row += 1
            if self._fails_any_job(error):
                error.job_id = error.offset = None  # one is as good as any other
                raise
            why = f"{verdict.why}; and not compared" if verdict.why else "not compared"
            why = f"{why}: {error.summary()}"
            return attrs.evolve(verdict, state="unasked", why=why, running=False, error=error)
        self.failed_in_a_row, self.ever_answered = 0, True
        return found

    def _fails_any_job(self, error: FTLogsError) -> bool:
        if isinstance(error, AuthenticationError | SessionStateError):
            return True
        never_answered = isinstance(error, TransportError) and not self.ever_answered
        return never_answered or self.failed_in_a_row >= _IN_A_ROW


async def _compared(service: Service, verdict: Verdict) -> Verdict:
    why = await difference(service, verdict.job_id, verdict.lines, verdict.tail)
    found = verdict if verdict.state == "ok" else await _with_what_is_to_come(service, verdict)
    return attrs.evolve(found, state="stale", why=why) if why else found


async def _with_what_is_to_come(service: Service, verdict: Verdict) -> Verdict:
    """Return the verdict on a log that lacks lines, with whether the service has any more of them."""
    try:
        job = await service.job(verdict.job_id)
    except NotFoundError:
        why = f"{verdict.why}; and {_UNKNOWN}"
        return attrs.evolve(verdict, state="forgotten", why=why, running=False)
    return attrs.evolve(verdict, running=verdict.running and ran_today(job))


def ran_today(job: Job) -> bool:
    """Whether a job runs, or has ended since the last download of a day in which each has one."""
    return not job.ended or (job.end_time is not None and not job.ended_long_ago)


async def difference(service: Service, job_id: str, lines: int, tail: tuple[str, ...]) -> str:
    """Return in what the service has another log than one that ends so, as far as one answer tells.

    Nothing, if it has the same; a job that it no longer knows counts as the same: what is here may
    be all that is left.
    """
    begin = lines - len(tail)
    try:
        try:
            page = await service.page(job_id, begin, len(tail) + 1)
        except ResponseTooLargeError:  # and the number of lines is told in any answer
            page = await service.page(job_id, lines, 1)
    except NotFoundError:
        return ""
    if page.total != lines:
        return f"{counted(lines, 'line')}, and the service has {page.total:,} by now"
    if Known(lines, tail, lines).contradiction(page) is not None:
        return "the service has other lines in the end by now"
    return ""


def another_service(endpoint: str, asked: str) -> str:
    """Return why a log that was read from one base URL is not gone on with at another, if it is not."""
    return (
        "" if same_service(endpoint, asked) else f"is of {shown(endpoint)}, and {shown(asked)} is asked"
    )
