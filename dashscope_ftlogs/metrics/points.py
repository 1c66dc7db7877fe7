"""The metrics of a log as points of curves: where each is from, and in which run."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.metrics.point import Point, points_of
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.whole_log.point_reader import PointReader
from dashscope_ftlogs.reading.forms.flat_dicts import TOGETHER, flat_each
from dashscope_ftlogs.reading.own_pattern import Fits, OwnPattern, OwnRecords
from dashscope_ftlogs.reading.page_scan import TRACEBACK, Page, is_mere_text
from dashscope_ftlogs.reading.records import Text
from dashscope_ftlogs.reading.tracebacks import RecordReader

if TYPE_CHECKING:
    from dashscope_ftlogs.reading.metrics_in_line import MetricValues

__all__ = ["LogPoints", "Point", "PointReader", "read_points"]

_LINES: Final = 1000
_CHARACTERS: Final = 1 << 20
"""What is searched as a whole: no more than so much, and a line more."""


def read_points(lines: Iterable[str], offset: int = 0) -> list[Point]:
    """Return the points of a log, in the order of its lines, of which the first has number `offset`.

    >>> points = read_points(["{'loss': 2.5, 'epoch': 0.1}", "{'loss': 1.5, 'epoch': 0.2}"])
    >>> [(point.offset, point.step, point.epoch) for point in points]
    [(0, None, 0.1), (1, None, 0.2)]
    """
    log = LogPoints()
    checks.whole_number("offset", offset, 0)
    log.read_all(checks.many("lines", lines), offset)
    return log.points()


class LogPoints:
    """Takes the lines of one log in turn, and makes points of what they say in the end."""

    def __init__(self, pattern: OwnPattern | None = None) -> None:
        """Begin a log, some of whose lines a pattern of the user's own may fit."""
        self._records = RecordReader()
        self._own = None if pattern is None else OwnRecords(pattern)
        self._points = PointReader()

    def read(self, number: int, line: str) -> None:
        """Take the next line."""
        for at, record in (self._own or self._records).read(number, line):
            self._points.read(at, record)

    def read_all(self, lines: Iterable[str], offset: int) -> None:
        """Take the next lines, of which the first has number `offset`.

        The same as `read` for each, but only those lines are looked at that can matter.
        """
        if self._own is not None:
            for number, line in enumerate(lines, offset):
                self.read(number, line)
            return
        for page in _pages(lines):
            self._read_page(_Parts(page), offset)
            offset += len(page.lines)

    def read_numbered(self, lines: Sequence[tuple[int, str]]) -> None:
        """Take the next lines, each with its number."""
        if lines and lines[-1][0] - lines[0][0] == len(lines) - 1:
            self.read_all([line for _, line in lines], lines[0][0])
        else:
            for number, line in lines:
                self.read(number, line)

    def points(self) -> list[Point]:
        """Return the points of what was read."""
        return list(points_of(self.columns()))

    @property
    def fits(self) -> Fits:
        """What of the patterns fitted so far."""
        return frozenset() if self._own is None else self._own.fits

    def columns(self) -> PointColumns:
        """Return the points of what was read as columns, once it is all."""
        for at, record in (self._own or self._records).end():
            self._points.read(at, record)
        return self._points.columns()

    def _read_page(self, parts: "_Parts", offset: int) -> None:
        points, texts = self._points, parts.texts
        asked: tuple[bool, str] | None = None
        matter: list[int] = []
        at = 0
        while at < len(texts):
            if self._records.in_traceback:
                at = self._read_to_line_end(parts, at, offset)
                continue
            if asked != (points.needs_bars, points.last_bar):
                asked = points.needs_bars, points.last_bar
                matter = parts.page.lines_that_matter(bars=asked[0], word=asked[1])
            if points.over_lines.idle:
                at = self._read_dicts(parts, at, matter, offset)
                if at == len(texts):
                    break
            number, text = offset + parts.line(at), texts[at]
            if TRACEBACK in text:
                at = self._read_to_line_end(parts, at, offset)
                continue
            if not points.over_lines.idle and is_mere_text(text) and not _holds(matter, at):
                if raw := text.rstrip():
                    points.read(number, Text(raw))
            else:
                self.read(number, text)
            at += 1
        points.page_ends()

    def _read_to_line_end(self, parts: "_Parts", at: int, offset: int) -> int:
        """Take the rest of a line as one, as tracebacks are taken, and return where the next begins."""
        line = parts.line(at)
        end = parts.first(line + 1)
        self.read(offset + line, "\n".join(parts.texts[at:end]))
        return end

    def _read_dicts(self, parts: "_Parts", read: int, matter: Sequence[int], offset: int) -> int:
        """Take those lines that are nothing but metrics, as most lines with any are.

        Of the lines from `read` on, until one matters that is something else; return its index.
        """
        points, texts, dicts, line_of = self._points, parts.texts, parts.dicts, parts.line
        read_values, is_cut = points.read_values, parts.is_cut
        for place in range(bisect_left(matter, read), len(matter)):
            at = matter[place]
            if at > read:
                points.passed_over(texts, read, at)
            if at not in dicts:
                parts.read_dicts(matter[place : place + TOGETHER])
            values = dicts[at]
            line = line_of(at) if is_cut else at
            if values is None or not read_values(offset + line, values, texts[at]):
                return at
            read = at + 1
        if len(texts) > read:
            points.passed_over(texts, read, len(texts))
        return len(texts)


