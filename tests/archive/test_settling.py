"""When a download calls a log complete, and what it costs; in virtual time."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
from downloading import JOB, add, hours_ago, in_service, kept, now, run
from lagging_service import History, LaggingService, generation

from dashscope_ftlogs import LogSession, Progress, SessionStateError, verify_archive
from dashscope_ftlogs.archive.directory import Archive


@pytest.mark.covered
def test_jobs_that_ended_long_ago_cost_one_request_each_and_one_for_each_page(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    count = int(request.config.getoption("--old-jobs"))

    async def main(service: LaggingService) -> None:
        for number in range(count):
            lines = generation("a", number % 3)
            add(service, f"ft-{number}", lines, end_time=hours_ago(25 + number))
        done = await run(service, tmp_path, list(service.logs))
        assert set(done.states.values()) == {"complete"}
        assert done.requests == 2 * count
        again = await run(service, tmp_path, list(service.logs))
        assert again.requests == 0

    in_service(main)


@pytest.mark.covered
@pytest.mark.parametrize(
    ("ended", "date", "is_old"),
    [
        (25, None, True),
        (23, None, False),
        (-9, None, False),
        (None, None, False),
        ("a while ago", None, False),
        (25, "", False),
        (25, "some day", False),
        (25, "Sun, 06 Nov 1994 08:49:37 GMT", False),
        (0, "in 25 hours", True),
    ],
)
def test_only_an_end_a_day_before_the_date_of_the_answer_is_long_ago(
    tmp_path: Path, ended: Any, date: str | None, is_old: bool
) -> None:
    async def main(service: LaggingService) -> None:
        service.date = date
        if date == "in 25 hours":
            service.date = format_datetime(datetime.now(UTC) + timedelta(hours=25))
        end_time = hours_ago(ended) if isinstance(ended, int) else ended
        add(service, JOB, generation("a", 3), end_time=end_time)
        done = await run(service, tmp_path, JOB)
        assert done.states == {JOB: "complete"}
        # Its job and its log; where it may still change, that once more, and its beginning.
        assert (done.requests, done.seconds >= 45) == ((2, False) if is_old else (4, True))

    in_service(main)


class Waits(Progress):
    """Remembers for how many jobs there was a wait, and until when."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "waiting" and value is not None:
            self.all = [*getattr(self, "all", []), value]
        super().__setattr__(name, value)


