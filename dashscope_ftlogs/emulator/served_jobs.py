"""The jobs that an emulator serves, as they are now, and as machines that lag see them."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence

from dashscope_ftlogs.emulator.answers import Refusal
from dashscope_ftlogs.emulator.jobs import EmulatedJob
from dashscope_ftlogs.emulator.past import Jobs, Past
from dashscope_ftlogs.emulator.server_arguments import by_id, check


class ServedJobs:
    """Jobs, and the clock that their schedules are written for.

    Where `longest_lag` is 0, nothing of the past is kept.
    """

    def __init__(
        self,
        jobs: Iterable[EmulatedJob],
        clock: Callable[[], float],
        time_scale: float,
        longest_lag: float,
    ) -> None:
        self._clock = clock
        self._time_scale = time_scale
        self._past = Past(clock, longest_lag, time_scale) if longest_lag else None
        self._started_at: float | None = None
        self.jobs = by_id(jobs)

    @property
    def jobs(self) -> MutableMapping[str, EmulatedJob]:
        """By id, in the order in which they are listed."""
        return self._jobs

    @jobs.setter
    def jobs(self, jobs: Mapping[str, EmulatedJob]) -> None:
        self._jobs = Jobs(jobs, self._past)

    @property
    def time_scale(self) -> float:
        """Seconds of job time per second."""
        return self._time_scale

    @time_scale.setter
    def time_scale(self, time_scale: float) -> None:
        check(time_scale=time_scale)
        self._time_scale = time_scale
        if self._past is not None:
            self._past.scaled(time_scale)

    def start(self) -> None:
        """Let job time begin now."""
        self._started_at = self._clock()

    @property
    def job_time(self) -> float:
        """Seconds of job time since the start."""
        if self._started_at is None:
            return 0.0
        return (self._clock() - self._started_at) * self.time_scale

    def listed(self, lag: float) -> tuple[Sequence[EmulatedJob], float]:
        """All jobs that a machine so far behind knows of, and the job time there."""
        if self._past is None or not lag:
            return self._jobs.now(), self.job_time
        when, seconds = self._seen_by(lag, self._past)
        return self._past.jobs(when), seconds

    def job(self, job_id: str, lag: float) -> tuple[EmulatedJob, float]:
        """One job as such a machine knows it, and the job time there; 404 if it knows none."""
        if self._past is None or not lag:
            job, seconds = self._jobs.get(job_id), self.job_time
        else:
            when, seconds = self._seen_by(lag, self._past)
            job = self._past.job(job_id, when)
        if job is None:
            raise Refusal(404)
        return job, seconds

    def _seen_by(self, lag: float, past: Past) -> tuple[float, float]:
        """The instant that such a machine sees, none before the start, and the job time there."""
        assert self._started_at is not None  # noqa: S101 - requests come later
        when = max(self._started_at, self._clock() - lag)
        return when, (when - self._started_at) * past.time_scale(when)
