"""The life of a session: made of settings, entered, closed, and opened again."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dashscope_ftlogs import (
    ConfigError,
    InvalidArgumentError,
    LogSession,
    NotFoundError,
    SessionStateError,
    TransportError,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Stall

Connect = Callable[..., LogSession]
JOB = "ft-1"


async def test_over_plain_http_a_proxy_named_in_the_environment_is_not_used(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Emulator() as proxy, Emulator([EmulatedJob(JOB, ["x"])]) as emulator:
        monkeypatch.setenv("http_proxy", proxy.base_url)
        async with connect(emulator) as session:
            await session.page(JOB)
        assert proxy.journal == []


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"timeout": 0}, {"max_answer": 1}, {"timeout": float("nan")}]
)
def test_a_session_refuses_numbers_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        LogSession("sk-1", **options)  # type: ignore[arg-type]


async def test_a_session_must_be_entered_first() -> None:
    with pytest.raises(SessionStateError, match="async with LogSession"):
        await LogSession("sk-1").job(JOB)


async def test_a_session_is_entered_once_at_a_time(connect: Connect) -> None:
    async with Emulator() as emulator, connect(emulator) as session:
        with pytest.raises(SessionStateError, match="open already"):
            await session.__aenter__()


async def test_a_session_can_be_opened_again(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, ["x"])]) as emulator:
        session = connect(emulator)
        for _ in range(2):
            async with session:
                assert (await session.page(JOB)).lines == ("x",)


async def test_a_session_that_was_not_closed_warns(connect: Connect) -> None:
    async with Emulator() as emulator, aiohttp.ClientSession() as client:
        session = connect(emulator, client_session=client)
        await session.__aenter__()
        with pytest.warns(ResourceWarning, match="was not closed"):
            del session


def test_a_session_that_could_not_be_made_leaves_in_silence() -> None:
    with pytest.raises(ConfigError):
        LogSession(base_url="nonsense")


async def test_a_given_aiohttp_session_is_used_and_left_open(connect: Connect) -> None:
    async with (
        Emulator([EmulatedJob(JOB, ["x"])]) as emulator,
        aiohttp.ClientSession(headers={"X-Mine": "yes"}, raise_for_status=True) as client,
    ):
        async with connect(emulator, client_session=client) as session:
            await session.page(JOB)
            with pytest.raises(NotFoundError):
                await session.page("ft-2")
        assert not client.closed
        assert emulator.journal[0].headers["x-mine"] == "yes"


async def test_settings_files_give_timeout_and_retries(home: Path) -> None:
    folder = home / ".dashscope"
    folder.mkdir()
    async with Emulator([EmulatedJob(JOB, ["x"])], faults=[Fault(Stall(60))]) as emulator:
        (folder / "api_key").write_text(emulator.api_key + "\n")
        (folder / "config.toml").write_text(
            f'base_url = "{emulator.base_url}"\ntimeout = 0.02\nmax_retries = 0\n'
        )
        async with LogSession() as session:
            with pytest.raises(TransportError, match=r"timed out after 0.02 s") as caught:
                await session.page(JOB)
    assert caught.value.attempts == 1


async def test_a_settings_file_that_cannot_be_read_is_named(home: Path) -> None:
    (home / ".dashscope" / "config.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"cannot read .*config\.toml"):
        LogSession()


READS: dict[str, Callable[[LogSession], Any]] = {
    "jobs": lambda session: session.jobs(),
    "fetch_many": lambda session: session.fetch_many([JOB]),
    "lines": lambda session: session.lines(JOB),
    "pages": lambda session: session.lines(JOB).pages(),
    "follow": lambda session: session.follow(JOB),
    "events": lambda session: session.follow(JOB).pages(),
}
COPIES: list[Callable[[Any], object]] = [copy.copy, copy.deepcopy, pickle.dumps]


@pytest.mark.parametrize("copied", COPIES, ids=lambda one: f"{one.__module__}.{one.__name__}")
@pytest.mark.parametrize("read", READS)
async def test_what_is_being_read_is_neither_copied_nor_pickled_and_goes_on(
    connect: Connect, read: str, copied: Callable[[Any], object]
) -> None:
    async with Emulator([EmulatedJob(JOB, ["x"])]) as emulator, connect(emulator) as session:
        async with READS[read](session) as items:
            with pytest.raises(TypeError, match="is neither copied nor pickled: ask the session for"):
                copied(items)
            assert await anext(aiter(items))
