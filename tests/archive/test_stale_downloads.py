"""Downloads from a service of several machines that lag, over real connections, in virtual time."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
from following import in_virtual_time
from lagging_service import History, LaggingService, any_history, generation, lags

from dashscope_ftlogs import (
    Downloaded,
    IncompleteLogError,
    LogSession,
    NotFoundError,
    Progress,
    SessionStateError,
    verify_archive,
)
from dashscope_ftlogs.archive.directory import Archive

LAG = 40.0
JOB = "ft-1"


def now() -> float:
    return asyncio.get_running_loop().time()


def kept(folder: Path, name: str) -> list[str]:
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def ending(rng: random.Random, log: History) -> History:
    """Return what is said of a job whose log has that life: it ends after the last change, or not."""
    last, lines = log.states[-1]
    told: list[tuple[float, Any]] = [(0.0, {"status": "RUNNING"})]
    if rng.random() < 0.7:
        end = last + rng.random() * 5
        told.append((end, {"status": rng.choice(["SUCCEEDED", "FAILED", "CANCELED"])}))
    if lines is None:
        told = [one for one in told if one[0] < last]
        told.append((last, None))
    return History(told)


@attrs.define
class Archived:
    """One job's log in an archive over several runs, compared with what was true."""

    job_id: str
    truth: History
    folder: Path
    lines: list[str] = attrs.Factory(list[str])
    is_mixed: bool = False
    """A page of another generation was joined, before any answer showed that there was one."""

    def look(self, outcome: Downloaded, service: LaggingService) -> str:
        before, self.lines = self.lines, kept(self.folder, f"{self.job_id}.log")
        assert outcome.lines == len(self.lines)
        assert [int(line.split()[1]) for line in self.lines] == list(range(len(self.lines)))
        for name in outcome.set_aside:
            # Never without need: the log did not go on from what was kept.
            older = kept(self.folder, name)
            assert any(state is None or state[: len(older)] != older for _, state in self.truth.states)
        if self.lines[: len(before)] != before:
            assert outcome.set_aside, "every rewrite is announced"
            assert kept(self.folder, outcome.set_aside[0])[: len(before)] == before
        names = {line.split()[0] for line in self.lines}
        if len(names) > 1 and not self.is_mixed:
            assert not service.contradicted_itself(self.job_id)
        self.is_mixed = len(names) > 1
        if outcome.error is not None:
            assert isinstance(outcome.error, IncompleteLogError | NotFoundError)
            return type(outcome.error).__name__
        if not self.is_mixed:
            self._compare(outcome, service)
        return "mixed" if self.is_mixed else outcome.state

    def _compare(self, outcome: Downloaded, service: LaggingService) -> None:
        states = [state for _, state in self.truth.states if state is not None]
        assert any(state[: len(self.lines)] == self.lines for state in states)
        told = [answer.total for answer in service.told if answer.about == self.job_id]
        if told and not outcome.set_aside:
            assert len(self.lines) == max(told)
        if outcome.state in {"complete", "skipped"}:
            # A job that was deleted is complete, too, with what it had last.
            assert self.lines == states[-1]


async def any_downloads(seed: int, folder: Path, ends: Counter[str]) -> None:
    """Bring an archive up to date several times, while logs have any life."""
    rng = random.Random(seed)
    service = LaggingService(rng, lags(rng, LAG))
    async with service.serving():
        all_of_them: dict[str, Archived] = {}
        for number in range(rng.randrange(1, 5)):
            job_id = f"ft-{number}"
            service.logs[job_id] = log = any_history(rng, now(), LAG)
            service.facts[job_id] = ending(rng, log)
            all_of_them[job_id] = Archived(job_id, log, folder)
        for _ in range(rng.randrange(1, 5)):
            service.told.clear()
            settle = rng.choice([None, None, None, 0])
            async with LogSession("sk-1", base_url=service.base_url, concurrency=3) as session:
                outcomes = await session.download(list(all_of_them), folder, settle=settle)
            assert {outcome.job_id for outcome in outcomes} == set(all_of_them)
            for outcome in outcomes:
                ends[all_of_them[outcome.job_id].look(outcome, service)] += 1
            states = {verdict.state for verdict in verify_archive(folder)}
            assert states <= {"ok", "incomplete", "settling", "superseded"}
            await asyncio.sleep(rng.random() * LAG)


def test_any_downloads_are_exact_up_to_the_highest_total_that_was_named_or_not_called_complete(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ends: Counter[str] = Counter()

    async def main() -> None:
        for seed in range(int(request.config.getoption("--stale-reads"))):
            await any_downloads(seed, tmp_path / str(seed), ends)

    in_virtual_time(main(), debug=False)
    print(dict(ends))
    assert min(ends["complete"], ends["running"], ends["settling"]) > 0
