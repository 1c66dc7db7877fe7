"""The list of jobs from machines that lag, and while jobs come and go."""

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from following import in_virtual_time
from hypothesis import given
from hypothesis import strategies as st
from lagging_service import History, LaggingService, lags

from dashscope_ftlogs import LogSession, MalformedResponseError, ResponseTooLargeError
from dashscope_ftlogs.client.many_jobs.job_list import JobList
from dashscope_ftlogs.models import Job, JobsPage

if TYPE_CHECKING:
    from collections.abc import Callable


class Scripted:
    """A list that is what `at` says it is when request number n comes."""

    def __init__(self, *lists: list[str], totals: dict[int, int] | None = None) -> None:
        self.lists, self.totals, self.requests = lists, totals or {}, 0
        self.largest: Callable[[str], int] = lambda _: 1
        self.most = 1_000
        """How much a job is, and how much may be in an answer."""
        self.cap = 100
        self.sizes: list[int] = []

    async def page(self, page_no: int, size: int) -> JobsPage:
        self.requests += 1
        self.sizes.append(size)
        size = min(size, self.cap)
        ids = self.lists[min(self.requests, len(self.lists)) - 1]
        total = self.totals.get(self.requests, len(ids))
        shown = ids[(page_no - 1) * size : page_no * size]
        if sum(map(self.largest, shown)) > self.most:
            raise ResponseTooLargeError(reason="larger than the cap", status=200)
        return JobsPage(page_no, total, tuple(Job(job_id, "RUNNING") for job_id in shown))

    async def listed(self) -> list[str]:
        return [job.job_id async for job in JobList(self.page, 0.02).jobs()]


def ids(count: int) -> list[str]:
    return [f"ft-{n}" for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 100])
async def test_a_list_of_one_page_is_asked_for_once(count: int) -> None:
    scripted = Scripted(ids(count))
    assert await scripted.listed() == ids(count)
    assert scripted.requests == 1


async def test_a_list_of_more_pages_is_read_twice() -> None:
    scripted = Scripted(ids(250))
    assert await scripted.listed() == ids(250)
    assert scripted.requests == 6


async def test_a_job_that_is_deleted_while_listing_hides_no_other() -> None:
    without = [one for one in ids(250) if one != "ft-5"]
    assert set(await Scripted(ids(250), without).listed()) == set(ids(250))


async def test_a_lower_total_is_doubted_and_a_page_that_is_empty_once_too() -> None:
    assert await Scripted(ids(250), totals={2: 150}).listed() == ids(250)
    assert await Scripted(ids(250), [], ids(250), totals={2: 250}).listed() == ids(250)


async def test_a_list_that_never_agrees_with_itself_says_how_many_are_missing() -> None:
    always = Scripted(ids(150), totals=dict.fromkeys(range(1, 10_000), 153))
    with pytest.raises(MalformedResponseError, match="3 of 153 jobs are missing"):
        await always.listed()


async def test_two_passes_that_differ_are_followed_by_a_third() -> None:
    lists = [ids(150)] * 2 + [["ft-new", *ids(150)]] * 4
    scripted = Scripted(*lists)
    assert set(await scripted.listed()) == {"ft-new", *ids(150)}
    assert scripted.requests == 6


@given(
    st.integers(0, 260),
    st.integers(1, 120),
    st.lists(st.integers(0, 259)),
    st.sampled_from([100, 40, 7]),
)
def test_where_jobs_are_too_large_together_pages_are_smaller_and_each_job_is_told_once(
    count: int, most: int, large: list[int], cap: int
) -> None:
    scripted = Scripted(ids(count))
    large_ones = {f"ft-{n}" for n in large}
    scripted.largest, scripted.most = (lambda one: most if one in large_ones else 1), most
    scripted.cap = cap
    assert asyncio.run(scripted.listed()) == ids(count)


async def test_a_page_of_fewer_jobs_begins_where_one_of_more_was_too_large() -> None:
    scripted = Scripted(ids(300))
    scripted.largest = lambda one: 960 if one == "ft-103" else 1
    assert await scripted.listed() == ids(300)
    assert scripted.sizes == [100, 100, 50, 25, *[25] * 7] * 2


async def test_a_single_job_that_is_too_large_is_an_error() -> None:
    scripted = Scripted(ids(150))
    scripted.largest = lambda one: 1_001 if one == "ft-120" else 1
    with pytest.raises(ResponseTooLargeError):
        await scripted.listed()


@pytest.mark.parametrize("most", [1_000, 1])
async def test_a_list_that_repeats_itself_ends_whatever_the_size_of_its_pages(most: int) -> None:
    class Repeating(Scripted):
        async def page(self, page_no: int, size: int) -> JobsPage:
            return await super().page(1, size)

    repeating = Repeating(ids(5_000))
    repeating.most = most
    with pytest.raises(MalformedResponseError, match="repeats itself"):
        await repeating.listed()
    assert repeating.requests < 700


@pytest.mark.chance
@pytest.mark.unmeasured
@pytest.mark.parametrize("seed", range(4))
def test_from_machines_that_lag_every_job_is_listed_or_an_error_raised(
    seed: int, request: pytest.FixtureRequest
) -> None:
    async def main() -> None:
        for number in range(int(request.config.getoption("--stale-reads"))):
            rng = random.Random(100 * number + seed)
            serving = LaggingService(rng, lags(rng, 40.0))
            async with serving.serving():
                async with LogSession("sk-1", base_url=serving.base_url) as session:
                    now = asyncio.get_running_loop().time()
                    there, states = ids(rng.randrange(350)), [(0.0, tuple(ids(0)))]
                    states = [(0.0, tuple(there))]
                    always = set(there)
                    for n in range(rng.randrange(3)):
                        if there and rng.random() < 0.5:
                            always.discard(there.pop(rng.randrange(len(there))))
                        else:
                            there.insert(0, f"ft-new-{n}")
                        states.append((now + rng.uniform(-40, 10), tuple(there)))
                    serving.jobs = History(sorted(states))
                    found: list[str] = []
                    try:
                        async for job in session.jobs():
                            found.append(job.job_id)
                    except MalformedResponseError as error:
                        assert "missing" in str(error)
                    else:
                        # Where one came as another went, machines that show both lists tell the same
                        # total: two passes that met them alike have nothing to be told apart by.
                        told = {answer.total for answer in serving.told}
                        assert always <= set(found) or len(told) == 1 < len(states)
                    assert len(found) == len(set(found))

    in_virtual_time(main(), debug=False)
