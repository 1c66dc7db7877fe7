"""However a read is left, no task stays behind, and whoever goes on reading is told."""

import asyncio
import random
from contextlib import aclosing

import pytest
from list_source import ListSource, numbered

from dashscope_ftlogs.client.tasks import ended
from dashscope_ftlogs.errors import SessionStateError, TransportError


async def test_a_read_that_was_replaced_by_a_newer_one_says_so() -> None:
    reader = ListSource(numbered(50)).lines()
    older, newer = reader.pages(), reader.pages()
    async with aclosing(older), aclosing(newer):
        await anext(older)
        await anext(newer)
        with pytest.raises(SessionStateError, match="replaced by a newer one"):
            await anext(older)


async def test_an_exception_in_the_consumer_leaves_no_task_behind() -> None:
    source = ListSource(numbered(500))
    with pytest.raises(ZeroDivisionError):
        async for _line in source.lines():
            _ = 1 / 0
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not source.tasks


@pytest.mark.parametrize("steps", range(30))
async def test_cancellation_at_any_await_leaves_no_task_behind(steps: int) -> None:
    source = ListSource(numbered(200), rng=random.Random(steps))
    reader = source.lines(concurrency=3)
    task = asyncio.create_task(reader.collect())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not source.tasks


async def test_cancelling_twice_still_waits_for_what_is_in_flight() -> None:
    source = ListSource(numbered(200), rng=random.Random(1))
    task = asyncio.create_task(source.lines().collect())
    for _ in range(12):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not source.tasks


@pytest.mark.covered
@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("by", ["error", "cancellation"])
@pytest.mark.parametrize("stopped_at", range(1, 19))
async def test_what_was_collected_before_a_failure_or_time_out_comes_with_the_next_call(
    stopped_at: int, by: str, concurrency: int
) -> None:
    log, stops = numbered(200), {stopped_at, stopped_at + 2}
    source = ListSource(log)
    reader = source.lines(offset=5, concurrency=concurrency)
    collected: list[str] | None = None

    def stop(number: int) -> None:
        if number in stops:
            if by == "error":
                raise TransportError("reset")
            collecting.cancel()

    source.on_request = stop
    while collected is None:
        collecting = asyncio.create_task(reader.collect())
        await asyncio.wait([collecting])
        if collecting.cancelled():
            assert by == "cancellation"
        elif (error := collecting.exception()) is None:
            collected = collecting.result()
        else:
            assert isinstance(error, TransportError)
            assert error.position is not None
            assert error.lines == tuple(log[5 : error.position["offset"]])
    assert collected == log[5:]
    assert len(source.requests) > max(stops)
    assert reader.offset == len(log)
    assert await reader.collect() == []


async def test_a_closed_session_ends_its_readers_with_an_error_that_says_so() -> None:
    source = ListSource(numbered(200))
    reading = asyncio.create_task(source.lines().collect())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await ended(source.tasks.close())
    with pytest.raises(SessionStateError, match="closed while this log was read"):
        await reading
