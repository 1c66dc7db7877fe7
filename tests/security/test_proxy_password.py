"""A proxy's name and password are shown nowhere."""

import asyncio
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from company_wall import GATEWAY, Wall, port_of
from shown_locals import as_rich_prints_it

from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

PASSWORD = "hunter2hunter2"
IN_BASE64 = "aHVudGVyMmh1bnRlcj"
RETRY = RetryPolicy(max_tries=2, base_delay=0.001)
REFUSALS = [
    b"HTTP/1.1 407 hunter2hunter2\r\n\r\n",
    b"HTTP/1.1 502 No\r\n\r\n",
    b"hunter2hunter2\r\n\r\n",
    b"",
]


def holds(text: str) -> bool:
    return PASSWORD in text or IN_BASE64 in text


@pytest.mark.parametrize("answer", [*REFUSALS, None], ids=ascii)
async def test_they_are_in_no_error_traceback_log_or_repr(
    answer: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    wall = Wall(tmp_path)
    if answer is not None:
        wall.answer = lambda writer: writer.write(answer)
    async with (
        Emulator([EmulatedJob("ft-1", ["x"])]) as emulator,
        wall.tls(port_of(emulator), GATEWAY) as port,
        wall.proxy(port) as proxy,
    ):
        named = proxy.replace("//", f"//me:{PASSWORD}@")
        url = f"https://{GATEWAY}/api/v1"
        session = LogSession("sk-1", base_url=url, proxy=named, retry=RETRY, timeout=20)
        async with session:
            with pytest.raises(FTLogsError) as caught:
                await session.page("ft-1")
    assert any("Proxy-Authorization: Basic bWU6aHVudGVyM" in head for head in wall.asked)
    error = caught.value
    shown = as_rich_prints_it(error)
    assert "locals" in shown
    for text in (shown, str(error), repr(error), repr(vars(error)), repr(session), caplog.text):
        assert not holds(text)
    assert PASSWORD.encode() not in pickle.dumps(error)
    assert (error.__cause__, error.__context__) == (None, None)
    for one in (session, session._transport, session._transport.connections.options):
        assert not holds(repr(one))
        with pytest.raises(TypeError):
            pickle.dumps(one)


@pytest.mark.parametrize("scheme", ["socks5", "ftp", "http"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY", None])
def test_nor_in_those_of_a_session_that_could_not_be_made(
    scheme: str, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = f"{scheme}://me:{PASSWORD}@proxy.example:3128/path"
    options: dict[str, Any] = {} if variable else {"proxy": proxy}
    if variable:
        monkeypatch.setenv(variable, proxy)
    with pytest.raises(FTLogsError) as caught:
        LogSession("sk-1", **options)
    shown = as_rich_prints_it(caught.value)
    assert "locals" in shown
    assert not holds(shown + str(caught.value))
