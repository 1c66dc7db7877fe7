"""A command from the fork server is like one that an interpreter was started for."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from fork_server import Forked, ForkServer

from dashscope_ftlogs.cli.app import COMMANDS

unmeasured = pytest.mark.unmeasured


async def started(*words: str) -> asyncio.subprocess.Process:
    """Start the command as users do."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashscope_ftlogs", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@unmeasured
def test_it_has_one_thread_as_forking_asks_for(fork_server: ForkServer) -> None:
    assert fork_server.threads == 1


@unmeasured
async def test_commands_come_from_it_but_for_what_only_the_start_of_python_reads(
    start_ftlogs: Any,
) -> None:
    for environ, forked in (({}, True), ({"TERM": "xterm"}, True), ({"PYTHONUTF8": "1"}, False)):
        process = await start_ftlogs(("--version",), None, environ)
        assert isinstance(process, Forked) == forked
        assert (await process.communicate())[1] == b""
        assert process.returncode == 0


@unmeasured
@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        (),
        ("no-such-command",),
        ("cat", "ft-1"),
        ("verify", "nowhere"),
        ("plot", "./no.log"),
        *((command, "--help") for command in COMMANDS),
    ],
    ids=" ".join,
)
async def test_it_says_and_returns_the_same(start_ftlogs: Any, words: tuple[str, ...]) -> None:
    one, other = await start_ftlogs(words, None), await started(*words)
    assert isinstance(one, Forked)
    assert await one.communicate() == await other.communicate()
    assert one.returncode == other.returncode


@unmeasured
@pytest.mark.linux  # where there is a /proc to see it in
async def test_its_descriptors_signals_and_surroundings_are_the_same(start_ftlogs: Any) -> None:
    seen = []
    for process in (await start_ftlogs(("emulator",), None), await started("emulator")):
        assert (await process.stdout.readline()).startswith(b"export ")
        of = Path("/proc") / str(process.pid)
        status = dict(line.split(":\t", 1) for line in (of / "status").read_text().splitlines())
        seen.append(
            {name: status[name] for name in ("Umask", "Threads")}
            | {
                # Those that have names; the others are the C library's own.
                **{name: int(status[name], 16) & 0x7FFFFFFF for name in ("SigBlk", "SigIgn", "SigCgt")},
                # What it opened itself is not compared by number.
                "opened": sorted(str(one.readlink()).partition(":")[0] for one in of.glob("fd/*")),
                "folder": (of / "cwd").readlink(),
                "limits": (of / "limits").read_text(),
                "group and session": (os.getpgid(process.pid), os.getsid(process.pid)),
            }
        )
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == 0
    assert seen[0] == seen[1]


@unmeasured
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_no_signal_is_lost_however_early_it_comes(start_ftlogs: Any, number: int) -> None:
    process = await start_ftlogs(("emulator",), None)
    process.send_signal(number)
    await process.communicate()
    assert process.returncode in {0, 130, -number}


@unmeasured
async def test_it_ends_with_those_who_use_it() -> None:
    server = ForkServer()
    process = await Forked.start(server, ("--version",), os.environ, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    server.end()
    assert out.startswith(b"ftlogs ")


async def test_what_its_commands_cover_is_told_to_it_and_fills_no_files(start_ftlogs: Any) -> None:
    measured = Coverage.current()
    if measured is None:
        pytest.skip("nothing is measured")
    process = await start_ftlogs(("--version",), None)
    await process.communicate()
    assert not list(Path(measured.config.data_file).parent.glob(f"*.pid{process.pid}.*"))
