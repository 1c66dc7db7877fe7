"""How many requests are in flight: learned, and never far from the best number there is."""

import random
from itertools import product
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_service import READING, SERVING, Reader, best, read, seconds

from dashscope_ftlogs.client.pacing.requests_in_flight import FIRST, MOST, InFlight

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


def shares(*sessions: InFlight, **service: Any) -> list[float]:
    """Return what each had read when the first was done, of all that was read by then."""
    readers = [Reader(session, 1000) for session in sessions]
    read(readers, until=lambda: any(reader.is_done for reader in readers), **service)
    whole = sum(len(reader.latencies) for reader in readers)
    return [len(reader.latencies) / whole for reader in readers]


@pytest.mark.unmeasured
@pytest.mark.parametrize("at_once", [4, 16])
@pytest.mark.parametrize("round_trip", [0.001, 0.01, 0.05])
def test_two_sessions_share_a_service(round_trip: float, at_once: int) -> None:
    service = {"round_trip": round_trip, "at_once": at_once}
    slower = [min(shares(InFlight(), InFlight(), seed=seed, **service)) for seed in range(40)]
    assert min(slower) >= 0.3
    assert sum(share < 1 / 3 for share in slower) <= 4
    assert median(slower) >= 0.4


@pytest.mark.covered
@pytest.mark.parametrize("number", [4, 8])
def test_nobody_who_has_a_given_number_is_crowded_out(number: int) -> None:
    for seed in range(10):
        _, share = shares(InFlight(), InFlight.exactly(number), round_trip=0.001, at_once=4, seed=seed)
        assert share >= 1 / 5


@pytest.mark.covered
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
        fewer = in_flight.limit
        assert fewer < FIRST - 1
        # A little more than half as many, which bring in three quarters of what eight do at 16 ms.
        answer(in_flight, 40, now, fewer / FIRST * 0.0213)
        assert in_flight.limit == (fewer if kept else FIRST - 1)


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
    for now, limit in ((5.9, 4), (6.1, 2), (12.0, 1), (18.0, 1)):
        in_flight.timed_out(now)
        assert in_flight.limit == limit


def test_whoever_does_not_need_more_is_not_given_more() -> None:
    in_flight = InFlight()
    for number in range(1000):
        in_flight.sent(1)
        in_flight.answered(float(number), number + 0.02, 1000)
    assert in_flight.limit == FIRST


def test_a_round_in_which_fewer_were_needed_says_nothing() -> None:
    in_flight = begun()
    answer(in_flight, 16, 1.0, 0.01)
    for _ in range(16):
        in_flight.sent(FIRST - 1)
        in_flight.answered(5.0, 5.01, 1000)
    assert in_flight.limit == FIRST
    answer(in_flight, 16, 6.0, 0.01)
    assert in_flight.limit == 2 * FIRST


def test_large_answers_are_fewer_and_small_ones_soon_as_many_as_before() -> None:
    in_flight = InFlight()
    answer(in_flight, 1, 0.0, 0.02, size=2**24)
    assert in_flight.limit == 4
    answer(in_flight, 1, 0.0, 0.02, size=2**27)
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
        assert in_flight.limit == in_flight.most == number


@pytest.mark.covered
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


def test_at_first_each_answer_lets_one_more_in_until_six_took_long() -> None:
    in_flight = InFlight()
    now = answer(in_flight, 1, 0.0, 0.01)
    assert in_flight.limit == FIRST, "what is usual is not known yet"
    now = answer(in_flight, 2, now, 0.01)
    now = answer(in_flight, 4, now, 0.0149)
    assert in_flight.limit == FIRST + 6
    now = answer(in_flight, 6, now, 0.0151)
    assert in_flight.limit == FIRST + 12
    answer(in_flight, 1, now, 0.01)
    assert in_flight.limit == FIRST + 12


@pytest.mark.parametrize("quick", [1, 2, 3])
def test_one_or_two_quick_answers_are_not_taken_for_what_is_usual(quick: int) -> None:
    in_flight = InFlight()
    now = answer(in_flight, quick, 0.0, 0.002)
    answer(in_flight, 30, now, 0.05)
    assert (in_flight.limit == MOST) == (quick < 3)


@pytest.mark.unmeasured
@given(count=st.integers(1, 60), at_once=st.booleans(), latency=st.floats(0.0005, 0.03))
def test_a_log_that_comes_after_quicker_answers_is_soon_read_by_many_requests(
    count: int, at_once: bool, latency: float
) -> None:
    in_flight, now = InFlight(), 0.0
    for _ in range(count):
        in_flight.sent(in_flight.limit if at_once else 1)
        in_flight.answered(now, now + latency, 1000)
        now += latency
    service = {"round_trip": 0.05, "at_once": 1_000_000}
    least = seconds(InFlight.exactly(MOST), 1000, **service)
    # Those of one at a time say nothing of many; of what came at once is learned that it has changed.
    assert seconds(in_flight, 1000, **service) <= (1.5 if at_once else 1.25) * least


