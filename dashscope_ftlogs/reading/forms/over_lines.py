"""Numbers that go on over lines: wrapped and indented dicts, summaries, and the tables of notebooks.

Each reader sees the texts of a log in turn, those that are nothing else, and gives what is complete.
What is begun and never ends costs nothing but a limited number of lines.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import attrs

from dashscope_ftlogs.reading.forms.dicts import (
    cut_short,
    may_hold_metrics,
    metrics_in,
    name_before,
    numbers_held,
)
from dashscope_ftlogs.reading.forms.entries import (
    OF_PHASES,
    is_point,
    named_after,
    path_to,
    phase_of,
    place_of,
    within_evaluation,
)
from dashscope_ftlogs.reading.forms.names import (
    HISTORY,
    is_loss_or_reward,
    is_of_evaluation,
    is_of_no_point,
    mentioned,
    only_of_evaluation,
    shares_place,
)
from dashscope_ftlogs.reading.forms.numbers import number
from dashscope_ftlogs.reading.forms.stamps import message_at, milliseconds, time_in
from dashscope_ftlogs.reading.forms.titles import Said, said_before
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

_LONGEST: Final = 16 * 1024
"""Characters of a dict, or of a line of it."""
_BESIDE: Final = 1000
"""Characters of a dict, up to another one in it, that may tell the place of that."""
_NEAR: Final = 200
_PIECES: Final = 8
"""Of a text, which hold as many of its last characters as tell whether a dict is one of a list."""
_LEVELS: Final = 4
"""Of dicts around another that are asked for its place."""
_MOST_LINES: Final = 100
_DEEPEST: Final = 64
FORGOTTEN: Final = 1000
"""Lines after which a dict or a table that has not ended is given up, by whoever reads a log."""
_BRACES: Final = re.compile(r"[{}]")
_HELD: Final = re.compile(
    r"""(?:['"](?P<name>[^'"\\{}]{1,80})['"]\s*:\s*(?P<list>[\[(](?:[^'"{}:N]*,)?)?|None[\s\])]*,)"""
    r"""[\s\[(]*$"""
)
"""What stands before a dict in another, or in a list there; those that ended before it are `None`."""
_PLACE: Final = re.compile(r"[\w./-]+\.py:\d+")
_SUMMARY: Final = re.compile(r"\*{5} (train|eval|predict|test)[\w ]{0,40} metrics \*{5}$")
_ENTRY: Final = re.compile(r"([A-Za-z_][\w/@.-]{0,80}) *= *(\S[^=]{0,60})$")
_CELLS: Final = re.compile(r"\s*\|\s*|\t+|\s{2,}")
_COMMAS: Final = re.compile(r"\s*,\s*")
_SEMICOLONS: Final = re.compile(r"\s*;\s*")
_COUNTED: Final = re.compile(
    r"(?:(?:train(?:er)?/)?global[ _])?(?:steps?|epoch|iter|iteration)$", re.IGNORECASE
)
_COUNTING: Final = re.compile("step|epoch|iter", re.IGNORECASE)
"""One of these is in the head of every table."""
_NAME: Final = re.compile(r"[A-Za-z_][\w/@.%+ -]{0,80}")
_WHEN: Final = frozenset({"time", "timestamp", "date", "datetime"})
_RULE: Final = re.compile(r"[\s|:+=-]+$")
_NOTHING: Final = frozenset({"", "-", "no log", "n/a", "none"})


@attrs.frozen
class OverLines:
    """What stood in several lines."""

    values: MetricValues
    time: int | None = None
    step: int | None = None
    epoch: float | None = None
    kind: Literal["eval", "final"] | None = None
    again: Literal["", "history", "summary"] = ""
    """What may repeat points that were told before: a `history` of all, or a `summary` of the last."""
    total_steps: int | None = None


@attrs.define
class _Open:
    """A dict that has begun."""

    texts: list[str]
    time: int | None
    name: str = ""
    number: int | None = None
    """Which it is of a list."""
    lines: int = 0
    size: int = 0
    held: dict[str, float | str] = attrs.field(factory=dict[str, float | str])
    """The numbers in dicts in it that are only there to hold them."""
    said: Said = attrs.field(factory=Said)
    """What was said before it."""
    last_list: tuple[str, int | None] = ("", None)
    """What the last list of dicts in it is called, and how many it has so far."""

    def next_held(self) -> tuple[str, int | None]:
        """Return what a dict that begins here is called, if that is told, and its number in a list."""
        found = _HELD.search("".join(self.texts[-_PIECES:])[-_NEAR:])
        if found is None:
            return "", None
        name, number = self.last_list
        if found["name"]:
            name, number = found["name"], 0 if found["list"] else None
        if number is not None:
            self.last_list = name, number + 1
        return name, number


class WrappedDicts:
    """Takes dicts that printers wrapped, or indented, over lines.

    >>> dicts = WrappedDicts()
    >>> [one.values for text in ("INFO {'loss': 2.5, 'epoch':", "  0.1}") for one in dicts.read(text)]
    [{'loss': 2.5, 'epoch': 0.1}]
    """

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._history = False
        self.title = ""
        """What the text before the next one says of a dict below it."""

    @property
    def idle(self) -> bool:
        """Whether none has begun."""
        return not self._open

    def forget(self) -> None:
        """Give up what has begun."""
        self._open.clear()
        self._history = False

    def read(self, text: str) -> Iterator[OverLines]:
        """Take the next text, and yield the dicts that end in it."""
        if not self._open and text.rfind("{") <= text.rfind("}"):
            return
        if len(text) > _LONGEST:
            self.forget()
            return
        before, text = text, _without_place(text)
        at = message_at(text) if self._open else 0
        begun = len(self._open)
        for brace in _BRACES.finditer(text, at):
            if brace[0] == "{":
                self._add(text[at : brace.start()])
                self._begin(before, brace.start())
            elif self._open:
                self._add(text[at : brace.end()])
                closed = self._open.pop()
                self._add("None")
                if self._open and _is_held(closed) and closed.size <= _LONGEST:
                    self._open[-1].held.update(numbers_held(cut_short("".join(closed.texts))))
                if len(self._open) < begun:
                    begun = len(self._open)
                    yield from self._ended(closed)
            at = brace.end() if brace[0] == "}" else brace.start()
        self._add(text[at:] + "\n")
        if self._open:
            self._open[-1].lines += 1
            self._history |= "log_history" in text
            if self._open[-1].lines > _MOST_LINES:
                self._open.pop()
        else:
            self._history = False

    def _begin(self, text: str, at: int) -> None:
        if len(self._open) >= _DEEPEST:
            self.forget()
        if self._open:
            opened = _Open([], self._open[-1].time, *self._open[-1].next_held())
        else:
            is_first = not text[message_at(text) : at].strip()
            before = text[:at] + (self.title if is_first else "")
            said = said_before(before, 0, len(before))
            opened = _Open([], time_in(text[:at]), name_before(before, len(before)), said=said)
        self._open.append(opened)

    def _add(self, text: str) -> None:
        if self._open:
            last = self._open[-1]
            last.size += len(text)
            if last.size <= _LONGEST:
                last.texts.append(text)

    def takes(self, values: MetricValues) -> Sequence[OverLines] | None:
        """Return what a dict on one line is, or nothing, in one that has begun; None if it's in none."""
        name, number = self._open[-1].next_held() if self._open else ("", None)
        if not name:
            return None
        self._add("None")
        taken = _Open([], None, name, number)
        if _is_held(taken):
            self._open[-1].held.update(numbers_held(values))
        return list(self._told(taken, values))

    def _ended(self, closed: _Open) -> Iterator[OverLines]:
        text = "".join(closed.texts)
        if closed.size > _LONGEST or not may_hold_metrics(text):
            return
        values = metrics_in(text)
        # A name goes on over no line: half of a dict was lost.
        if values is not None and not any("\n" in name for name in values):
            yield from self._told(closed, {**values, **closed.held, **values})

    def _told(self, closed: _Open, values: MetricValues) -> Iterator[OverLines]:
        """Yield what a dict is in those around it, by their names and its own."""
        path: Sequence[str] = ()
        nested = [*self._open, closed]
        for one in nested:
            path = path_to(path, one.name, one.number, values if one is closed else {})
        of_evaluation, of_history = any(map(is_of_evaluation, path)), HISTORY in path
        is_beside = _is_held(closed)
        says_so = only_of_evaluation(values)
        of_evaluation |= shares_place(closed.name) and says_so
        is_listed = any(one.number is not None for one in nested)
        if any(is_of_no_point(one.name) for one in nested):
            return
        is_told = of_evaluation or of_history or (says_so and closed.number is not None)
        if is_listed and not is_told:
            return
        for around in self._open[: -_LEVELS - 1 : -1]:
            if of_history or around.size > _BESIDE:
                break
            beside = cut_short("".join(around.texts))
            is_beside = is_beside and not is_point(beside)
            place = place_of(beside, with_numbers=is_beside)
            if place is None or (is_point(beside) and not of_evaluation):
                return
            values = {**place, **values}
            is_beside = is_beside and _is_held(around)
        values = within_evaluation(path, values)
        said = nested[0].said
        if said.evaluation:
            of_evaluation, values = True, named_after(said.evaluation, values)
        kind: Literal["eval"] | None = "eval" if of_evaluation else None
        again: Literal["", "history"] = "history" if self._history else ""
        yield OverLines(values, closed.time, said.step, said.epoch, kind, again, said.total_steps)


def _is_held(closed: _Open) -> bool:
    """Whether a dict is only there to hold what is of the same point as what stands around it."""
    return closed.number is None and shares_place(closed.name)


def _without_place(text: str) -> str:
    """Return a line without the place in the code that rich writes at its end."""
    said, _, last = text.rstrip().rpartition(" ")
    return said if _PLACE.fullmatch(last) and said.endswith(" ") else text


class Summaries:
    """Takes the summaries that Hugging Face's scripts print: a title, and `name = number` below it."""

    def __init__(self) -> None:
        self._values: dict[str, float | str] | None = None
        self._kind: Literal["eval", "final"] = "eval"
        self._time: int | None = None

    @property
    def idle(self) -> bool:
        """Whether none has begun."""
        return self._values is None

    def read(self, text: str) -> Iterator[OverLines]:
        """Take the next text, and yield the summary that ended before it."""
        if self._values is None and "*****" not in text:
            return
        said = text[message_at(text) :].strip()
        if self._values is not None:
            entry = _ENTRY.match(said)
            if entry is not None and len(self._values) < _MOST_LINES:
                self._values[entry[1]] = _number(entry[1], entry[2].strip(), said)
                return
            yield from self.end()
        if (title := _SUMMARY.match(said)) is not None:
            self._values, self._time = {}, time_in(text)
            self._kind = "final" if title[1] == "train" else "eval"

    def end(self) -> Iterator[OverLines]:
        """Yield the summary that was begun, since something else follows."""
        values, self._values = self._values, None
        if values:
            epoch = values.get("epoch")
            known = any(
                type(value) is float and is_loss_or_reward(name) for name, value in values.items()
            )
            if known or "train_runtime" in values or "eval_runtime" in values:
                own = epoch if type(epoch) is float else None
                yield OverLines(values, self._time, None, own, self._kind, "summary")


class Tables:
    r"""Takes tables whose first column is the step, as notebooks show them; and CSV with a step in any.

    >>> tables = Tables()
    >>> [one.step for text in ("Step\tLoss", "10\t2.5", "20\t2.0") for one in tables.read(text)]
    [10, 20]
    """

    def __init__(self) -> None:
        self._names: list[str] | None = None
        self._split = _CELLS

    @property
    def idle(self) -> bool:
        """Whether none has begun."""
        return self._names is None

    def forget(self) -> None:
        """Give up what has begun."""
        self._names = None

    def read(self, text: str) -> Iterator[OverLines]:
        """Take the next text, and yield its row."""
        if (self._names is None and not mentioned(text)) or len(text) > _LONGEST:
            return
        if self._names is not None:
            row = self._row(self._cells(text)) or self._row(self._cells(text[message_at(text) :]))
            if row is not None:
                if row.values:
                    yield row
                return
            if _RULE.fullmatch(text):
                return
            self._names = None
        if _COUNTING.search(text) is None:
            return
        for said in (text, text[message_at(text) :]):
            for self._split in (_CELLS, _SEMICOLONS if ";" in said else _COMMAS):
                names = self._cells(said)
                if self._is_head(names):
                    self._names = names
                    return

    def _is_head(self, names: list[str]) -> bool:
        of_points = len(names) > 1 and any(map(is_loss_or_reward, names))
        if self._split is not _CELLS:
            return of_points and any(map(_COUNTED.match, names)) and all(map(_NAME.fullmatch, names))
        first = names[len(names) > 1 and names[0] in OF_PHASES]
        return of_points and _COUNTED.match(first) is not None

    def _row(self, cells: list[str]) -> OverLines | None:
        names = self._names or []
        if len(cells) != len(names):
            return None
        line = " ".join(cells)
        read = {name: _cell(name, cell, line) for name, cell in zip(names, cells, strict=True)}
        texts = {name: cell for name, cell in read.items() if type(cell) is str}
        numbers = {name: cell for name, cell in read.items() if type(cell) is float}
        counted = [name for name in numbers if _COUNTED.match(name)]
        epochs = [numbers[name] for name in counted if name.lower().startswith("epoch")]
        steps = [numbers[name] for name in counted if not name.lower().startswith("epoch")]
        values = {name: number for name, number in numbers.items() if name not in counted}
        phases = {name: text for name, text in texts.items() if name in OF_PHASES}
        if not values or not counted or any(name.lower() not in _WHEN for name in texts.keys() - phases):
            return None
        if not all(0 <= number < 2**53 for number in (*epochs, *steps)):
            return None
        if any(step != int(step) for step in steps):
            return None
        if None in map(phase_of, phases, phases.values()):
            return OverLines({})  # of a set that nobody knows: it is no point of training
        time = next((milliseconds(text) for name, text in texts.items() if name not in phases), None)
        step = int(steps[0]) if steps else None
        epoch = epochs[0] if epochs else None
        own: MetricValues = {**phases, **values}
        return OverLines(within_evaluation((), own), time, step, epoch)

    def _cells(self, text: str) -> list[str]:
        return self._split.split(text.strip("| \t\r"))


def _cell(name: str, text: str, line: str) -> float | str | None:
    if text.strip().lower() in _NOTHING:
        return None
    # Steps are whole: what other numbers have commas for tells nothing about them.
    whole = _COUNTED.match(name) is not None and not name.lower().startswith("epoch")
    return _number(name, text, "" if whole else line)


def _number(name: str, text: str, line: str) -> float | str:
    value = number(text, name, line)
    return text if value is None else value
