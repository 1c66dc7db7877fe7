"""The metrics of a log as points of curves: where each is from, and in which run."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from dashscope_ftlogs import checks
from dashscope_ftlogs.metrics.point import Point, points_of
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.whole_log.point_reader import PointReader
from dashscope_ftlogs.reading.forms.dicts import flat
from dashscope_ftlogs.reading.own_pattern import OwnPattern, OwnRecords
from dashscope_ftlogs.reading.page_scan import TRACEBACK, lines_that_matter
from dashscope_ftlogs.reading.tracebacks import RecordReader

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
            self._read_page(page, offset)
            offset += len(page)

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

    def columns(self) -> PointColumns:
        """Return the points of what was read as columns, once it is all."""
        return self._points.columns()

    def _read_page(self, page: Sequence[str], offset: int) -> None:
        points, over_lines = self._points, self._points.over_lines
        parts = _Parts(page)
        texts = parts.texts
        asked: tuple[bool, str] | None = None
        matter: list[int] = []
        at = read = 0
        while at < len(texts):
            if self._records.in_traceback:
                at = read = self._read_to_line_end(parts, at, offset)
                continue
            if not over_lines.idle:
                self.read(offset + parts.line(at), texts[at])
                at = read = at + 1
                continue
            if texts[at][:1] == "{" and self._read_dict(offset + parts.line(at), texts[at]):
                at = read = at + 1
                continue
            if asked != (points.needs_bars, points.last_bar):
                asked = points.needs_bars, points.last_bar
                found = lines_that_matter(texts[at:], bars=asked[0], word=asked[1])
                matter = [index + at for index in found]
            following = bisect_left(matter, at)
            at = matter[following] if following < len(matter) else len(texts)
            if at > read:
                points.passed_over(texts, read, at)
                read = at
            elif TRACEBACK in texts[at]:
                at = read = self._read_to_line_end(parts, at, offset)
            else:
                self.read(offset + parts.line(at), texts[at])
                at = read = at + 1
        points.page_ends()

    def _read_to_line_end(self, parts: "_Parts", at: int, offset: int) -> int:
        """Take the rest of a line as one, as tracebacks are taken, and return where the next begins."""
        line = parts.line(at)
        end = parts.first(line + 1)
        self.read(offset + line, "\n".join(parts.texts[at:end]))
        return end

    def _read_dict(self, number: int, line: str) -> bool:
        """Take a line in the shortest time if it is nothing but metrics, as most lines with any are."""
        if TRACEBACK in line:
            return False
        values = flat(line)
        return values is not None and self._points.read_values(number, values, line)


class _Parts:
    """The lines of a page, cut at each end of a line in them; which line a part is of."""

    def __init__(self, page: Sequence[str]) -> None:
        text = "\n".join(page)
        self.texts = text.replace("\r", "\n").split("\n")
        self._firsts: Sequence[int] = range(len(page) + 1)
        if len(self.texts) != len(page):
            counts = (line.count("\n") + line.count("\r") + 1 for line in page)
            self._firsts = list(accumulate(counts, initial=0))

    def line(self, part: int) -> int:
        """Return the index of the line that a part is of."""
        firsts = self._firsts
        return part if isinstance(firsts, range) else bisect_right(firsts, part) - 1

    def first(self, line: int) -> int:
        """Return the index of a line's first part."""
        return self._firsts[line]


def _pages(lines: Iterable[str]) -> Iterator[list[str]]:
    page: list[str] = []
    size = 0
    for line in lines:
        if type(line) is not str:  # in no time, unlike the check itself
            checks.kind_of("line", line, str)
        page.append(line)
        size += len(line)
        if len(page) >= _LINES or size >= _CHARACTERS:
            yield page
            page, size = [], 0
    if page:
        yield page