@pytest.mark.parametrize(("latency", "more"), [(0.01, 8), (0.0129, 8), (0.0131, 2), (0.0149, 2)])
def test_twice_as_many_are_tried_while_answers_come_as_fast_as_ever_else_a_quarter_more(
    latency: float, more: int
) -> None:
    in_flight = begun()
    now = answer(in_flight, 15, 5.0, latency)
    assert in_flight.limit == FIRST
    answer(in_flight, 1, now, latency)
    assert in_flight.limit == FIRST + more


@pytest.mark.parametrize(
    ("before", "latency", "kept"),
    [
        # Twice as many must bring 1.3 times as much,
        *((0.01, 0.0153, 16), (0.01, 0.0155, 8)),
        # and a quarter more 1.15 times.
        *((0.014, 0.0152, 10), (0.014, 0.0153, 8)),
    ],
)
def test_more_are_kept_only_if_they_bring_in_enough_more(
    before: float, latency: float, kept: int
) -> None:
    in_flight = begun()
    now = answer(in_flight, 16, 5.0, before)
    answer(in_flight, 16, now, latency)
    assert in_flight.limit == kept


def attempt(in_flight: InFlight, now: float) -> tuple[int, float]:
    """Answer as fast as ever until more are tried; return how many rounds that took, and when it was."""
    limit, rounds = in_flight.limit, 0
    while in_flight.limit == limit:
        now = answer(in_flight, 16, now, 0.01)
        rounds += 1
    return rounds, now


def test_the_next_attempt_comes_later_each_time_until_one_was_not_in_vain() -> None:
    in_flight, now, rounds = begun(), 5.0, list[int]()
    for _ in range(7):
        waited, now = attempt(in_flight, now)
        rounds.append(waited)
        now = answer(in_flight, 16, now, 0.02)  # twice as many bring in no more
        assert in_flight.limit == FIRST
    assert rounds == [1, 4, 8, 16, 32, 64, 64]
    _, now = attempt(in_flight, now)
    now = answer(in_flight, 16, now, 0.01)
    assert in_flight.limit == 4 * FIRST, "what was kept is doubled at once"
    now = answer(in_flight, 32, now, 0.02)
    assert in_flight.limit == 2 * FIRST
    assert attempt(in_flight, now)[0] == 4


@pytest.mark.parametrize(("latency", "fewer"), [(0.0149, 8), (0.0151, 6), (0.02, 5), (1.0, 4)])
def test_the_longer_answers_take_the_fewer_are_tried_down_to_half(latency: float, fewer: int) -> None:
    in_flight = InFlight()
    in_flight.refused(10_000.0)
    answer(in_flight, 1, 0.0, 0.01)
    now = answer(in_flight, 31, 1.0, latency)
    assert in_flight.limit == FIRST
    answer(in_flight, 1, now, latency)
    assert in_flight.limit == fewer


