"""What a read asks for while answers have to prove that they are of the log that was read so far."""

import asyncio
from typing import Any

import pytest
from following import in_virtual_time
from list_source import JOB, ListSource, numbered

from dashscope_ftlogs import LogPaginator
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


@pytest.mark.parametrize("heard", [None, 300, 400])
async def test_once_it_is_proved_pages_are_read_ahead(heard: int | None) -> None:
    source = ListSource(numbered(400))
    assert await resumed(source, 11, heard=heard).collect() == source.log[11:]
    assert source.peak == 4
    assert len(source.requests) == 400 - 11


def test_a_machine_that_shows_less_than_was_heard_makes_it_careful_for_as_long_as_it_may_lag() -> None:
    async def main() -> None:
        whole = numbered(400)
        source = ListSource(whole[:350])

        def shows_all(number: int) -> None:
            if number == 2:
                source.log = whole

        source.on_request = shows_all
        read = aiter(resumed(source, 300, heard=400, lag=0.5))
        got = [await anext(read) for _ in range(10)]
        assert source.peak == 1
        await asyncio.sleep(0.6)
        got += [line async for line in read]
        assert got == whole[300:]
        assert source.peak == 4

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
