"""The time limit of requests: as `asyncio.timeout` with as much time, for many at once, by one timer."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from typing import Any

import attrs
import hypothesis.strategies as st
from following import in_virtual_time
from hypothesis import example, given
from stopped_clock import StoppedClock, by_a_stopped_clock

from dashscope_ftlogs.client.exchange.time_limit import TimeLimit

Limit = Callable[[], AbstractAsyncContextManager[Any]]
SECONDS = 10.0


@attrs.frozen
class Stay:
    """What one task does inside, and what is done to it. No two times are the same."""

    comes: int
    stays: int
    ends: str = "well"
    cancelled: int | None = None
    tidies_for: int = 0

    async def inside(self) -> None:
        try:
            await asyncio.sleep(self.stays + 0.25)
            if self.ends == "badly":
                raise ZeroDivisionError
        finally:
            await asyncio.sleep(self.tidies_for)

    async def all(self, limit: Limit) -> tuple[str, float, int]:
        """Return how it ended, when, and how often it was then still being cancelled."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        await asyncio.sleep(self.comes)
        if self.cancelled is not None:
            loop.call_later(self.cancelled + 0.5, task.cancel)
        ended = "well"
        try:
            async with limit():
                await self.inside()
        except (TimeoutError, ZeroDivisionError, asyncio.CancelledError) as error:
            ended = type(error).__name__
        at, cancelling = loop.time(), task.cancelling()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100)  # nothing of it comes later, but what others do
        return ended, at, cancelling


def outcomes(stays: list[Stay], limit: Limit) -> list[tuple[str, float, int]]:
    async def run(_: StoppedClock) -> list[tuple[str, float, int]]:
        return await asyncio.gather(*(stay.all(limit) for stay in stays))

    return by_a_stopped_clock(run)


STAYS = st.builds(
    Stay,
    comes=st.integers(0, 20),
    stays=st.integers(0, 20),
    ends=st.sampled_from(["well", "badly"]),
    cancelled=st.none() | st.integers(0, 20),
    tidies_for=st.sampled_from([0, 3]),
)


@given(stays=st.lists(STAYS, min_size=1, max_size=6))
@example(stays=[Stay(0, 9), Stay(1, 20), Stay(2, 3), Stay(3, 20)])
@example(stays=[Stay(0, 20, cancelled=10, tidies_for=3)])
def test_it_ends_what_asyncio_timeout_ends_when_that_does_and_as_that_does(stays: list[Stay]) -> None:
    shared = TimeLimit(SECONDS)

    @asynccontextmanager
    async def within() -> Any:
        with shared:
            yield

    assert outcomes(stays, within) == outcomes(stays, lambda: asyncio.timeout(SECONDS))


@given(
    holds=st.lists(st.floats(0, 3 * SECONDS), max_size=6),
    comes=st.floats(0, 6 * SECONDS) | st.none(),
)
@example(holds=[0.0, 1.5 * SECONDS], comes=SECONDS - 1)
@example(holds=[2.0 * SECONDS] * 6, comes=None)
def test_what_was_there_in_time_is_taken_however_long_the_loop_is_held_and_what_is_not_ends(
    holds: list[float], comes: float | None
) -> None:
    """The clock goes on while somebody holds the loop; what comes waits in a socket, as it would."""

    async def run() -> None:
        loop: Any = asyncio.get_running_loop()
        limit, (ours, theirs) = TimeLimit(SECONDS), socket.socketpair()
        ours.setblocking(False)
        begun, came = loop.time(), list[float]()

        async def hold() -> None:
            for seconds in holds:
                before = loop.time() - begun
                loop._jumping.jumped += seconds
                if comes is not None and before <= comes < loop.time() - begun:
                    theirs.send(b"x")
                    came.append(comes)
                await asyncio.sleep(0.25)

        with closing(ours), closing(theirs):
            holding = asyncio.create_task(hold())
            answered = True
            try:
                with limit:
                    await loop.sock_recv(ours, 1)
            except TimeoutError:
                answered = False
            took = loop.time() - begun
            await holding
        assert answered or not came or came[0] > SECONDS
        assert took <= 2 * SECONDS + sum(holds) + 1

    in_virtual_time(run())


def timers() -> int:
    """Return how many there are in this loop."""
    loop: Any = asyncio.get_running_loop()
    return sum(not timer.cancelled() for timer in loop._scheduled)


def test_it_has_one_timer_that_ends_once_it_finds_nobody_inside_or_is_told_to_rest() -> None:
    async def run() -> None:
        limit = TimeLimit(SECONDS)

        async def stay(seconds: float) -> None:
            with suppress(TimeoutError), limit:
                await asyncio.sleep(seconds)

        for seconds in (1, 20, 2):
            async with asyncio.TaskGroup() as group:
                for one in (seconds, 3, 4):
                    group.create_task(stay(one))
                    await asyncio.sleep(0)
                limit.rest()
                assert timers() == 3 + 1, "one beside those of the sleeps"
        assert timers() == 1
        await asyncio.sleep(SECONDS + 1)
        assert timers() == 0
        for _ in range(2):
            await stay(1)
            assert timers() == 1
            limit.rest()
            assert timers() == 0

    in_virtual_time(run())


def test_in_another_loop_it_begins_anew() -> None:
    limit = TimeLimit(SECONDS)

    async def run() -> None:
        with limit:
            await asyncio.sleep(1)
        with suppress(TimeoutError), limit:
            await asyncio.sleep(1_000)
            raise AssertionError
        with limit:
            await asyncio.sleep(1)

    for _ in range(3):
        in_virtual_time(run())
