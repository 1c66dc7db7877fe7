"""The work of `ftlogs tail -f`: print what there is, then what comes, until the jobs have ended."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from dashscope_ftlogs import EventKind, FTLogsError, InvalidArgumentError, Job, LogPage, RetryPolicy
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.checks import lasting, within
from dashscope_ftlogs.cli.exit_codes import INCOMPLETE, exit_code
from dashscope_ftlogs.cli.log_sources import code_of
from dashscope_ftlogs.cli.options import command_line
from dashscope_ftlogs.cli.run_command import complain, run, told
from dashscope_ftlogs.cli.tail.how_jobs_ended import ALARM, UNMET
from dashscope_ftlogs.cli.tail.last_lines import DEFAULT_COUNT, Tail, where
from dashscope_ftlogs.cli.tail.status import Outage
from dashscope_ftlogs.cli.terminal.stdout import printing, table
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm
from dashscope_ftlogs.text import excerpt, for_shell

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

    all_running: bool = False
    give_up_after: float | None = None
    polls: tuple[float, float] = (1.0, 15.0)
    settle: float | None = None
    look_every: float = 30.0
    stats: bool = False
    _followers: "dict[str, LogFollower]" = attrs.field(factory=dict[str, Any], init=False)
    """By profile, as the sessions."""
    _taking: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    """Held while a page is looked at and printed: what comes from several followers takes turns."""
    _outage: Outage = attrs.field(init=False)
    _settling: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    """For jobs that have ended, for how many ticks late lines are awaited."""
    _finished: set[str] = attrs.field(factory=set[str], init=False)
    _awaited: frozenset[str] | None = attrs.field(default=None, init=False)
    """The jobs that have to meet `--until`; None until they are known."""
    _seen: dict[str, set[str]] = attrs.field(factory=dict[str, set[str]], init=False)
    """With `--all-running`, the jobs of each profile that was looked at."""
    _idle: set[str] = attrs.field(factory=set[str], init=False)
    """The profiles of which no job ran when they were last looked at, or that can't be asked."""
    _all_idle: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._outage = Outage(self._status.say)

    def run(self) -> None:
        """Do it, and exit. An outage is told of as such, not request by request."""
        logging.getLogger("dashscope_ftlogs").addHandler(self._outage)
        run(self._follow(), on_interrupt=self._how_to_go_on, show_retries=False)

    async def _follow(self) -> int:
        async with AsyncExitStack() as stack:
            await self._connect(stack)
            self._awaited = None if self.all_running else frozenset(self.offsets)
            self._start()
            printer = stack.enter_context(printing())
            try:
                async with asyncio.TaskGroup() as group:
                    ticking = group.create_task(self._tick())
                    reading = [
                        group.create_task(self._read(profile, follower, printer))
                        for profile, follower in self._followers.items()
                    ]
                    await asyncio.wait(reading)
                    ticking.cancel()
            except ExceptionGroup as errors:
                self._end()
                error = errors.exceptions[0]
                if isinstance(error, _AlarmError):
                    complain(f"{error}; {self._how_to_go_on()}")
                    return ALARM
                if isinstance(error, _AllMetError):
                    *_, last = self._met.values()
                    complain(f"{last}; {self._how_to_go_on()}")
                    return code_of(self._failed)
                if not isinstance(error, FTLogsError):
                    raise error from None
                if self._ends_all(error):
                    complain(self._how_to_go_on())
                if (
                    self.all_running
                    and self._was_told(error)
                    and isinstance(error, InvalidArgumentError)
                ):
                    return INCOMPLETE  # by an id that nobody typed
                return exit_code(error)
            self._end()
            self._tell_of_what_never_came()
            if self.stats:
                self._report()
        followed = self._jobs.items()
        if self.goals and not followed:  # where no job ran, none met it
            return code_of(self._failed) or UNMET
        end = self._end_of([(name, one.job) for name, one in followed if name not in self._met])
        return code_of(self._failed) or end

    def _tell_of_what_never_came(self) -> None:
        """Say which conditions nothing could have met, if there were jobs at all.

        Raises:
            InvalidArgumentError: a log has ended before the place from which it was to be printed.
        """
        for name, offset in self._known.items():
            if name in self._finished:
                within(name, offset, self._jobs[name].offset)
        if self._jobs:
            self._tell_of_missed_names(ended=True)

    @property
    def _jobs(self) -> "dict[str, Followed]":
        return {
            label(profile, job_id): followed
            for profile, follower in self._followers.items()
            for job_id, followed in follower.jobs.items()
        }

    def _start(self) -> None:
        """Begin to follow the jobs of each profile that has any, or may have."""
        given = {name: offset for name, offset in self.offsets.items() if offset is not None}
        if self._remembers:
            self._known = {name: offset for name, offset in given.items() if offset}
            self._places.update(self._known)
        given.update(dict.fromkeys(self._known, 0))
        shortest, longest = self.polls
        for profile, session in self._sessions.items():
            named = {name: job_id for name in self.offsets if (job_id := _of(profile, name))}
            if named or self.all_running:
                self._followers[profile] = session.follow(
                    self._running(profile, session) if self.all_running else list(named.values()),
                    offset={named[name]: offset for name, offset in given.items() if name in named},
                    tail=self.count,
                    shortest_poll=shortest,
                    longest_poll=longest,
                    give_up_after=self.give_up_after,
                    settle=self.settle,
                    on_event=partial(self._on_event, profile),
                )

    def _on_event(self, profile: str, event: "FollowEvent") -> None:
        event = attrs.evolve(event, job_id=label(profile, event.job_id))
        if event.kind is EventKind.FINISHED:
            self._finished.add(event.job_id)
            event = attrs.evolve(event, message=event.message + self._why_it_failed(event.job_id))
        elif event.kind is EventKind.REWRITTEN:
            self._logs.begin_anew(event.job_id)
            self._known.pop(event.job_id, None)
        if event.position is not None and event.position["offset"] >= self._known.get(event.job_id, 0):
            self._places[event.job_id] = event.position["offset"]
        error = self._jobs[event.job_id].error if event.kind is EventKind.FAILED else None
        if error is not None:
            event = attrs.evolve(event, message=told(error))
            if self._jobs[event.job_id].first is None and isinstance(error, InvalidArgumentError):
                self._finished.add(event.job_id)  # no command can name it
        self._status.on_event(event)
        if error is not None and self._ends_all(error):
            raise error

    def _why_it_failed(self, name: str) -> str:
        """Return what the service says of a job that has failed, and where there is more."""
        job = self._jobs[name].job
        if job is None or job.status != "FAILED":
            return ""
        why = ": ".join(excerpt(said, 200).rstrip(".") for said in (job.code, job.message) if said)
        whose = self.connection.given(self._profile(name))
        more = f"`ftlogs show {for_shell(job.job_id)}{whose}` looks into its log"
        return f"; {why and f'the service says {why}; '}{more}"

    def _ends_all(self, error: FTLogsError) -> bool:
        """Whether what was given up on would never be looked at again, since the watch has no end."""
        return self.all_running and error.outlasted

    def _was_told(self, error: FTLogsError) -> bool:
        """Whether it was said when a job could not be followed to its end."""
        return any(error is followed.error for followed in self._jobs.values())

    async def _running(self, profile: str, session: "LogSession") -> AsyncGenerator[str, None]:
        """Yield the jobs that were named, then others as they begin to run, as long as any runs."""
        for job_id in filter(None, (_of(profile, name) for name in self.offsets)):
            yield job_id
        async with session.running_jobs(
            every=self.look_every,
            until=partial(self._looked, profile),
            give_up_after=self.give_up_after,
        ) as running:
            while not self._all_idle.is_set():  # until a job of another profile ends, one may begin here
                try:
                    job = await asyncio.wait_for(anext(running), _TICK)
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    return
                yield job.job_id

    def _looked(self, profile: str, running: Sequence[Job]) -> bool:
        """Take note of which jobs of a profile run; return whether none does in any profile."""
        seen = self._seen.setdefault(profile, {name for name in self.offsets if _of(profile, name)})
        seen.update(label(profile, job.job_id) for job in running)
        (self._idle.discard if running else self._idle.add)(profile)
        if self._seen.keys() == self._followers.keys():
            self._awaited = frozenset(self._jobs).union(*self._seen.values())
        if self._idle == self._followers.keys():
            if not self._awaited:
                complain("no job is running")
            self._all_idle.set()
        return self._all_idle.is_set()

    async def _read(self, profile: str, follower: "LogFollower", printer: Thread) -> None:
        try:
            async with follower.pages() as pages:
                async for page in pages:
                    async with self._taking:
                        await self._take(attrs.evolve(page, job_id=label(profile, page.job_id)), printer)
        except FTLogsError as error:
            if not self._was_told(error):
                self._status.say(f"{profile}: {told(error)}" if profile else told(error))
            if not profile or self._ends_all(error):
                raise
            self._failed.append(error)
            if self.all_running:
                self._looked(profile, [])

    async def _take(self, page: LogPage, printer: Thread) -> None:
        """Print a page, up to what meets a condition."""
        self._outage.over()
        if page.job_id in self._met:
            return
        met = self._first_alarm(page)
        wanted = len(page.lines) if met is None else met[0] + 1
        await printer.run(self._print, page, wanted)
        if met is None:
            self._tell_of_missed_names(ended=False)
        self._status.draw(self._jobs)
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

    async def _tick(self) -> None:
        """Keep what is said about the jobs up to date, and watch out for silences."""
        while True:
            await asyncio.sleep(_TICK)
            await self._refresh()
            jobs = self._jobs
            self._status.flush()
            self._status.draw(jobs)
            self._tell_of_late_lines(jobs)
            if self._all_met():
                raise _AllMetError
            for alarm in self._logs.alarms:
                for name, followed in jobs.items():
                    silent = alarm.stall is not None and followed.silence >= alarm.stall
                    if silent and name not in self._met:
                        silent_for = lasting(round(followed.silence))
                        silence = f"no line for {silent_for} after line {followed.offset}"
                        self._has_met(name, alarm, f"{alarm.text}: {name}: {silence}")

    async def _refresh(self) -> None:
        """Renew what stands above the line at the bottom, which is nothing here."""

    def _tell_of_late_lines(self, jobs: "Mapping[str, Followed]") -> None:
        """Say once what is waited for, where no line at the bottom does."""
        for name, followed in () if self._status.at_bottom else jobs.items():
            if followed.settling:
                ticks = self._settling[name] = self._settling.get(name, 0) + 1
                if ticks == _WORTH_TELLING:
                    self._status.say(
                        f"{name}: has ended; lines that come late are waited for, for up to "
                        f"{lasting(RetryPolicy().lag if self.settle is None else self.settle)}"
                    )

    def _end(self) -> None:
        self._status.flush()
        self._status.clear()

    def _report(self) -> None:
        rows = [
            (
                name,
                followed.found,
                f"{followed.lags.median:.1f} s",
                f"{followed.lags.worst:.1f} s",
            )
            for name, followed in self._jobs.items()
        ]
        lines = table(("JOB ID", "LINES", "LAG, MEDIAN", "LAG, WORST"), rows).decode()
        for line in lines.splitlines():
            complain(line)
        for profile, session in self._sessions.items():
            whose = f"{profile}: " if profile else ""
            sent = f"{session.requests:,} requests, {session.concurrency} at once at most"
            complain(f"{whose}{sent}; lags are estimates from the rhythm of the lines")

    def _how_to_go_on(self) -> str:
        self._end()
        jobs = self._jobs
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
        named = [
            for_shell(job_id if place is None else f"{job_id}:{place}")
            for job_id, place in places.items()
        ]
        words = ["--all-running"] if self.all_running else []
        if self.count != DEFAULT_COUNT and (self.all_running or None in places.values()):
            words.append(f"-n {'all' if self.count is None else self.count}")
        words += map(for_shell, self.given)
        return f"{goes_on}; resume with: {command_line('tail -f', named, *words)}"

    def _place(self, job_id: str, jobs: "Mapping[str, Followed]") -> int | None:
        """Return the next line of a job that was not printed; None if that is not known yet."""
        if job_id in self._places:
            return self._places[job_id]
        if job_id in jobs and jobs[job_id].first is not None:
            return jobs[job_id].first
        given = self.offsets.get(job_id)
        return 0 if given is None and self.count is None else given


def _of(profile: str, name: str) -> str:
    """Return the id of a job that is named with its profile; of another profile's, nothing."""
    whose, _, job_id = name.rpartition("/")
    return job_id if whose == profile else ""
