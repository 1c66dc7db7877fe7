"""Offset arithmetic, against a model of the server."""

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dashscope_ftlogs import LogPage
from dashscope_ftlogs.client.cursor import Cursor


class Reading(RuleBasedStateMachine):
    """Reads a log that grows, from a server that gives as few lines as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.cursor = Cursor(0, 10)
        self.start = 0
        self.got: list[int] = []

    @precondition(lambda self: not self.got and self.cursor.total is None)
    @rule(offset=st.integers(0, 30), page_size=st.integers(1, 10), limit=st.none() | st.integers(0, 30))
    def begin(self, offset: int, page_size: int, limit: int | None) -> None:
        self.cursor = Cursor(offset, page_size, None if limit is None else offset + limit)
        self.start = offset

    @rule(count=st.integers(1, 15))
    def grow(self, count: int) -> None:
        self.log.extend(range(len(self.log), len(self.log) + count))

    @precondition(lambda self: not self.cursor.finished)
    @rule(given=st.integers(0, 10))
    def answer(self, given: int) -> None:
        asked = self.cursor.offset
        lines = self.log[asked : min(asked + given, self.cursor.span_end(asked))]
        self.got.extend(lines)
        page = LogPage("ft-1", asked, tuple(map(str, lines)), len(self.log))
        self.cursor = self.cursor.past(page)

    @rule(offset=st.integers(0, 60))
    def plan(self, offset: int) -> None:
        if self.cursor.reaches(offset):
            end = self.cursor.span_end(offset)
            assert 1 <= end - offset <= self.cursor.page_size
            assert self.cursor.stop is None or end <= self.cursor.stop

    @invariant()
    def every_line_came_once_and_in_order(self) -> None:
        assert self.got == self.log[self.start : self.start + len(self.got)]
        assert self.cursor.offset == self.start + len(self.got)

    @invariant()
    def it_never_wants_what_is_not_wanted(self) -> None:
        if not self.cursor.finished:
            assert self.cursor.span_end(self.cursor.offset) > self.cursor.offset

    @invariant()
    def it_ends_only_where_the_log_or_the_wish_ends(self) -> None:
        if self.cursor.finished and self.cursor.stop != self.cursor.offset:
            assert self.cursor.total is not None
            assert self.cursor.offset >= self.cursor.total


test_reading = pytest.mark.unmeasured(Reading.TestCase)


def test_a_read_that_begins_past_the_end_has_ended() -> None:
    assert Cursor(50, 10).past(LogPage("ft-1", 50, (), 9)).finished


def test_only_a_larger_total_is_news() -> None:
    cursor = Cursor(0, 10, total=20)
    assert cursor.heard(10) is cursor
    assert cursor.heard(30) == msgspec.structs.replace(cursor, total=30)
    assert Cursor(0, 10).heard(5).total == 5
