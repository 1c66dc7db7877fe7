"""What a run knows of a job between its looks."""

import itertools

import pytest

from dashscope_ftlogs import NotFoundError
from dashscope_ftlogs.archive.job_turns import Turn
from dashscope_ftlogs.archive.manifest import Manifest
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


@pytest.mark.parametrize(("profile", "name"), [("", "ft-1"), ("prod", "prod/ft-1")])
def test_what_is_forgotten_is_accepted_as_the_job_of_its_profile(profile: str, name: str) -> None:
    manifest = Manifest(job_id="ft-1", endpoint="", format="text", compression=None, lines=3)
    outcome = Turn("ft-1", profile).failed("ft-1", manifest, NotFoundError(404, "", "gone"))
    assert f"`--forgotten-ok {name}`" in str(outcome.error)