class _Parts:
    """The lines of a page, cut at each end of a line in them; which line a part is of."""

    def __init__(self, page: Page) -> None:
        """Take a page whose lines may hold line ends."""
        self._firsts: list[int] | None = None
        self.is_cut = page.has_line_ends
        """Whether any line is: a part has the index of its line otherwise."""
        if self.is_cut:
            counts = (line.count("\n") + line.count("\r") + 1 for line in page.lines)
            self._firsts = list(accumulate(counts, initial=0))
            page = Page("\n".join(page.lines).replace("\r", "\n").split("\n"))
        self.page, self.texts = page, page.lines
        self.dicts: dict[int, MetricValues | None] = {}
        """What those parts hold that were looked at; None if it is not just a dict."""

    def read_dicts(self, parts: Sequence[int]) -> None:
        """Find what those of some parts hold that are nothing but a dict."""
        texts = self.texts
        some = [at for at in parts if texts[at][:1] == "{"]
        if len(some) < len(parts):
            self.dicts.update(dict.fromkeys(parts))
        self.dicts.update(zip(some, flat_each([texts[at] for at in some]), strict=False))
        if self.page.has_traceback:
            self.dicts.update((at, None) for at in some if TRACEBACK in texts[at])

    def line(self, part: int) -> int:
        """Return the index of the line that a part is of."""
        return part if self._firsts is None else bisect_right(self._firsts, part) - 1

    def first(self, line: int) -> int:
        """Return the index of a line's first part."""
        return line if self._firsts is None else self._firsts[line]


def _pages(lines: Iterable[str]) -> Iterator[Page]:
    """Yield lines that are searched together."""
    if isinstance(lines, list):
        for begin in range(0, len(lines), _LINES):
            some = lines[begin : begin + _LINES]
            try:
                page = Page(some)
            except (AttributeError, TypeError):  # not every line is a string
                page = None
            if page is not None and page.size < _CHARACTERS:
                yield page
            else:
                yield from _pages_of(some)
    else:
        yield from _pages_of(lines)


def _holds(indexes: Sequence[int], index: int) -> bool:
    """Whether an index is among those that are in order."""
    at = bisect_left(indexes, index)
    return at < len(indexes) and indexes[at] == index


def _pages_of(lines: Iterable[str]) -> Iterator[Page]:
    page: list[str] = []
    size = 0
    for line in lines:
        if type(line) is not str:  # in no time, unlike the check itself
            checks.kind_of("line", line, str)
        page.append(line)
        size += len(line)
        if len(page) >= _LINES or size >= _CHARACTERS:
            yield Page(page)
            page, size = [], 0
    if page:
        yield Page(page)
