"""The work of `ftlogs plot -f`: curves that are drawn anew as lines come, until the jobs have ended.

They stand on stderr, as all that goes on does; what is drawn in the end goes to stdout.
"""

import copy
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from dashscope_ftlogs import EventKind, LogPage
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.cli.log_sources import Log
from dashscope_ftlogs.cli.reading_processes import PointsRead, ReadPoints
from dashscope_ftlogs.cli.tail.following import Following
from dashscope_ftlogs.cli.tail.status import terminal_size
from dashscope_ftlogs.cli.terminal.stdout import printing

if TYPE_CHECKING:
    from dashscope_ftlogs import FollowEvent

_REST: Final = 4
"""How much longer than drawing takes nothing is drawn: a long log may have the processor to a fifth."""

Logs = Sequence[Log[PointsRead]]


@attrs.define(kw_only=True)
class LiveCurves(Following):
    """Jobs whose curves are drawn, in place of the lines that `tail` prints."""

    drawn: Callable[[Logs, os.terminal_size], str]
    """Returns what is seen of logs so far, as whole lines that fit in there."""
    finish: Callable[[Logs], int]
    """Draws what there is in the end, and returns the exit code."""
    _readers: dict[str, ReadPoints] = attrs.field(factory=dict[str, ReadPoints], init=False)
    _known_points: dict[str, PointsRead] = attrs.field(factory=dict[str, PointsRead], init=False)
    """What logs held when they were last drawn."""
    _grown: set[str] = attrs.field(factory=set[str], init=False)
    """The jobs of which lines came since."""
    _size: os.terminal_size | None = attrs.field(default=None, init=False)
    _due: float = attrs.field(default=0.0, init=False)
    _drawer: Thread = attrs.field(factory=printing, init=False)

    async def _follow(self) -> int:
        with self._drawer:
            code = await super()._follow()
        logs = self._logs_so_far(self._readers)
        end = self.finish(logs) if logs or not code else 0
        return code or end

    async def _take(self, page: LogPage, printer: Thread) -> None:  # noqa: ARG002  (prints nothing)
        """Read a page; what it changes is drawn at the next tick."""
        self._outage.over()
        self._first_alarm(page)  # for the line at the bottom
        name = page.job_id
        if name not in self._readers:
            self._readers[name] = ReadPoints(name, None, self.pattern)
        self._readers[name].read(list(enumerate(page.lines, page.offset)))
        self._grown.add(name)

    def _on_event(self, profile: str, event: "FollowEvent") -> None:
        super()._on_event(profile, event)
        if event.kind is EventKind.REWRITTEN:
            self._readers.pop(name := label(profile, event.job_id), None)
            self._grown.discard(name)

    async def _refresh(self) -> None:
        size = terminal_size()
        is_due = self._grown and time.monotonic() >= self._due
        if not self._status.at_bottom or not (is_due or size != self._size):
            return
        begun = time.monotonic()
        # Where a log ends tells what its last lines mean: a copy is read to an end that it has not.
        copies = {name: copy.deepcopy(self._readers[name]) for name in self._grown}
        self._grown.clear()
        self._size = size
        text = await self._drawer.run(lambda: self.drawn(self._logs_so_far(copies), size))
        self._status.above, self._status.size_above = text, size
        self._due = time.monotonic() + _REST * (time.monotonic() - begun)

    def _logs_so_far(self, grown: Mapping[str, ReadPoints]) -> list[Log[PointsRead]]:
        self._known_points.update((name, reader.end()) for name, reader in grown.items())
        read, jobs = self._known_points, self._jobs
        return [Log(name, jobs[name].job, read[name]) for name in self.offsets if name in read]

    def _how_to_go_on(self) -> str:
        self._status.leave()
        self._end()
        return "interrupted"
