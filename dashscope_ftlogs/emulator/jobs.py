"""The jobs that an emulator serves: facts, a log, and how both change with time."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any, overload

import attrs

from dashscope_ftlogs.emulator.checkpoints import EmulatedCheckpoint

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})

TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
# The job on the vendor's page ran this long; a job that is told nothing else does too.
_USUAL_DURATION = 17 * 60 + 33
_LONG_AGO = "2024-10-29 16:53:53"
_USUAL_USAGE = 279808
_USUAL_FAILURES = {
    "FAILED": ("InternalError", "Internal server error!"),
    "CANCELED": ("Canceled", "The fine-tuning job has been canceled."),
}


def _check_rising(name: str, times: Sequence[float]) -> None:
    for number, (earlier, later) in enumerate(pairwise((-math.inf, *times))):
        if not earlier <= later:
            raise ValueError(f"{name} must not fall: {later!r} at {number} comes after {earlier!r}")


def _now(seconds: float = 0.0) -> str:
    """The time by the clock of the answers' `Date`, so many seconds later."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime(TIME_FORMAT)


def _kept(times: Sequence[Any]) -> Sequence[Any]:
    return tuple(times) if isinstance(times, list) else times


@attrs.frozen
class Schedule:
    """When a job's lines appear and its status changes, in seconds of job time.

    Attributes:
        line_times: for each line, when it becomes visible; non-decreasing. Lines beyond its end
            (appended later, say) become visible with the last of them. A sequence that is neither
            list nor tuple may be lazy and huge: it is kept as it is, unchecked.
        status_times: pairs of (seconds, status), non-decreasing. Before the first of them the
            job's own status holds.

    Raises:
        ValueError: times fall.
    """

    line_times: Sequence[float] = attrs.field(default=(), converter=_kept)
    status_times: Sequence[tuple[float, str]] = attrs.field(default=(), converter=_kept)

    def __attrs_post_init__(self) -> None:
        """Check what is at hand."""
        if isinstance(self.line_times, tuple):
            _check_rising("line_times", self.line_times)
        _check_rising("status_times", [at for at, _ in self.status_times])


class Beginning(Sequence[str]):
    """The first `count` lines of a log that may have grown since."""

    def __init__(self, log: Sequence[Sequence[str]], count: int) -> None:
        self._log = log  # the one item is the log as it is now
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            numbers = range(self._count)[index]
            if numbers.step != 1:
                return [self._log[0][number] for number in numbers]
            return self._log[0][numbers.start : numbers.stop]
        return self._log[0][range(self._count)[index]]


