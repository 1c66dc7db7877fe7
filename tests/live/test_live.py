"""What `ftlogs doctor` finds with the real service, which is asked only with --live and a key."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

ENVIRON = dict(os.environ)
"""As it was before any test: they have one without a key, and without certificates."""

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest) -> dict[str, Any]:
    if not request.config.getoption("--live") or not ENVIRON.get("DASHSCOPE_API_KEY"):
        pytest.skip("asks the real service: needs --live, and DASHSCOPE_API_KEY in the environment")
    job = [ENVIRON["FTLOGS_LIVE_JOB"]] if "FTLOGS_LIVE_JOB" in ENVIRON else []
    command = (
        sys.executable,
        "-m",
        "dashscope_ftlogs",
        "doctor",
        *job,
        "--contract",
        "--format",
        "jsonl",
    )
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_nothing_is_wrong_on_the_way_or_with_the_key(findings: dict[str, Any]) -> None:
    assert {"gateway", "key", "jobs", "job", "log"} <= findings.keys()
    assert [row for row in findings.values() if row["state"] == "wrong"] == []


def test_all_that_is_documented_holds(findings: dict[str, Any]) -> None:
    assert "Offset 0 is the first line" in findings
    documented = [row for name, row in findings.items() if "not documented" not in name]
    assert [row for row in documented if row["state"] == "odd"] == []
