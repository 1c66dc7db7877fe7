"""When a log counts as complete, and what is said of one that doesn't."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashscope_ftlogs import Job
from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.when_a_log_is_complete import (
    is_complete,
    seconds_since,
    stage,
    stamp,
)

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
LONG_AGO, JUST_NOW = "2026-11-23 08:29:59", "2026-11-23 08:30:00"


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("SUCCEEDED", True),
        ("FAILED", True),
        ("CANCELED", True),
        ("RUNNING", False),
        ("PENDING", False),
        ("SOMETHING_NEW", False),
    ],
)
@pytest.mark.parametrize(
    ("end_time", "brought", "ended_for", "settled"),
    [
        (LONG_AGO, 100, 0.0, True),
        (JUST_NOW, 0, 0.0, False),
        (JUST_NOW, 0, 44.9, False),
        (JUST_NOW, 0, 45.0, True),
        (JUST_NOW, 1, 45.0, False),
    ],
)
def test_a_log_is_complete_if_a_look_that_began_when_all_machines_had_its_end_found_nothing_new(
    status: str, final: bool, end_time: str, brought: int, ended_for: float, settled: bool
) -> None:
    job = Job("ft-1", status, end_time=end_time, http_date=NOW)
    found = is_complete(job, brought=brought, ended_for=ended_for, settled_after=45.0)
    assert found is (final and settled)


@pytest.mark.parametrize("end_time", [None, "", "yesterday", "2026-11-23T08:00:00", "9999-99-99 9:9:9"])
def test_an_end_that_names_no_time_is_not_long_ago(end_time: str | None) -> None:
    assert not Job("ft-1", "SUCCEEDED", end_time=end_time, http_date=NOW).ended_long_ago


def test_without_the_date_of_the_answer_no_end_is_long_ago() -> None:
    assert not Job("ft-1", "SUCCEEDED", end_time="2001-01-01 00:00:00").ended_long_ago


def test_times_of_a_manifest_are_read_as_they_are_written() -> None:
    assert seconds_since(stamp(NOW), NOW + timedelta(seconds=90)) == 90
    assert seconds_since(stamp(NOW), NOW - timedelta(seconds=90)) == 0
    assert seconds_since("", NOW) == seconds_since("nonsense", NOW) == 0
    assert (stamp(None), seconds_since(stamp(NOW), None)) == ("", 0)


RUNS = {"status": "RUNNING"}


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"complete": True, "total": 2}, ("ok", "")),
        ({"complete": True, "superseded": True, "total": 9}, ("superseded", "")),
        ({"total": 1234}, ("incomplete", "2 lines of 1,234")),
        ({"total": 2, "job": RUNS}, ("incomplete", "2 lines so far; the job had not ended")),
        ({"job": RUNS}, ("incomplete", "2 lines so far; the job had not ended")),
        ({}, ("incomplete", "2 lines so far; the download was broken off")),
        ({"job": {"status": "FAILED"}}, ("incomplete", "2 lines so far; there may be more")),
        ({"settling": True}, ("settling", "2 lines; the job had ended shortly before")),
        ({"settling": True, "total": 3}, ("incomplete", "2 lines of 3")),
        ({"ended_by": stamp(NOW)}, ("incomplete", "2 lines so far; there may be more")),
    ],
)
def test_a_log_that_is_whole_says_how_far_it_has_come(
    facts: dict[str, Any], found: tuple[str, str]
) -> None:
    manifest = Manifest(job_id="ft-1", endpoint="https://host/api/v1", lines=2, **facts)
    assert stage(manifest) == found
