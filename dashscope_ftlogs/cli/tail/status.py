"""What becomes of followed jobs, on stderr: a line at the bottom of a terminal, and words on events."""

import os
import shutil
import sys
from collections.abc import Mapping

import attrs

from dashscope_ftlogs import EventKind, Followed, FollowEvent
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.metrics.live.live_points import LivePoint
from dashscope_ftlogs.reading.forms.names import main_metric
from dashscope_ftlogs.text import escaped, excerpt

_ERASE = "\r\x1b[2K"
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

    def learn(self, point: LivePoint) -> None:
        """Take over what a further point says."""
        name = _main_metric(point)
        if name is not None:
            self.loss = f" {excerpt(name, 40)} {point.values[name]:.4g}"
        if point.step is not None:
            total = f"/{point.total_steps}" if point.total_steps else ""
            self.step = f" step {point.step}{total}"


class Status:
    """Speaks of jobs on stderr; keeps a line at the bottom where that is a terminal."""

    def __init__(self) -> None:
        self.at_bottom = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._points: dict[str, Point] = {}
        self.told_of_failure = False
        self._drawn = False
        self._pending: dict[EventKind, list[FollowEvent]] = {}

    def learn(self, job_id: str, point: LivePoint) -> None:
        """Take over what a job's further point says."""
        self._points.setdefault(job_id, Point()).learn(point)

    def clear(self) -> None:
        """Take the line at the bottom away, since something else is written now."""
        if self._drawn:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
            self._drawn = False

    def draw(self, jobs: Mapping[str, Followed]) -> None:
        """Write the line at the bottom anew."""
        if not self.at_bottom:
            return
        running = [followed for followed in jobs.values() if not _over(followed)]
        told = "  ".join(self._told(followed) for followed in running)
        room = shutil.get_terminal_size().columns - 1
        text = escaped(told if len(told) <= room else f"{len(running)} jobs: {told}"[: room - 1] + "…")
        sys.stderr.write(f"{_ERASE}{text}")
        sys.stderr.flush()
        self._drawn = True

    def _told(self, followed: Followed) -> str:
        state = "looked up" if followed.job is None else followed.job.status
        if followed.error is not None:
            state = "no answer"
        elif followed.settling:
            state += ", waits for late lines"
        point = self._points.get(followed.job_id, Point())
        silence = f" quiet for {followed.silence:.0f} s" if followed.silence >= 5 else ""
        return f"{followed.job_id} {state}{point.step}{point.loss}{silence}"

    def on_event(self, event: FollowEvent) -> None:
        """Say what happened; what happens to many jobs at once is said once, a little later."""
        if event.kind is EventKind.FAILED:
            self.told_of_failure = True
        if event.kind is EventKind.STATUS and event.message in _EXPECTED:
            return
        if event.kind in _OFTEN:
            self._pending.setdefault(event.kind, []).append(event)
        else:
            self.say(f"{event.job_id}: {_words(event)}")

    def flush(self) -> None:
        """Say what has gathered."""
        for events in self._pending.values():
            others = f" and {len(events) - 1} more jobs" if len(events) > 1 else ""
            self.say(f"{events[0].job_id}{others}: {_words(events[0])}")
        self._pending.clear()

    def say(self, message: str) -> None:
        """Say something above the line at the bottom."""
        self.clear()
        complain(message)


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
