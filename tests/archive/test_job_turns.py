"""What a run knows of a job between its looks."""

import itertools

import pytest

from dashscope_ftlogs.archive.job_turns import Turn
from dashscope_ftlogs.client.doubt import Growth, Known
from dashscope_ftlogs.text import digests


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_last_line_may_go_on_again_and_again_before_the_whole_of_it_is_kept(times: int) -> None:
    turn = Turn("ft-1")
    lines = ["bar |" + "#" * done for done in range(times + 1)]
    for before, line in itertools.pairwise(lines):
        turn.grew(Growth(Known(7, digests([line]), 7, len(line)), line, len(before)))
    assert turn.growth is not None
    assert (turn.growth.line, turn.growth.length, turn.growth.number) == (lines[-1], len("bar |"), 6)