class EmulatedJob:
    """One fine-tuning job. Its log and its status may be changed while it is being served.

    Machines that lag know of a change if a method made it, or an attribute was given another value.

    Args:
        job_id: as in `ft-202410291653-1c7f`.
        lines: the log. Only `len()` and slices are asked of it, so a lazy sequence of any length
            serves; `append` and `truncate` turn it into a list.
        status: what it is now, or, with a schedule, what it begins as.
        model: and the keyword arguments after it: the job object's own fields. What is None is
            filled in the way the vendor's example looks.
        create_time: if None, that of the vendor's example for a job that has ended, and for any other
            a few minutes ago, so that it ends now, and not so long ago that no line could come late.
        code: sent once the job failed or was canceled; so is `message`.
        checkpoints: those that it has saved so far; None for a model that has no such list.
        schedule: makes log and status follow the emulator's clock.

    Raises:
        ValueError: `create_time` is not `YYYY-MM-DD HH:MM:SS`.
    """

    def __init__(
        self,
        job_id: str,
        lines: Sequence[str] = (),
        *,
        status: str = "SUCCEEDED",
        model: str = "qwen3-14b",
        base_model: str | None = None,
        job_name: str | None = None,
        finetuned_output: str | None = None,
        training_file_ids: Sequence[str] = ("976bd01a-f30b-4414-86fd-50c54486e3ef",),
        validation_file_ids: Sequence[str] = (),
        hyper_parameters: Mapping[str, object] | None = None,
        training_type: str = "sft",
        create_time: str | None = None,
        end_time: str | None = None,
        workspace_id: str = "llm-v71tlv***",
        user_identity: str = "1396993924585947",
        modifier: str = "1396993924585947",
        creator: str = "1396993924585947",
        group: str = "llm",
        usage: int | None = None,
        code: str | None = None,
        message: str | None = None,
        checkpoints: Sequence[EmulatedCheckpoint] | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        if create_time is None:
            create_time = _LONG_AGO if status in ENDED else _now(-_USUAL_DURATION)
        datetime.strptime(create_time, TIME_FORMAT)  # noqa: DTZ007 - the service sends no zone
        self.job_id = job_id
        self.lines: Sequence[str] = list(lines) if isinstance(lines, (list, tuple)) else lines
        self.status = status
        self.model = model
        self.base_model = base_model
        self.job_name = job_name
        self.finetuned_output = finetuned_output
        self.training_file_ids = list(training_file_ids)
        self.validation_file_ids = list(validation_file_ids)
        self.hyper_parameters: Mapping[str, object] = hyper_parameters or {
            "n_epochs": 3,
            "batch_size": 32,
            "max_length": 8192,
            "learning_rate": "1.6e-5",
            "lr_scheduler_type": "linear",
            "split": 0.9,
        }
        self.training_type = training_type
        self.create_time = create_time
        self.end_time = end_time
        self.workspace_id = workspace_id
        self.user_identity = user_identity
        self.modifier = modifier
        self.creator = creator
        self.group = group
        self.usage = usage
        self.code = code
        self.message = message
        self.checkpoints = checkpoints
        self.schedule = schedule

    # Who is told of each change. Most jobs have nobody, and pay nothing.
    _watchers: Mapping[object, Callable[[str], None]] = MappingProxyType({})

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        for changed in self._watchers.values():
            changed(name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_watchers"}

    def watch(self, watcher: object, changed: Callable[[str], None] | None) -> None:
        """Call with the name of each attribute that changed, or "grown"; no more, if None."""
        others = {key: told for key, told in self._watchers.items() if key is not watcher}
        # Past __setattr__: this is no change of the job.
        self.__dict__["_watchers"] = others if changed is None else {**others, watcher: changed}

    def __repr__(self) -> str:
        return f"EmulatedJob({self.job_id!r}, {len(self.lines)} lines, status={self.status!r})"

    def append(self, *lines: str) -> None:
        """Add lines to the end of the log."""
        self.__dict__["lines"] = [*self.lines[:], *lines]
        for changed in self._watchers.values():
            changed("grown")

    def truncate(self, count: int) -> None:
        """Keep the first `count` lines, as retention or a restart would."""
        self.lines = list(self.lines[:count])

    def rewrite(self, lines: Sequence[str]) -> None:
        """Put another log in place of this one, as a job that is started again does."""
        self.lines = list(lines) if isinstance(lines, (list, tuple)) else lines

    def finish(self, status: str, code: str | None = None, message: str | None = None) -> None:
        """End the job now, whatever its schedule says about its status.

        Its end is dated now, unless it was given an `end_time`.
        """
        if self.end_time is None:
            self.end_time = _now()
        self.code = code
        self.message = message
        self.status = status  # last of these: the server, in its thread, may send them at any moment
        if self.schedule is not None:
            self.schedule = attrs.evolve(self.schedule, status_times=())

    def total_at(self, seconds: float) -> int:
        """How many lines are visible at that job time."""
        count, schedule = len(self.lines), self.schedule
        if schedule is None:
            return count
        seen = bisect_right(schedule.line_times, seconds)
        return count if seen == len(schedule.line_times) else min(seen, count)

    def status_at(self, seconds: float) -> str:
        """The status at that job time."""
        return self._last_change(seconds)[1]

    def facts(self, seconds: float) -> dict[str, object]:
        """The job object that the service sends at that job time: absent fields are left out."""
        since, status = self._last_change(seconds)
        facts: dict[str, object] = {
            "job_id": self.job_id,
            "job_name": self.job_name or self.job_id,
            "status": status,
            "model": self.model,
            "base_model": self.base_model or self.model,
            "training_file_ids": self.training_file_ids,
            "validation_file_ids": self.validation_file_ids,
            "hyper_parameters": self.hyper_parameters,
            "training_type": self.training_type,
            "create_time": self.create_time,
            "workspace_id": self.workspace_id,
            "user_identity": self.user_identity,
            "modifier": self.modifier,
            "creator": self.creator,
            "group": self.group,
        }
        if status in ENDED:
            facts["end_time"] = self.end_time or self._after(since)
            facts["usage"] = _USUAL_USAGE if self.usage is None else self.usage
        if status == "SUCCEEDED":
            facts["finetuned_output"] = self.finetuned_output or f"{self.model}-suffix-{self.job_id}"
        if status in _USUAL_FAILURES:
            code, message = _USUAL_FAILURES[status]
            facts["code"] = self.code or code
            facts["message"] = self.message or message
        return facts

    def _last_change(self, seconds: float) -> tuple[float, str]:
        schedule = self.schedule
        changes = () if schedule is None else schedule.status_times
        past = [change for change in changes if change[0] <= seconds]
        return past[-1] if past else (_USUAL_DURATION, self.status)

    def _after(self, seconds: float) -> str:
        start = datetime.strptime(self.create_time, TIME_FORMAT)  # noqa: DTZ007 - as above
        return (start + timedelta(seconds=seconds)).strftime(TIME_FORMAT)
