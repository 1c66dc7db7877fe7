"""The points of logs as columns, which take a tenth of the memory that they take as objects."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from typing import Final

from dashscope_ftlogs.metrics.columns import Metric, Numbers, Repeated, cell, rows
from dashscope_ftlogs.reading.forms.names import loss_called, loss_of_evaluations
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

_HELD: Final = "epoch"
"""The entry of metric dicts that mostly is what the column of that name has."""
_AT_ONCE: Final = 4096
"""So many dicts become columns in one go, in which no other thread has its turn."""
_NUMBERS: Final = ("offset", "step", "epoch", "time", "tokens")
_REPEATED: Final = ("segment", "kind", "total_steps", "_epoch_left_out")


class PointColumns:
    """Points in the order of their lines, a row for each; `Point` says what each column means.

    They are added a page at a time. What is only known at the end of a log, such as its segments, can be
    set then: `segment`, `step` and `total_steps` are columns like any other.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.offset = Numbers("q")
        self.segment = Repeated[int]()
        self.kind = Repeated[str]()
        self.step = Numbers("q")
        self.total_steps = Repeated[int]()
        self.epoch = Numbers("d")
        self.time = Numbers("q")
        self.tokens = Numbers("q")
        self.metrics: dict[str, Metric] = {}
        """By name, in the order in which they first appeared; no epoch that `epoch` has anyway."""
        self.measured: dict[str, Numbers] = {}
        """The numbers of those that have any."""
        self._epoch_left_out = Repeated[int]()
        """Whether a point has an epoch among its values."""

    def __len__(self) -> int:
        return self.rows

    def add(
        self,
        values: Sequence[MetricValues],
        *,
        offset: Sequence[int],
        kind: Iterable[str],
        step: Sequence[int | None],
        total_steps: Iterable[int | None],
        epoch: Sequence[float | None],
        time: Sequence[int | None],
        tokens: Sequence[int | None],
        segment: Iterable[int] = (),
    ) -> None:
        """Take the next points: of each argument as many as of `values`, but for what is set later."""
        row = self.rows
        self.offset.add_cells(row, offset)
        self.kind.add(kind)
        self.step.add_cells(row, step)
        self.total_steps.add(total_steps)
        self.epoch.add_cells(row, epoch)
        self.time.add_cells(row, time)
        self.tokens.add_cells(row, tokens)
        self.segment.add(segment)
        # Most dicts of a page have the same keys: its columns are taken as such.
        for names, same in groupby(values, key=tuple):
            while alike := list(islice(same, _AT_ONCE)):
                told = zip(*(one.values() for one in alike), strict=True)
                columns = dict(zip(names, told, strict=True))
                known = epoch[row - self.rows : row - self.rows + len(alike)]
                held = columns.get(_HELD) == tuple(known)
                self._epoch_left_out.repeat(held, len(alike))
                for name, column in columns.items():
                    if not (held and name == _HELD):
                        self._add(name, row, column)
                row += len(alike)
        self.rows = row

    def _add(self, name: str, row: int, values: Sequence[float | str]) -> None:
        metric = self.metrics.get(name)
        if metric is None:
            metric = self.metrics[name] = Metric()
        metric.add(row, values)
        if metric.numbers and name not in self.measured:
            self.measured[name] = metric.numbers

    def numbers(self, metric: str) -> Numbers:
        """Return the numbers of a metric; none if there is no such."""
        return self.measured.get(metric) or Numbers("d")

    def names(self) -> list[str]:
        """Return the names of what is measured in numbers, in the order in which it first was."""
        return sorted(self.measured, key=lambda name: self.measured[name].begins[0])

    def value(self, metric: str, row: int) -> float | str | None:
        """Return what one point has under a name, but for an epoch; None if it has nothing."""
        found = self.metrics.get(metric)
        if found is None:
            return None
        number: float | None = cell(found.numbers, row)
        if number is not None or found.texts is None:
            return number
        text: str | None = cell(found.texts, row)
        return text

    def values_at(self, row: int) -> dict[str, float | str]:
        """Return the values of one point."""
        told = ((name, self.value(name, row)) for name in self.metrics)
        found = {name: value for name, value in told if value is not None}
        if cell(self._epoch_left_out, row):
            found[_HELD] = cell(self.epoch, row)
        return found

    def values(self) -> Iterator[dict[str, float | str]]:
        """Yield the values of each point."""
        numbers = {name: metric.numbers for name, metric in self.metrics.items()}
        texts = {name: metric.texts for name, metric in self.metrics.items() if metric.texts is not None}
        both = zip(rows(numbers, self.rows), rows(texts, self.rows), strict=True)
        for at, (found, more) in enumerate(both):
            if cell(self._epoch_left_out, at):
                found[_HELD] = cell(self.epoch, at)
            yield found | more

    def extend(self, other: "PointColumns") -> None:
        """Take all points of others as the next ones."""
        for name in _NUMBERS:
            getattr(self, name).extend(getattr(other, name), self.rows)
        for name in _REPEATED:
            getattr(self, name).extend(getattr(other, name))
        for name, metric in other.metrics.items():
            self.metrics.setdefault(name, Metric()).extend(metric, self.rows)
        for name in other.measured:
            self.measured[name] = self.metrics[name].numbers
        self.rows += other.rows

    def every(self, step: int) -> "PointColumns":
        """Return every so many points, from the first, with what is measured in numbers."""
        found = PointColumns()
        for name in _NUMBERS + _REPEATED:
            setattr(found, name, getattr(self, name).every(step))
        for name in self.names():
            numbers = self.measured[name].every(step)
            if numbers:
                found.metrics[name] = metric = Metric()
                found.measured[name] = metric.numbers = numbers
        found.rows = found.kind.rows
        return found


def called(points: PointColumns, metric: str) -> str | None:
    """Return under which name points have the `loss` of training, or the `eval_loss`."""
    return loss_called(metric, points.names(), partial(_is_told_by_evaluations, points))


def evaluation_metric(points: PointColumns) -> str | None:
    """Return what the losses of evaluations are called, or what comes nearest to them."""
    return loss_of_evaluations(points.names(), partial(_is_told_by_evaluations, points))


def _is_told_by_evaluations(points: PointColumns, metric: str) -> bool:
    kind: str | None = cell(points.kind, points.numbers(metric).begins[0])
    return kind == "eval"
