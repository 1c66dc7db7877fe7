"""Archives of every schema there has been stay readable, verifiable, and are gone on with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from golden_archives import FIRST_LIFE, FORMS, GOLDEN, LOGS, NAME, jobs
from stranger import found_by_a_stranger

from dashscope_ftlogs import LogSession, verify_archive
from dashscope_ftlogs.archive.local_log_reader import stored_logs
from dashscope_ftlogs.archive.manifest import SCHEMA, stem
from dashscope_ftlogs.emulator import Emulator

SCHEMAS = range(1, SCHEMA + 1)
STATES = {
    "ft-complete": "ok",
    "ft-empty": "ok",
    "FT-1.log": "ok",
    "ft-running": "incomplete",
    "ft-again": "incomplete",
}

Lines = dict[str, list[str]]


@pytest.fixture(params=[f"schema-{schema}/{form}" for schema in SCHEMAS for form in FORMS])
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / request.param, tmp_path / "archive"))


def stored(folder: Path) -> Lines:
    return {log.name: [line for _, line in log.lines()] for log in stored_logs(folder)}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_whole_byte_for_byte(golden: Path) -> None:
    verdicts = list(verify_archive(golden))
    assert {v.job_id: v.state for v in verdicts if v.state != "superseded"} == STATES
    (old,) = [v for v in verdicts if v.state == "superseded"]
    assert (old.job_id, old.lines) == ("ft-again", len(FIRST_LIFE))


def test_who_knows_but_the_page_of_the_format_finds_the_same(golden: Path) -> None:
    found = found_by_a_stranger(golden)
    expected = {
        f"{stem(job_id)}.manifest.json": f"{len(LOGS[job_id])} lines, "
        + ("complete" if state == "ok" else "so far")
        for job_id, state in STATES.items()
    }
    older = {"ft-again.rewritten-1.manifest.json": f"{len(FIRST_LIFE)} lines, an older generation"}
    assert found == expected | older


def test_its_lines_and_jobs_are_read(golden: Path) -> None:
    assert stored(golden) == LOGS
    for log in stored_logs(golden):
        assert log.job is not None
        assert log.job.job_name == NAME.replace("\ud800", "\\ud800")


async def test_a_download_goes_on_with_it_and_leaves_what_is_complete(
    golden: Path, connect: Callable[..., LogSession]
) -> None:
    before = contents(golden)
    async with Emulator(jobs()) as emulator, connect(emulator) as session:
        for job_id in ("ft-running", "ft-again"):
            emulator.jobs[job_id].append("one more", "\ud800 and the last")
            emulator.jobs[job_id].finish("SUCCEEDED")
        outcomes = {outcome.job_id: outcome for outcome in await session.download(list(LOGS), golden)}
    for job_id, state in STATES.items():
        assert outcomes[job_id].state == ("skipped" if state == "ok" else "complete")
        assert outcomes[job_id].new_lines == (0 if state == "ok" else 2)
        assert not outcomes[job_id].set_aside
    assert {v.state for v in verify_archive(golden)} == {"ok", "superseded"}
    went_on = {name for name, data in contents(golden).items() if before[name] != data}
    assert {name.split(".")[0] for name in went_on} == {"ft-running", "ft-again"}
    for job_id in ("ft-running", "ft-again"):
        assert json.loads((golden / f"{job_id}.manifest.json").read_bytes())["schema"] == SCHEMA
        assert stored(golden)[job_id][: len(LOGS[job_id]) + 1] == [*LOGS[job_id], "one more"]


async def test_a_last_line_that_grew_is_put_right_or_the_log_is_set_aside(
    golden: Path, connect: Callable[..., LogSession]
) -> None:
    """A compressed log of an earlier version ends with a member of several lines."""
    async with Emulator(jobs()) as emulator, connect(emulator) as session:
        job = emulator.jobs["ft-running"]
        job.rewrite([*job.lines[:-1], f"{job.lines[-1]} goes on", "next"])
        (outcome,) = await session.download("ft-running", golden)
    assert stored(golden)["ft-running"] == job.lines
    assert (outcome.state, outcome.lines) == ("running", len(job.lines))
    assert bool(outcome.set_aside) == outcome.file.endswith(".gz")
    assert "damaged" not in {verdict.state for verdict in verify_archive(golden)}
