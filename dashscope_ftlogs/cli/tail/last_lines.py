"""What there is by now of logs: their last lines, or those that conditions ask for."""

from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from dashscope_ftlogs import ArchiveError, FTLogsError, LogPage
from dashscope_ftlogs.archive.store import KeptLog, label
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.checks import within
from dashscope_ftlogs.cli.connection_options import Connection, naming
from dashscope_ftlogs.cli.log_sources import code_of, in_own_form, opened, session_of, stored_pages
from dashscope_ftlogs.cli.options import command_line
from dashscope_ftlogs.cli.run_command import complain, told
from dashscope_ftlogs.cli.short_job_ids import one_place_each, whole_jobs
from dashscope_ftlogs.cli.tail.how_jobs_ended import ALARM, UNWATCHED, code_of_ends
from dashscope_ftlogs.cli.tail.line_format import View
from dashscope_ftlogs.cli.tail.status import Status
from dashscope_ftlogs.cli.terminal.stdout import part, printing, write
from dashscope_ftlogs.metrics.fail_on_and_until_conditions import nearest
from dashscope_ftlogs.metrics.live.live_points import LivePoint
from dashscope_ftlogs.metrics.live.watched_logs import WatchedLogs
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm
from dashscope_ftlogs.reading.own_pattern import OwnPattern, OwnRecords
from dashscope_ftlogs.reading.tracebacks import RecordReader
from dashscope_ftlogs.text import excerpt, for_shell

if TYPE_CHECKING:
    from dashscope_ftlogs import Job, LogPaginator, LogSession

_MOST: Final = 20
_SHOWN: Final = 50
"""Lines at the end of a page: enough to tell step and loss, where no condition asks for all."""
_TRAININGS_OWN: Final = "a loss, the norm of gradients or a learning rate"
DEFAULT_COUNT: Final = 10
"""Of so many lines `tail` shows the last, if nothing is said."""


