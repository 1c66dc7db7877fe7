"""The work of `ftlogs tail -f`: print what there is, then what comes, until the jobs have ended."""

import asyncio
import logging
import shlex
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from dashscope_ftlogs import EventKind, FTLogsError, RetryPolicy
from dashscope_ftlogs.checks import lasting, within
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.tail.how_jobs_ended import ALARM, UNMET
from dashscope_ftlogs.cli.tail.last_lines import DEFAULT_COUNT, Tail, where
from dashscope_ftlogs.cli.tail.status import Outage
from dashscope_ftlogs.cli.terminal.stdout import printing, table
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm
from dashscope_ftlogs.text import escaped

if TYPE_CHECKING:
    from dashscope_ftlogs import Followed, FollowEvent, LogFollower, LogSession

_TICK: Final = 0.5
_WORTH_TELLING: Final = 3
"""Ticks."""


class _AlarmError(Exception):
    """A condition of `--fail-on` was met."""


class _AllMetError(Exception):
    """Each job has met a condition of `--until`."""


@attrs.define(kw_only=True)
class Following(Tail):
    """A tail that goes on until its jobs have ended."""

    all_running: bool
    give_up_after: float | None
    polls: tuple[float, float]
    settle: float | None
    look_every: float
    stats: bool
    given: Sequence[str] = ()
    """The options that are the same where it is gone on with."""
    _follower: "LogFollower | None" = attrs.field(default=None, init=False)
    _outage: Outage = attrs.field(init=False)
    _settling: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    """For jobs that have ended, for how many ticks late lines are awaited."""
    _finished: set[str] = attrs.field(factory=set[str], init=False)
    _awaited: frozenset[str] | None = attrs.field(default=None, init=False)
    """The jobs that have to meet `--until`; None until they are known."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._outage = Outage(self._status.say)

    def run(self) -> None:
        """Do it, and exit. An outage is told of as such, not request by request."""
        logging.getLogger("dashscope_ftlogs").addHandler(self._outage)
        run(self._follow(), on_interrupt=self._how_to_go_on, show_retries=False)

    async def _follow(self) -> int:
        async with self.connection.session() as session:
            await self._name_whole(session)
            self._awaited = None if self.all_running else frozenset(self.offsets)
            self._follower = self._start(session)
            try:
                async with asyncio.TaskGroup() as group:
                    ticking = group.create_task(self._tick(self._follower.jobs))
                    await self._read(self._follower)
                    ticking.cancel()
            except ExceptionGroup as errors:
                self._end()
                error = errors.exceptions[0]
                if isinstance(error, _AlarmError):
                    complain(f"{error}; {self._how_to_go_on()}")
                    return ALARM
                if isinstance(error, _AllMetError):
                    told = list(self._met.values())
                    complain(f"{told[-1]}; {self._how_to_go_on()}")
                    return 0
                if isinstance(error, FTLogsError) and self._status.told_of_failure:
                    return exit_code(error)
                raise error from None
            self._end()
            for job_id, offset in self._known.items():
                within(job_id, offset, self._follower.jobs[job_id].offset)
            self._tell_of_missed_names(ended=True)
            if self.stats:
                self._report(session, self._follower.jobs)
        followed = self._follower.jobs.items()
        if self.goals and not followed:  # where no job ran, none met it
            return UNMET
        return self._end_of([(job_id, one.job) for job_id, one in followed if job_id not in self._met])

    def _start(self, session: "LogSession") -> "LogFollower":
        given = {job_id: offset for job_id, offset in self.offsets.items() if offset is not None}
        if self._remembers:
            self._known = {job_id: offset for job_id, offset in given.items() if offset}
            self._places.update(self._known)
        given.update(dict.fromkeys(self._known, 0))
        shortest, longest = self.polls
        return session.follow(
            self._running(session) if self.all_running else list(self.offsets),
            offset=given,
            tail=self.count,
            shortest_poll=shortest,
            longest_poll=longest,
            give_up_after=self.give_up_after,
            settle=self.settle,
            on_event=self._on_event,
        )

    def _on_event(self, event: "FollowEvent") -> None:
        if event.kind is EventKind.FINISHED:
            self._finished.add(event.job_id)
        elif event.kind is EventKind.REWRITTEN:
            self._logs.begin_anew(event.job_id)
            self._known.pop(event.job_id, None)
        if event.position is not None and event.position["offset"] >= self._known.get(event.job_id, 0):
            self._places[event.job_id] = event.position["offset"]
        self._status.on_event(event)

    async def _running(self, session: "LogSession") -> AsyncGenerator[str, None]:
        """Yield the jobs that were named, then others as they begin to run, as long as there are any."""
        seen = set(self.offsets)
        for job_id in self.offsets:
            yield job_id
        while True:
            running = [job.job_id async for job in session.jobs(status="RUNNING")]
            for job_id in running:
                if job_id not in seen:
                    seen.add(job_id)
                    yield job_id
            self._awaited = frozenset(seen)
            if not running:
                if not seen:
                    complain("no job is running")
                return
            await asyncio.sleep(self.look_every)

    async def _read(self, follower: "LogFollower") -> None:
        with printing() as printer:
            async with follower.pages() as pages:
                async for page in pages:
                    self._outage.over()
                    if page.job_id in self._met:
                        continue
                    met = self._first_alarm(page)
                    wanted = len(page.lines) if met is None else met[0] + 1
                    await printer.run(self._print, page, wanted)
                    if met is None:
                        self._tell_of_missed_names(ended=False)
                    self._status.draw(follower.jobs)
                    if met is not None:
                        self._has_met(page.job_id, met[1], where(page, *met))

    def _has_met(self, job_id: str, alarm: Alarm, told: str) -> None:
        """Take note that a job met a condition, and end it all, if that is what it means."""
        if not self._is_goal(alarm):
            raise _AlarmError(told)
        self._met[job_id] = told
        self._finished.add(job_id)
        if self._all_met():
            raise _AllMetError
        self._status.say(told)

    def _all_met(self) -> bool:
        return self._awaited is not None and bool(self._met) and self._awaited <= self._met.keys()

    async def _tick(self, jobs: "Mapping[str, Followed]") -> None:
        """Keep what is said about the jobs up to date, and watch out for silences."""
        while True:
            await asyncio.sleep(_TICK)
            self._status.flush()
            self._status.draw(jobs)
            self._tell_of_late_lines(jobs)
            if self._all_met():
                raise _AllMetError
            for alarm in self._logs.alarms:
                for followed in jobs.values():
                    silent = alarm.stall is not None and followed.silence >= alarm.stall
                    if silent and followed.job_id not in self._met:
                        silent_for = lasting(round(followed.silence))
                        silence = f"no line for {silent_for} after line {followed.offset}"
                        self._has_met(
                            followed.job_id, alarm, f"{alarm.text}: {followed.job_id}: {silence}"
                        )

    def _tell_of_late_lines(self, jobs: "Mapping[str, Followed]") -> None:
        """Say once what is waited for, where no line at the bottom does."""
        for followed in () if self._status.at_bottom else jobs.values():
            if followed.settling:
                ticks = self._settling[followed.job_id] = self._settling.get(followed.job_id, 0) + 1
                if ticks == _WORTH_TELLING:
                    self._status.say(
                        f"{followed.job_id}: has ended; lines that come late are waited for, for up to "
                        f"{lasting(RetryPolicy().lag if self.settle is None else self.settle)}"
                    )

    def _end(self) -> None:
        self._status.flush()
        self._status.clear()

    def _report(self, session: "LogSession", jobs: "Mapping[str, Followed]") -> None:
        rows = [
            (
                followed.job_id,
                followed.found,
                f"{followed.lags.median:.1f} s",
                f"{followed.lags.worst:.1f} s",
            )
            for followed in jobs.values()
        ]
        lines = table(("JOB ID", "LINES", "LAG, MEDIAN", "LAG, WORST"), rows).decode()
        for line in lines.splitlines():
            complain(line)
        sent = f"{session.requests:,} requests, {session.concurrency} at once at most"
        complain(f"{sent}; lags are estimates from the rhythm of the lines")

    def _how_to_go_on(self) -> str:
        self._end()
        jobs = self._follower.jobs if self._follower else {}
        named = list(dict.fromkeys([*self.offsets, *jobs]))
        left = [job_id for job_id in named if job_id not in self._finished]
        left = left or ([] if self.all_running else named)
        running = [
            job_id
            for job_id in left
            if job_id not in jobs or not (job := jobs[job_id].job) or not job.ended
        ]
        goes_on = "the jobs go on" if running[1:] else "the job goes on" if running else "stopped"
        places = {job_id: self._place(job_id, jobs) for job_id in left}
        words = [job_id if place is None else f"{job_id}:{place}" for job_id, place in places.items()]
        if self.all_running:
            words.append("--all-running")
        if self.count != DEFAULT_COUNT and (self.all_running or None in places.values()):
            words.append(f"-n {'all' if self.count is None else self.count}")
        words += map(shlex.quote, map(escaped, self.given))
        return f"{goes_on}; resume with: ftlogs tail -f {' '.join(words)}"

    def _place(self, job_id: str, jobs: "Mapping[str, Followed]") -> int | None:
        """Return the next line of a job that was not printed; None if that is not known yet."""
        if job_id in self._places:
            return self._places[job_id]
        if job_id in jobs and jobs[job_id].first is not None:
            return jobs[job_id].first
        given = self.offsets.get(job_id)
        return 0 if given is None and self.count is None else given
