"""The metrics of a log that go on over lines: dicts, tables and summaries, whichever has begun."""

from itertools import chain

from dashscope_ftlogs.reading.forms.over_lines import (
    FORGOTTEN,
    OverLines,
    Summaries,
    Tables,
    WrappedDicts,
)
from dashscope_ftlogs.reading.forms.under_headings import UnderHeadings
from dashscope_ftlogs.reading.records import Beside, Metrics


class MetricsOverLines:
    """Takes the texts of a log in turn, those that are nothing else, and gives what is complete."""

    def __init__(self) -> None:
        self.idle = True
        """Whether nothing has begun."""
        self._dicts, self._tables, self._summaries = WrappedDicts(), Tables(), Summaries()
        self._headings = UnderHeadings()
        self._forms = (self._summaries, self._headings, self._tables, self._dicts)
        self._last = 0
        """The line of the last text."""

    def read(self, number: int, text: str) -> list[tuple[int, Metrics]]:
        """Return the metrics that are complete with a text, and the line that each counts to."""
        found = self.forget_before(number)
        for form in self._forms:
            for one in form.read(text):
                found.append(_told(number, one))
        self.idle = all(form.idle for form in self._forms)
        self._last = number
        return found

    def end_summary(self) -> list[tuple[int, Metrics]]:
        """Return what was begun of a summary, or below a heading, since something else follows."""
        if self._summaries.idle and self._headings.idle:
            return []
        ended = chain(self._summaries.end(), self._headings.end())
        found = [_told(self._last, one) for one in ended]
        self.idle = all(form.idle for form in self._forms)
        return found

    def forget_before(self, number: int) -> list[tuple[int, Metrics]]:
        """Give up what has begun, if that was long before this line; what is whole is returned."""
        if self.idle or number <= self._last + FORGOTTEN:
            return []
        found = self.end_summary()
        self._dicts.forget()
        self._tables.forget()
        self._headings.forget()
        self.idle = True
        return found


def _told(number: int, one: OverLines) -> tuple[int, Metrics]:
    beside = Beside(one.step, one.total_steps, one.epoch, one.kind, one.time, again=one.again)
    return number, Metrics(one.values, "", None, beside)
