"""Sessions of profiles with one key are paced as one; others never hold each other up."""

import asyncio
from pathlib import Path

import pytest

from dashscope_ftlogs import LogSession, RetryPolicy
from dashscope_ftlogs.client.pacing.gates_of_keys import gate_of
from dashscope_ftlogs.client.pacing.request_gate import Gate
from dashscope_ftlogs.client.pacing.requests_in_flight import InFlight
from dashscope_ftlogs.client.pacing.requests_per_second import Rate
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse

PATIENT = RetryPolicy(base_delay=0.01)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    monkeypatch.setenv("DASHSCOPE_CONFIG", str(path))
    return path


def profiles(config: Path, **keys: str) -> None:
    tables = (f"[profiles.{name}]\napi_key = {key!r}\n" for name, key in keys.items())
    config.write_text("".join(tables), "utf-8")


async def test_what_one_learns_of_a_key_all_with_that_key_know(config: Path) -> None:
    fault = Fault(Refuse(429, "Throttling.RateQuota", "slow"), times=1)
    async with Emulator([EmulatedJob("ft-1", ["x"])], faults=[fault]) as emulator:
        key = emulator.api_key
        profiles(config, search=key, support=key, lab="sk-another")

        def session(profile: str, **options: int) -> LogSession:
            return LogSession(profile=profile, base_url=emulator.base_url, retry=PATIENT, **options)

        async with (
            session("search") as search,
            session("support") as support,
            session("lab") as lab,
            session("support", concurrency=3) as own,
        ):
            await search.page("ft-1")
            assert search.throttled
            assert support.throttled
            assert not lab.throttled
            assert not own.throttled, "other bounds were asked for"
            assert (search.requests, support.requests) == (2, 0)
            await support.page("ft-1")
            assert (search.requests, support.requests) == (2, 1)
            assert search.with_options(timeout=5).throttled


async def test_as_many_requests_are_in_flight_as_one_session_would_send(config: Path) -> None:
    profiles(config, search="sk-one", support="sk-one", lab="sk-two")
    inside = most = 0

    async def hold(session: LogSession) -> None:
        nonlocal inside, most
        gate = session._transport.gate
        await gate.enter("ft-1")
        inside, most = inside + 1, max(most, inside + 1)
        await asyncio.sleep(0)
        inside -= 1
        gate.leave()

    made = [LogSession(profile=name, concurrency=2) for name in ("search", "support") for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for one in made * 5:
            group.create_task(hold(one))
    assert most == 2


def test_where_no_loop_runs_a_session_has_a_gate_of_its_own() -> None:
    def make() -> Gate:
        return Gate(InFlight(), Rate())

    async def in_a_loop() -> list[Gate]:
        return [gate_of("key", make), gate_of("key", make), gate_of("other", make)]

    assert gate_of("key", make) is not gate_of("key", make)
    one, same, other = asyncio.run(in_a_loop())
    assert one is same
    assert other is not one
    assert one not in asyncio.run(in_a_loop()), "of another loop"


async def test_without_a_profile_each_session_is_for_itself() -> None:
    one, other = (LogSession("sk-1", base_url="http://127.0.0.1:1") for _ in range(2))
    assert one._transport.gate is not other._transport.gate
