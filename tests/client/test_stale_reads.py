"""Reading from a service of several machines that lag, over a real connection, in virtual time."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import attrs
import pytest
from following import in_virtual_time
from lagging_service import History, LaggingService, any_history, generation, lags
from list_source import ListSource
from thinned import every

from dashscope_ftlogs import (
    FTLogsError,
    IncompleteLogError,
    LogPage,
    LogPaginator,
    LogRewrittenError,
    LogSession,
    NotFoundError,
    SessionStateError,
)

JOB = "ft-1"
LAG = 40.0


@asynccontextmanager
async def service(seed: int, latency: float = 2.0) -> AsyncIterator[tuple[LaggingService, LogSession]]:
    rng = random.Random(seed)
    serving = LaggingService(rng, lags(rng, LAG), latency)
    async with serving.serving():
        async with LogSession("sk-1", base_url=serving.base_url) as session:
            yield serving, session


async def read(lines: LogPaginator) -> tuple[list[str], FTLogsError | None]:
    got: list[str] = []
    try:
        async for line in lines:
            got.append(line)
    except FTLogsError as error:
        assert error.offset == lines.offset == len(got)
        return got, error
    return got, None


async def any_read(serving: LaggingService, session: LogSession) -> str:
    """Read a log with any life; return how that ended."""
    rng = serving.rng
    serving.told.clear()
    serving.logs[JOB] = history = any_history(rng, asyncio.get_running_loop().time(), LAG)
    lines = session.lines(JOB, page_size=rng.randrange(1, 30), concurrency=rng.randrange(1, 6))
    got, error = await read(lines)
    shown = max((answer.total for answer in serving.told), default=0)
    # A request that was given up had perhaps been answered.
    assert lines.total is None or lines.total <= shown
    names = {line.split()[0] for line in got}
    assert [int(line.split()[1]) for line in got] == list(range(len(got)))
    if isinstance(error, LogRewrittenError):
        # Never without need: the log did not go on from what was read.
        assert any(state is None or state[: len(got)] != got for _, state in history.states[1:])
        return "rewritten"
    if len(names) > 1:
        # Joined before any answer showed it; once one had, the read could only end with an error.
        assert error is not None or not serving.contradicted_itself()
        return "replaced unseen"
    if error is None:
        assert len(got) == lines.total
        assert any(state is not None and state[: len(got)] == got for _, state in history.states)
        return "whole"
    if isinstance(error, IncompleteLogError):
        assert error.total == lines.total > error.next_offset == len(got)
        return "incomplete"
    assert isinstance(error, NotFoundError)
    return "deleted"


@pytest.mark.covered
@pytest.mark.chance
@pytest.mark.parametrize("seed", range(6))
def test_a_read_is_exact_up_to_the_highest_total_that_was_named_or_an_error(
    seed: int, request: pytest.FixtureRequest
) -> None:
    ends: Counter[str] = Counter()

    async def main() -> None:
        for number in range(int(request.config.getoption("--stale-reads"))):
            async with service(1000 * number + seed) as (serving, session):
                ends[await any_read(serving, session)] += 1

    in_virtual_time(main(), debug=False)
    assert ends["whole"] > 0


@attrs.define
class Restarted(ListSource):
    """A log that begins anew, and grows as soon as an answer has shown it."""

    fresh: list[str] = attrs.Factory(list[str])
    shown: int = 2

    def restart(self) -> None:
        self.log = self.fresh[: self.shown]

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        page = await ListSource.read_page(self, job_id, offset, line)
        if page.total == self.shown:
            self.log = self.fresh
        return page


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("page_size", "then", "concurrency"), every(4, [1, 3, 7, 30], [4, 15, 20, 21, 60], [1, 2, 5])
)
def test_a_log_that_is_started_afresh_at_any_line_of_a_read_is_never_joined_to_the_old_one(
    page_size: int, then: int, concurrency: int
) -> None:
    async def main() -> None:
        for after in range(1, 20):
            for seed in range(3 if concurrency > 1 else 1):
                rng = random.Random(seed) if concurrency > 1 else None
                source = Restarted(generation("old", 20), rng=rng, fresh=generation("new", then))
                lines = source.lines(page_size=page_size, concurrency=concurrency)
                got: list[str] = []
                error: FTLogsError | None = None
                try:
                    async for line in lines:
                        got.append(line)
                        if len(got) == after:
                            source.restart()
                except FTLogsError as caught:
                    error = caught
                if error is None:  # all of it was there or in flight already
                    assert got == generation("old", 20)
                elif concurrency == 1 or isinstance(error, IncompleteLogError):
                    assert got == generation("old", 20)[: len(got)]
                else:  # a page may be handed out before an answer of an earlier moment comes
                    assert isinstance(error, LogRewrittenError)
                assert not source.tasks

    in_virtual_time(main(), debug=False)


@pytest.mark.covered
async def test_a_service_that_never_lags_is_asked_for_nothing_twice() -> None:
    for seed in range(50):
        rng = random.Random(seed)
        source = ListSource(generation("a", 100), rng=rng)

        def grow(number: int, source: ListSource = source, rng: random.Random = rng) -> None:
            source.log = generation("a", len(source.log) + rng.randrange(3) * (number < 20))

        source.on_request = grow
        assert await source.lines(page_size=9, concurrency=5).collect() == source.log
        assert len(set(source.requests)) == len(source.requests)


def test_a_doubt_holds_up_no_other_job_though_only_one_request_may_be_in_flight() -> None:
    async def main() -> None:
        async with service(1, latency=0.0) as (serving, session):
            now = asyncio.get_running_loop().time
            serving.lag = lambda: 0.0
            serving.logs["ft-lost"] = lost = History([(0.0, generation("a", 20))])
            serving.logs["ft-other"] = History([(0.0, generation("b", 20))])
            lines = session.lines("ft-lost", page_size=10, concurrency=1)
            async with aclosing(lines.pages()) as pages:
                await anext(pages)
                lost.states.append((now(), generation("a", 10)))
                waiting = asyncio.ensure_future(anext(pages))
                await asyncio.sleep(10)
                began = now()
                assert await session.lines("ft-other").collect() == generation("b", 20)
                assert now() - began < 1
                with pytest.raises(IncompleteLogError) as caught:
                    await waiting
                assert (caught.value.next_offset, caught.value.total) == (10, 20)
                assert 30 < now() - began < 40

    in_virtual_time(main(), debug=False)


def test_a_job_without_a_line_has_an_end_at_once() -> None:
    async def main() -> None:
        async with service(1) as (serving, session):
            serving.logs[JOB] = History([(0.0, [])])
            assert await session.lines(JOB).collect() == []
            assert len(serving.told) == 1

    in_virtual_time(main(), debug=False)


def test_a_session_that_is_closed_while_a_doubt_waits_ends_the_read() -> None:
    async def main() -> None:
        async with service(1, latency=0.0) as (serving, session):
            serving.lag = lambda: 0.0
            serving.logs[JOB] = log = History([(0.0, generation("a", 20))])
            lines = session.lines(JOB, page_size=10, concurrency=1)
            async with aclosing(lines.pages()) as pages:
                await anext(pages)
                log.states.append((asyncio.get_running_loop().time(), []))
                waiting = asyncio.ensure_future(anext(pages))
                await asyncio.sleep(10)
                await session.__aexit__(None, None, None)
                with pytest.raises(SessionStateError, match="closed while this log was read"):
                    await waiting
            await session.__aenter__()  # for the exit to come

    in_virtual_time(main(), debug=False)


@attrs.define
class Giving(ListSource):
    """A log that becomes shorter, and of which a machine then gives fewer lines than it announces."""

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        if len(self.requests) == 1:
            self.log = self.log[:10]
        if len(self.requests) == 2:
            raise IncompleteLogError(offset, 20, "id")
        return await ListSource.read_page(self, job_id, offset, line)


async def test_lines_that_are_missing_while_there_is_a_doubt_are_told_from_the_next_line_on() -> None:
    lines = Giving(generation("a", 20)).lines(page_size=10, concurrency=1)
    got: list[str] = []
    with pytest.raises(IncompleteLogError) as caught:
        async for line in lines:
            got.append(line)
    assert got == generation("a", 10)
    assert (caught.value.next_offset, caught.value.offset, lines.offset) == (10, 10, 10)
