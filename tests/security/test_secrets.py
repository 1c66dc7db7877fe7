"""The key is sent to the configured host, and shown nowhere."""

import asyncio
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import ConfigError, FTLogsError, LogSession, RetryPolicy
from dashscope_ftlogs.emulator import (
    BadJson,
    Body,
    Close,
    CutBody,
    EmulatedJob,
    Emulator,
    Endless,
    Fault,
    Html,
    Redirect,
    Refuse,
    Reply,
    Reset,
    Schedule,
    Stall,
)

KEY = "sk-4f1cda7e91b26d53"

FAILURES = [
    Refuse(400),
    Refuse(401, "InvalidApiKey", f"Invalid API-key provided: {KEY}."),
    Refuse(429),
    Html(502),
    Body(f'{{"output": "{KEY}"}}'.encode()),
    Body(f"<p>{KEY}</p>".encode()),
    Body(b"{}", headers={"x-request-id": KEY}),
    Redirect(f"https://example.com/{KEY}"),
    Reset(),
    Close(),
    CutBody(),
    BadJson(),
    Stall(60),
    Endless(),
]


async def failed_read(emulator: Emulator) -> tuple[FTLogsError, list[object]]:
    """Read from an emulator that fails; return the error and all objects that took part."""
    retry = RetryPolicy(max_tries=2, base_delay=0.001)
    session = LogSession(KEY, base_url=emulator.base_url, retry=retry, timeout=0.3, max_answer=100_000)
    async with session:
        lines = session.lines("ft-1")
        with pytest.raises(FTLogsError) as caught:
            await lines.collect()
    return caught.value, [session, session.__dict__, session._transport.__dict__, lines, retry]


@pytest.mark.covered
@pytest.mark.parametrize("reply", FAILURES, ids=lambda reply: type(reply).__name__)
async def test_the_key_is_in_no_error_traceback_log_or_repr(
    reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    """Even where a server repeats the key to us."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with Emulator([EmulatedJob("ft-1", ["x"])], api_key=KEY, faults=[Fault(reply)]) as emulator:
        error, others = await failed_read(emulator)
        assert emulator.journal[0].headers["authorization"] == f"Bearer {KEY}"
    # As rich, sentry and pytest show it: with the local variables of each frame.
    shown = [
        "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()),
        str(error),
        repr(error),
        repr(error.__dict__),
        repr(others),
        repr(pickle.dumps(error)),
        caplog.text,
        *(repr(record.__dict__) for record in caplog.records),
    ]
    assert [text for text in shown if KEY in text] == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: LogSession(KEY, region="nowhere"),
        lambda: LogSession(KEY, base_url="http://example.com/api/v1"),
        lambda: LogSession(f"{KEY}\n{KEY}"),
        lambda: LogSession(KEY, workspace="a b"),
        lambda: LogSession(KEY, base_url=f"https://user:{KEY}@example.com/api/v1"),
    ],
)
def test_the_key_is_in_no_refusal_of_a_setting(make: Callable[[], LogSession]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=False)
    assert KEY not in "".join(shown.format())
    assert KEY not in repr(caught.value)


async def test_the_key_is_in_no_request_id(connect: Callable[..., LogSession]) -> None:
    page = Body(f'{{"request_id": "{KEY}", "output": {{"total": 1, "logs": ["{KEY}"]}}}}'.encode())
    emulator = Emulator([EmulatedJob("ft-1", ["x"])], api_key=KEY, faults=[Fault(page)])
    async with emulator, connect(emulator) as session:
        got = await session.page("ft-1")
    assert got.request_id == "[secret]"
    assert got.lines == (KEY,), "a line is what the service sent"


async def test_the_key_is_in_no_manifest_table_or_progress_line(ftlogs: Any, tmp_path: Path) -> None:
    """Even where a server repeats the key among the facts of a job."""
    job = EmulatedJob("ft-1", ["x"] * 30_000, job_name=KEY, status="RUNNING", message=KEY)
    refusal = Refuse(400, "InvalidParameter", f"not with {KEY}")
    words = ("download", "--all", "--out", str(tmp_path / "a"), "--progress-every", "0.1")
    async with Emulator(
        [job, EmulatedJob("ft-2")], api_key=KEY, faults=[Fault(refusal, job_id="ft-2")], latency=0.02
    ) as emulator:
        ended = [
            await ftlogs(*words, emulator=emulator),
            await ftlogs(*words, "--json", emulator=emulator),
            await ftlogs("jobs", "--format", "jsonl", emulator=emulator),
            await ftlogs("verify", str(tmp_path / "a"), "--remote", emulator=emulator),
        ]
    assert b"not with [secret]" in ended[0].out
    for one in ended:
        assert KEY not in one.err
        assert KEY.encode() not in one.out
    files = list((tmp_path / "a").iterdir())
    assert len(files) == 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def cached(folder: Path) -> list[str]:
    return [one.read_text() for one in folder.glob("jobs-*.json")]


async def test_the_key_is_in_no_event_status_line_or_completion_cache(
    ftlogs: Any, start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    """Even where a server repeats the key in errors and statuses."""
    refusal = Fault(Refuse(429, "Throttling", f"too many for {KEY}"), job_id="ft-2")
    schedule = Schedule([0.0] * 5, [(0.5, KEY), (1.0, "SUCCEEDED")])
    jobs = [EmulatedJob("ft-1", ["x"] * 5, status="RUNNING", schedule=schedule), EmulatedJob("ft-2")]
    words = (
        "tail",
        "-f",
        "ft-1",
        "ft-2",
        "--longest-poll",
        "1",
        "--settle",
        "0",
        "--max-tries",
        "1",
        "--stats",
    )
    async with Emulator(jobs, api_key=KEY, faults=[refusal]) as emulator:
        async with terminal() as screen:
            environ = {"TERM": "xterm-256color", "XDG_CACHE_HOME": str(tmp_path)}
            streams = {"stdout": screen.end, "stderr": screen.end}
            process = await start_ftlogs((*words, "--give-up-after", "1s"), emulator, environ, **streams)
            assert await process.wait() == 5
        environ |= {"_FTLOGS_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
        await ftlogs(emulator=emulator, environ={**environ, "COMP_WORDS": "ftlogs tail ft-"})
        while not (caches := cached(tmp_path / "dashscope-ftlogs")):
            await asyncio.sleep(0.01)
    assert "too many for [secret]" in screen.shown
    assert KEY not in screen.shown
    assert all(KEY not in text for text in caches)
