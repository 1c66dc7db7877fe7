"""How many requests are in flight: learned, and never far from the best number there is."""

import random
from itertools import product
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_service import READING, SERVING, Reader, best, read, seconds

from dashscope_ftlogs.client.pacing.requests_in_flight import BYTES, FIRST, MOST, InFlight

ROUND_TRIPS = (0.001, 0.003, 0.01, 0.03, 0.05, 0.1, 0.2)
AT_ONCE = (4, 16, 1_000_000)
SERVICES = list(product(ROUND_TRIPS, AT_ONCE))


@pytest.mark.slow
@pytest.mark.unmeasured
@pytest.mark.parametrize("jitter", [0.1, 0.5])
@pytest.mark.parametrize(
    ("pages", "at_first", "later"), [(20, 1.6, 1.25), (200, 1.6, 1.25), (1000, 1.25, 1.25)]
)
def test_a_log_takes_hardly_longer_than_with_the_best_number(
    pages: int, at_first: float, later: float, jitter: float
) -> None:
    for round_trip, at_once in SERVICES:
        service = {"round_trip": round_trip, "at_once": at_once, "jitter": jitter}
        learned, least = InFlight(), best(pages, **service)
        assert seconds(learned, pages, **service) <= at_first * least, service
        assert seconds(learned, pages, **service) <= later * least, service


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
@pytest.mark.parametrize("jitter", [0.1, 0.5])
def test_a_service_that_serves_few_at_once_has_no_long_queue_of_ours(
    round_trip: float, jitter: float
) -> None:
    reader = Reader(InFlight(), 1000)
    read([reader], round_trip=round_trip, at_once=4, jitter=jitter)
    unloaded = round_trip + SERVING + READING
    assert median(reader.latencies) <= (2 if round_trip >= 0.01 else 2.5) * unloaded


@pytest.mark.parametrize("at_once", [4, 16])
@pytest.mark.parametrize("round_trip", [0.001, 0.01, 0.05])
def test_two_sessions_share_a_service(round_trip: float, at_once: int) -> None:
    readers = [Reader(InFlight(), 2000), Reader(InFlight(), 2000)]
    read(readers, round_trip=round_trip, at_once=at_once)
    first_to_end = min(reader.ended for reader in readers)
    slower = max(readers, key=lambda reader: reader.ended)
    # What the slower one had read when the other one was done.
    share = slower.pages * first_to_end / slower.ended
    assert share >= slower.pages / 2, "a third of all there was to read"


@pytest.mark.parametrize("round_trip", [0.01, 0.05])
def test_a_way_that_becomes_longer_is_no_queue(round_trip: float) -> None:
    service = {"round_trip": round_trip, "at_once": 1_000_000, "slower_from": 0.5}
    assert seconds(InFlight(), 4000, **service) <= 1.1 * best(4000, **service)


def answer(in_flight: InFlight, count: int, now: float, latency: float, size: int = 1000) -> float:
    """Let so many requests be answered, with as many in flight as there may be."""
    for _ in range(count):
        in_flight.sent(in_flight.limit)
        in_flight.answered(now, now + latency, size)
        now += latency
    return now


def begun() -> InFlight:
    """Return one that does no longer grow with each answer, after some that took 10 ms."""
    in_flight = InFlight()
    in_flight.refused(0.0)
    answer(in_flight, 17, 0.0, 0.01)
    return in_flight


def test_fewer_are_kept_only_if_they_do_as_well_as_the_better_of_two_rounds() -> None:
    for first, kept in ((0.024, True), (0.016, False)):
        in_flight = begun()
        now = answer(in_flight, 16, 1.0, first)
        now = answer(in_flight, 16, now, 0.024)
        assert in_flight.limit < FIRST
        # A little more than half as many, which bring in three quarters of what eight do at 16 ms.
        answer(in_flight, 40, now, in_flight.limit / FIRST * 0.0213)
        assert (in_flight.limit < FIRST) == kept


def test_what_takes_longer_than_ever_is_found_to_be_a_queue_in_the_end() -> None:
    in_flight = begun()
    now = answer(in_flight, 32, 1.0, 0.1)
    fewer = in_flight.limit
    now = answer(in_flight, 40, now, 0.1)
    assert in_flight.limit == FIRST, "fewer brought less, by chance"
    answer(in_flight, 32, now, 0.1)
    assert in_flight.limit == fewer


def test_after_a_refusal_no_more_are_tried_for_a_while() -> None:
    in_flight = InFlight()
    in_flight.refused(0.0)
    now = answer(in_flight, 200, 0.0, 0.02)
    assert in_flight.limit == FIRST
    answer(in_flight, 200, now + 5, 0.02)
    assert in_flight.limit == MOST


def test_requests_that_are_not_answered_in_time_halve_it_once_together() -> None:
    in_flight = InFlight()
    for now in (1.0, 1.0, 1.1):
        in_flight.timed_out(now)
    assert in_flight.limit == FIRST // 2
    in_flight.timed_out(7.0)
    assert in_flight.limit == FIRST // 4


def test_whoever_does_not_need_more_is_not_given_more() -> None:
    in_flight = InFlight()
    for number in range(1000):
        in_flight.sent(1)
        in_flight.answered(float(number), number + 0.02, 1000)
    assert in_flight.limit == FIRST


def test_large_answers_are_fewer_and_small_ones_soon_as_many_as_before() -> None:
    in_flight = InFlight()
    answer(in_flight, 1, 0.0, 0.02, size=BYTES // 4)
    assert in_flight.limit == 4
    answer(in_flight, 1, 0.0, 0.02, size=2 * BYTES)
    assert in_flight.limit == 1
    answer(in_flight, 80, 0.0, 0.02, size=1000)
    assert in_flight.limit >= FIRST


@given(st.integers(1, 100), st.lists(st.floats(0, 10), max_size=300), st.integers(0, 2**40))
def test_a_given_number_stays(number: int, latencies: list[float], size: int) -> None:
    in_flight = InFlight.exactly(number)
    for now, latency in enumerate(latencies):
        in_flight.sent(number)
        in_flight.answered(float(now), now + latency, size)
        in_flight.timed_out(float(now))
        assert in_flight.limit == number


@given(st.builds(random.Random, st.integers()), st.integers(1, 2000))
def test_whatever_happens_it_stays_between_one_and_the_most(rng: random.Random, count: int) -> None:
    in_flight, now = InFlight(), 0.0
    for _ in range(count):
        now += rng.expovariate(100)
        in_flight.sent(rng.randrange(1, 40))
        if rng.random() < 0.95:
            in_flight.answered(now - rng.expovariate(10), now, rng.randrange(2**24))
        elif rng.random() < 0.5:
            in_flight.timed_out(now)
        else:
            in_flight.refused(now)
        assert 1 <= in_flight.limit <= MOST
