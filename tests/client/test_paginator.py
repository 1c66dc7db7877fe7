"""The paginator against a server made of a list: any page sizes, growth, short pages, any order."""

import asyncio
import gc
import random
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from list_source import JOB, ListSource, numbered

from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.tasks import Tasks
from dashscope_ftlogs.errors import (
    FTLogsError,
    IncompleteLogError,
    InvalidArgumentError,
    LogRewrittenError,
    ResponseTooLargeError,
    TransportError,
)
from dashscope_ftlogs.models import LogPage


@pytest.mark.covered
@given(
    count=st.integers(0, 120),
    growth=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 20)), max_size=5),
    cap=st.integers(1, 20),
    page_size=st.integers(1, 20),
    concurrency=st.integers(1, 9),
    offset=st.integers(0, 130),
    limit=st.none() | st.integers(0, 130),
    seed=st.integers(0, 2**32),
    by_page=st.booleans(),
)
@example(  # an empty span, while the one behind it hears of growth
    count=1,
    growth=[(1, 20), (19, 1)],
    cap=1,
    page_size=4,
    concurrency=3,
    offset=0,
    limit=None,
    seed=0,
    by_page=False,
)
def test_every_line_once_and_in_order_for_any_pages_growth_and_concurrency(
    count: int,
    growth: list[tuple[int, int]],
    cap: int,
    page_size: int,
    concurrency: int,
    offset: int,
    limit: int | None,
    seed: int,
    by_page: bool,
) -> None:
    async def main() -> None:
        source = ListSource(numbered(count), cap=cap, rng=random.Random(seed))
        grow = dict(growth)

        def on_request(number: int) -> None:
            start = len(source.log)
            source.log.extend(f"line {n}" for n in range(start, start + grow.get(number, 0)))

        source.on_request = on_request
        reader = source.lines(offset, limit, page_size, concurrency)
        got: list[str] = []
        if by_page:
            async with aclosing(reader.pages()) as pages:
                async for page in pages:
                    assert page.offset == offset + len(got)
                    assert page.lines
                    got.extend(page.lines)
        else:
            async for line in reader:
                got.append(line)
                assert reader.offset == offset + len(got)
        # A log that grows while it is read may end at any length that it had when its end was seen.
        final = source.log[offset : None if limit is None else offset + limit]
        assert got == final[: len(got)]
        if limit is None or len(got) < limit:
            assert len(got) >= len(numbered(count)[offset:][:limit])
            assert reader.total is not None
            assert reader.offset >= reader.total
        assert reader.offset == offset + len(got)
        assert source.peak <= concurrency
        assert not source.tasks

    asyncio.run(main(), debug=False)


@pytest.mark.covered
@given(
    count=st.integers(1, 80),
    fail_at=st.integers(1, 30),
    concurrency=st.integers(1, 6),
    seed=st.integers(0, 2**32),
)
def test_a_failure_comes_after_all_lines_before_it_and_names_the_place_to_resume(
    count: int, fail_at: int, concurrency: int, seed: int
) -> None:
    async def main() -> None:
        source = ListSource(numbered(count), rng=random.Random(seed))

        def on_request(number: int) -> None:
            if number == fail_at:
                raise TransportError("reset")

        source.on_request = on_request
        reader = source.lines(page_size=7, concurrency=concurrency)
        got: list[str] = []
        while True:
            try:
                async for line in reader:
                    got.append(line)
            except TransportError as error:
                assert (error.job_id, error.offset) == (JOB, len(got))
                assert reader.offset == len(got)
            else:
                break
        assert got == source.log
        assert not source.tasks

    asyncio.run(main(), debug=False)


async def test_collect_returns_all_lines() -> None:
    assert await ListSource(numbered(35)).lines(offset=3).collect() == numbered(35)[3:]


async def test_a_loop_goes_on_with_lines_of_which_some_were_taken_by_hand() -> None:
    lines = aiter(ListSource(numbered(25)).lines())
    assert await anext(lines) == "line 0"
    assert [line async for line in lines] == numbered(25)[1:]


async def test_read_ahead_keeps_so_many_pages_in_flight_and_no_more_however_slow_the_consumer() -> None:
    source = ListSource(numbered(1000))
    pages = source.lines(concurrency=4).pages()
    async with aclosing(pages):
        await anext(pages)
        for _ in range(50):
            await asyncio.sleep(0)
        assert source.peak == 4
        assert len(source.requests) == 1 + 4


