"""A read is taken up again by its position, which notices another log."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError, LogRewrittenError, LogSession, TransportError, checks
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Reset
from dashscope_ftlogs.text import digests

Connect = Callable[..., LogSession]
JOB = "ft-1"
DIGEST = digests(["x"])[0]


def numbered(count: int, word: str = "line") -> list[str]:
    return [f"{word} {n}" for n in range(count)]


@pytest.mark.parametrize("limit", [0, 1, 4, 5, 9, 10, 11, 25])
async def test_a_read_goes_on_from_its_position_at_any_line(connect: Connect, limit: int) -> None:
    async with Emulator([EmulatedJob(JOB, numbered(25))]) as emulator, connect(emulator) as session:
        lines = session.lines(JOB, page_size=10)
        got: list[str] = []
        reading = aiter(lines)
        while len(got) < limit:
            got.append(await anext(reading))
            place = json.loads(json.dumps(lines.position))
            assert place == {"offset": len(got), "last": list(digests(got[-5:]))}
        place = {"offset": len(got), "last": list(digests(got[-5:]))}
        await reading.aclose()
        rest = session.lines(JOB, at=place)  # type: ignore[arg-type]
        assert got + await rest.collect() == numbered(25)
        # A page that was read ahead may reach the server later, but is no larger than it was to be.
        assert [exchange.line for exchange in emulator.journal].count(1_000) == 1
        assert rest.position == {"offset": 25, "last": list(digests(numbered(25)[-5:]))}


@pytest.mark.parametrize("count", [3, 20, 60])
async def test_another_log_in_its_place_is_noticed_however_long(connect: Connect, count: int) -> None:
    job = EmulatedJob(JOB, numbered(20))
    async with Emulator([job]) as emulator, connect(emulator) as session:
        lines = session.lines(JOB, limit=12)
        await lines.collect()
        job.rewrite(numbered(count, "new"))
        with pytest.raises(LogRewrittenError) as caught:
            await session.lines(JOB, at=lines.position).collect()
        assert (caught.value.next_offset, caught.value.total) == (12, count)
        assert caught.value.position == lines.position


async def test_an_error_carries_the_position(connect: Connect) -> None:
    faults = [Fault(Reset(), on=range(2, 100))]
    async with Emulator([EmulatedJob(JOB, numbered(25))], faults=faults) as emulator:
        async with connect(emulator) as session:
            with pytest.raises(TransportError) as caught:
                await session.lines(JOB, page_size=10).collect()
            emulator.faults = ()
            assert caught.value.position is not None
            assert caught.value.position["offset"] == 10
            rest = session.lines(JOB, at=caught.value.position)
            assert await rest.collect() == numbered(25)[10:]


@pytest.mark.parametrize(
    "wrong",
    [
        7,
        {"offset": 1},
        {"offset": -1, "last": []},
        {"offset": True, "last": []},
        {"offset": 1, "last": [DIGEST], "more": 1},
        {"offset": 1, "last": [DIGEST, DIGEST]},
        {"offset": 9, "last": [DIGEST] * 6},
        {"offset": 9, "last": ["x"]},
        {"offset": 9, "last": [None]},
    ],
)
def test_what_is_no_position_is_refused_before_any_request(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        LogSession("sk-1").lines(JOB, at=wrong)


def test_a_position_and_an_offset_contradict_each_other() -> None:
    with pytest.raises(InvalidArgumentError, match="`at` says where to begin"):
        LogSession("sk-1").lines(JOB, offset=3, at={"offset": 0, "last": []})


@given(st.lists(st.text(), max_size=5), st.integers(0, 10**12))
def test_every_position_is_accepted_as_it_was_stored(lines: list[str], further: int) -> None:
    place = {"offset": len(lines) + further, "last": list(digests(lines))}
    assert checks.position(json.loads(json.dumps(place))) == place


@pytest.mark.parametrize("offset", [1, 2, 5, 6, 12])
@pytest.mark.parametrize("more", [[], ["next"], numbered(30)])
async def test_a_last_line_that_goes_on_is_told_of_and_those_after_it_are_read(
    connect: Connect, caplog: pytest.LogCaptureFixture, offset: int, more: list[str]
) -> None:
    before = numbered(offset - 1)
    job = EmulatedJob(JOB, [*before, " 50%|##"], status="RUNNING")
    async with Emulator([job]) as emulator, connect(emulator) as session:
        lines = session.lines(JOB)
        await lines.collect()
        assert lines.grown is None
        job.rewrite([*before, " 50%|##\r100%|####", *more])
        rest = session.lines(JOB, at=json.loads(json.dumps(lines.position)))
        assert await rest.collect() == more
        assert rest.grown == offset - 1
        assert rest.position["last"] == list(digests(job.lines[-5:]))
        assert caplog.messages == [
            f"{JOB}: line {offset - 1} goes on; it was handed out as it was before"
        ]
        whole = await session.page(JOB, rest.grown, 1)
        assert whole.lines == (" 50%|##\r100%|####",)
        again = session.lines(JOB, at=rest.position)
        assert (await again.collect(), again.grown) == ([], None)


@pytest.mark.parametrize("old", ["", "bar"])
async def test_a_line_that_goes_on_is_none_if_the_lines_before_it_do_not_tell_so(
    connect: Connect, old: str
) -> None:
    job = EmulatedJob(JOB, ["", "", old], status="RUNNING")
    async with Emulator([job]) as emulator, connect(emulator) as session:
        lines = session.lines(JOB)
        await lines.collect()
        job.rewrite(["", "", "other bar"] if old == "" else ["", "x", "bar |"])
        with pytest.raises(LogRewrittenError):
            await session.lines(JOB, at=lines.position).collect()
