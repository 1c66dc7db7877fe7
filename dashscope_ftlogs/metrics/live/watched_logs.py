"""The logs that are watched for conditions: what is remembered of each, and which names no point has."""

from collections.abc import Callable, Iterable, Iterator

from dashscope_ftlogs.metrics.live.live_points import LineReader, LivePoint, LivePoints
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm, Beyond, Memory, NotFinite
from dashscope_ftlogs.metrics.live.what_stands_for_it import StandingFor
from dashscope_ftlogs.reading.forms.names import WHATEVER_ITS_NAME, is_of_evaluation
from dashscope_ftlogs.reading.tracebacks import RecordReader

_A_WHILE = 50
"""Points. Whoever trains logs the same names again and again, but for those of evaluation."""
_EVALUATIONS = 3
"""So many evaluations have to be seen before one of their names is missed."""

_BEFORE_THE_FIRST = 2_000
"""Lines of one log: more than twice as many as any real one had before its first point."""


class WatchedLog:
    """One log, with what each condition remembers of it.

    A run that begins is remembered from its own first point on: what starts afresh is not worse than the
    best of the run before.
    """

    def __init__(self, alarms: Iterable[Alarm], reader: LineReader | None = None) -> None:
        self._points = LivePoints(reader)
        self._alarms = tuple(alarms)
        self._memories = [Memory()] * len(self._alarms)
        self._before = self._memories
        """As they were before the last point, which may be told again."""
        self._segment = 0
        self.standing = StandingFor()
        """What it calls the loss."""

    def read(self, number: int, line: str) -> Iterator[tuple[LivePoint, Alarm | None]]:
        """Yield the points that are complete with a line, and for each the first condition it meets."""
        for point in self._points.read(number, line):
            yield point, self._met(point)

    def _met(self, point: LivePoint) -> Alarm | None:
        memories = [
            # Its own loss has come: what stood for it is not to be compared with that.
            Memory() if self.standing.ends(alarm.metric, point) else before
            for alarm, before in zip(
                self._alarms, self._before if point.again else self._memories, strict=True
            )
        ]
        if point.segment != self._segment:
            self._segment, memories = point.segment, [Memory()] * len(self._alarms)
        self._before = memories
        watched = zip(self._alarms, memories, strict=True)
        self._memories = [
            alarm.after(self.standing.named(alarm.metric, point), before) for alarm, before in watched
        ]
        for alarm, memory in zip(self._alarms, self._memories, strict=True):
            if memory.met:
                return alarm
        return None


class WatchedLogs:
    """All logs that are watched for the same conditions."""

    def __init__(self, alarms: Iterable[Alarm], reader: Callable[[], LineReader] = RecordReader) -> None:
        self.alarms = tuple(alarms)
        self.names: dict[str, None] = {}
        """Those that metrics had, in the order in which they first came."""
        self.lines = 0
        """How many were read."""
        self._reader = reader
        self._logs: dict[str, WatchedLog] = {}
        self._points = self._evaluations = 0
        self._unseen = [(alarm, test) for alarm in self.alarms if (test := alarm.test) is not None]
        self._told = list[Alarm]()
        self._about_a_loss = [
            (alarm, name)
            for alarm in self.alarms
            if (name := alarm.metric) is not None and name in WHATEVER_ITS_NAME
        ]
        self._standing: set[tuple[Alarm, str]] = set()
        """The names that conditions watch instead of their own."""
        self._new_standing: list[tuple[Alarm, str]] = []

    def read(self, job_id: str, number: int, line: str) -> Iterator[tuple[LivePoint, Alarm | None]]:
        """Yield the points that are complete with a job's next line, and what condition each meets."""
        log = self._logs.get(job_id)
        if log is None:
            log = self._logs[job_id] = WatchedLog(self.alarms, self._reader())
        self.lines += 1
        for point, alarm in log.read(number, line):
            self._note(point, log.standing)
            yield point, alarm

    def standing(self) -> list[tuple[Alarm, str]]:
        """Return which conditions watch another name than their own, and which name; each once."""
        new, self._new_standing = self._new_standing, []
        return new

    def begin_anew(self, job_id: str) -> None:
        """Forget a log: another one is in its place."""
        self._logs.pop(job_id, None)

    def missed(self, *, ended: bool = False) -> list[Alarm]:
        """Return the conditions about what no point has had for a while, or until the end; each once."""
        missed = [alarm for alarm in self.unmeetable(ended=ended) if alarm not in self._told]
        self._told += missed
        return missed

    def unmeetable(self, *, ended: bool) -> list[Alarm]:
        """Return the same, told or not: no line that was read could have met them."""
        return [alarm for alarm, test in self._unseen if ended or self._is_late(test)]

    def _is_late(self, test: NotFinite | Beyond) -> bool:
        if not self._points:  # the format may be one that is not understood
            return self.lines >= _BEFORE_THE_FIRST * max(1, len(self._logs))
        evaluations = _EVALUATIONS if is_of_evaluation(test.metric or "") else 0
        return self._points >= _A_WHILE and self._evaluations >= evaluations

    def _note(self, point: LivePoint, standing: StandingFor) -> None:
        self._points += 1
        for alarm, asked in self._about_a_loss:
            pair = alarm, standing.called(asked)
            if pair[1] != asked and pair not in self._standing:
                self._standing.add(pair)
                self._new_standing.append(pair)
        self._evaluations += point.kind == "eval"
        for name, value in point.values.items():
            if isinstance(value, float):
                self.names[name] = None
        if point.step is not None:
            self.names["step"] = None
        if self._unseen:
            none = Memory()
            self._unseen = [
                one
                for one in self._unseen
                if one[1].says(standing.named(one[1].metric, point), none) is None
            ]
