"""Fixtures for tests of your own code: a local Model Studio, with no network and no key.

pytest finds them once the extra `testing` is installed. They are plain fixtures, so they do in tests of
any kind: with pytest-asyncio, with anyio, and without either. ::

    from dashscope_ftlogs.emulator import EmulatedJob

    async def first_loss(session, job_id):  # the code under test
        async for line in session.lines(job_id):
            if "'loss'" in line:
                return line

    async def test_the_first_loss_is_found_though_the_service_throttles(ftlogs_emulator, ftlogs_session):
        ftlogs_emulator.add(EmulatedJob("ft-1", ["Training start!", "{'loss': 1.5}"]))
        ftlogs_emulator.faults = ["429:times=2", "reset:on=3"]
        async with ftlogs_session as session:
            assert await first_loss(session, "ft-1") == "{'loss': 1.5}"
        assert [one.fault for one in ftlogs_emulator.journal] == ["Refuse", "Refuse", "Reset", None]

What can go wrong, and how that is written: `dashscope_ftlogs.emulator.parse_fault`.
"""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashscope_ftlogs import LogSession
    from dashscope_ftlogs.emulator import Emulator

# pytest loads this module in every run of everyone who has the package: what is needed only by a test
# that uses a fixture is imported there.


@pytest.fixture
def ftlogs_emulator() -> "Iterator[Emulator]":
    """Give a `dashscope_ftlogs.emulator.Emulator` of this test's own, at first without jobs or faults.

    It runs in a thread until the test has ended. Meanwhile the environment leads to it and nowhere else:
    `LogSession()` and the command `ftlogs` find it, whatever is set on this machine.
    """
    from dashscope_ftlogs.emulator import Emulator  # noqa: PLC0415

    with Emulator() as emulator, pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("DASHSCOPE_")]:
            environment.delenv(name)
        for name, value in emulator.environ.items():
            environment.setenv(name, value)
        environment.setenv("DASHSCOPE_CONFIG", os.devnull)
        yield emulator


@pytest.fixture
def ftlogs_session(ftlogs_emulator: "Emulator") -> "LogSession":
    """Give a `LogSession` for `ftlogs_emulator`, to be entered: `async with ftlogs_session as session:`.

    It retries as often as any other, but waits for milliseconds only, or for what `Retry-After` says.
    The machines of the service are taken to lag by half a second at most (`RetryPolicy.lag`).
    """
    from dashscope_ftlogs import LogSession, RetryPolicy  # noqa: PLC0415

    return LogSession(
        ftlogs_emulator.api_key,
        base_url=ftlogs_emulator.base_url,
        retry=RetryPolicy(base_delay=0.001, max_delay=0.002, lag=0.5),
    )
