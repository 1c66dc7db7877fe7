"""The shared gate: how many at once, how fast, whose turn."""

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from following import in_virtual_time
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError, LogSession, RetryPolicy, ThrottlingError
from dashscope_ftlogs.client.pacing.request_gate import Gate
from dashscope_ftlogs.client.pacing.requests_in_flight import InFlight
from dashscope_ftlogs.client.pacing.requests_per_second import Rate
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, RateLimit, Refuse


class Bucket:
    """A server's limit, in simulated time."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.at = burst, 0.0

    def take(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def simulate(rate: Rate, bucket: Bucket, seconds: float, latency: float) -> tuple[int, int]:
    """Send whenever it is allowed, eight at once; return how many were accepted and refused."""
    free, now, accepted, refused = 8, 0.0, 0, 0
    coming: list[tuple[float, float, bool]] = []
    while now < seconds:
        ready = max(now, rate.ready_at(now))
        if free and (not coming or ready <= coming[0][0]):
            now = ready
            rate.sent(now)
            free -= 1
            coming.append((now + latency, now, bucket.take(now + latency / 2)))
            continue
        now, sent_at, good = coming.pop(0)
        free += 1
        if good:
            accepted += 1
            rate.accepted()
        else:
            refused += 1
            rate.refused(now, sent_at)
    return accepted, refused


@pytest.mark.covered
@pytest.mark.parametrize("permitted", [10, 20, 100])
@pytest.mark.parametrize("latency", [0.001, 0.03])
def test_it_finds_the_permitted_rate_and_stays_there(permitted: int, latency: float) -> None:
    accepted, refused = simulate(Rate(), Bucket(permitted, max(5, permitted / 4)), 120, latency)
    assert accepted >= 0.92 * permitted * 120
    assert refused <= 0.05 * (accepted + refused)


def test_it_follows_a_limit_down_and_up() -> None:
    rate, bucket = Rate(), Bucket(50, 5)
    simulate(rate, bucket, 10, 0.01)
    bucket.rate = 5
    rate_after_fall = Rate()
    for permitted in (50, 5, 50):
        bucket = Bucket(permitted, 5)
        accepted, refused = simulate(rate_after_fall, bucket, 60, 0.01)
        assert accepted >= 0.8 * permitted * 60
        assert refused <= 0.1 * (accepted + refused)
        # The next server begins at time zero again.
        rate_after_fall._signal_at = rate_after_fall._updated = 0.0
        rate_after_fall._next = rate_after_fall._quiet_until = -math.inf


def test_without_refusals_nothing_is_limited() -> None:
    rate = Rate()
    for n in range(1_000):
        assert rate.ready_at(n / 1_000) <= n / 1_000
        rate.sent(n / 1_000)
        rate.accepted()
    assert rate.limit is None
    assert not rate.throttled


def test_requests_that_were_in_flight_together_are_one_signal() -> None:
    rate = Rate()
    for n in range(10):
        rate.sent(n / 100)
        rate.accepted()
    rate.refused(1.0, 0.9)
    limit = rate.limit
    for sent_at in (0.5, 0.95, 1.0):
        rate.refused(1.0, sent_at)
    assert rate.limit == limit
    rate.refused(1.1, 1.05)
    assert limit is not None
    assert rate.limit is not None
    assert rate.limit < limit


def test_a_server_that_no_longer_throttles_is_no_longer_spared() -> None:
    rate = Rate()
    rate.sent(0.0)
    rate.refused(0.1, 0.0)
    assert rate.throttled
    now = 0.1
    while rate.throttled and now < 60:
        now = max(now + 0.01, rate.ready_at(now))
        rate.sent(now)
        rate.accepted()
    assert now < 30
    assert rate.limit is None


def test_a_long_rest_ends_what_was_learned_without_overflow() -> None:
    rate = Rate()
    rate.sent(0.0)
    rate.refused(0.1, 0.0)
    assert rate.ready_at(1e9) <= 1e9
    assert rate.limit is None


def throttled(accepted: int, seconds: float, *, again: int | None = None, after: float = 1.0) -> Rate:
    """A rate after a refusal, or two, between which so many requests were accepted."""
    rate = Rate()
    rate.sent(0.0)
    for _ in range(accepted):
        rate.accepted()
    rate.refused(seconds, 0.0)
    if again is not None:
        for _ in range(again):
            rate.accepted()
        rate.refused(seconds + after, seconds + after / 2)
    return rate


@pytest.mark.parametrize(
    ("accepted", "seconds", "limit"),
    [
        (20, 1.0, 10.0),
        (21, 1.0, 10.5),
        (40, 4.0, 8.0),  # four times the lowest at least
        (20, 0.1, 40.0),  # a burst counts as if it had taken a quarter of a second
        (5_000, 1.0, 500.0),  # nobody needs more than a thousand a second
    ],
)
def test_the_first_refusal_halves_what_was_accepted(accepted: int, seconds: float, limit: float) -> None:
    rate = throttled(accepted, seconds)
    assert rate.limit == pytest.approx(limit)
    assert rate.ready_at(seconds) == pytest.approx(seconds + 1 / limit)


@pytest.mark.parametrize(
    ("again", "limit"),
    [
        (20, 0.95 * 20),
        (5, 0.5 * 10 * math.e),  # not below half of what the limit had risen to
        (90, 0.9 * 10 * math.e),  # and not above nine tenths of it
    ],
)
def test_the_next_ones_bring_it_a_little_below_what_was_accepted(again: int, limit: float) -> None:
    assert throttled(20, 1.0, again=again).limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        (1.0, math.exp(1.0)),
        (1.5, math.exp(1.5)),
        (1.75, math.exp(1.75 * 2**0.5)),  # ever faster after one and a half quiet seconds
        (2.0, math.exp(2.0 * 2)),
        (2.2, math.exp(2.2 * 2)),  # at the fastest
    ],
)
def test_after_the_first_refusal_the_limit_rises_fast(seconds: float, times: float) -> None:
    rate = throttled(20, 1.0)
    rate.ready_at(1.0 + seconds)
    assert rate.limit == pytest.approx(10 * times)


def test_after_the_next_it_rises_slowly_and_the_slower_the_lower_it_is() -> None:
    rate = throttled(20, 1.0, again=20)
    rate.ready_at(3.0)
    assert rate.limit == pytest.approx(19 * math.exp(0.04))
    low = Rate(lowest=0.1)
    low.sent(0.0)
    low.refused(10.0, 0.0)
    assert low.limit == pytest.approx(0.4)
    low.ready_at(11.0)
    assert low.limit == pytest.approx(0.4 * math.exp(0.2))  # a fifth of the pace at ten a second
    low.ready_at(12.0)
    assert low.limit == pytest.approx(0.4 * math.exp(0.2) * math.exp(math.sqrt(0.04 * math.exp(0.2))))


def test_only_the_first_burst_counts_for_a_quarter_of_a_second() -> None:
    assert throttled(20, 1.0, again=1, after=0.1).limit == pytest.approx(0.95 * 1 / 0.1)


@pytest.mark.parametrize("now", [-1e6, 0.0, 1e6])
def test_at_first_nothing_is_waited_for_whatever_the_clock_says(now: float) -> None:
    assert Rate().ready_at(now) <= now
    assert Rate(9.0).ready_at(now) <= now


def test_the_limit_falls_no_lower_than_the_lowest() -> None:
    rate = Rate(lowest=9.0)
    for second in range(1, 9):
        rate.sent(second - 0.5)
        rate.refused(float(second), second - 0.5)
    assert rate.limit == 9.0


def test_a_refusal_before_anything_was_sent_here_counts_from_when_it_was_sent() -> None:
    rate = Rate()
    for _ in range(20):
        rate.accepted()
    rate.refused(5.0, 4.0)
    assert rate.limit == pytest.approx(10.0)


def test_requests_are_spaced_out_and_what_was_not_sent_is_not_made_up_for() -> None:
    rate = Rate(10.0)
    assert rate.ready_at(5.0) <= 5.0
    rate.sent(5.0)
    assert rate.ready_at(5.0) == pytest.approx(5.1)
    rate.sent(5.1)
    assert rate.ready_at(9.0) <= 9.0
    rate.sent(9.0)
    assert rate.ready_at(9.0) == pytest.approx(9.1)
    assert rate.limit == 10.0
    assert not rate.throttled


@given(st.floats(0.5, 500), st.lists(st.floats(0, 0.2), min_size=1, max_size=200))
def test_the_users_own_rate_is_never_exceeded(most: float, pauses: list[float]) -> None:
    rate, now, sent = Rate(most), 0.0, []
    for number, pause in enumerate(pauses):
        now = max(now + pause, rate.ready_at(now + pause))
        rate.sent(now)
        sent.append(now)
        if number % 7 == 3:
            rate.refused(now, now)
        else:
            rate.accepted()
        assert rate.limit is not None
        assert rate.limit <= most
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first <= (sent[last] - sent[first]) * most + 1e-6


@given(st.floats(0, 120), st.floats(0, 100))
def test_nobody_sends_before_a_pause_that_the_server_asked_for_is_over(pause: float, now: float) -> None:
    rate = Rate()
    rate.sent(now)
    rate.refused(now, now, pause)
    assert rate.ready_at(now) >= now + pause


@asynccontextmanager
async def slot(gate: Gate, key: str, *, again: bool = False) -> AsyncGenerator[None, None]:
    """Hold a place among the requests in flight."""
    await gate.enter(key, again_until=math.inf if again else None)
    try:
        yield
    finally:
        gate.leave()


async def test_no_more_at_once_than_allowed_and_the_keys_take_turns() -> None:
    gate, order, now, most = Gate(InFlight.exactly(2), Rate()), list[str](), 0, 0

    async def one(key: str, *, again: bool = False) -> None:
        nonlocal now, most
        async with slot(gate, key, again=again):
            now, most = now + 1, max(most, now + 1)
            order.append(key)
            await asyncio.sleep(0)
            now -= 1

    async with AsyncExitStack() as held, asyncio.TaskGroup() as group:
        await held.enter_async_context(slot(gate, "x"))
        await held.enter_async_context(slot(gate, "x"))
        for key in ("long 1", "long 2", "long 3", "long 4"):
            group.create_task(one(key.split()[0]))
        group.create_task(one("short"))
        group.create_task(one("tiny"))
        await asyncio.sleep(0)
        assert not order
        await held.aclose()
    assert order == ["long", "short", "tiny", "long", "long", "long"]
    assert most == 2


async def test_nobody_is_let_in_while_more_are_inside_than_there_may_be_by_now() -> None:
    in_flight = InFlight(first=8)
    gate, entered = Gate(in_flight, Rate()), list[int]()

    async def one(number: int) -> None:
        async with slot(gate, "ft-1"):
            entered.append(number)

    async with AsyncExitStack() as held, asyncio.TaskGroup() as group:
        for _ in range(8):
            await held.enter_async_context(slot(gate, "x"))
        in_flight.timed_out(0.0)
        assert in_flight.limit == 4
        group.create_task(one(1))
        await asyncio.sleep(0)
        for inside in (7, 6, 5, 4):
            gate.leave()
            await asyncio.sleep(0)
            assert gate.inside == inside
            assert not entered
        gate.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert entered == [1]
        gate.inside += 5  # which the stack leaves
    assert gate.inside == 0


async def test_who_comes_again_goes_first_among_its_own() -> None:
    gate, order = Gate(InFlight.exactly(1), Rate()), list[int]()

    async def one(number: int, *, again: bool) -> None:
        async with slot(gate, "ft-1", again=again):
            order.append(number)

    async with asyncio.TaskGroup() as group:
        async with slot(gate, "other"):
            for number in (1, 2, 3):
                group.create_task(one(number, again=number == 3))
                await asyncio.sleep(0)
    assert order == [3, 1, 2]


@pytest.mark.covered
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 3)), max_size=20))
def test_cancelling_never_loses_a_permit(steps: list[tuple[int, bool, int]]) -> None:
    async def main() -> None:
        gate = Gate(InFlight.exactly(2), Rate())

        async def one(key: int, work: int) -> None:
            async with slot(gate, str(key)):
                for _ in range(work):
                    await asyncio.sleep(0)

        tasks = []
        for key, cancelled, work in steps:
            task = asyncio.create_task(one(key, work))
            tasks.append(task)
            for _ in range(work % 2):
                await asyncio.sleep(0)
            if cancelled:
                tasks[work % len(tasks)].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(5), slot(gate, "a"), slot(gate, "b"):
            pass

    asyncio.run(main())


async def test_a_turn_that_comes_as_its_waiter_is_cancelled_is_passed_on() -> None:
    gate = Gate(InFlight.exactly(1), Rate())
    async with AsyncExitStack() as held:
        await held.enter_async_context(slot(gate, "x"))
        waiter = asyncio.create_task(gate.enter("y"))
        await asyncio.sleep(0)
        await held.aclose()
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
    assert gate.inside == 0
    async with asyncio.timeout(5), slot(gate, "z"):
        pass


async def limited(pages: int, latency: float, changes: dict[float, float]) -> tuple[float, float]:
    """Read under a limit that changes with time; return seconds, and the share that was refused."""
    job = EmulatedJob("ft-1", [f"line {n}" for n in range(pages)])
    async with Emulator([job], latency=latency) as emulator:

        async def change() -> None:
            begin = time.monotonic()
            for at, rate in changes.items():
                await asyncio.sleep(begin + at - time.monotonic())
                emulator.rate_limit = RateLimit(rate, 5)

        changing = asyncio.create_task(change())
        await asyncio.sleep(0)
        async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
            begin = time.monotonic()
            got = [page async for page in session.lines("ft-1", page_size=1).pages()]
            seconds = time.monotonic() - begin
        await changing
        assert len(got) == pages
        statuses = [exchange.status for exchange in emulator.journal]
    return seconds, statuses.count(429) / len(statuses)


@pytest.mark.long
async def test_a_throttled_log_comes_at_the_permitted_rate_with_default_settings() -> None:
    steady = [limited(400, latency, {0.0: 20}) for latency in (0.0, 0.05)]
    # 85 in the first four seconds, 45 in the next eight, the others at 20/s again after a burst of 5.
    falling = limited(300, 0.0, {0.0: 20, 4.0: 5, 12.0: 20})
    *both, (seconds, refused) = await asyncio.gather(*steady, falling)
    assert seconds <= 1.2 * (12 + (300 - 85 - 45 - 5) / 20)
    for seconds, refused in both:
        assert seconds <= 1.1 * (400 - 5) / 20
        assert refused <= 0.05


async def test_a_wait_too_long_for_one_request_is_not_imposed_on_the_others() -> None:
    fault = Fault(Refuse(429, "Throttling", "later", retry_after="86400"), job_id="ft-1")
    jobs = [EmulatedJob("ft-1", ["x"]), EmulatedJob("ft-2", ["x"])]
    async with Emulator(jobs, faults=[fault]) as emulator:
        async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
            with pytest.raises(ThrottlingError):
                await session.page("ft-1")
            assert session.throttled
            assert session.rate is not None
            async with asyncio.timeout(5):
                await session.page("ft-2")


async def test_a_server_that_refuses_at_random_does_not_bring_all_to_a_standstill() -> None:
    rate = Rate()
    rng = random.Random(0)
    now = 0.0
    for _ in range(1_000):
        now = max(now, rate.ready_at(now))
        rate.sent(now)
        now += 0.01
        if rng.random() < 0.2:
            rate.refused(now, now - 0.01)
        else:
            rate.accepted()
    assert now <= 1_000 / 2


async def test_a_session_keeps_to_the_users_rate(connect: Callable[..., LogSession]) -> None:
    job = EmulatedJob("ft-1", [f"line {n}" for n in range(40)])
    async with Emulator([job]) as emulator, connect(emulator, max_rate=100) as session:
        begin = time.monotonic()
        await session.lines("ft-1", page_size=1).collect()
        assert time.monotonic() - begin >= 0.39
        assert session.rate == 100
        assert not session.throttled


@pytest.mark.parametrize("max_rate", [0, -1, math.inf, math.nan, True, "9"])
def test_a_rate_that_is_none_is_refused(max_rate: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="max_rate="):
        LogSession("sk-x", max_rate=max_rate)


async def test_a_job_of_which_nobody_waits_any_more_holds_up_no_other() -> None:
    gate = Gate(InFlight.exactly(1), Rate())
    order: list[str] = []

    async def one(key: str) -> None:
        async with slot(gate, key):
            order.append(key)

    async with asyncio.TaskGroup() as group:
        async with slot(gate, "x"):
            gone = group.create_task(one("y"))
            await asyncio.sleep(0)
            group.create_task(one("z"))
            await asyncio.sleep(0)
            gone.cancel()
    assert order == ["z"]
    async with asyncio.timeout(5), slot(gate, "y"):
        pass


async def test_who_waits_no_more_takes_nobody_along_who_came_before() -> None:
    gate = Gate(InFlight.exactly(1), Rate())
    async with AsyncExitStack() as held:
        await held.enter_async_context(slot(gate, "x"))
        waiting = [asyncio.create_task(gate.enter("y")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[2].cancel()
        await asyncio.wait(waiting[2:])
    async with asyncio.timeout(5):
        for task in waiting[:2]:
            await task
            gate.leave()


class SetClock(asyncio.SelectorEventLoop):
    """A loop whose clock goes where a test sets it."""

    now = 0.0

    def time(self) -> float:
        return self.now


def test_with_room_for_all_requests_still_go_one_by_one_and_none_overtakes() -> None:
    async def main() -> None:
        loop, gate, order = asyncio.get_running_loop(), Gate(InFlight.exactly(8), Rate(10.0)), []
        assert isinstance(loop, SetClock)

        async def one(key: str) -> None:
            order.append((key, await gate.enter(key)))

        def begin(key: str) -> None:
            tasks.append(asyncio.create_task(one(key)))

        tasks: list[asyncio.Task[None]] = []
        begin("a")
        begin("b")
        await some_turns()
        assert order == [("a", 0.0)]
        loop.now = 0.2  # so that the turn of b comes, and its timer has yet to tell
        begin("c")
        await some_turns()
        assert order == [("a", 0.0), ("b", 0.2)]
        loop.now = 0.4
        await asyncio.wait(tasks)
        assert order == [("a", 0.0), ("b", 0.2), ("c", 0.4)]

    with asyncio.Runner(loop_factory=SetClock) as runner:
        runner.run(main())


async def some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_the_deadline_of_a_retry_holds_while_it_waits_for_its_turn_and_no_place_is_lost() -> None:
    async def run() -> None:
        clock = asyncio.get_running_loop().time
        faults = [Fault(Refuse(429, "Throttling"), times=1)]
        async with (
            Emulator([EmulatedJob("ft-1", ["a"])], faults=faults, clock=clock) as emulator,
            LogSession(
                emulator.api_key,
                base_url=emulator.base_url,
                max_rate=0.01,
                concurrency=1,
                retry=RetryPolicy(deadline=20),
            ) as session,
        ):
            began = clock()
            with pytest.raises(ThrottlingError, match="deadline is 20 s") as caught:
                await session.page("ft-1")
            assert 20 <= clock() - began <= 21
            assert (caught.value.attempts, caught.value.retry_in) == (1, None)
            # One that has not failed waits for as long as it takes.
            assert (await session.page("ft-1")).lines == ("a",)
            assert 100 <= clock() - began <= 101
            assert session.requests == 2

    in_virtual_time(run())


async def test_a_turn_that_comes_as_the_deadline_passes_is_the_next_one_s() -> None:
    loop, gate = asyncio.get_running_loop(), Gate(InFlight.exactly(1), Rate())
    await gate.enter("x")
    end = loop.time() + 0.01
    late = asyncio.create_task(gate.enter("y", again_until=end))
    after = asyncio.create_task(gate.enter("z"))
    await asyncio.sleep(0)
    loop.call_at(end - 1e-4, gate.leave)
    while loop.time() <= end:  # so that both are due in one turn of the loop
        pass
    with pytest.raises(TimeoutError):
        await late
    await after
    assert gate.inside == 1
    gate.leave()
