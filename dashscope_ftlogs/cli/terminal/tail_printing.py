"""The work of `ftlogs tail`: print what there is, then what comes, until the jobs have ended."""

import asyncio
import shlex
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import attrs

from dashscope_ftlogs import EventKind, FTLogsError
from dashscope_ftlogs.checks import within
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.cli.run_command import complain, run
from dashscope_ftlogs.cli.short_job_ids import one_place_each, whole_job_ids
from dashscope_ftlogs.cli.terminal.stdout import printing, table, write
from dashscope_ftlogs.cli.terminal.tail_line_format import View
from dashscope_ftlogs.cli.terminal.tail_status import Status
from dashscope_ftlogs.metrics.fail_on_and_until_conditions import nearest
from dashscope_ftlogs.metrics.live.watched_logs import WatchedLogs
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm
from dashscope_ftlogs.reading.own_pattern import OwnPattern, OwnRecords
from dashscope_ftlogs.reading.tracebacks import RecordReader
from dashscope_ftlogs.text import escaped, excerpt

if TYPE_CHECKING:
    from dashscope_ftlogs import (
        Followed,
        FollowEvent,
        Job,
        LogFollower,
        LogPage,
        LogPaginator,
        LogSession,
    )

_FAILED: Final = 7
_CANCELED: Final = 8
_ALARM: Final = 9
_UNMET: Final = 10
_TICK: Final = 0.5
_MOST: Final = 20
_SHOWN: Final = 50
"""Lines at the end of a page: enough to tell step and loss, where no condition asks for all."""
_TRAININGS_OWN: Final = "a loss, the norm of gradients or a learning rate"
DEFAULT_COUNT: Final = 10
"""Of so many lines `tail` shows the last, if nothing is said."""


class _AlarmError(Exception):
    """A condition of `--fail-on` was met."""


class _AllMetError(Exception):
    """Each job has met a condition of `--until`."""