async def test_none_is_asked_for_while_more_are_in_flight_than_may_be_by_now() -> None:
    source, room = ListSource(numbered(1000)), 8
    pages = LogPaginator(source, JOB, page_size=10, concurrency=lambda: room).pages()
    async with aclosing(pages):
        await anext(pages)
        await asyncio.sleep(0)
        asked, room = len(source.requests), 2
        for left in range(8, 2, -1):
            await anext(pages)
            await asyncio.sleep(0)
            assert len(source.requests) == asked, left
        await anext(pages)
        await asyncio.sleep(0)
        assert len(source.requests) == asked + 1


async def test_the_first_page_is_asked_for_alone_since_the_total_is_not_known_before() -> None:
    source = ListSource(numbered(5))
    await source.lines(concurrency=8).collect()
    assert source.requests == [(0, 10)]


async def test_a_server_that_caps_pages_is_read_without_gaps() -> None:
    source = ListSource(numbered(100), cap=3)
    assert await source.lines(concurrency=4).collect() == numbered(100)


async def test_iterating_again_goes_on_where_the_last_loop_was_left() -> None:
    source = ListSource(numbered(50))
    reader = source.lines()
    got: list[str] = []
    for _ in range(5):
        async for line in reader:
            got.append(line)
            if len(got) % 13 == 0:
                break
    assert got == numbered(50)
    gc.collect()
    await asyncio.sleep(0)
    assert not source.tasks


async def test_a_log_that_shrank_below_what_was_read_is_an_error() -> None:
    source = ListSource(numbered(100))

    def on_request(number: int) -> None:
        if number == 3:
            source.log = numbered(5)

    source.on_request = on_request
    reader = source.lines(concurrency=1)
    got: list[str] = []
    with pytest.raises(LogRewrittenError) as caught:
        async for line in reader:
            got.append(line)
    assert got == numbered(20)
    assert (caught.value.next_offset, caught.value.total) == (20, 5)
    assert (caught.value.job_id, caught.value.offset) == (JOB, 20)


async def test_a_log_that_shrank_above_what_was_read_is_an_error_after_its_last_line() -> None:
    source = ListSource(numbered(100))

    def on_request(number: int) -> None:
        if number == 3:
            source.log = numbered(44)

    source.on_request = on_request
    reader = source.lines(concurrency=4)
    got: list[str] = []
    with pytest.raises(IncompleteLogError) as caught:
        async for line in reader:
            got.append(line)
    assert got == numbered(44)
    assert (caught.value.next_offset, caught.value.total) == (44, 100)
    assert (caught.value.job_id, caught.value.offset) == (JOB, 44)
    assert reader.total == 100


async def test_a_stale_total_on_the_way_loses_no_line() -> None:
    """As behind a load balancer, where one replica lags."""
    source = ListSource(numbered(60))
    fresh = source.log

    async def read_page(job_id: str, offset: int, line: int) -> LogPage:
        source.log = numbered(25) if offset == 20 and len(source.requests) < 4 else fresh
        return await ListSource.read_page(source, job_id, offset, line)

    lagging = attrs.evolve(source)
    lagging_source = _Replaced(lagging, read_page)
    reader = LogPaginator(
        lagging_source, JOB, offset=0, limit=None, page_size=10, concurrency=4, lag=0.05
    )
    assert await reader.collect() == fresh


async def test_a_server_that_contradicts_itself_for_ever_is_not_asked_for_ever() -> None:
    asked: list[int] = []

    async def read_page(job_id: str, offset: int, line: int) -> LogPage:
        asked.append(offset)
        await asyncio.sleep(0)
        # Whoever asks for line 10 hears that there are 10; all others hear of a hundred, and get ten.
        total = 10 if offset == 10 else 100
        return LogPage(job_id, offset, tuple(numbered(10)[offset : offset + line]), total)

    source = ListSource([])
    reader = LogPaginator(
        _Replaced(source, read_page), JOB, offset=0, limit=None, page_size=10, concurrency=4, lag=0.05
    )
    got: list[str] = []
    with pytest.raises(IncompleteLogError) as caught:
        async for line in reader:
            got.append(line)
    assert got == numbered(10)
    assert (caught.value.next_offset, caught.value.total) == (10, 100)
    # Five before the doubt; then twenty looks at most over the lag, each of two requests at most.
    assert len(asked) <= 5 + 2 * 20


