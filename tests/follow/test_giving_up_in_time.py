"""What follows gives up when it was told to, however rare turns to ask are; in virtual time."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from following import JOB, in_virtual_time, live
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dashscope_ftlogs import (
    FTLogsError,
    IncompleteLogError,
    LogSession,
    RequestEvent,
    RetryPolicy,
    ThrottlingError,
)
from dashscope_ftlogs.emulator import (
    BadJson,
    EmulatedJob,
    Emulator,
    Fault,
    Refuse,
    Reply,
    ReportTotal,
    Reset,
    Stall,
)
from dashscope_ftlogs.follow.answer_in_time import in_time

REFUSED = Refuse(429, "Throttling.RateQuota", "Requests rate limit exceeded.")
MORE_TIME = "Lower the concurrency, or allow more time."


def asked(session: LogSession, what: str, seconds: float) -> Any:
    if what == "follow":
        return session.follow(JOB, give_up_after=seconds)
    return session.running_jobs(every=10, give_up_after=seconds)


def lasted(what: str, seconds: float, rate: float, answers: int) -> float:
    """Return for how long a service was asked that answers some requests, and refuses all others."""

    async def run() -> float:
        clock = asyncio.get_running_loop().time
        job = live([5.0 * n for n in range(1, 1000)])
        async with (
            Emulator([job], clock=clock, compress=False) as server,
            LogSession(server.api_key, base_url=server.base_url, max_rate=rate) as session,
        ):
            refused = frozenset(range(answers + 1, 2000))
            server.faults = [Fault(REFUSED, endpoint="any", on=refused)]
            with pytest.raises(ThrottlingError) as caught:
                async for _ in asked(session, what, seconds):
                    pass
            assert caught.value.outlasted
            first = next(exchange.at for exchange in server.journal if exchange.status == 429)
            return clock() - first

    return float(in_virtual_time(run()))


@pytest.mark.unmeasured
@pytest.mark.parametrize("what", ["follow", "running_jobs"])
@settings(max_examples=30)
@given(
    seconds=st.floats(1, 250),
    rate=st.floats(0.001, 10),
    answers=st.integers(0, 5),
)
def test_it_gives_up_in_time_though_turns_are_rare(
    what: str, seconds: float, rate: float, answers: int
) -> None:
    assert lasted(what, seconds, rate, answers) <= 1.25 * seconds + 1


REPLIES = st.sampled_from([Stall(9e5), Refuse(503), REFUSED, Reset(), BadJson()])


@pytest.mark.parametrize("what", ["follow", "running_jobs"])
@settings(max_examples=20)
@given(
    seconds=st.floats(1, 1000),
    timeout=st.floats(0.5, 500),
    answers=st.integers(0, 6),
    before=st.lists(REPLIES, max_size=3),
    last=REPLIES,
)
@example(seconds=4.0, timeout=60.0, answers=0, before=[], last=Stall(9e5))
@example(seconds=4.0, timeout=60.0, answers=3, before=[Refuse(503)], last=Stall(9e5))
def test_it_gives_up_in_time_whatever_comes_in_place_of_answers(
    what: str, seconds: float, timeout: float, answers: int, before: list[Reply], last: Reply
) -> None:
    async def run() -> float:
        clock = asyncio.get_running_loop().time
        first: list[float] = []
        job = live([5.0 * n for n in range(1, 1000)])

        def on_request(event: RequestEvent) -> None:
            if event.error is not None and not first:
                first.append(clock() - event.seconds)

        async with (
            Emulator([job], clock=clock, compress=False) as server,
            LogSession(
                server.api_key, base_url=server.base_url, timeout=timeout, on_request=on_request
            ) as session,
        ):
            ends = len(before) + answers + 1
            odd = [
                Fault(reply, endpoint="any", on=frozenset({n}))
                for n, reply in enumerate(before, answers + 1)
            ]
            server.faults = [*odd, Fault(last, endpoint="any", on=frozenset(range(ends, 9000)))]
            with pytest.raises(FTLogsError) as caught:
                async for _ in asked(session, what, seconds):
                    pass
            assert caught.value.outlasted
            return clock() - first[0]

    assert in_virtual_time(run()) <= 1.25 * seconds + 1


@settings(max_examples=8)
@given(seconds=st.floats(1, 100), answers=st.integers(3, 9))
@example(seconds=4.0, answers=3)
def test_it_gives_up_in_time_where_lines_are_missing(seconds: float, answers: int) -> None:
    async def run() -> float:
        clock, job = asyncio.get_running_loop().time, EmulatedJob(JOB, ["a line"], status="RUNNING")
        async with (
            Emulator([job], clock=clock, compress=False) as server,
            LogSession(server.api_key, base_url=server.base_url) as session,
        ):
            server.faults = [Fault(ReportTotal(9000), endpoint="logs", on=range(answers, 9000))]
            with pytest.raises(IncompleteLogError) as caught:
                async for _ in asked(session, "follow", seconds):
                    pass
            assert caught.value.outlasted
            logs = [exchange.at for exchange in server.journal if exchange.endpoint == "logs"]
            return clock() - logs[answers - 1]

    assert in_virtual_time(run()) <= 1.25 * seconds + 1


@pytest.mark.covered
@pytest.mark.parametrize("what", ["follow", "running_jobs"])
@given(seconds=st.integers(2, 500), wish=st.integers(0, 1000))
@settings(max_examples=15)
def test_what_is_said_of_the_time_is_what_was_allowed_whatever_the_server_asks_for(
    what: str, seconds: int, wish: int
) -> None:
    async def run() -> str:
        clock = asyncio.get_running_loop().time
        async with (
            Emulator([live([5.0])], clock=clock, compress=False) as server,
            LogSession(server.api_key, base_url=server.base_url) as session,
        ):
            await session.job(JOB)
            server.faults = [f"429:retry-after={wish},endpoint=any"]
            with pytest.raises(ThrottlingError) as caught:
                async for _ in asked(session, what, seconds):
                    pass
            return str(caught.value)

    said = in_virtual_time(run())
    asked_for = f"The server asked for a wait of {wish} s, which would end after the {seconds} s that"
    assert said.endswith(
        (
            f". It has lasted for {seconds} s, as long as was allowed. {MORE_TIME}",
            f". {asked_for} were allowed. {MORE_TIME}",
        )
    )
    assert ("asked for" in said) >= (wish > seconds)


@pytest.mark.parametrize("what", ["follow", "running_jobs"])
def test_a_time_out_that_the_application_raises_is_its_own(what: str) -> None:
    async def run() -> None:
        clock = asyncio.get_running_loop().time
        raised = TimeoutError("its own")

        def on_request(event: RequestEvent) -> None:
            if event.error is None:
                raise raised

        faults = [Fault(REFUSED, endpoint="any", times=3)]
        async with (
            Emulator([live([5.0])], clock=clock, compress=False, faults=faults) as server,
            LogSession(
                server.api_key,
                base_url=server.base_url,
                on_request=on_request,
                retry=RetryPolicy(max_tries=1),
            ) as session,
        ):
            with pytest.raises(TimeoutError) as caught:
                async for _ in asked(session, what, 100):
                    pass
            assert caught.value is raised

    in_virtual_time(run())


@pytest.mark.parametrize("what", ["follow", "running_jobs"])
def test_once_it_is_answered_rare_turns_are_no_failure(what: str) -> None:
    async def run() -> float:
        clock = asyncio.get_running_loop().time
        jobs = [EmulatedJob(f"ft-of-{n}", ["a line"], status="RUNNING") for n in range(150)]
        log = EmulatedJob(JOB, ["a line"] * 5000)
        faults = [Fault(REFUSED, endpoint=endpoint, times=1) for endpoint in ("list", "logs")]
        async with (
            Emulator([log, *jobs], clock=clock, compress=False, faults=faults) as server,
            LogSession(
                server.api_key,
                base_url=server.base_url,
                max_rate=0.02,
                retry=RetryPolicy(max_tries=1),
            ) as session,
        ):
            began, found = clock(), 0
            async with aclosing(asked(session, what, 100)) as items:
                async for _ in items:
                    found += 1
                    if found == (5000 if what == "follow" else 150):
                        return clock() - began
            return 0.0

    assert in_virtual_time(run()) > 125


@pytest.mark.parametrize(
    "failure", [None, ThrottlingError(status=429, code="Throttling", message="slower")]
)
async def test_a_time_out_of_the_caller_s_own_code_stays_what_it_is(
    failure: ThrottlingError | None,
) -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with in_time(failure, asyncio.get_running_loop().time(), 60.0):
            raise TimeoutError("mine")
