"""The rate limit, latency, and the line that all connections share."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, RateLimit

JOB = EmulatedJob("ft-1", ["x" * 100] * 20)


async def statuses(emulator: Emulator, ask: Any, count: int) -> list[int]:
    return [(await ask(emulator)).status for _ in range(count)]


async def test_a_burst_is_let_through_and_then_so_many_per_second(ask: Any, clock: Any) -> None:
    async with Emulator([JOB], rate_limit=RateLimit(2, burst=3), clock=clock) as emulator:
        assert await statuses(emulator, ask, 5) == [200, 200, 200, 429, 429]
        clock.now += 0.5
        assert await statuses(emulator, ask, 2) == [200, 429]
        clock.now += 1000
        assert await statuses(emulator, ask, 4) == [200, 200, 200, 429]


async def test_the_limit_holds_for_all_endpoints_together(ask: Any, clock: Any) -> None:
    async with Emulator([JOB], rate_limit=RateLimit(1), clock=clock) as emulator:
        paths = ["/fine-tunes", "/fine-tunes/ft-1", "/fine-tunes/ft-1/logs"]
        assert [(await ask(emulator, path)).status for path in paths] == [200, 429, 429]


@pytest.mark.parametrize(
    ("given", "sent"),
    [(None, None), (1, "1"), (0.25, "0.25"), ("Wed, 21 Oct 2015 07:28:00 GMT",) * 2, ("inf", "inf")],
)
async def test_what_is_beyond_the_limit_hears_when_to_come_back(
    ask: Any, clock: Any, given: Any, sent: str | None
) -> None:
    async with Emulator([JOB], rate_limit=RateLimit(1, retry_after=given), clock=clock) as emulator:
        await ask(emulator)
        got = await ask(emulator)
    assert (got.status, got.json["code"]) == (429, "Throttling")
    assert got.headers.get("Retry-After") == sent


async def test_a_new_limit_starts_with_a_full_burst(ask: Any, clock: Any) -> None:
    async with Emulator([JOB], rate_limit=RateLimit(1), clock=clock) as emulator:
        assert await statuses(emulator, ask, 2) == [200, 429]
        emulator.rate_limit = RateLimit(1, burst=2)
        assert await statuses(emulator, ask, 3) == [200, 200, 429]
        assert emulator.rate_limit == RateLimit(1, burst=2)
        emulator.rate_limit = None
        assert await statuses(emulator, ask, 3) == [200] * 3


async def test_latency_comes_before_each_answer(ask: Any) -> None:
    loop = asyncio.get_running_loop()
    async with Emulator([JOB], latency=0.02) as emulator:
        for latency in (0.02, (0.02, 0.03)):
            emulator.latency = latency
            began = loop.time()
            await ask(emulator)
            assert loop.time() - began >= 0.018


async def test_requests_wait_side_by_side_and_are_counted(ask: Any) -> None:
    loop = asyncio.get_running_loop()
    async with Emulator([JOB], latency=0.3) as emulator:
        began = loop.time()
        await asyncio.gather(*(ask(emulator) for _ in range(10)))
        assert loop.time() - began < 10 * 0.3
        assert (emulator.peak_in_flight, emulator.in_flight) == (10, 0)


async def test_bandwidth_is_shared_by_all_connections(ask: Any) -> None:
    loop = asyncio.get_running_loop()
    async with Emulator([JOB], bandwidth=200_000) as emulator:
        size = len((await ask(emulator)).body)
        began = loop.time()
        answers = await asyncio.gather(*(ask(emulator) for _ in range(4)))
        seconds = loop.time() - began
    assert all(got.lines == JOB.lines for got in answers)
    assert 4 * size / 200_000 - 0.01 <= seconds < 1


async def test_a_narrow_line_carries_a_byte_at_a_time(ask: Any) -> None:
    loop = asyncio.get_running_loop()
    async with Emulator([EmulatedJob("ft-1")], bandwidth=5000) as emulator:
        began = loop.time()
        size = len((await ask(emulator)).body)
        assert loop.time() - began >= size / 5000 - 0.01


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: RateLimit(0), "per_second"),
        (lambda: RateLimit(float("inf")), "per_second"),
        (lambda: RateLimit(1, burst=0.5), "burst"),
        (lambda: Emulator(bandwidth=0), "bandwidth"),
        (lambda: Emulator(bandwidth=float("inf")), "bandwidth"),
        (lambda: Emulator(latency=-1), "latency"),
        (lambda: Emulator(latency=(2, 1)), "latency"),
        (lambda: Emulator(latency=float("inf")), "latency"),
        (lambda: Emulator(page_cap=0), "page_cap"),
        (lambda: Emulator(ragged=2), "ragged"),
        (lambda: Emulator(time_scale=-1), "time_scale"),
        (lambda: Emulator(time_scale=float("nan")), "time_scale"),
        (lambda: Emulator(api_key=""), "api_key"),
        (lambda: Emulator(api_key="two words"), "api_key"),
        (lambda: Emulator(port=65536), "port"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(wrong: Callable[[], Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        wrong()
