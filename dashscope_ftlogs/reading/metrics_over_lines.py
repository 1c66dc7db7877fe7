"""The metrics of a log that go on over lines: dicts, tables and summaries, whichever has begun."""

from itertools import chain
from typing import Final

import attrs

from dashscope_ftlogs.reading.forms.boxes import Boxes
from dashscope_ftlogs.reading.forms.entries import named_after
from dashscope_ftlogs.reading.forms.over_lines import (
    FORGOTTEN,
    OverLines,
    Summaries,
    Tables,
    WrappedDicts,
)
from dashscope_ftlogs.reading.forms.titles import is_no_message, title
from dashscope_ftlogs.reading.forms.under_headings import UnderEpochs, UnderHeadings
from dashscope_ftlogs.reading.records import Beside, Metrics, records, said_beside

_OF_TRAINING: Final = frozenset({"grad_norm", "learning_rate", "lr"})
"""Whoever evaluates has none of them."""


class MetricsOverLines:
    """Takes the texts of a log in turn, those that are nothing else, and gives what is complete."""

    def __init__(self) -> None:
        self.idle = True
        """Whether nothing has begun."""
        self._dicts, self._tables, self._summaries = WrappedDicts(), Tables(), Summaries()
        self._headings, self._boxes, self._epochs = UnderHeadings(), Boxes(), UnderEpochs()
        self._forms = (
            *(self._summaries, self._headings, self._boxes, self._tables, self._dicts),
            self._epochs,
        )
        self._last = 0
        """The line of the last text."""
        self._title = ""
        """What that says of a dict below it."""

    def read(self, number: int, text: str) -> list[tuple[int, Metrics]]:
        """Return the metrics that are complete with a text, and the line that each counts to."""
        found = self.forget_before(number)
        self._dicts.title = self._title
        if not (self._title and is_no_message(text)):  # a logger's, before what it is the title of
            self._title = title(text)
        idle = not self._title
        for form in self._forms:
            # What another form has told is told, and what stands in a box is no line of its own.
            if form is not self._epochs or not (found or not self._boxes.idle):
                for one in form.read(text):
                    found.append(_told(number, one))
            idle = idle and form.idle
        self._last, self.idle = number, idle
        return found

    def placed(self, metrics: Metrics) -> Metrics | None:
        """Return metrics with the epoch that a heading told, if they count steps within one.

        A dict that stands in one that goes on over lines is what it is there, which may be nothing.
        """
        if self._title:
            above, self._title = self._title, ""
            self.idle = all(form.idle for form in self._forms)
            titled = _titled(metrics, above)
            if titled is None:
                return None
            metrics = titled
        beside = said_beside(metrics)
        if metrics.raw[:1] == "{" and not (beside.quoted or beside.logged):
            held = self._dicts.takes(metrics.values)
            if held is not None:
                return next((_held(metrics, beside, one) for one in held), None)
        if None in {self._epochs.epoch, beside.step, beside.total_steps} or metrics.epoch is not None:
            return metrics
        return attrs.evolve(metrics, beside=attrs.evolve(beside, epoch=self._epochs.epoch))

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
        self._boxes.forget()
        self._epochs.forget()
        self._title, self.idle = "", True
        return found


def _titled(metrics: Metrics, title: str) -> Metrics | None:
    """Return metrics as they are below a title: as if it stood on their line, if nothing else does.

    None if they only repeat what was told.
    """
    beside = said_beside(metrics)
    if metrics.raw[:1] != "{" or beside != Beside(time=beside.time, logged=beside.logged):
        return metrics
    if not _OF_TRAINING.isdisjoint(metrics.values):
        return metrics
    told = next((one for one in records(title + metrics.raw) if isinstance(one, Metrics)), None)
    if told is None:
        return None
    own = attrs.evolve(said_beside(told), time=beside.time, logged=beside.logged)
    return attrs.evolve(metrics, values=told.values, beside=own)


def _held(metrics: Metrics, beside: Beside, one: OverLines) -> Metrics:
    kind, again = one.kind or beside.kind, one.again or beside.again
    return attrs.evolve(metrics, values=one.values, beside=attrs.evolve(beside, kind=kind, again=again))


def _told(number: int, one: OverLines) -> tuple[int, Metrics]:
    beside = Beside(one.step, one.total_steps, one.epoch, one.kind, one.time, again=one.again)
    values = named_after("", one.values) if one.kind == "eval" else one.values
    return number, Metrics(values, "", None, beside)
