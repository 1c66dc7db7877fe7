"""The metrics among the records of a log, those that go on over lines as well."""

from collections.abc import Iterator

from dashscope_ftlogs.reading.metrics_over_lines import MetricsOverLines
from dashscope_ftlogs.reading.records import Message, Metrics, ProgressBar, Record, Text


class MetricsReader:
    """Takes the records of one log in turn, and tells the metrics in them as they are complete."""

    def __init__(self) -> None:
        self._bar: ProgressBar | None = None
        self.begun: ProgressBar | None = None
        """The last bar of training that had just begun."""
        self._over_lines = MetricsOverLines()

    def read(self, number: int, record: Record) -> Iterator[tuple[Metrics, ProgressBar | None]]:
        """Yield what is complete with a record that began in this line, and the bar just before it."""
        bar, self._bar = self._bar, None
        if isinstance(record, Metrics):
            yield from ((metrics, None) for _, metrics in self._over_lines.end_summary())
            own = record.bar if record.bar is not None and record.bar.is_training else bar
            if (placed := self._over_lines.placed(record)) is not None:
                yield placed, own
        elif isinstance(record, ProgressBar):
            if record.is_training:
                self._bar = record
                self.begun = (
                    self.begun if record.step is None or record.remaining is not None else record
                )
        elif isinstance(record, Text | Message):
            yield from ((metrics, None) for _, metrics in self._over_lines.read(number, record.raw))