@attrs.define
class _Replaced:
    """A source with another way to answer."""

    source: ListSource
    answer: Callable[[str, int, int], Coroutine[Any, Any, LogPage]]

    async def read_page(self, job_id: str, offset: int, line: int) -> LogPage:
        return await self.answer(job_id, offset, line)

    @property
    def tasks(self) -> Tasks:
        return self.source.tasks


async def test_a_page_too_large_to_hold_is_asked_for_in_smaller_parts() -> None:
    asked: list[int] = []

    async def read_page(job_id: str, offset: int, line: int) -> LogPage:
        asked.append(line)
        if line > 3:
            raise ResponseTooLargeError(reason="larger than the cap", status=200)
        return LogPage(job_id, offset, tuple(numbered(25)[offset : offset + line]), 25)

    source = _Replaced(ListSource([]), read_page)
    reader = LogPaginator(source, JOB, offset=0, limit=None, page_size=10, concurrency=1)
    assert await reader.collect() == numbered(25)
    assert asked == [10, 5, 3, 3, 3, 1] * 2 + [10, 5, 3, 3]


async def test_a_single_line_too_large_to_hold_is_an_error_with_its_offset() -> None:
    async def read_page(job_id: str, offset: int, line: int) -> LogPage:
        if offset + line > 12:
            raise ResponseTooLargeError(reason="larger than the cap", status=200)
        return LogPage(job_id, offset, tuple(numbered(25)[offset : offset + line]), 25)

    source = _Replaced(ListSource([]), read_page)
    reader = LogPaginator(source, JOB, offset=0, limit=None, page_size=10, concurrency=2)
    got: list[str] = []
    with pytest.raises(ResponseTooLargeError) as caught:
        async for line in reader:
            got.append(line)
    assert got == numbered(12)
    assert caught.value.offset == 12


async def test_missing_lines_end_the_read_with_the_first_that_is_missing() -> None:
    source = ListSource(numbered(30))

    def on_request(number: int) -> None:
        if number == 2:
            raise IncompleteLogError(next_offset=10, total=30)

    source.on_request = on_request
    with pytest.raises(IncompleteLogError, match="Go on later from that offset"):
        await source.lines(concurrency=1).collect()


async def test_offset_is_exact_at_every_moment_of_a_read_by_line() -> None:
    reader = ListSource(numbered(25)).lines(offset=2)
    assert (reader.offset, reader.total) == (2, None)
    lines: AsyncGenerator[str, None] = aiter(reader)  # type: ignore[assignment]
    async with aclosing(lines):
        for n in range(2, 25):
            assert await anext(lines) == f"line {n}"
            assert reader.offset == n + 1
    assert reader.total == 25
    assert repr(reader) == "<LogPaginator ft-1 offset=25 total=25>"


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"offset": -1}, "offset=-1: must be a whole number, at least 0"),
        ({"offset": True}, "offset=True"),
        ({"offset": 1.0}, "offset=1.0"),
        ({"limit": -1}, "limit=-1: must be a whole number, at least 0"),
        ({"page_size": 0}, "page_size=0: must be a whole number, 1 to 1000"),
        ({"page_size": 1001}, "page_size=1001"),
        ({"concurrency": 0}, "concurrency=0: must be a whole number, at least 1"),
    ],
)
def test_wrong_arguments_are_refused_before_any_request(wrong: dict[str, Any], allowed: str) -> None:
    source = ListSource([])
    with pytest.raises(InvalidArgumentError, match=allowed) as caught:
        source.lines(**wrong)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FTLogsError)
    assert source.requests == []


@pytest.mark.parametrize("concurrency", [1, 4, 9])
async def test_a_page_is_held_by_nobody_but_the_consumer_once_the_next_was_handed_out(
    concurrency: int,
) -> None:
    handed_out: list[weakref.ref[LogPage]] = []
    async with ListSource(numbered(300)).lines(concurrency=concurrency).pages() as pages:
        async for page in pages:
            handed_out.append(weakref.ref(page))
            assert [one() for one in handed_out if one() is not None] == [page]
            await asyncio.sleep(0)
    assert len(handed_out) == 30