@attrs.define(kw_only=True)
class Following:
    """What the options of `ftlogs tail` said, and how far it has come."""

    connection: Connection
    offsets: Mapping[str, int | None]
    all_running: bool
    follow: bool
    count: int | None
    view: View
    alarms: tuple[Alarm, ...]
    """Of which the first that any job meets ends it."""
    goals: tuple[Alarm, ...] = ()
    """Of which each job has to meet one."""
    pattern: OwnPattern | None
    give_up_after: float | None
    polls: tuple[float, float]
    settle: float | None
    look_every: float
    stats: bool
    given: Sequence[str] = ()
    """The options that are the same where it is gone on with."""
    _status: Status = attrs.field(factory=Status, init=False)
    _follower: "LogFollower | None" = attrs.field(default=None, init=False)
    _places: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    """For each job of which something was printed, the next line that was not."""
    _logs: WatchedLogs = attrs.field(init=False)
    _finished: set[str] = attrs.field(factory=set[str], init=False)
    _known: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    """For jobs of which conditions remember more than is printed, the first line that is."""
    _met: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    """The jobs that have met `--until`, and what is said of each."""
    _awaited: frozenset[str] | None = attrs.field(default=None, init=False)
    """The jobs that have to; None until they are known."""

    def __attrs_post_init__(self) -> None:
        own, all_of_them = self.pattern, (*self.alarms, *self.goals)
        self._logs = WatchedLogs(all_of_them, RecordReader if own is None else lambda: OwnRecords(own))

    def run(self) -> None:
        """Do it, and exit."""
        work = self._follow() if self.follow else self._print_tails()
        # While jobs are followed, an outage is told of as such, not request by request.
        run(work, on_interrupt=self._how_to_go_on, show_retries=not self.follow)

    async def _print_tails(self) -> int:
        with printing() as printer:
            async with self.connection.session() as session:
                await self._name_whole(session)
                for job_id, offset in self.offsets.items():
                    begin, limit = await self._span(session, job_id, offset)
                    reader: LogPaginator = session.lines(job_id, offset=begin, limit=limit)
                    async with reader.pages() as pages:
                        async for page in pages:
                            met = self._first_alarm(page)
                            wanted = len(page.lines) if met is None else met[0] + 1
                            await printer.run(self._print, page, wanted)
                            if met is not None:
                                complain(told := _where(page, *met))
                                if not self._is_goal(met[1]):
                                    return _ALARM
                                self._met[job_id] = told
                                break
                    if job_id not in self._met:
                        within(job_id, offset or begin, reader.total)
                self._tell_of_missed_names(ended=True)
                unmet = [job_id for job_id in self.offsets if self.goals and job_id not in self._met]
                return self._end_of([await session.job(job_id) for job_id in unmet])

    async def _span(
        self, session: "LogSession", job_id: str, offset: int | None
    ) -> tuple[int, int | None]:
        """Return from which line a log is read, and how many lines."""
        if offset is not None:
            if offset and self._remembers:
                self._known[job_id] = offset
                return 0, None
            return offset, None
        if self.count is None:
            return 0, None
        total = (await session.page(job_id, 0, 1)).total
        return max(0, total - self.count), self.count

    @property
    def _remembers(self) -> bool:
        """Whether what a point means, and if it meets a condition, hangs on the lines before it."""
        return any(alarm.test is not None for alarm in self._logs.alarms)

    def _is_goal(self, alarm: Alarm) -> bool:
        return any(alarm is goal for goal in self.goals)

    def _end_of(self, jobs: "Sequence[Job]") -> int:
        """Return the code for these jobs, of which none met `--until`, if that was asked for."""
        for job in jobs if self.goals else ():
            goals = " or ".join(goal.text for goal in self.goals)
            said = "never met" if job.ended else "so far did not meet"
            later = "" if job.ended else "; -f waits for it"
            self._status.say(f"{job.job_id}: {job.status}, {said} {goals}{later}")
        ends = {job.status for job in jobs}
        if "FAILED" in ends:
            return _FAILED
        return _CANCELED if "CANCELED" in ends else _UNMET if ends and self.goals else 0

    async def _follow(self) -> int:
        async with self.connection.session() as session:
            await self._name_whole(session)
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
                    return _ALARM
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
        jobs = [followed.job for followed in self._follower.jobs.values() if followed.job is not None]
        return self._end_of([job for job in jobs if job.job_id not in self._met])

    async def _name_whole(self, session: "LogSession") -> None:
        """Put whole ids in the place of short ones."""
        ids = await whole_job_ids(session, list(self.offsets))
        pairs = zip(ids, self.offsets.values(), strict=True)
        self.offsets = one_place_each((job_id, offset) for meant, offset in pairs for job_id in meant)
        self._awaited = None if self.all_running else frozenset(self.offsets)

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
                    if page.job_id in self._met:
                        continue
                    met = self._first_alarm(page)
                    wanted = len(page.lines) if met is None else met[0] + 1
                    await printer.run(self._print, page, wanted)
                    if met is None:
                        self._tell_of_missed_names(ended=False)
                    self._status.draw(follower.jobs)
                    if met is not None:
                        self._has_met(page.job_id, met[1], _where(page, *met))

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

    def _first_alarm(self, page: "LogPage") -> tuple[int, Alarm] | None:
        """Return which line of a page meets a condition, and which; the status learns of its points."""
        begin = 0
        if not self._logs.alarms:
            begin = max(0, len(page.lines) - _SHOWN) if self._status.at_bottom else len(page.lines)
        for number, line in enumerate(page.lines[begin:], begin):
            for point, alarm in self._logs.read(page.job_id, page.offset + number, line):
                self._status.learn(page.job_id, point)
                if alarm is not None and page.offset + number >= self._known.get(page.job_id, 0):
                    return number, alarm
        return None

    def _print(self, page: "LogPage", wanted: int) -> None:
        begin = max(0, self._known.get(page.job_id, 0) - page.offset)
        lines = page.lines[begin:wanted]
        offset = page.offset + begin
        shown = self.view.shown(page.job_id, lines, offset, datetime.now().astimezone())
        if shown:
            self._status.clear()
            write(shown)
        if begin < len(page.lines):
            self._places[page.job_id] = offset + len(lines)

    async def _tick(self, jobs: "Mapping[str, Followed]") -> None:
        """Keep what is said about the jobs up to date, and watch out for silences."""
        while True:
            await asyncio.sleep(_TICK)
            self._status.flush()
            self._status.draw(jobs)
            if self._all_met():
                raise _AllMetError
            for alarm in self._logs.alarms:
                for followed in jobs.values():
                    silent = alarm.stall is not None and followed.silence >= alarm.stall
                    if silent and followed.job_id not in self._met:
                        silence = f"no line for {followed.silence:.0f} s after line {followed.offset}"
                        self._has_met(
                            followed.job_id, alarm, f"{alarm.text}: {followed.job_id}: {silence}"
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

    def _tell_of_missed_names(self, *, ended: bool) -> None:
        """Say which conditions nothing could have met: a misspelt name would pass for success."""
        for alarm in self._logs.missed(ended=ended):
            metric = _TRAININGS_OWN if alarm.metric is None else alarm.metric
            near = nearest(metric, self._logs.names)
            first: list[str] = [] if near is None else [near]
            names = list(dict.fromkeys(first + list(self._logs.names)))
            more = f", and {len(names) - _MOST} more" if names[_MOST:] else ""
            had = ", ".join(excerpt(name, 60) for name in names[:_MOST]) or "nothing"
            so_far = "that was watched" if ended else "so far"
            name = excerpt(metric, 60)
            self._status.say(f"{alarm.text}: no line {so_far} has {name}; they have {had}{more}")

    def _how_to_go_on(self) -> str:
        self._end()
        if not self.follow:
            return "interrupted"
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


def _where(page: "LogPage", number: int, alarm: Alarm) -> str:
    """Say which line of a page met a condition; people count lines from 1."""
    line = excerpt(page.lines[number])
    return f"{alarm.text}: {page.job_id} line {page.offset + number + 1:,}: {line}"
