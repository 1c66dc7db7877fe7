"""What becomes of followed jobs, on stderr: a line at the bottom of a terminal, and words on events."""

import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping

import attrs

from dashscope_ftlogs import EventKind, Followed, FollowEvent
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.cli.terminal.stdout import cut, width
from dashscope_ftlogs.metrics.live.live_points import LivePoint
from dashscope_ftlogs.reading.forms.names import main_metric
from dashscope_ftlogs.text import counted, excerpt

_ERASE = "\r\x1b[2K"
_ERASE_ABOVE = "\x1b[1A\x1b[2K"
_ERASE_SCREEN = "\x1b[H\x1b[J"
_BESIDE = 3
"""Columns for the `^C` that a terminal shows: it would begin another row, and this one would stay."""
_SHORT = 8
"""Characters of an id beside others; of longer ones the end tells them apart."""
_SOON = 3.0
"""Seconds without an answer after which it is told, long before the retry policy gives up."""
_OFTEN = {EventKind.DISCONNECTED, EventKind.THROTTLED, EventKind.CONNECTED}
"""What happens to all jobs together."""
_EXPECTED = {"RUNNING", "SUCCEEDED", "FAILED", "CANCELED"}
"""Nothing new to whoever sees lines come; the end is told of when the last one was read."""


@attrs.define
class Point:
    """The last metrics of a job."""

    step: str = ""
    loss: str = ""
    """Or the reward, where there is no loss."""
    _last: LivePoint | None = None
    _steps_begin_again: bool = False

    def learn(self, point: LivePoint) -> None:
        """Take over what a further point says."""
        name = _main_metric(point)
        if name is not None:
            self.loss = f" {excerpt(name, 40)} {point.values[name]:.4g}"
        if point.step is not None:
            total = f"/{point.total_steps}" if point.total_steps else ""
            epoch = f" epoch {point.epoch:g}" if self._begins_again(point) else ""
            self.step = f"{epoch} step {point.step}{total}"

    def _begins_again(self, point: LivePoint) -> bool:
        """Whether steps are those of each epoch, as far as is known, so that one alone says no place."""
        last = self._last
        if point.step is None or point.epoch is None:
            return False
        if point.kind == "train":
            if last is not None and last.step is not None and last.epoch is not None:
                self._steps_begin_again |= point.step < last.step and point.epoch > last.epoch
            self._last = point
        return self._steps_begin_again


