"""The pytest plugin, as users' own test suites see it: each test here runs pytest on one of them."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dashscope_ftlogs import pytest_plugin

pytest_plugins = ["pytester"]

READ = """
    from dashscope_ftlogs import LogSession
    from dashscope_ftlogs.emulator import EmulatedJob

    LOG = [f"line {number}" for number in range(50)]

    async def read(emulator, session):
        emulator.add(EmulatedJob("ft-1", LOG))
        emulator.faults = ["429:on=1", "reset:on=2"]
        async with session:
            assert await session.lines("ft-1", page_size=20).collect() == LOG
        assert len(emulator.journal) == 5
"""

QUICKER = ("-p", "no:hypothesispytest")  # which takes longer to load than all the rest

Suite = Callable[..., None]


@pytest.fixture
def passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Run a user's tests: all of them pass, and nothing is warned of, not even in dev mode."""

    # pytest rewrites the assertions of a plugin's whole package; where that is kept, only once.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)

    def run(code: str, *options: str, passed: int = 1, xfailed: int = 0) -> None:
        pytester.makepyfile(READ + code)
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
        command = (sys.executable, "-X", "dev", "-m", "pytest", "-W", "error", *QUICKER, *options)
        pytester.run(*command, timeout=60).assert_outcomes(passed=passed, xfailed=xfailed)

    return run


@pytest.mark.covered
def test_the_example_in_its_docstring_runs(passes: Suite) -> None:
    documentation = inspect.getdoc(pytest_plugin) or ""
    example = documentation.partition("::\n")[2].partition("\nWhat can go wrong")[0]
    passes(example, "-o", "asyncio_mode=auto")


def test_it_serves_sync_tests_and_those_of_both_frameworks_alike(passes: Suite) -> None:
    passes(
        """
    import asyncio
    import pytest
    import subprocess
    import sys

    def test_without_a_framework(ftlogs_emulator, ftlogs_session):
        asyncio.run(read(ftlogs_emulator, ftlogs_session))

    @pytest.mark.asyncio
    async def test_with_pytest_asyncio(ftlogs_emulator, ftlogs_session):
        await read(ftlogs_emulator, ftlogs_session)

    @pytest.mark.anyio
    @pytest.mark.parametrize("anyio_backend", ["asyncio"])
    async def test_with_anyio(ftlogs_emulator, ftlogs_session):
        await read(ftlogs_emulator, ftlogs_session)

    def test_of_another_process(ftlogs_emulator):
        ftlogs_emulator.add(EmulatedJob("ft-1", LOG))
        code = "from dashscope_ftlogs import LogSession; print(LogSession().base_url)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert run.stdout.strip() == ftlogs_emulator.base_url
    """,
        *("-o", "asyncio_mode=strict"),
        passed=4,
    )


def test_nothing_that_is_set_on_this_machine_reaches_a_test_and_all_of_it_is_back_afterwards(
    passes: Suite, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    config = home / ".dashscope/config.toml"
    config.parent.mkdir()
    config.write_text('api_key = "sk-mine"\ntimeout = "no number"\n')
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-mine")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "https://example.org/api/v1")
    monkeypatch.setenv("DASHSCOPE_WORKSPACE", "mine")
    monkeypatch.setenv("DASHSCOPE_CONFIG", str(config))
    passes(
        """
    import asyncio
    import os

    def mine():
        return {name: value for name, value in os.environ.items() if name.startswith("DASHSCOPE_")}

    BEFORE = mine()

    def test_a_session_that_is_told_nothing(ftlogs_emulator, monkeypatch):
        monkeypatch.undo()  # a test's own undoing is no business of the fixture
        asyncio.run(read(ftlogs_emulator, LogSession()))
        headers = ftlogs_emulator.journal[0].headers
        assert headers["authorization"] == "Bearer " + ftlogs_emulator.api_key
        assert "x-dashscope-workspace" not in headers

    def test_afterwards():
        assert len(BEFORE) == 4
        assert mine() == BEFORE
    """,
        passed=2,
    )


@pytest.mark.covered
def test_however_a_test_ends_no_thread_or_socket_or_job_or_fault_outlives_it(passes: Suite) -> None:
    passes(
        """
    import asyncio
    import pytest
    import socket
    import threading
    from urllib.parse import urlsplit

    ADDRESSES = []

    @pytest.fixture(params=range(2))
    def nothing_of_the_last_one(request):
        yield
        for address in ADDRESSES:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address).close()
        assert "ftlogs emulator" not in {thread.name for thread in threading.enumerate()}

    @pytest.mark.xfail(raises=ZeroDivisionError, strict=True)
    def test_fails_in_mid_answer(nothing_of_the_last_one, ftlogs_emulator, ftlogs_session):
        assert not ftlogs_emulator.jobs and not ftlogs_emulator.faults
        url = urlsplit(ftlogs_emulator.base_url)
        ADDRESSES.append((url.hostname, url.port))
        ftlogs_emulator.add(EmulatedJob("ft-1", LOG))
        ftlogs_emulator.faults = ["stall=600"]

        async def give_up():
            async with ftlogs_session as session:
                reading = asyncio.ensure_future(session.page("ft-1"))
                while not ftlogs_emulator.in_flight:
                    await asyncio.sleep(0.001)
                reading.cancel()
                raise ZeroDivisionError

        asyncio.run(give_up())

    def test_one_was_asked_for_in_vain(nothing_of_the_last_one, ftlogs_session):
        pass
    """,
        passed=2,
        xfailed=2,
    )


@pytest.mark.covered
def test_those_who_do_not_use_it_pay_for_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
    import sys

    def pytest_unconfigure():
        ours = sorted(name for name in sys.modules if name.startswith("dashscope_ftlogs"))
        print(ours, {"aiohttp", "attrs", "backoff", "msgspec"} & set(sys.modules))
    """
    )
    pytester.makepyfile("def test_of_something_else(): pass")
    options = ("-p", "no:asyncio", "-p", "no:anyio", *QUICKER)
    result = pytester.run(sys.executable, "-m", "pytest", "-W", "error", *options, timeout=60)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("*'dashscope_ftlogs', 'dashscope_ftlogs.pytest_plugin'] set()")
