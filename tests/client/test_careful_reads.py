"""What a read asks for while answers have to prove that they are of the log that was read so far."""

import asyncio
from typing import Any

import attrs
import hypothesis.strategies as st
import pytest
from following import in_virtual_time
from hypothesis import given
from list_source import JOB, ListSource, SlowSource, numbered

from dashscope_ftlogs import IncompleteLogError, LogPage, LogPaginator
from dashscope_ftlogs.client.doubt import InDoubtError
from dashscope_ftlogs.text import TAIL, Position, digests


def position(log: list[str], offset: int) -> Position:
    return Position(offset=offset, last=list(digests(log[max(0, offset - TAIL) : offset])))


def resumed(source: ListSource, offset: int, **how: Any) -> LogPaginator:
    at = position(source.log, offset)
    return LogPaginator(source, JOB, **{"page_size": 1, "concurrency": 4, "lag": 60.0, "at": at} | how)


async def test_a_look_asks_for_the_known_lines_and_one_more_and_for_none_beyond_the_limit() -> None:
    source = ListSource(numbered(50), cap=2)
    lines = await resumed(source, 11, limit=15, page_size=20).collect()
    assert lines == source.log[11:26]
    assert source.requests[:3] == [(6, 20), (8, 18), (10, 16)]
    assert all(offset + line <= 26 for offset, line in source.requests)


async def test_a_log_that_was_and_is_empty_is_in_no_doubt() -> None:
    source = ListSource([])
    lines = source.lines()
    for times in range(1, 4):
        assert await lines.collect() == []
        assert (lines.total, len(source.requests)) == (0, times)
        lines.look_for_more()


@pytest.mark.parametrize("offset", [11, 1_011])
async def test_nothing_is_proved_where_no_line_is_wanted(offset: int) -> None:
    source = ListSource(numbered(2_000))
    assert await resumed(source, offset, limit=0).collect() == []
    assert source.requests == []


@pytest.mark.parametrize("heard", [None, 300, 400])
async def test_once_it_is_proved_pages_are_read_ahead(heard: int | None) -> None:
    source = ListSource(numbered(400))
    assert await resumed(source, 11, heard=heard).collect() == source.log[11:]
    assert source.peak == 4
    assert len(source.requests) == 400 - 11


@pytest.mark.parametrize(("offset", "cap"), [(300, 1000), (300, TAIL), (301, TAIL)])
def test_a_machine_that_shows_less_than_was_heard_makes_it_careful_for_as_long_as_it_may_lag(
    offset: int, cap: int
) -> None:
    async def main() -> None:
        whole = numbered(400)
        source = ListSource(whole[:350], cap)

        def shows_all(number: int) -> None:
            if number == 3:
                source.log = whole

        source.on_request = shows_all
        read = aiter(resumed(source, offset, heard=400, lag=0.5))
        got = [await anext(read) for _ in range(10)]
        assert source.peak == 1
        await asyncio.sleep(0.6)
        got += [line async for line in read]
        assert got == whole[offset:]
        assert source.peak == 4

    in_virtual_time(main())


@pytest.mark.parametrize("offset", [11, 1_011])
def test_where_nothing_comes_of_what_was_heard_to_exist_the_log_is_incomplete(offset: int) -> None:
    async def main() -> None:
        source = ListSource(numbered(offset))
        with pytest.raises(IncompleteLogError) as caught:
            await asyncio.wait_for(resumed(source, offset, heard=2_000).collect(), 1_000)
        assert (caught.value.next_offset, caught.value.total) == (offset, 2_000)

    in_virtual_time(main())


@attrs.define
class LaggingSource(ListSource):
    """One answer of it is of a machine that lags."""

    lagging: int | None = None

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        lags = len(self.requests) == self.lagging
        page = await super().read_page(job_id, offset, line)
        return LogPage(job_id, offset, (), 20) if lags else page


def test_a_contradiction_makes_it_ask_once_around_each_place_where_answers_of_late_were_joined() -> None:
    async def main() -> None:
        whole = numbered(100)
        source = LaggingSource(whole)
        read = aiter(LogPaginator(source, JOB, page_size=5, concurrency=4, lag=60.0))
        got = [await anext(read) for _ in range(40)]
        source.lagging = ahead = len(source.requests)
        assert got + [line async for line in read] == whole
        looks = [begin for begin, wanted in source.requests[ahead:] if wanted == 10]
        assert looks[:11] == list(range(0, 55, 5))
        assert len(set(source.requests)) == len(source.requests)
        assert source.peak == 4

    in_virtual_time(main())


