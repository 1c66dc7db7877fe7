"""Whatever an emulator and its rules are given by mistake is refused in words that name it."""

import inspect
import math
from typing import Any

import pytest

from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Fault,
    Machine,
    RateLimit,
    Reset,
    ten_ways_to_fail,
)

JOBS = [EmulatedJob("a")]
NUMBERS = [7, 0, -1, 1.5, math.nan, math.inf, 10**400]


def now() -> float:
    return 0.0


ODD: list[Any] = [
    *(None, True, "", "x", "a b", "\ud800", "x" * 64, b"x", *NUMBERS, object(), now),
    *(
        [],
        {},
        [1],
        ["reset"],
        ["x"],
        [None],
        {1},
        (1,),
        (0, 1),
        (2, 1),
        (1, 2, 3),
        [(0, 1)],
        JOBS,
    ),
]
FIT: dict[str, Any] = {
    "jobs": ([], {}, JOBS),
    "api_key": ("x", "x" * 64),
    "host": ("x", "a b"),
    "port": (7, 0),
    "faults": ([], {}, ["reset"]),
    "seed": (None, 7, 0, -1, 10**400),
    "latency": (7, 0, 1.5, (0, 1)),
    "bandwidth": (None, 7, 1.5),
    "rate_limit": (None,),
    "page_cap": (None, 7, 10**400),
    "ragged": (0,),
    "time_scale": (7, 0, 1.5),
    "machines": ([], {}, [1], {1}, (1,), (0, 1), (2, 1), (1, 2, 3), [(0, 1)]),
    "machine_by": (),
    "insist_on_content_type": (True,),
    "compress": (True,),
    "clock": (now,),
    "on_end": (now,),
}


def test_it_is_known_of_every_argument_what_fits() -> None:
    assert set(FIT) == set(inspect.signature(Emulator).parameters)


@pytest.mark.parametrize("name", FIT)
def test_an_argument_that_makes_no_sense_is_refused_by_its_name(name: str) -> None:
    for value in ODD:
        if any(value is one or (type(value) is type(one) and value == one) for one in FIT[name]):
            Emulator(**{name: value})
            continue
        with pytest.raises(
            ValueError, match=rf"^{name} must|^can't read the fault|^a machine's lag must"
        ):
            Emulator(**{name: value})


@pytest.mark.parametrize("name", ["faults", "latency", "rate_limit", "time_scale"])
def test_so_is_what_is_put_in_its_place_later(name: str) -> None:
    emulator = Emulator()
    before = getattr(emulator, name)
    with pytest.raises(ValueError, match=f"^{name} must"):
        setattr(emulator, name, object())
    assert getattr(emulator, name) == before


@pytest.mark.parametrize(
    "made",
    [
        lambda odd: Fault(Reset(), probability=odd),
        lambda odd: Fault(Reset(), times=odd),
        lambda odd: Fault(Reset(), on=odd),
        lambda odd: Fault(Reset(), on=[odd]),
        lambda odd: Fault(Reset(), endpoint=odd),
        Fault,
        ten_ways_to_fail,
        Machine,
        lambda odd: Machine(0, odd),
        RateLimit,
        lambda odd: RateLimit(1, odd),
    ],
)
@pytest.mark.parametrize(
    "odd", ["x", b"x", -1, math.nan, object(), [1.5], (2, "y")], ids=lambda odd: type(odd).__name__
)
def test_so_is_what_rules_are_made_of(made: Any, odd: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        made(odd)
