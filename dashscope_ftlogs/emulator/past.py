"""What an emulator served some seconds ago, kept for machines that lag, and no longer than they need."""

import copy
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from operator import itemgetter
from threading import Lock
from typing import Generic, TypeVar

from dashscope_ftlogs.emulator.jobs import Beginning, EmulatedJob

T = TypeVar("T")


class History(Generic[T]):
    """A value's changes, back to the one that held `reach` seconds ago."""

    def __init__(self, value: T, reach: float) -> None:
        self._reach = reach
        self._changes: deque[tuple[float, T]] = deque([(float("-inf"), value)])

    def note(self, at: float, value: T) -> None:
        """From then on it is this."""
        if self._changes[-1][0] == at:
            self._changes.pop()
        self._changes.append((at, value))
        while len(self._changes) > 1 and self._changes[1][0] < at - self._reach:
            self._changes.popleft()

    def at(self, when: float) -> T:
        """What it was then."""
        number = bisect_right(self._changes, when, key=itemgetter(0)) - 1
        # A change in another thread may just have dropped what held a moment earlier.
        return self._changes[max(0, number)][1]

    def __len__(self) -> int:
        return len(self._changes)


class _Served:
    """One job between being added and being removed."""

    def __init__(self, job_id: str, job: EmulatedJob, since: float, place: int, reach: float) -> None:
        self.job_id = job_id
        self.job = job
        self.since = since
        self.until = float("inf")
        self.place = place
        self.life = [job.lines]
        self.history = History(self._state(), reach)

    def _state(self) -> EmulatedJob:
        state = copy.copy(self.job)
        state.lines = Beginning(self.life, len(self.job.lines))
        return state

    def changed(self, at: float, name: str) -> None:
        if name == "grown":
            # Appending makes a list that begins as the old one did: one of the two is enough to keep.
            self.life[0] = self.job.lines
        elif name == "lines":
            self.life = [self.job.lines]
        self.history.note(at, self._state())


class Past:
    """The jobs of an emulator, as they were at any instant of the last `reach` seconds."""

    def __init__(self, clock: Callable[[], float], reach: float, time_scale: float) -> None:
        self._clock = clock
        self._reach = reach
        self._lock = Lock()
        self._places = 0
        self._present: dict[str, _Served] = {}
        self._gone: deque[_Served] = deque()
        self._time_scale = History(time_scale, reach)

    def added(self, job_id: str, job: EmulatedJob) -> None:
        """The job is served from now on; one of the same id is no more."""
        with self._lock:
            now = self._clock()
            replaced = self._end(job_id, now)
            self._begin(job_id, job, now, None if replaced is None else replaced.place)

    def exchanged(self, jobs: Mapping[str, EmulatedJob]) -> None:
        """These are served from now on, in this order, and no others."""
        with self._lock:
            now = self._clock()
            for job_id in list(self._present):
                self._end(job_id, now)
            for job_id, job in jobs.items():
                self._begin(job_id, job, now, None)

    def removed(self, job_id: str) -> None:
        """The job is no more."""
        with self._lock:
            self._end(job_id, self._clock())

    def scaled(self, time_scale: float) -> None:
        """Job time passes at another speed from now on."""
        with self._lock:
            self._time_scale.note(self._clock(), time_scale)

    def _begin(self, job_id: str, job: EmulatedJob, now: float, place: int | None) -> None:
        self._places += 1
        served = _Served(job_id, job, now, self._places if place is None else place, self._reach)
        self._present[job_id] = served

        def changed(name: str) -> None:
            with self._lock:
                served.changed(self._clock(), name)

        job.watch(served, changed)

    def _end(self, job_id: str, now: float) -> _Served | None:
        served = self._present.pop(job_id, None)
        if served is not None:
            served.job.watch(served, None)
            served.until = now
            self._gone.append(served)
        while self._gone and self._gone[0].until < now - self._reach:
            self._gone.popleft()
        return served

    def jobs(self, when: float) -> list[EmulatedJob]:
        """All that were served then, in the order of that time."""
        with self._lock:
            there = [
                served
                for served in (*self._gone, *self._present.values())
                if served.since <= when < served.until
            ]
            there.sort(key=lambda served: served.place)
            return [served.history.at(when) for served in there]

    def job(self, job_id: str, when: float) -> EmulatedJob | None:
        """That one, if it was served then."""
        with self._lock:
            served = self._present.get(job_id)
            if served is None or served.since > when:
                gone = (one for one in self._gone if one.job_id == job_id)
                served = next((one for one in gone if one.since <= when < one.until), None)
            return None if served is None else served.history.at(when)

    def time_scale(self, when: float) -> float:
        """How fast job time passed then."""
        with self._lock:
            return self._time_scale.at(when)


class Jobs(MutableMapping[str, EmulatedJob]):
    """Jobs by id, whose past is kept where one is given.

    Not a UserDict: from Python 3.15 on, some of its methods pass by those below.
    """

    def __init__(self, jobs: Mapping[str, EmulatedJob], past: Past | None) -> None:
        self._jobs = dict(jobs)
        self._past = past
        if past is not None:
            past.exchanged(jobs)

    def now(self) -> list[EmulatedJob]:
        """All of them; other threads may add and remove meanwhile."""
        return list(self._jobs.values())

    def __getitem__(self, job_id: str) -> EmulatedJob:
        return self._jobs[job_id]

    def __setitem__(self, job_id: str, job: EmulatedJob) -> None:
        self._jobs[job_id] = job
        if self._past is not None:
            self._past.added(job_id, job)

    def __delitem__(self, job_id: str) -> None:
        del self._jobs[job_id]
        if self._past is not None:
            self._past.removed(job_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)