@pytest.mark.parametrize(("latency", "kept"), [(0.0128, True), (0.013, False)])
def test_fewer_are_kept_if_hardly_less_comes_in(latency: float, kept: bool) -> None:
    in_flight = begun()
    now = answer(in_flight, 32, 1.0, 0.024)
    now = answer(in_flight, 39, now, latency)
    assert in_flight.limit == FIRST // 2, "a mistake here would be followed by others"
    answer(in_flight, 1, now, latency)
    assert in_flight.limit == (FIRST // 2 if kept else FIRST - 1)


@pytest.mark.parametrize(("latency", "limit"), [(0.0215, FIRST - 1), (0.0217, FIRST)])
def test_where_fewer_bring_less_though_answers_come_sooner_a_tenth_fewer_stay(
    latency: float, limit: int
) -> None:
    in_flight = begun()
    now = answer(in_flight, 32, 1.0, 0.024)
    now = answer(in_flight, 40, now, latency)
    assert in_flight.limit == limit
    # What is long has changed only if it may be the way that became so.
    answer(in_flight, 32, now, 0.016)
    assert (in_flight.limit < limit) == (limit < FIRST)


@pytest.mark.parametrize(("latency", "limit"), [(0.149, FIRST), (0.151, 6)])
def test_where_fewer_were_in_vain_what_answers_took_is_usual(latency: float, limit: int) -> None:
    in_flight = begun()
    in_flight.refused(1_000.0)  # no more are tried meanwhile
    now = answer(in_flight, 32, 1.0, 0.1)
    now = answer(in_flight, 40, now, 0.1)
    assert in_flight.limit == FIRST
    answer(in_flight, 32, now, latency)
    assert in_flight.limit == limit


def test_from_one_it_rises_by_one() -> None:
    in_flight = begun()
    for now in (6.0, 11.0, 16.0):
        in_flight.timed_out(now)
    assert in_flight.limit == 1
    answer(in_flight, 16, 21.0, 0.014)
    assert in_flight.limit == 2


def test_a_quarter_more_in_vain_says_nothing_of_what_is_long() -> None:
    in_flight = begun()
    now = answer(in_flight, 16, 5.0, 0.014)
    now = answer(in_flight, 16, now, 0.0164)
    answer(in_flight, 32, now, 0.0151)
    assert in_flight.limit == 6


def test_at_least_a_quarter_fewer_are_tried() -> None:
    in_flight = begun()
    now = answer(in_flight, 32, 5.0, 0.01)
    now = answer(in_flight, 32, now, 0.02)
    assert in_flight.limit == 16
    answer(in_flight, 32, now, 0.0151)
    assert in_flight.limit == 12


def test_fewer_that_were_kept_are_no_reason_to_try_more_any_sooner() -> None:
    in_flight = begun()
    _, now = attempt(in_flight, 5.0)
    now = answer(in_flight, 16, now, 0.02)
    now = answer(in_flight, 32, now, 0.024)
    now = answer(in_flight, 40, now, 0.0128)
    _, now = attempt(in_flight, now)
    now = answer(in_flight, 16, now, 0.02)
    assert in_flight.limit == FIRST // 2
    assert attempt(in_flight, now)[0] == 8


def test_an_earlier_long_round_is_none_of_the_two() -> None:
    in_flight, now = begun(), 1.0
    for latency in (0.016, 0.01, 0.024, 0.024):
        now = answer(in_flight, 16, now, latency)
    answer(in_flight, 40, now, 0.0128)
    assert in_flight.limit == FIRST // 2


def test_answers_that_take_many_seconds_are_judged_like_others() -> None:
    in_flight = InFlight()
    in_flight.refused(0.0)
    now = answer(in_flight, 17, 0.0, 10.0)
    assert in_flight.limit == 2 * FIRST
    answer(in_flight, 16, now, 15.3)
    assert in_flight.limit == 2 * FIRST


def test_one_long_round_alone_changes_nothing() -> None:
    in_flight = InFlight()
    in_flight.refused(0.0)
    now = answer(in_flight, 1, 0.0, 0.01)
    for _ in range(2):
        now = answer(in_flight, 16, now, 0.1)
        now = answer(in_flight, 16, now, 0.0149)
        assert in_flight.limit == FIRST


@pytest.mark.parametrize(("quick", "limit"), [(4, 4), (5, 8)])
def test_it_is_a_queue_only_if_it_holds_up_more_than_three_quarters(quick: int, limit: int) -> None:
    in_flight, now = begun(), 1.0
    for _ in range(2):
        now = answer(in_flight, 16 - quick, now, 0.1)
        now = answer(in_flight, quick, now, 0.01)
    assert in_flight.limit == limit


@pytest.mark.parametrize(("latency", "more"), [(0.0103, 8), (0.0105, 2)])
def test_a_lucky_round_lowers_what_is_usual_by_half_of_the_difference(latency: float, more: int) -> None:
    in_flight = begun()
    answer(in_flight, 16, 1.0, 0.006)
    answer(in_flight, 16, 5.0, latency)
    assert in_flight.limit == FIRST + more


def test_answers_to_what_was_sent_before_a_change_say_nothing_of_it() -> None:
    in_flight = begun()
    now = answer(in_flight, 16, 5.0, 0.01)
    for _ in range(99):
        in_flight.sent(16)
        in_flight.answered(now - 0.001, now + 9, 1000)
    assert in_flight.limit == 2 * FIRST
    answer(in_flight, 16, now, 0.0153)
    assert in_flight.limit == 2 * FIRST, "as good as it must be"


def test_for_five_seconds_after_a_refusal_no_more_are_tried() -> None:
    in_flight = begun()
    in_flight.refused(10.0)
    in_flight.refused(9.0)
    for begin, limit in ((14.8, FIRST), (14.85, 2 * FIRST)):
        answer(in_flight, 16, begin, 0.01)
        assert in_flight.limit == limit


def test_answers_that_take_no_time_are_as_good_as_quick_ones() -> None:
    in_flight = begun()
    answer(in_flight, 64, 5.0, 0.0)
    assert in_flight.limit == MOST == 32


def test_what_a_large_answer_says_fades_with_each_smaller_one() -> None:
    in_flight, limits = begun(), list[int]()
    answer(in_flight, 1, 1.0, 0.01, size=2**24)
    for _ in range(7):
        answer(in_flight, 1, 1.0, 0.01)
        limits.append(in_flight.limit)
    assert limits == [4, 4, 5, 6, 6, 7, 8]
