"""Which jobs run, looked for again and again: each is told of once, as it begins.

One may begin and end between two looks, as those do that fail at once: it is told of when it has ended.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from dashscope_ftlogs.errors import FTLogsError
from dashscope_ftlogs.follow.answer_in_time import in_time
from dashscope_ftlogs.follow.last_word import asked_wait, left_for, may_pass
from dashscope_ftlogs.models import Job, runs

if TYPE_CHECKING:
    from dashscope_ftlogs.client.service import Service

_log = logging.getLogger("dashscope_ftlogs")


@attrs.define
class _Told:
    """The jobs that were told of, by id, and those that are not to be."""

    _new: set[str] = attrs.field(factory=set[str], init=False)
    _over: set[str] = attrs.field(factory=set[str], init=False)
    """Had ended by the first look, or long ago, as one that this did not list; and may run again."""

    def new_of(self, jobs: Sequence[Job], *, first: bool) -> list[Job]:
        """Return those that are to be told of now, which they are then."""
        before = self._new | self._over
        self._over.update(
            job.job_id
            for job in jobs
            if job.ended and (first or job.ended_long_ago) and job.job_id not in before
        )
        new = [
            job
            for job in jobs
            if job.job_id not in self._new and (runs(job) or job.job_id not in self._over)
        ]
        self._new.update(job.job_id for job in new)
        return new


async def running_jobs(
    service: "Service",
    every: float,
    until: Callable[[Sequence[Job]], object] | None,
    give_up_after: float | None,
) -> AsyncGenerator[Job, None]:
    """Yield jobs. `LogSession.running_jobs` says what the arguments mean."""
    now = asyncio.get_running_loop().time
    told = _Told()
    answered = False
    failure: FTLogsError | None = None
    since = now()
    while True:
        if failure is None:
            since = now()
        wait = every
        try:
            # All of them first: a list that turns out to be incomplete tells of none that is new.
            async with in_time(failure, since, give_up_after) as patience:
                jobs = await _look(service, patience)
        except FTLogsError as error:
            passing = may_pass(error, answered=answered)
            left = left_for(error, now() - since, give_up_after) if passing else 0.0
            if left <= 0:
                raise
            if failure is None:
                _log.warning("running jobs can't be told, and are asked for again: %s", error.summary())
            failure = error
            wait = max(min(wait, left), asked_wait(error))
        else:
            new = told.new_of(jobs, first=not answered)
            answered, failure = True, None
            for job in new:
                yield job
            if until is not None and until(list(filter(runs, jobs))):
                return
        await asyncio.sleep(wait)


async def _look(service: "Service", patience: asyncio.Timeout) -> list[Job]:
    """Return the jobs that run, and those that have ended."""
    jobs: list[Job] = []
    async with service.jobs() as listed:
        async for job in listed:
            patience.reschedule(None)
            if job.ended or runs(job):
                jobs.append(job)
    return jobs
