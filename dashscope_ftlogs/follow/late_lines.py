"""When a log that is followed is over: its job has ended, and every machine shows its last lines. Pure.

The service is many machines, and some lag behind. So lines may appear after the status that is final.
"""

import attrs

from dashscope_ftlogs.models import Job


@attrs.frozen
class Settling:
    """What was heard of the end of a job. Times are monotonic."""

    settle: float
    """For how many seconds after an end lines may still appear."""
    ended_at: float | None = None
    """When the end was heard; None before."""
    long_ago: bool = False
    """Whether it was over before it was followed, and long enough for every machine to know."""

    def heard(self, job: Job, *, first: bool, now: float) -> "Settling":
        """Return what is known after the service described the job, for the first time or anew.

        A job that was seen to run has just ended, whatever its `end_time` says; and one may run again.
        """
        if not job.ended:
            return attrs.evolve(self, ended_at=None, long_ago=False)
        return attrs.evolve(self, ended_at=now, long_ago=first and job.ended_long_ago)

    def is_over(self, *, looked_at: float, lines: int) -> bool:
        """Whether a look that began at that time, and found so many new lines, was the last one."""
        if self.ended_at is None:
            return False
        return self.long_ago or (lines == 0 and looked_at >= self.ended_at + self.settle)

    def wait(self, now: float, shortest: float, longest: float) -> float:
        """Return for how many seconds to wait before the next look; ever longer."""
        since = 0.0 if self.ended_at is None else now - self.ended_at
        return max(shortest, min(self.settle - since, longest / 3 + since))
