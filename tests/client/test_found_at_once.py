"""Pages that are there when the consumer comes for one: they are given with no turn of the loop."""

import asyncio
import sys
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from following import in_virtual_time
from hypothesis import given
from hypothesis import strategies as st
from list_source import JOB, ListSource, SlowSource, numbered
from stopped_clock import StoppedClock, by_a_stopped_clock

from dashscope_ftlogs import LogPage, LogPaginator, SessionStateError
from dashscope_ftlogs.client.tasks import ended

ROOM = 8
IN_A_ROW = 8 if sys.version_info >= (3, 12) else ROOM // 2
"""Pages that come before others have a turn of the loop: fewer where no request leaves before that."""


def at_once(pages: AsyncIterator[LogPage]) -> LogPage | None:
    """Take the next step as far as it goes without waiting; return the page that it gave, if it did."""
    step = anext(pages)
    try:
        step.__await__().send(None)  # type: ignore[attr-defined]
    except StopIteration as given:
        page: LogPage = given.value
        return page
    return None


async def all_is_there() -> None:
    """Let the source answer whatever it was asked for."""
    for _ in range(20):
        await asyncio.sleep(0)


def read_of(source: ListSource) -> LogPaginator:
    return LogPaginator(source, JOB, page_size=5, concurrency=ROOM, lag=0.05)


async def test_of_pages_that_are_there_a_few_are_given_without_a_turn_of_the_loop() -> None:
    source = ListSource(numbered(400))
    async with read_of(source).pages() as pages:
        offsets = [(await anext(pages)).offset]  # alone, since it tells how long the log is
        await all_is_there()
        offsets += [(await anext(pages)).offset]
        while (page := at_once(pages)) is not None:
            offsets += [page.offset]
    assert offsets == list(range(0, 5 * (1 + IN_A_ROW), 5))


@pytest.mark.unmeasured
@given(st.lists(st.sampled_from([0.0, 1e-5, 1e-4, 0.001, 1.0]), min_size=1, max_size=80), st.booleans())
def test_nobody_waits_for_a_turn_longer_than_a_few_pages_take(seconds: list[float], slow: bool) -> None:
    async def main(clock: StoppedClock) -> tuple[int, float]:
        source = ListSource(numbered(400))
        turns = [0.0]

        async def look_at_the_clock() -> None:
            while True:
                turns.append(clock.now)
                await asyncio.sleep(0)

        looking = asyncio.create_task(look_at_the_clock())
        given = 0
        async for _page in read_of(source).pages():
            clock.now += seconds[given % len(seconds)]
            given += 1
            if slow:
                await all_is_there()
        looking.cancel()
        return given, max(after - before for before, after in pairwise([*turns, clock.now]))

    given, longest = by_a_stopped_clock(main)
    assert given == 80
    twice = seconds * (ROOM + 80)
    most = max(sum(twice[begin : begin + IN_A_ROW]) for begin in range(len(seconds)))
    assert longest <= most + 1e-9


CONSUMERS = ["awaits", "blocks"] if sys.version_info >= (3, 12) else ["awaits"]
"""What a consumer does with his time. Before Python 3.12 no request leaves while he blocks the loop."""


@pytest.mark.covered
@given(
    st.lists(
        st.tuples(st.sampled_from(CONSUMERS), st.sampled_from([0.0, 0.01, 0.1, 0.2, 1.0, 3.0])),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 9),
)
def test_pages_come_as_soon_as_a_window_allows_that_is_full_at_any_time(
    takes: list[tuple[str, float]], room: int
) -> None:
    async def main(clock: StoppedClock) -> list[float]:
        given_at: list[float] = []
        read = LogPaginator(SlowSource(numbered(5 * 40)), JOB, page_size=5, concurrency=room)
        async for _page in read.pages():
            given_at.append(clock.now)
            doing, seconds = takes[len(given_at) % len(takes)]
            if doing == "awaits":
                await asyncio.sleep(seconds)
            else:
                clock.now += seconds
        return given_at

    def ideal() -> list[float]:
        """Return when each page comes, asked for once the one so many before it was given."""
        given_at = [1.0]  # the first alone, since it tells how long the log is
        while len(given_at) < 40:
            there = given_at[max(0, len(given_at) - room)] + 1.0
            given_at.append(max(there, given_at[-1] + takes[len(given_at) % len(takes)][1]))
        return given_at

    assert by_a_stopped_clock(main) == pytest.approx(ideal())


def test_while_the_consumer_waits_as_many_are_in_flight_as_may_be() -> None:
    async def main() -> float:
        begun = asyncio.get_running_loop().time()
        async for _page in read_of(SlowSource(numbered(5 * 800))).pages():
            pass
        return asyncio.get_running_loop().time() - begun

    # The first page comes alone.
    assert in_virtual_time(main(), debug=False) <= 1 + 799 / ROOM + 1


async def test_what_is_there_and_what_is_in_flight_is_never_more_than_the_window() -> None:
    source = ListSource(numbered(400))
    given = 0
    async with read_of(source).pages() as pages:
        async for _page in pages:
            given += 1
            assert len(source.requests) - given <= ROOM
            await all_is_there()
            assert len(source.requests) - given <= ROOM


@pytest.mark.parametrize("given", range(1, 2 * ROOM))
async def test_an_end_of_the_session_gives_none_of_the_pages_that_are_there(given: int) -> None:
    source = ListSource(numbered(400))
    read = read_of(source)
    async with read.pages() as pages:
        for _ in range(given):
            await anext(pages)
            await all_is_there()
        await ended(source.tasks.close())
        with pytest.raises(SessionStateError, match="closed"):
            await anext(pages)
    assert read.offset == 5 * given


@pytest.mark.parametrize("given", range(1, 2 * ROOM))
async def test_what_was_there_when_the_log_was_doubted_is_not_given_without_proof(given: int) -> None:
    source = ListSource(numbered(100))
    read = read_of(source)
    async with read.pages() as pages:
        for _ in range(given):
            await anext(pages)
            await all_is_there()
        asked = len(source.requests)
        read.look_for_more()
        page = await anext(pages)
    assert page.lines[0] == f"line {5 * given}"
    assert (5 * given - 5, 10) in source.requests[asked:]


@pytest.mark.parametrize("failing", range(3, 2 * ROOM))
async def test_what_a_callback_raises_comes_after_the_pages_before_it(failing: int) -> None:
    source = ListSource(numbered(100))

    def raises(number: int) -> None:
        if number == failing:
            raise ZeroDivisionError

    source.on_request = raises
    given = []
    with pytest.raises(ZeroDivisionError):
        async for page in read_of(source).pages():
            given.append(page.offset)
            await all_is_there()
    assert given == list(range(0, 5 * (failing - 1), 5))
