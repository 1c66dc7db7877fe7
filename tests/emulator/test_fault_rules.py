"""Which requests a fault hits."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Fault,
    OkWithCode,
    Refuse,
    Reset,
    ten_ways_to_fail,
)
from dashscope_ftlogs.emulator.fault_rules import FaultChooser

JOBS = [EmulatedJob("ft-1", ["x"]), EmulatedJob("ft-2", ["y"])]
OUCH = Refuse(503)


async def statuses(emulator: Emulator, ask: Any, count: int = 1, path: str = "ft-1/logs") -> list[int]:
    return [(await ask(emulator, f"/fine-tunes/{path}".rstrip("/"))).status for _ in range(count)]


def hits(rules: tuple[Fault, ...], count: int, seed: int = 1) -> list[Any]:
    chooser = FaultChooser(rules, Random(seed))
    return [chooser.choose("logs", "ft-1") for _ in range(count)]


async def test_a_bare_fault_hits_every_logs_request_and_nothing_else(ask: Any) -> None:
    async with Emulator(JOBS, faults=[Fault(OUCH)]) as emulator:
        assert await statuses(emulator, ask, 3) == [503] * 3
        assert await statuses(emulator, ask, 1, "") == [200]
        assert await statuses(emulator, ask, 1, "ft-1") == [200]


async def test_on_counts_the_requests_from_1(ask: Any) -> None:
    async with Emulator(JOBS, faults=[Fault(OUCH, on=[2, 4])]) as emulator:
        assert await statuses(emulator, ask, 5) == [200, 503, 200, 503, 200]


async def test_on_counts_only_what_the_rule_looks_at(ask: Any) -> None:
    async with Emulator(JOBS, faults=[Fault(OUCH, on=[2], job_id="ft-2")]) as emulator:
        assert await statuses(emulator, ask, 3) == [200] * 3
        assert await statuses(emulator, ask, 3, "ft-2/logs") == [200, 503, 200]


async def test_on_counts_what_another_rule_hit_too(ask: Any) -> None:
    rules = [Fault(Refuse(500), on=[1, 2]), Fault(OUCH, on=[2, 3])]
    async with Emulator(JOBS, faults=rules) as emulator:
        assert await statuses(emulator, ask, 4) == [500, 500, 503, 200]


async def test_times_is_the_most_it_hits(ask: Any) -> None:
    async with Emulator(JOBS, faults=[Fault(OUCH, times=2)]) as emulator:
        assert await statuses(emulator, ask, 4) == [503, 503, 200, 200]


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("logs", "ft-1/logs"),
        ("list", ""),
        ("job", "ft-1"),
        ("checkpoints", "ft-1/checkpoints"),
        ("any", "ft-1/nothing"),
    ],
)
async def test_an_endpoint_is_hit_alone(ask: Any, endpoint: Any, path: str) -> None:
    async with Emulator(JOBS, faults=[Fault(OUCH, endpoint=endpoint)]) as emulator:
        assert await statuses(emulator, ask, 1, path) == [503]
        everything = [
            (await statuses(emulator, ask, 1, other))[0]
            for other in ("ft-1/logs", "", "ft-1", "ft-1/checkpoints")
        ]
    assert everything.count(503) == (4 if endpoint == "any" else 1)


async def test_new_rules_start_counting_at_1(ask: Any) -> None:
    async with Emulator(JOBS, faults=[Fault(OUCH, on=[1])]) as emulator:
        assert await statuses(emulator, ask, 2) == [503, 200]
        emulator.faults = emulator.faults
        assert await statuses(emulator, ask, 2) == [503, 200]
        emulator.faults = ()
        assert await statuses(emulator, ask, 2) == [200, 200]


async def test_what_chance_decides_repeats_with_the_seed(ask: Any) -> None:
    async def run(seed: int) -> list[int]:
        async with Emulator(JOBS, faults=[Fault(OUCH, probability=0.5)], seed=seed) as emulator:
            return await statuses(emulator, ask, 20)

    first = await run(7)
    assert set(first) == {200, 503}
    assert first == await run(7) != await run(8)


async def test_other_kinds_of_chance_do_not_disturb_it(ask: Any) -> None:
    async def run(**options: Any) -> list[int]:
        async with Emulator(JOBS, faults=[Fault(OUCH, probability=0.5)], **options) as emulator:
            return await statuses(emulator, ask, 20)

    assert await run() == await run(ragged=0.5, latency=(0.0, 0.001))


@given(st.floats(0, 1), st.integers())
def test_for_any_probability_about_that_share_is_hit(probability: float, seed: int) -> None:
    found = sum(reply is not None for reply in hits((Fault(OUCH, probability=probability),), 400, seed))
    assert abs(found - 400 * probability) < 100
    assert found in (0, 400) or 0 < probability < 1


@pytest.mark.covered
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_ten_ways_to_fail_hit_their_share_in_equal_parts(probability: float) -> None:
    replies = [reply for reply in hits(ten_ways_to_fail(probability), 11_000) if reply is not None]
    assert abs(len(replies) - 11_000 * probability) < 300
    kinds = Counter(
        (type(reply).__name__, reply.status if isinstance(reply, Refuse) else None) for reply in replies
    )
    if probability:
        part = kinds.pop(("Refuse", 429)) / 2
        assert len(kinds) == 9
        assert all(abs(count - part) < part / 3 for count in kinds.values())
        codes = {reply.code for reply in replies if isinstance(reply, OkWithCode)}
        assert codes == {"InternalError", "Throttling"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        # What a type checker would refuse is the point.
        (lambda: Fault("reset"), "'reset'"),  # type: ignore[arg-type]
        (lambda: Fault(Reset), "Reset"),  # type: ignore[arg-type]
        (lambda: Fault(OUCH, probability=1.1), "1.1"),
        (lambda: Fault(OUCH, probability=float("nan")), "nan"),
        (lambda: Fault(OUCH, on=[0, 1]), r"\[0, 1\]"),
        (lambda: Fault(OUCH, on=[1], probability=0.5), "not both"),
        (lambda: Fault(OUCH, endpoint="log"), "'log'"),  # type: ignore[arg-type]
        (lambda: Fault(OUCH, times=0), "0"),
        (lambda: ten_ways_to_fail(-0.1), "-0.1"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(wrong: Callable[[], Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        wrong()
