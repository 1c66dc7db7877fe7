"""The scripts that the pages show hold what the pages promise of them, also on a bad day."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from pages import blocks, commands

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

HOWTO = Path(__file__).parents[2] / "docs/howto"
JOB = "ft-202512062026-1213"
LOG = [f"line {n}" for n in range(6)]

LIVES = """
import asyncio, json, os, pathlib, runpy, signal, sys
import dashscope_ftlogs.session

lives = 0
while True:
    lives += 1
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != -signal.SIGKILL:
            print(lives)
            sys.exit(status)
        continue

    left = lives

    def count(frame, event, called):
        global left
        file = frame.f_code.co_filename
        if event == "c_call" and ("resume.py" in file or "pathlib" in file):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    runpy.run_path("resume.py", run_name="__main__")
    sys.exit()
"""
"""Lives until it has come to its end. The n-th life is killed before the n-th of the calls by which the
script, or pathlib for it, reads or writes."""

KEEP = """
def keep(line: str) -> None:
    with open("kept", "a") as file:
        file.write(line + chr(10))
"""


def script(page: str, caption: str) -> str:
    text = (HOWTO / page).read_text("utf-8")
    (content,) = (block.content for block in blocks(text) if block.caption == caption)
    return content


@pytest.mark.unmeasured
@pytest.mark.posix
def test_a_read_killed_at_any_instant_goes_on_from_its_position(
    ftlogs_emulator: Emulator, tmp_path: Path
) -> None:
    ftlogs_emulator.add(EmulatedJob(JOB, LOG))
    example = script("resuming.md", "resume.py").replace("def keep(line: str) -> None: ...", KEEP)
    assert KEEP in example
    (tmp_path / "resume.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-c", LIVES], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "position.json").read_text())["offset"] == len(LOG)
    assert int(done.stdout.splitlines()[-1]) > 3 * len(LOG)
    kept = (tmp_path / "kept").read_text().splitlines()
    # None is missing; the one that was being kept may have come again.
    assert [line for n, line in enumerate(kept) if line not in kept[:n]] == LOG
    assert kept == sorted(kept)


@pytest.mark.covered
@pytest.mark.posix
def test_a_service_told_to_end_does_so_in_silence(ftlogs_emulator: Emulator, tmp_path: Path) -> None:
    ftlogs_emulator.add(EmulatedJob("ft-1", ["{'loss': 2.9, 'step': 1}"], status="RUNNING"))
    (tmp_path / "watch.py").write_text(script("following.md", "watch.py"))
    with subprocess.Popen(
        [sys.executable, "-u", "watch.py", "ft-1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDEVMODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        assert "2.9" in service.stdout.readline()
        service.send_signal(signal.SIGTERM)
        rest, said = service.communicate()
    assert (service.returncode, rest, said) == (0, "", "")


@pytest.mark.unmeasured
@pytest.mark.posix
def test_alarms_look_at_a_log_when_it_has_news_and_until_somebody_was_told(
    ftlogs_emulator: Emulator, tmp_path: Path
) -> None:
    lines = ["{'loss': 2.5, 'step': 1}"]
    jobs = [ftlogs_emulator.add(EmulatedJob(job, lines, status="RUNNING")) for job in ("ft-1", "ft-2")]
    shown = [command.text for one in blocks((HOWTO / "at-the-shell.md").read_text("utf-8"))
             if one.language == "console" for command in commands(one.content)]  # fmt: skip
    (alarms,) = (text for text in shown if text.startswith("cat > alarms.sh"))
    alarms = alarms.replace("notify() {", "notify() { [ ! -e nobody ] || return 1;")
    subprocess.run(["sh", "-c", alarms], cwd=tmp_path, check=True)
    command = tmp_path / "bin" / "ftlogs"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\necho "$@" >> asked\nexec {sys.executable} -m dashscope_ftlogs "$@"\n'
    )
    command.chmod(0o755)

    def run() -> tuple[list[str], str]:
        """Return which logs were looked at, and what was told."""
        (tmp_path / "asked").write_text("")
        environ = os.environ | {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
        told = subprocess.run(
            ["sh", "alarms.sh"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        asked = (tmp_path / "asked").read_text().splitlines()
        return [words.split()[1] for words in asked if words.startswith("tail ")], told.stdout

    assert run() == (["watched/ft-1.log", "watched/ft-2.log"], "")
    jobs[1].append("{'loss': nan, 'step': 2}")
    (tmp_path / "nobody").touch()
    assert run() == (["watched/ft-2.log"], "")
    (tmp_path / "nobody").unlink()
    looked, told = run()
    assert looked == ["watched/ft-2.log"]
    assert told.startswith("ftlogs: nan: ft-2 line 2")
    assert run() == ([], "")
    to_come = time.time() + 3600  # by a clock that was set back since
    os.utime(tmp_path / "told" / "ft-1.manifest.json", (to_come, to_come))
    assert run() == (["watched/ft-1.log"], "")
    assert run() == ([], "")


@pytest.mark.unmeasured
async def test_the_page_for_browsers_tells_of_another_log_and_ends_with_its_server(
    ftlogs_emulator: Emulator, tmp_path: Path
) -> None:
    job = ftlogs_emulator.add(EmulatedJob("ft-1", ["a 0", "a 1", "a 2"], status="RUNNING"))
    example = script("web-service.md", "live.py").replace("LogSession()", "LogSession(retry=QUICK)")
    quick = "from dashscope_ftlogs import RetryPolicy\n\nQUICK = RetryPolicy(lag=0.05)\n"
    (tmp_path / "live.py").write_text(quick + example)

    async def events(response: aiohttp.ClientResponse, count: int) -> list[tuple[str, str]]:
        found: list[bytes] = [await response.content.readuntil(b"\n\n") for _ in range(count)]
        pairs = [event.decode().split() for event in found]
        return [(name, " ".join(text)) for _, name, _, *text in pairs]

    app = runpy.run_path(str(tmp_path / "live.py"))["make"]()
    async with TestServer(app) as server, aiohttp.ClientSession() as client:
        url = server.make_url("/jobs/ft-1/log")
        async with client.get(url) as stays:
            assert await events(stays, 3) == [("0.0", '"a 0"'), ("0.1", '"a 1"'), ("0.2", '"a 2"')]
            async with client.get(url, headers={"Last-Event-ID": "0.1"}) as goes_on:
                assert await events(goes_on, 1) == [("0.2", '"a 2"')]
            job.rewrite(["b 0", "b 1"])
            assert await events(stays, 2) == [("1.0", '"b 0"'), ("1.1", '"b 1"')]
            for last in ("0.1", "1.-1", "1.", "9", ""):
                async with client.get(url, headers={"Last-Event-ID": last}) as begins_anew:
                    assert await events(begins_anew, 1) == [("1.0", '"b 0"')]
            began = time.monotonic()
            await server.close()
            assert time.monotonic() - began < 30, "the server waits a minute for who does not leave"
            assert await stays.content.read() == b"", "nor is the browser told that the job has ended"
