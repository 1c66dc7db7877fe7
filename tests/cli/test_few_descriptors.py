"""Where hardly a file may be opened, a command says so, and leaves no traceback."""

import asyncio
import os
import shlex
import sys

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

# Measuring takes files, too.
FEW = [pytest.param(limit, marks=pytest.mark.unmeasured) for limit in (6, 8, 10, 12, 14)] + [16]


@pytest.mark.posix
@pytest.mark.parametrize("limit", FEW)
@pytest.mark.parametrize("words", ["cat ft-1", "download ft-1 --settle 0 --out logs"])
async def test_a_limit_that_leaves_no_room_is_named(tmp_path: object, limit: int, words: str) -> None:
    async with Emulator([EmulatedJob("ft-1", ["a"])]) as emulator:
        command = f"exec {shlex.quote(sys.executable)} -m dashscope_ftlogs {words}"
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f"ulimit -n {limit}; {command}"),
            cwd=str(tmp_path),
            env=os.environ
            | {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert emulator.journal == []
    assert (process.returncode, out) == (1, b"")
    told = "ftlogs: too few files may be open at once: raise the limit (ulimit -n)\n"
    assert err.decode() == told
