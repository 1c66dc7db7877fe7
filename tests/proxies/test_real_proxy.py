"""Through a proxy that others wrote, to a server that speaks TLS."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from company_wall import Wall, port_of

from dashscope_ftlogs import LogSession, ProxyError, RetryPolicy
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytest.importorskip("proxy", reason="needs proxy.py: nox -s proxies")

LINES = [f"line {n}" for n in range(2500)]
ONCE = RetryPolicy(max_tries=1)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A proxy on this machine that wants a name and password; give its URL without them."""
    port = tmp_path_factory.mktemp("proxy") / "port"
    words = ("--hostname", "127.0.0.1", "--port", "0", "--port-file", str(port), "--num-workers", "1")
    command = (sys.executable, "-m", "proxy", *words, "--num-acceptors", "1", "--basic-auth", "me:p@ss")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not (port.exists() and port.read_text()):
                assert process.poll() is None
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port.read_text().strip()}"
        finally:
            process.terminate()


@attrs.frozen
class Walled:
    """A service behind a proxy that wants a name and password."""

    emulator: Emulator
    url: str
    ca_file: str


@pytest.fixture
async def walled(tmp_path: Path) -> AsyncIterator[Walled]:
    wall = Wall(tmp_path)
    async with (
        Emulator([EmulatedJob("ft-1", LINES)]) as emulator,
        wall.tls(port_of(emulator), "localhost") as port,
    ):
        yield Walled(emulator, f"https://localhost:{port}/api/v1", wall.ca_file)


def session(walled: Walled, **options: Any) -> LogSession:
    key = walled.emulator.api_key
    return LogSession(key, base_url=walled.url, ca_file=walled.ca_file, retry=ONCE, **options)


async def test_every_line_comes_through_it(walled: Walled, proxy: str) -> None:
    named = proxy.replace("//", "//me:p%40ss@")
    async with session(walled, proxy=named, concurrency=4) as one:
        assert await one.lines("ft-1", page_size=100).collect() == LINES


@pytest.mark.parametrize("named", ["//", "//me:wrong@", "//you:p%40ss@"])
async def test_without_its_password_it_refuses_in_our_words(
    named: str, walled: Walled, proxy: str
) -> None:
    async with session(walled, proxy=proxy.replace("//", named)) as one:
        with pytest.raises(ProxyError, match="asks for a name and password") as caught:
            await one.page("ft-1")
    assert not caught.value.passing
    assert walled.emulator.journal == []


async def test_where_it_finds_nobody_that_is_told(walled: Walled, proxy: str) -> None:
    key, named = walled.emulator.api_key, proxy.replace("//", "//me:p%40ss@")
    url = "https://localhost:1/api/v1"
    async with LogSession(key, base_url=url, proxy=named, retry=ONCE) as one:
        with pytest.raises(ProxyError, match="refused with HTTP 502") as caught:
            await one.page("ft-1")
    assert caught.value.passing


async def test_the_command_goes_through_it(walled: Walled, proxy: str) -> None:
    environ = {
        "DASHSCOPE_API_KEY": walled.emulator.api_key,
        "DASHSCOPE_BASE_URL": walled.url,
        "https_proxy": proxy.replace("//", "//me:p%40ss@"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashscope_ftlogs", "cat", "ft-1", "--ca-file", walled.ca_file),
        env=os.environ | environ,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.decode().splitlines() == LINES