@pytest.mark.long
def test_five_hundred_jobs_canceled_in_the_queue_are_complete_after_one_wait(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        for number in range(500):
            add(service, f"ft-{number}", [], end_time=hours_ago(1))
        progress = Waits()
        done = await run(service, tmp_path, list(service.logs), progress=progress)
        assert set(done.states.values()) == {"complete"}
        assert {outcome.lines for outcome in done.outcomes} == {0}
        assert done.requests == 3 * 500
        ((jobs, _),) = progress.all
        assert (jobs, done.seconds >= 45) == (500, True)

    in_service(main)


def test_lines_that_come_late_after_the_end_are_got_by_the_second_look(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", 7))
        log.states.append((now() + 30, generation("a", 9)))
        done = await run(service, tmp_path, JOB)
        assert (done.states, done.outcomes[0].new_lines) == ({JOB: "complete"}, 9)
        assert done.requests == 5, "job, log, the second look, one that found nothing new, the beginning"

    in_service(main)


@attrs.define
class Growing(History):
    """A log that is one line longer each time."""

    def at(self, when: float) -> Any:
        self.states[0] = (when, generation("a", len(self.states[0][1]) + 1))
        return History.at(self, when)


def test_a_log_that_grows_at_every_look_stays_settling(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", 7))
        service.logs[JOB] = Growing(log.states)
        done = await run(service, tmp_path, JOB)
        assert done.states == {JOB: "settling"}
        assert done.requests == 1 + 1 + 3, "the job, its log, and three more looks"

    in_service(main)


def at(seconds: float) -> str:
    return format_datetime(datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds))


@pytest.mark.parametrize("before", [0, 7])
def test_a_job_that_was_followed_to_its_end_is_not_waited_for_again(tmp_path: Path, before: int) -> None:
    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", before), status="RUNNING")
        await run(service, tmp_path, JOB)
        log.states.append((now(), generation("a", 7)))
        service.facts[JOB].states.append((now(), {"status": "SUCCEEDED"}))
        service.date = at(0)
        async with LogSession("sk-1", base_url=service.base_url) as session:
            async with session.follow(JOB) as lines:
                assert [line.offset async for line in lines] == list(range(7))
            service.date, ended = at(46), now()
            (done,) = await session.download(lines.jobs[JOB].job, tmp_path)
            assert (done.state, done.lines, now() - ended < 1) == ("complete", 7, True)

    in_service(main)


@pytest.mark.parametrize(
    ("passed", "later", "waits"),
    [
        (30, {"status": "SUCCEEDED"}, 15),
        (0, {"status": "SUCCEEDED"}, 45),
        (-9, {"status": "SUCCEEDED"}, 45),
        (60, {"status": "RUNNING"}, 45),  # by a machine that lags
        (60, None, 45),
    ],
)
def test_a_job_that_is_given_as_it_was_described_is_waited_for_as_long_as_its_end_is_not_old(
    tmp_path: Path, passed: float, later: Any, waits: float
) -> None:
    async def main(service: LaggingService) -> None:
        add(service, JOB, generation("a", 7))
        service.date = at(0)
        async with LogSession("sk-1", base_url=service.base_url) as session:
            job = await session.job(JOB)
            service.date, began = at(passed), now()
            service.facts[JOB] = History([(-1e9, later)])
            (done,) = await session.download(job, tmp_path)
        assert (done.state, waits <= now() - began < waits + 1) == ("complete", True)

    in_service(main)


def test_a_listing_of_jobs_that_ended_just_now_costs_no_request_for_each(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        for number in range(9):
            add(service, f"ft-{number}", [], end_time=hours_ago(1))
        service.jobs = History([(-1e9, tuple(service.logs))])
        async with LogSession("sk-1", base_url=service.base_url) as session:
            outcomes = await session.download(session.jobs(), tmp_path)
            assert [one.state for one in outcomes] == ["complete"] * 9
            assert session.requests == 1 + 2 * 9

    in_service(main)


def test_what_is_not_settled_is_left_to_the_next_run(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        log, began = add(service, JOB, generation("a", 7)), time.monotonic()
        first = await run(service, tmp_path, JOB, settle=0)
        assert (first.states, first.requests) == ({JOB: "settling"}, 2)
        manifest = Archive(tmp_path).manifest(JOB)
        assert manifest is not None
        assert (manifest.settling, manifest.complete) == (True, False)
        assert manifest.ended_by > "2026"
        assert [verdict.state for verdict in verify_archive(tmp_path)] == ["settling"]
        first = await run(service, tmp_path, JOB, settle=0)
        assert (first.states, first.requests) == ({JOB: "settling"}, 2), "though nothing new came"
        log.states.append((now(), generation("a", 9)))
        # Between two runs it is the service's date that tells: of real time, and in whole seconds.
        passed = time.monotonic() - began + 1
        second = await run(service, tmp_path, JOB, settle=5)
        assert (second.states, second.outcomes[0].new_lines) == ({JOB: "complete"}, 2)
        assert 5 - passed <= second.seconds < 45
        manifest = Archive(tmp_path).manifest(JOB)
        assert manifest is not None
        assert (manifest.settling, manifest.complete) == (False, True)

    in_service(main)


def test_an_end_of_which_an_earlier_run_heard_long_ago_is_waited_for_no_more(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        add(service, JOB, generation("a", 7))
        await run(service, tmp_path, JOB, settle=0)
        # Longer ago than this machine runs, whose clock may begin when it does.
        service.date = format_datetime(datetime.now(UTC) + timedelta(days=100 * 365))
        done = await run(service, tmp_path, JOB)
        assert (done.states, done.requests) == ({JOB: "complete"}, 3), "job, log, and its beginning"
        assert done.seconds < 45

    in_service(main)


def test_what_is_waited_for_are_all_jobs_in_doubt_and_all_that_have_to_settle(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        add(service, "ft-running", generation("a", 20), status="RUNNING")
        await run(service, tmp_path, "ft-running")
        service.logs["ft-running"].states.append((now(), generation("b", 30)))
        for number in range(3):
            add(service, f"ft-{number}", generation("a", 7))
        progress = Waits()
        await run(service, tmp_path, list(service.logs), progress=progress)
        assert progress.all[0][0] == 1 + 3

    in_service(main)


@pytest.mark.parametrize("how", ["cancelled", "closed"])
def test_a_wait_is_left_at_once_with_everything_committed(tmp_path: Path, how: str) -> None:
    async def main(service: LaggingService) -> None:
        add(service, JOB, generation("a", 20))
        progress = Progress()
        async with LogSession("sk-1", base_url=service.base_url) as session:
            working = asyncio.ensure_future(session.download(JOB, tmp_path, progress=progress))
            while progress.waiting is None:
                await asyncio.sleep(0.1)
            assert progress.waiting[0] == 1
            left_at = now()
            assert left_at < progress.waiting[1] <= left_at + 45
            if how == "cancelled":
                working.cancel()
            else:
                await session.__aexit__(None, None, None)
            with pytest.raises(SessionStateError if how == "closed" else asyncio.CancelledError):
                await working
            assert now() - left_at < 5
            if how == "closed":
                await session.__aenter__()  # for the exit to come
        assert progress.waiting is None
        assert kept(tmp_path, "ft-1.log") == generation("a", 20)
        assert [verdict.state for verdict in verify_archive(tmp_path)] == ["settling"]

    in_service(main)


@pytest.mark.parametrize("how", ["cancelled", "closed", "raised"])
def test_what_is_settling_is_told_last_whatever_ends_a_download(how: str, tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        add(service, JOB, generation("a", 7))
        add(service, "ft-old", generation("b", 3), end_time=hours_ago(30))
        progress = Progress()

        async def jobs() -> Any:
            yield JOB
            yield "ft-old"
            if how == "raised":
                await asyncio.sleep(5)
                raise ZeroDivisionError

        async with LogSession("sk-1", base_url=service.base_url) as session:
            download = asyncio.create_task(session.download(jobs(), tmp_path, progress=progress))
            await asyncio.sleep(10)
            assert download.done() == (how == "raised")
            if how == "cancelled":
                download.cancel()
            elif how == "closed":
                await session.aclose()
            (ended,) = await asyncio.gather(download, return_exceptions=True)
        kinds = {
            "cancelled": asyncio.CancelledError,
            "closed": SessionStateError,
            "raised": ZeroDivisionError,
        }
        assert isinstance(ended, kinds[how])
        told = [(one.job_id, one.state) for one in progress.outcomes]
        assert told == [("ft-old", "complete"), (JOB, "settling")]

    in_service(main)


def test_what_arrives_slowly_is_committed_now_and_then_and_not_with_every_page(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        add(service, JOB, generation("a", 30_000), status="RUNNING")
        service.latency = 1.0
        archive = Archive(tmp_path)
        commits: dict[int, float] = {}
        async with LogSession("sk-1", base_url=service.base_url, concurrency=2) as session:
            download = asyncio.ensure_future(session.download(JOB, tmp_path))
            while not download.done():
                await asyncio.sleep(0.05)
                manifest = archive.manifest(JOB)
                if manifest is not None and manifest.lines:
                    commits.setdefault(manifest.lines, now())
        # The first ones come sooner, and the last one when there is no more.
        times = list(commits.values())[4:-1]
        assert len(times) > 3
        assert all(later - earlier > 0.9 for earlier, later in pairwise(times))

    in_service(main)


def runs_again(service: LaggingService, then: str) -> History:
    """Add a job that fails, runs again, and ends so an hour later; return its log, which goes on."""
    log, begun = add(service, JOB, generation("a", 7)), now()
    lives = [
        (0, {"status": "FAILED", "end_time": hours_ago(2)}),
        (300, {"status": "RUNNING"}),
        (600, {"status": then, "end_time": hours_ago(1)}),
    ]
    service.facts[JOB] = History([(begun + at, facts) for at, facts in lives])
    log.states.append((begun + 590, generation("a", 17)))
    return log


@pytest.mark.parametrize(("listed_after", "state"), [(300, "running"), (600, "complete")])
def test_the_complete_log_of_a_job_that_runs_again_is_gone_on_with_once_that_is_listed(
    tmp_path: Path, listed_after: float, state: str
) -> None:
    async def main(service: LaggingService) -> None:
        runs_again(service, "SUCCEEDED")
        assert (await run(service, tmp_path, JOB)).states == {JOB: "complete"}
        await asyncio.sleep(listed_after)
        async with LogSession("sk-1", base_url=service.base_url) as session:
            listed = await session.job(JOB)
        assert (await run(service, tmp_path, [listed])).states == {JOB: state}
        await asyncio.sleep(300)
        assert (await run(service, tmp_path, JOB)).states.keys() == {JOB}
        assert kept(tmp_path, f"{JOB}.log") == generation("a", 17)
        again = await run(service, tmp_path, [listed])
        assert again.states == {JOB: "skipped"}
        assert again.requests == listed.ended ^ 1, "whether what was listed still is so"
        service.facts[JOB] = History([(0, None)])
        assert (await run(service, tmp_path, [listed])).states == {JOB: "skipped"}

    in_service(main)


@pytest.mark.parametrize("then", ["FAILED", "SUCCEEDED"])
def test_each_end_of_a_job_is_waited_for(tmp_path: Path, then: str) -> None:
    async def main(service: LaggingService) -> None:
        log = runs_again(service, then)
        assert (await run(service, tmp_path, JOB, settle=0)).states == {JOB: "settling"}
        service.date = format_datetime(datetime.now(UTC) + timedelta(minutes=10))
        await asyncio.sleep(601)
        log.states.append((now() + 40, generation("a", 19)))
        assert (await run(service, tmp_path, JOB)).states == {JOB: "complete"}
        assert kept(tmp_path, f"{JOB}.log") == generation("a", 19)

    in_service(main)
