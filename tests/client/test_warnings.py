"""Who makes errors of warnings, as many a test suite does, gets none because of us, on any Python."""

import inspect
import subprocess
import sys
import warnings

import pytest


def iscoroutinefunction(function: object) -> bool:
    """What asyncio's function of this name does from Python 3.14 on."""
    warnings.warn("'asyncio.iscoroutinefunction' is deprecated", DeprecationWarning, stacklevel=2)
    return inspect.iscoroutinefunction(function)


RETRYING = f"""
import asyncio, inspect, warnings
import aiohttp.web  # has a filter of its own

{inspect.getsource(iscoroutinefunction)}
asyncio.iscoroutinefunction = iscoroutinefunction
before = list(warnings.filters)

from dashscope_ftlogs import LogSession, RetryPolicy
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse

async def main():
    with Emulator([EmulatedJob("ft-1", ["x"])], faults=[Fault(Refuse(503), on=[1])]) as emulator:
        quick = RetryPolicy(base_delay=0.001)
        async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=quick) as session:
            page = await session.page("ft-1")
            assert (page.lines, page.attempts) == (("x",), 2)

asyncio.run(main())
assert warnings.filters == before
iscoroutinefunction(main)
"""


@pytest.mark.covered
def test_backoff_warns_nobody_and_all_other_warnings_are_as_before() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", RETRYING], capture_output=True, text=True, check=False
    )
    assert ended.stderr.splitlines()[-1:] == [
        "DeprecationWarning: 'asyncio.iscoroutinefunction' is deprecated"
    ]
    assert "backoff" not in ended.stderr