@attrs.define(kw_only=True)
class Tail:
    """What the options of `ftlogs tail` said, and how far it has come."""

    connection: Connection
    offsets: Mapping[str, int | None]
    """For each log, from which line on it is wanted, if that was said."""
    stored: Mapping[str, KeptLog | None] = attrs.field(factory=dict[str, KeptLog | None])
    """Those of them that are on this machine; None for stdin."""
    count: int | None
    view: View
    alarms: tuple[Alarm, ...]
    """Of which the first that any job meets ends it."""
    goals: tuple[Alarm, ...] = ()
    """Of which each job has to meet one."""
    pattern: OwnPattern | None
    given: Sequence[str] = ()
    """The options that are the same where it is gone on with."""
    _sessions: "Mapping[str, LogSession]" = attrs.field(factory=dict[str, Any], init=False)
    """By the profile that stands before the names of its jobs: by none, where there is only one."""
    _failed: list[FTLogsError] = attrs.field(factory=list[FTLogsError], init=False)
    """What kept some jobs from being read, and not the others."""
    _status: Status = attrs.field(factory=Status, init=False)
    _places: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    """For each job of which something was printed, the next line that was not."""
    _logs: WatchedLogs = attrs.field(init=False)
    _known: dict[str, int] = attrs.field(factory=dict[str, int], init=False)
    """For jobs of which conditions remember more than is printed, the first line that is."""
    _met: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    """The jobs that have met `--until`, and what is said of each."""

    def __attrs_post_init__(self) -> None:
        own, all_of_them = self.pattern, (*self.alarms, *self.goals)
        self._logs = WatchedLogs(all_of_them, RecordReader if own is None else lambda: OwnRecords(own))

    async def print_tails(self) -> int:
        """Print what there is, and return the exit code."""
        async with AsyncExitStack() as stack:
            printer, unread = stack.enter_context(printing()), set[str]()
            if self.offsets.keys() - self.stored:
                await self._connect(stack)
            for name, offset in self.offsets.items():
                pages = self._stored(name, offset) if name in self.stored else self._sent(name, offset)
                try:
                    alarm = await self._print_one(name, pages, printer)
                except FTLogsError as error:
                    profile = "" if name in self.stored else name.rpartition("/")[0]
                    if not profile and not isinstance(error, ArchiveError):
                        raise
                    # It says nothing about the others.
                    complain(f"{profile}: {told(error)}" if profile else told(error))
                    self._failed.append(error)
                    unread.add(name)
                    continue
                if alarm is not None and not self._is_goal(alarm):
                    return ALARM
            self._tell_of_missed_names(ended=True)
            wanted = self.offsets.keys() - self._met.keys() - unread if self.goals else set[str]()
            unmet = [name for name in self.offsets if name in wanted]
            end = self._end_of([(name, await self._job(name)) for name in unmet])
            code = code_of(self._failed) or end
            if code or not self._is_unwatched(ended=True):
                return code
            jobs = [await self._job(name) for name in self.offsets]
            return UNWATCHED if self._is_unwatched(ended=all(map(_has_ended, jobs))) else 0

    async def _print_one(
        self, name: str, pages: AsyncGenerator[LogPage, None], printer: Thread
    ) -> Alarm | None:
        """Print a log, up to the first line that meets a condition; return that."""
        async with aclosing(pages):
            async for page in pages:
                met = self._first_alarm(page)
                wanted = len(page.lines) if met is None else met[0] + 1
                await printer.run(self._print, page, wanted)
                if met is not None:
                    complain(said := where(page, *met))
                    if self._is_goal(met[1]):
                        self._met[name] = said
                    return met[1]
        return None

    async def _job(self, name: str) -> "Job | None":
        if name in self.stored:
            log = self.stored[name]
            return None if log is None else log.job
        session, job_id = session_of(self._sessions, name)
        return await session.job(job_id)

    async def _sent(self, name: str, offset: int | None) -> AsyncGenerator[LogPage, None]:
        """Yield what is wanted of a job's log."""
        session, job_id = session_of(self._sessions, name)
        begin, limit = self._begin(name, offset), None
        if offset is None and self.count is not None:
            total = (await session.page(job_id, 0, 1)).total
            begin, limit = max(0, total - self.count), self.count
        reader: LogPaginator = session.lines(job_id, offset=begin, limit=limit)
        async with reader.pages() as pages:
            async for page in pages:
                yield attrs.evolve(page, job_id=name)
        within(name, offset or begin, reader.total)

    async def _stored(self, name: str, offset: int | None) -> AsyncGenerator[LogPage, None]:
        """Yield what is wanted of a log on this machine."""
        begin, total = self._begin(name, offset), 0
        last, held = deque[LogPage](), 0
        most = None if offset is not None else self.count
        async with aclosing(stored_pages(name, self.stored[name])) as pages:
            async for page in pages:
                total = page.next_offset
                if most is not None:
                    last.append(page)
                    held += len(page.lines)
                    while last and held - len(last[0].lines) >= most:
                        held -= len(last.popleft().lines)
                elif total > begin:
                    yield part(page, max(0, begin - page.offset), len(page.lines))
        for page in last:
            yield part(page, max(0, held - (most or 0)), len(page.lines))
            held = 0
        within(name, offset or 0, total)

    def _begin(self, name: str, offset: int | None) -> int:
        """Return from which line a log is read: the first, if conditions remember what was before."""
        if offset and self._remembers:
            self._known[name] = offset
            return 0
        return offset or 0

    async def _connect(self, stack: AsyncExitStack) -> None:
        """Open the sessions, and put whole names in the place of short ones."""
        sessions, lost = await opened(stack, self.connection), dict[str, FTLogsError]()
        sent = [name for name in self.offsets if name not in self.stored]
        meant = await whole_jobs(sessions, sent, lost=lost)
        before = {profile: profile if len(sessions) > 1 else "" for profile in sessions}
        names = {
            name: [label(before[profile], job_id) for profile, job_id in jobs]
            for name, jobs in zip(sent, meant, strict=True)
        }
        pairs = ((names.get(name, [name]), offset) for name, offset in self.offsets.items())
        self.offsets = one_place_each((name, offset) for meant, offset in pairs for name in meant)
        self._sessions = {before[one]: session for one, session in sessions.items() if one not in lost}
        for profile, error in lost.items():
            complain(f"{profile}: {told(error)}")
        self._failed += lost.values()

    @property
    def _remembers(self) -> bool:
        """Whether what a point means, and if it meets a condition, hangs on the lines before it."""
        return any(alarm.test is not None for alarm in self._logs.alarms)

    def _is_goal(self, alarm: Alarm) -> bool:
        return any(alarm is goal for goal in self.goals)

    def _end_of(self, ends: "Sequence[tuple[str, Job | None]]") -> int:
        """Return the code for these jobs, of which none met `--until`, if that was asked for."""
        goals = " or ".join(goal.text for goal in self.goals)
        for name, job in ends if goals else ():
            status = "" if job is None else f"{job.status}, "
            if job is None or job.ended:
                self._status.say(f"{name}: {status}never met {goals}")
            else:
                words = [naming(self._profile(name)).strip(), *map(for_shell, self.given)]
                waits = f"`{command_line('tail -f', [for_shell(job.job_id)], *words)}` waits for it"
                self._status.say(f"{name}: {status}so far did not meet {goals}; {waits}")
        return code_of_ends((job for _, job in ends), until=bool(goals))

    def _is_unwatched(self, *, ended: bool) -> bool:
        """Whether no line could have met one of `--fail-on`: that would pass for a watch without alarm.

        Of a job that goes on, lines may still come that could, unless they were missed for a while.
        """
        return not self.goals and bool(self._logs.unmeetable(ended=ended))

    def _profile(self, name: str) -> str:
        """Return by which profile a job can be asked for."""
        if (log := self.stored.get(name)) is not None:
            return log.profile
        return name.rpartition("/")[0] or next(iter(self.connection.profile or ()), "")

    def _first_alarm(self, page: LogPage) -> tuple[int, Alarm, LivePoint] | None:
        """Return which line of a page meets a condition, and which; the status learns of its points."""
        begin = 0
        if not self._logs.alarms:
            begin = max(0, len(page.lines) - _SHOWN) if self._status.at_bottom else len(page.lines)
        for number, line in enumerate(page.lines[begin:], begin):
            for point, alarm in self._logs.read(page.job_id, page.offset + number, line):
                self._status.learn(page.job_id, point)
                for one, name in self._logs.standing():
                    told = f"no {one.metric} so far; {excerpt(name, 60)} stands for it"
                    self._status.say(f"{one.text}: {page.job_id} has {told}")
                if alarm is not None and page.offset + number >= self._known.get(page.job_id, 0):
                    return number, alarm, point
        return None

    def _print(self, page: LogPage, wanted: int) -> None:
        begin = max(0, self._known.get(page.job_id, 0) - page.offset)
        new = part(page, begin, wanted)
        shown = self.view.shown(new, datetime.now().astimezone())
        if shown:
            self._status.clear()
            write(shown)
        if begin < len(page.lines):
            self._places[page.job_id] = new.next_offset

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
            missed = f"no line {so_far} has {name}; they have {had}{more}"
            if not self._logs.lines:
                missed = f"no line was watched, so none has {name}"
            self._status.say(f"{alarm.text}: {missed}{self._where_it_may_be()}")

    def _where_it_may_be(self) -> str:
        """Say what may hold a metric that no line has that was looked at."""
        if self.count is not None:
            return "; without -n, all lines are looked at"
        if self._logs.names or not self._logs.lines:
            return ""
        return in_own_form(self.pattern)


def _has_ended(job: "Job | None") -> bool:
    return job is None or job.ended


def where(page: LogPage, number: int, alarm: Alarm, point: LivePoint) -> str:
    """Say which line of a page met a condition; people count lines from 1.

    The epoch, too, where a line before it tells that: the steps in it may be those of each epoch.
    """
    told_before = point.epoch is not None and "epoch" not in point.values
    epoch = f", epoch {point.epoch:g}" if told_before else ""
    line = excerpt(page.lines[number])
    return f"{alarm.text}: {page.job_id} line {page.offset + number + 1:,}{epoch}: {line}"
