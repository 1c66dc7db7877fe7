"""The lines that a report keeps of a log: in order, within their room, the end without gaps."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.report.kept_lines import KeptLines, fair_room


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60), st.integers(0, 600))
def test_lines_are_kept_in_order_within_their_room_and_the_end_without_gaps(
    lines: list[tuple[int, bool]], room: int
) -> None:
    kept_lines = KeptLines(room)
    for number, (length, marked) in enumerate(lines):
        kept_lines.add(number, "x" * length)
        if marked:
            kept_lines.mark(number)
    for smaller in (room, room // 2):
        kept_lines.shrink(smaller)
        numbers = [number for number, _ in kept_lines]
        assert numbers == sorted(set(numbers))
        assert numbers[-1:] == [len(lines) - 1][: len(lines)]
        assert kept_lines.left_out == len(lines) - len(numbers)
        assert kept_lines.size <= max(smaller, 58 + smaller // 8)
        gaps = [one for one, other in pairwise(numbers) if other != one + 1]
        assert all(lines[number][1] for number in numbers if gaps and number <= gaps[-1])


def test_a_mark_for_a_line_that_is_gone_comes_too_late() -> None:
    kept_lines = KeptLines(10)
    kept_lines.mark(0)
    kept_lines.add(0, "x" * 9)
    kept_lines.add(1, "y" * 9)
    kept_lines.mark(0)
    assert [number for number, _ in kept_lines] == [1]


@pytest.mark.covered
@given(st.lists(st.integers(0, 1000)), st.integers(0, 3000))
def test_all_logs_fit_and_room_is_shared_fairly(sizes: list[int], total: int) -> None:
    room = fair_room(sizes, total)
    taken = [min(size, room) for size in sizes]
    assert sum(taken) <= total
    if sum(sizes) <= total:
        assert taken == sizes
    else:
        assert sum(taken) > total - len(sizes)