def terminal_size() -> os.terminal_size:
    """Return the size of the terminal that stderr is, wherever stdout goes."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):  # it is none
        columns = lines = 0
    return shutil.get_terminal_size((columns or 80, lines or 24))


class Status:
    """Speaks of jobs on stderr; keeps a line at the bottom where that is a terminal."""

    def __init__(self) -> None:
        self.at_bottom = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._points: dict[str, Point] = {}
        self.above = ""
        """What is to stand above that line: whole lines, such as fit in there."""
        self.size_above: os.terminal_size | None = None
        """For which terminal they were made."""
        self._above = ""
        """What stands there."""
        self._size: os.terminal_size | None = None
        self._drawn = 0
        """How wide the line at the bottom is; 0 where there is none."""
        self._pending: dict[EventKind, list[FollowEvent]] = {}

    def learn(self, job_id: str, point: LivePoint) -> None:
        """Take over what a job's further point says."""
        self._points.setdefault(job_id, Point()).learn(point)

    def clear(self) -> None:
        """Take the line at the bottom away, and what is above it: something else is written now."""
        if self._drawn or self._above:
            sys.stderr.write(self._erasing())
            sys.stderr.flush()
            self._drawn, self._above = 0, ""

    def leave(self) -> None:
        """Let what is above the line at the bottom stay for good."""
        self.above = self._above = ""

    def _erasing(self) -> str:
        """Return what takes all of it away."""
        if not self._above:
            return self._erasing_line()
        if terminal_size() != self._size:  # nobody knows what that has made of so many lines
            return _ERASE_SCREEN
        rows = self._above.count("\n")
        return f"\x1b[{rows}A\r\x1b[J"

    def _erasing_line(self) -> str:
        """Return what takes the line away; a terminal that became narrower has it on several rows."""
        rows = (self._drawn - 1) // terminal_size().columns if self._drawn else 0
        return _ERASE + rows * _ERASE_ABOVE

    def draw(self, jobs: Mapping[str, Followed]) -> None:
        """Write the line at the bottom anew, and what is above it, if that is another one."""
        if not self.at_bottom:
            return
        running = {name: followed for name, followed in jobs.items() if not _over(followed)}
        told = "  ".join(self._told(followed, name, name) for name, followed in running.items())
        room = max(1, terminal_size().columns - _BESIDE)
        if width((told,)) > room:
            told = "  ".join(
                self._told(followed, name, _short(name)) for name, followed in running.items()
            )
            told = f"{counted(len(running), 'job')}: {told}"
        text = cut(told, room)
        if self.above == self._above:
            sys.stderr.write(f"{self._erasing_line()}{text}")
        else:
            sys.stderr.write(f"{self._erasing()}{self.above}{text}")
        sys.stderr.flush()
        self._above, self._size, self._drawn = self.above, self.size_above, width((text,))

    def _told(self, followed: Followed, name: str, shown: str) -> str:
        state = "looked up" if followed.job is None else followed.job.status
        if followed.error is not None:
            state = "no answer"
        elif followed.settling:
            state += ", waits for late lines"
        point = self._points.get(name, Point())
        quiet = followed.silence >= 5 and not followed.settling
        silence = f" quiet for {followed.silence:.0f} s" if quiet else ""
        return f"{shown} {state}{point.step}{point.loss}{silence}"

    def on_event(self, event: FollowEvent) -> None:
        """Say what happened; what happens to many jobs at once is said once, a little later."""
        if event.kind is EventKind.STATUS and event.message in _EXPECTED:
            return
        if event.kind in _OFTEN:
            self._pending.setdefault(event.kind, []).append(event)
        else:
            self.say(f"{event.job_id}: {_words(event)}")

    def flush(self) -> None:
        """Say what has gathered."""
        for events in self._pending.values():
            others = f" and {counted(len(events) - 1, 'more job')}" if len(events) > 1 else ""
            self.say(f"{events[0].job_id}{others}: {_words(events[0])}")
        self._pending.clear()

    def say(self, message: str) -> None:
        """Say something above the line at the bottom."""
        self.clear()
        complain(message)


class Outage(logging.Handler):
    """Tells of a request without an answer before the retry policy gives it up: people wonder sooner."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say
        self._begun: dict[tuple[object, ...], float] = {}
        self._is_told = False

    def emit(self, record: logging.LogRecord) -> None:
        """Hear of a request that is to be sent again."""
        facts = vars(record)
        if "ftlogs_attempt" not in facts:
            return
        request = (facts["ftlogs_what"], facts["ftlogs_job_id"], facts["ftlogs_offset"])
        if facts["ftlogs_attempt"] == 1:
            self._begun[request] = record.relativeCreated
        lasted = (record.relativeCreated - self._begun.get(request, record.relativeCreated)) / 1000
        if lasted >= _SOON and not self._is_told:
            self._is_told = True
            why = record.getMessage().removeprefix("no answer: ")
            self._say(f"no answer for {lasted:.0f} s: {why}")

    def over(self) -> None:
        """Forget it: there are answers."""
        self._begun.clear()
        self._is_told = False


def _short(name: str) -> str:
    profile, _, job_id = name.rpartition("/")
    return label(profile, job_id if len(job_id) <= _SHORT else f"…{job_id[-4:]}")


def _main_metric(point: LivePoint) -> str | None:
    """Return the name of what a point of training tells first, or of a loss that it tells besides."""
    name = main_metric(name for name, value in point.values.items() if isinstance(value, float))
    return name if point.kind == "train" or name == "loss" else None


def _over(followed: Followed) -> bool:
    return followed.job is not None and followed.job.ended and not followed.settling


def _words(event: FollowEvent) -> str:
    if event.kind in {
        EventKind.STATUS,
        EventKind.QUIET,
        EventKind.FAILED,
        EventKind.REWRITTEN,
        EventKind.GREW,
        EventKind.AWAITED,
    }:
        return event.message
    return f"{event.kind}: {event.message}"
