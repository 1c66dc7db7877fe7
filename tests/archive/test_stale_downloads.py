"""Downloads from a service of several machines that lag, over real connections, in virtual time."""

import asyncio
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from downloading import JOB, add, hours_ago, in_service, kept, now, run
from following import in_virtual_time
from lagging_service import History, LaggingService, Restarts, any_history, generation, lags
from thinned import every

from dashscope_ftlogs import (
    Downloaded,
    IncompleteLogError,
    LogSession,
    NotFoundError,
    Progress,
    verify_archive,
)
from dashscope_ftlogs.archive.directory import Archive

LAG = 40.0


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
        if self.is_mixed:
            return f"mixed, and {outcome.state}"
        return outcome.state

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
    service = LaggingService(rng, lags(rng, LAG), most=rng.choice([1_000, 10]))
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
                ends["set aside"] += len(outcome.set_aside)
            states = {verdict.state for verdict in verify_archive(folder)}
            assert states <= {"ok", "incomplete", "settling", "superseded"}
            await asyncio.sleep(rng.random() * LAG)


@pytest.mark.unmeasured
@pytest.mark.chance
def test_any_downloads_are_exact_up_to_the_highest_total_that_was_named_or_not_called_complete(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    ends: Counter[str] = Counter()

    async def main() -> None:
        for seed in range(int(request.config.getoption("--stale-reads"))):
            await any_downloads(seed, tmp_path / str(seed), ends)

    in_virtual_time(main(), debug=False)
    assert min(ends["complete"], ends["running"], ends["settling"]) > 0


@pytest.mark.parametrize("what", ["other lines", "fewer", "none"])
def test_one_stale_answer_sets_no_healthy_archive_aside(tmp_path: Path, what: str) -> None:
    stale = {"other lines": generation("b", 22), "fewer": generation("a", 18), "none": []}[what]

    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", 20), status="RUNNING")
        await run(service, tmp_path, JOB)
        log.states[:] = [(-1e9, stale), (now() + 20, generation("a", 25))]
        done = await run(service, tmp_path, JOB)
        assert (done.outcomes[0].set_aside, done.outcomes[0].new_lines) == ((), 5)
        assert kept(tmp_path, "ft-1.log") == generation("a", 25)

    in_service(main)


@pytest.mark.parametrize("lines", [0, 7])
def test_a_machine_that_does_not_know_the_job_yet_is_not_believed_where_lines_are_here(
    tmp_path: Path, lines: int
) -> None:
    async def main(service: LaggingService) -> None:
        add(service, JOB, generation("a", lines), status="RUNNING")
        await run(service, tmp_path, JOB)
        running = {"status": "RUNNING"}
        service.facts[JOB] = History([(-1e9, None), (now() + 20, running)])
        done = await run(service, tmp_path, JOB)
        if lines:
            assert (done.states, done.seconds >= 20) == ({JOB: "running"}, True)
        else:
            assert isinstance(done.outcomes[0].error, NotFoundError)
        service.facts[JOB] = History([(-1e9, None)])
        done = await run(service, tmp_path, JOB)
        assert isinstance(done.outcomes[0].error, NotFoundError)
        assert (done.seconds >= 45) == (lines > 0)
        assert kept(tmp_path, "ft-1.log") == generation("a", lines)

    in_service(main)


def test_what_is_told_of_a_job_that_the_service_has_forgotten_is_what_there_is_to_do(
    tmp_path: Path,
) -> None:
    async def main(service: LaggingService) -> None:
        add(service, "ft-1", generation("a", 1200), status="RUNNING")
        add(service, "ft-2", generation("a", 3), end_time="2020-01-01 00:00:00")
        jobs = ["ft-1", "ft-2", "ft-3"]
        await run(service, tmp_path, jobs[:2])
        (tmp_path / "ft-2.log").write_bytes(b"")
        service.facts |= dict.fromkeys(jobs, History([(-1e9, None)]))
        done = await run(service, tmp_path, jobs)
        told = {outcome.job_id: str(outcome.error) for outcome in done.outcomes}
        assert "has forgotten it, and what is here, 1,200 lines, is all there will be" in told["ft-1"]
        assert "give `ftlogs verify --all` the option `--forgotten-ok ft-1`" in told["ft-1"]
        assert "what is damaged here can't be fetched anew" in told["ft-2"]
        assert "Check the job id" in told["ft-3"]

    in_service(main)


def test_an_older_archive_that_is_put_back_while_there_is_a_doubt_is_gone_on_with_from_its_end(
    tmp_path: Path,
) -> None:
    folder, older = tmp_path / "a", tmp_path / "older"

    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", 10), status="RUNNING")
        await run(service, folder, JOB)
        shutil.copytree(folder, older)
        log.states[:] = [(-1e9, generation("a", 20))]
        await run(service, folder, JOB)
        log.states[:] = [(-1e9, generation("a", 5)), (now() + 20, generation("a", 25))]

        def put_back() -> None:
            for file in older.glob("ft-1.*"):
                shutil.copy(file, folder)

        asyncio.get_running_loop().call_later(10, put_back)
        done = await run(service, folder, JOB)
        assert (done.states, done.outcomes[0].lines) == ({JOB: "running"}, 25)
        assert kept(folder, "ft-1.log") == generation("a", 25)

    in_service(main)


def test_a_job_that_is_unknown_here_too_is_asked_for_once(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        service.facts[JOB] = History([(-1e9, None)])
        done = await run(service, tmp_path, JOB)
        assert isinstance(done.outcomes[0].error, NotFoundError)
        assert done.requests == 1

    in_service(main)


@pytest.mark.parametrize("lines", [generation("b", 30), generation("a", 18), []])
def test_what_is_contradicted_for_as_long_as_machines_may_lag_is_set_aside(
    tmp_path: Path, lines: list[str]
) -> None:
    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", 20), status="RUNNING")
        await run(service, tmp_path, JOB)
        log.states[:] = [(-1e9, lines)]
        done = await run(service, tmp_path, JOB)
        assert done.seconds >= 45
        assert done.outcomes[0].set_aside == ("ft-1.rewritten-1.log",)
        assert kept(tmp_path, "ft-1.log") == lines
        assert kept(tmp_path, "ft-1.rewritten-1.log") == generation("a", 20)

    in_service(main)


@pytest.mark.unmeasured
@pytest.mark.parametrize("more", [0, 3])
@pytest.mark.parametrize("length", [1, 6, 995])
@pytest.mark.parametrize("when", ["between two runs", "between two looks of one run"])
def test_a_log_that_ends_as_another_one_did_is_not_taken_for_it(
    tmp_path: Path, when: str, length: int, more: int
) -> None:
    known = [*generation("a", length), *generation("alike", 5)]
    other = [*generation("b", length), *generation("alike", 5), *generation("b", more)]

    async def main(service: LaggingService) -> None:
        status = "RUNNING" if when == "between two runs" else "SUCCEEDED"
        log = add(service, JOB, known, status=status)
        if status == "RUNNING":
            await run(service, tmp_path, JOB)
            service.facts[JOB] = History([(-1e9, {"status": "SUCCEEDED"})])
        log.states.append((now() + 20, other))
        done = await run(service, tmp_path, JOB)
        assert (done.states, done.outcomes[0].set_aside) == (
            {JOB: "complete"},
            ("ft-1.rewritten-1.log",),
        )
        assert kept(tmp_path, "ft-1.log") == other
        assert kept(tmp_path, "ft-1.rewritten-1.log")[: len(known)] == known

    in_service(main)


def test_lines_that_an_earlier_run_heard_of_are_expected_by_the_next(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", 20), status="RUNNING")
        await run(service, tmp_path, JOB)
        archive = Archive(tmp_path)
        manifest = archive.manifest(JOB)
        assert manifest is not None
        archive.put(attrs.evolve(manifest, total=30))  # as if it had been killed then
        stale, whole = (-1e9, generation("a", 20)), generation("a", 30)
        log.states[:] = [stale, (now() + 20, whole)]
        done = await run(service, tmp_path, JOB)
        assert (done.states, done.outcomes[0].new_lines) == ({JOB: "running"}, 10)
        # What is fewer for good is an error once, and then what there is.
        archive.put(attrs.evolve(manifest, total=30))
        log.states[:] = [stale]
        (lost,) = (await run(service, tmp_path, JOB)).outcomes
        assert isinstance(lost.error, IncompleteLogError)
        done = await run(service, tmp_path, JOB)
        assert (done.states, done.outcomes[0].lines) == ({JOB: "running"}, 20)

    in_service(main)


@pytest.mark.covered
@pytest.mark.parametrize("doubts", [8, pytest.param(300, marks=pytest.mark.long)])
def test_doubts_hold_up_no_other_job_and_hundreds_are_no_hundreds_of_tasks(
    tmp_path: Path, doubts: int
) -> None:
    async def main(service: LaggingService) -> None:
        many = [f"ft-{number}" for number in range(doubts)]
        for job_id in many:
            add(service, job_id, generation("a", 20), status="RUNNING")
        add(service, "ft-last", generation("a", 20), end_time=hours_ago(30))
        await run(service, tmp_path, many)
        for job_id in many:
            service.logs[job_id].states.append((now(), generation("b", 30)))
        progress = Progress()
        async with LogSession("sk-1", base_url=service.base_url, concurrency=2) as session:
            began = now()
            working = asyncio.ensure_future(
                session.download([*many, "ft-last"], tmp_path, progress=progress)
            )
            while not progress.jobs_done:
                assert len(asyncio.all_tasks()) < 60
                await asyncio.sleep(0.1)
            assert now() - began < 40
            outcomes = await working
        assert Counter(outcome.state for outcome in outcomes) == {"running": doubts, "complete": 1}
        assert outcomes[0].job_id == "ft-last"
        assert sum(len(outcome.set_aside) for outcome in outcomes) == doubts

    in_service(main)


@pytest.mark.unmeasured
@pytest.mark.parametrize(("most", "longer"), every(4, [50, 1_000], [900, 1, 0]))
def test_a_log_that_another_one_replaces_while_it_is_read_is_never_complete_as_a_mixture(
    tmp_path: Path, most: int, longer: int
) -> None:
    before = generation("a", 4 * most + most // 2)
    after = generation("b", len(before) + longer)

    async def main(service: LaggingService) -> None:
        service.most = most
        for answers in range(1, 7):  # five pages, a look when it has settled, and the first page again
            job_id = f"ft-{answers}"
            add(service, job_id, before, end_time=hours_ago(1))
            service.logs[job_id] = Restarts([(0, before), (0, after)], answers)
        done = await run(service, tmp_path, list(service.logs))
        assert set(done.states.values()) == {"complete"}
        for outcome in done.outcomes:
            assert kept(tmp_path, outcome.file) == after
            assert len(outcome.set_aside) == 1

    in_service(main)


@pytest.mark.unmeasured
@pytest.mark.parametrize("fewer", [False, True])
def test_another_log_is_noticed_though_it_begins_with_the_same_pages(
    tmp_path: Path, fewer: bool
) -> None:
    header = [f"config {n}" for n in range(60)]
    before, after = header + generation("a", 1_000), header + generation("b", 1_300)

    async def main(service: LaggingService) -> None:
        service.most = 50
        for answers in (2, 10, 22):  # of 22 pages, then a look when it has settled
            job_id = f"ft-{answers}"
            add(service, job_id, before, end_time=hours_ago(1))
            service.logs[job_id] = Restarts([(0, before), (0, after)], answers)
        if fewer:  # its last lines are as before, and those that it begins with are all that there is
            service.logs["ft-22"] = Restarts([(0, before), (0, header[:20])], 23)
        done = await run(service, tmp_path, list(service.logs))
        assert set(done.states.values()) == {"complete"}
        for outcome in done.outcomes:
            assert len(outcome.set_aside) == 1
            assert kept(tmp_path, outcome.file) == (header[:20] if outcome.lines == 20 else after)

    in_service(main)


def test_how_a_log_begins_is_asked_again_over_the_lag_before_another_one_is_believed(
    tmp_path: Path,
) -> None:
    before, other = generation("a", 1_500), generation("b", 1_500)

    async def main(service: LaggingService) -> None:
        add(service, JOB, before, status="RUNNING")
        await run(service, tmp_path, JOB)
        add(service, JOB, before, end_time=hours_ago(25))
        # The look at the end finds nothing new, and whoever answers after it is behind.
        service.logs[JOB] = Restarts([(0, before), (0, other)], 1)
        asyncio.get_running_loop().call_later(
            20, lambda: service.logs.update({JOB: History([(0, before)])})
        )
        done = await run(service, tmp_path, JOB)
        assert (done.states, done.outcomes[0].set_aside) == ({JOB: "complete"}, ())
        assert 20 < done.seconds < 45

    in_service(main)


def test_a_first_page_that_is_too_large_is_asked_for_in_part(tmp_path: Path) -> None:
    lines = [f"{n:0900}" for n in range(20)]

    async def main(service: LaggingService) -> None:
        add(service, JOB, lines, end_time=hours_ago(1))
        async with LogSession("sk-1", base_url=service.base_url, max_answer=1_100) as session:
            (outcome,) = await session.download(JOB, tmp_path)
        assert (outcome.state, kept(tmp_path, "ft-1.log")) == ("complete", lines)

    in_service(main)


@attrs.define
class Restless(History):
    """Another log at each look."""

    looks: int = 0

    def at(self, when: float) -> Any:
        self.looks += 1
        return [f"{self.looks} line {number}" for number in range(2_500)]


def test_a_log_that_is_another_one_at_each_look_is_begun_three_times_and_given_up(
    tmp_path: Path,
) -> None:
    async def main(service: LaggingService) -> None:
        add(service, JOB, [])
        service.logs[JOB] = Restless([])
        (outcome,) = (await run(service, tmp_path, JOB)).outcomes
        assert outcome.state == "failed"
        assert "changes faster than it can be read" in str(outcome.error)
        assert outcome.set_aside == tuple(f"{JOB}.rewritten-{number}.log" for number in (1, 2, 3))

    in_service(main)
