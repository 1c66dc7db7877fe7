"""When a log counts as complete, and what is said of one that doesn't."""

from typing import Any

import pytest

from dashscope_ftlogs import Job
from dashscope_ftlogs.archive.completeness import is_complete, stage
from dashscope_ftlogs.archive.manifest import Manifest


@pytest.mark.parametrize(
    ("status", "complete"),
    [
        ("SUCCEEDED", True),
        ("FAILED", True),
        ("CANCELED", True),
        ("RUNNING", False),
        ("PENDING", False),
        ("SOMETHING_NEW", False),
    ],
)
def test_what_was_read_to_its_end_is_complete_if_the_job_had_ended_before(
    status: str, complete: bool
) -> None:
    assert is_complete(Job("ft-1", status)) is complete


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"complete": True, "total": 2}, ("ok", "")),
        ({"complete": True, "superseded": True, "total": 9}, ("superseded", "")),
        ({"total": 1234}, ("incomplete", "2 lines of 1,234")),
        ({"total": 2}, ("incomplete", "2 lines so far; the job had not ended")),
        ({}, ("incomplete", "2 lines so far; the job had not ended")),
    ],
)
def test_a_log_that_is_whole_says_how_far_it_has_come(
    facts: dict[str, Any], found: tuple[str, str]
) -> None:
    manifest = Manifest(job_id="ft-1", endpoint="https://host/api/v1", lines=2, **facts)
    assert stage(manifest) == found