def test_what_was_joined_longer_ago_than_machines_lag_is_not_asked_for_again() -> None:
    async def main() -> None:
        whole = numbered(100)
        source = ListSource(whole)
        read = aiter(LogPaginator(source, JOB, page_size=5, concurrency=1, lag=60.0))
        got = [await anext(read) for _ in range(40)]
        await asyncio.sleep(61)
        got += [await anext(read) for _ in range(20)]
        ahead = len(source.requests)

        def lags(number: int) -> None:
            source.log = whole[:20] if number == ahead + 1 else whole

        source.on_request = lags
        assert got + [line async for line in read] == whole
        assert source.requests[ahead + 1 :][:5] == [(begin, 10) for begin in range(35, 60, 5)]

    in_virtual_time(main())


def test_it_does_so_though_it_is_asked_to_go_on_only_after_the_lag() -> None:
    async def main() -> None:
        whole = numbered(100)
        source = ListSource(whole)

        def lags(number: int) -> None:
            source.log = whole[:5] if number == 12 else source.log

        source.on_request = lags
        lines = LogPaginator(source, JOB, page_size=5, concurrency=4, lag=60.0, steps_back=True)
        with pytest.raises(InDoubtError):
            await lines.collect()
        joined = [(begin, 10) for begin in range(0, lines.offset - 5, 5)]
        await asyncio.sleep(100)
        source.log, ahead = whole, len(source.requests)
        assert await lines.collect() == whole
        assert len(joined) > 3
        assert source.requests[ahead:][: len(joined)] == joined

    in_virtual_time(main())


def test_it_does_so_though_what_fell_short_of_the_total_went_on_with_the_log() -> None:
    async def main() -> None:
        whole = numbered(100)
        source = ListSource(whole)
        lines = LogPaginator(source, JOB, page_size=5, concurrency=4, lag=60.0)
        read = aiter(lines)
        got = [await anext(read) for _ in range(40)]
        await asyncio.sleep(0)  # what was asked for meanwhile
        lines.look_for_more()
        ahead = len(source.requests)

        def lags(number: int) -> None:
            source.log = whole[:60] if number == ahead + 1 else whole

        source.on_request = lags
        assert got + await lines.collect() == whole
        assert source.requests[ahead] == (35, 10)
        assert source.requests[ahead + 1 : ahead + 8] == [(begin, 10) for begin in range(0, 35, 5)]

    in_virtual_time(main())


@given(
    after=st.integers(0, 30), then=st.integers(0, 30), page_size=st.integers(1, 12), rests=st.booleans()
)
def test_to_let_go_of_a_page_or_to_look_for_more_within_it_loses_no_place(
    after: int, then: int, page_size: int, rests: bool
) -> None:
    async def main() -> None:
        source = ListSource(numbered(30))
        lines = LogPaginator(source, JOB, page_size=page_size, concurrency=3, lag=60.0)
        got: list[str] = []
        async for line in lines:
            got.append(line)
            if len(got) == after:
                (lines.rest if rests else lines.look_for_more)()
            if len(got) >= then:
                at = lines.position
                again = LogPaginator(source, JOB, page_size=7, concurrency=3, lag=60.0, at=at)
                assert got + await again.collect() == numbered(30)
        assert got == numbered(30)

    in_virtual_time(main(), debug=False)


def test_a_contradiction_lasts_from_when_it_was_heard_by_a_page_that_was_read_ahead() -> None:
    async def main() -> None:
        whole = numbered(20)
        source = SlowSource(whole, seconds=20)
        read = aiter(LogPaginator(source, JOB, page_size=5, concurrency=1, lag=60.0))
        for _ in range(5):
            await anext(read)
        source.log = whole[:5]
        heard = asyncio.get_running_loop().time() + 20
        with pytest.raises(IncompleteLogError):
            await asyncio.wait_for(anext(read), 1000)
        # The last look is asked for once the lag has passed, and takes 20 s; no other one does.
        assert 60 + 20 <= asyncio.get_running_loop().time() - heard < 60 + 2 * 20

    in_virtual_time(main())


@pytest.mark.parametrize("steps", range(6))
async def test_a_paginator_that_is_closed_leaves_nothing_under_way(steps: int) -> None:
    source = ListSource(numbered(400))
    reader = source.lines(page_size=1)
    await reader.aclose()
    read = aiter(reader)
    for _ in range(steps):
        await anext(read)
    await reader.aclose()
    assert (source.in_flight, len(source.tasks)) == (0, 0)
    assert reader.offset == steps


def test_a_last_line_that_goes_on_is_joined_all_the_same_when_a_machine_shows_less() -> None:
    async def main() -> None:
        source = ListSource([*numbered(6), "li"])
        lines = LogPaginator(source, JOB, page_size=5, concurrency=1, lag=60.0)
        got = await lines.collect()
        late = len(source.requests) + 1

        def one_is_late(number: int) -> None:
            source.log = numbered(3) if number == late else [*numbered(8), "end"]

        source.on_request = one_is_late
        lines.look_for_more()
        got += await lines.collect()
        assert got == [*numbered(6), "li", "line 7", "end"]
        assert lines.grown == 6

    in_virtual_time(main())
