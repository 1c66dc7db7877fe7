"""Odd beginnings and odd places: streams that are closed or full, Ctrl-C at any instant, devices."""

import asyncio
import os
import re
import signal
import stat
import sys
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from thinned import every, thinned

from dashscope_ftlogs import verify_archive
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = [pytest.mark.posix, pytest.mark.slow]

LINES = [f"line {n}" for n in range(3_000)]
POINT = "{'loss': 1.5, 'epoch': 0.1}"


@pytest.mark.parametrize("closed", thinned(product((0, 1), repeat=3), keep={(0, 1, 0), (1, 1, 1)}))
async def test_whatever_streams_are_closed_the_work_is_done_and_nothing_mixed(
    closed: tuple[int, ...], tmp_path: Path
) -> None:
    redirected = ("<in", ">out", "2>err")
    streams = [f"{n}>&-" if gone else redirected[n] for n, gone in enumerate(closed)]

    async def run(emulator: Emulator, *words: str) -> tuple[int, bytes, bytes]:
        for name in ("in", "out", "err"):
            (tmp_path / name).write_bytes(b"")
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'exec "$0" -m dashscope_ftlogs "$@" {" ".join(streams)}', sys.executable),
            *words,
            env={**os.environ, **emulator.environ},
            cwd=tmp_path,
        )
        code = await process.wait()
        return code, (tmp_path / "out").read_bytes(), (tmp_path / "err").read_bytes()

    text = "".join(f"{line}\n" for line in LINES).encode()
    async with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
        code, _, err = await run(emulator, "download", "ft-1", "--out", "archive")
        assert (code, b"Traceback" in err) == (0, False)
        assert (tmp_path / "archive" / "ft-1.log").read_bytes() == text
        code, out, err = await run(emulator, "cat", "ft-1")
        assert (code, out) == ((1, b"") if closed[1] else (0, text))
        assert (b"cannot write the output: " in err) == (bool(closed[1]) and not closed[2])
        code, out, err = await run(emulator, "cat", "ft-404")
        assert (code, out) == (4, b"")
        assert (err == b"") if closed[2] else (b"404" in err)


COMMANDS = (
    *("--version", "--help", "cat --help"),
    *("jobs", "metrics x.log", "plot x.log", "report x.log -o -"),
)


@pytest.mark.linux
@pytest.mark.parametrize(
    ("words", "into"),
    every(3, COMMANDS, [">&-", ">/dev/full"]),
)
async def test_output_that_nobody_gets_is_an_error(words: str, into: str, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text(f"{POINT}\n")
    async with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'exec "$0" -m dashscope_ftlogs {words} {into}', sys.executable),
            env={**os.environ, **emulator.environ},
            cwd=tmp_path,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(rb"ftlogs: cannot write the output: \[Errno \d+\] [\w ]+\n", err)


@pytest.mark.linux
async def test_a_table_that_finds_no_room_is_an_error_though_the_archive_is_whole(
    start_ftlogs: Any, tmp_path: Path
) -> None:
    with Path("/dev/full").open("wb") as full:
        async with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
            words = ("download", "ft-1", "--out", str(tmp_path / "a"))
            process = await start_ftlogs(words, emulator, stdout=full)
            _, err = await process.communicate()
    assert process.returncode == 1
    assert b"ftlogs: cannot write the output: [Errno 28]" in err
    assert [verdict.state for verdict in verify_archive(tmp_path / "a")] == ["ok"]


INTERRUPTED = """
import os, sys
from dashscope_ftlogs.cli import main
try:
    os.write(1, b"now")
    main()
except KeyboardInterrupt as error:
    os._exit(99 if error.__traceback__.tb_next else 130)
"""


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("words", [("cat", "ft-1"), ("tail", "-f", "ft-1"), ("emulator",)])
async def test_a_signal_at_any_instant_of_the_start_ends_it_without_a_word(
    pytestconfig: pytest.Config, words: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    instants: int = pytestconfig.getoption("--instants")
    async with Emulator([EmulatedJob("ft-1", LINES, status="RUNNING")], latency=9) as emulator:

        async def ends(after: float) -> tuple[int | None, bytes]:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", INTERRUPTED, *words),
                env={**os.environ, **emulator.environ},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            await process.stdout.readexactly(3)
            await asyncio.sleep(after)
            process.send_signal(number)
            _, err = await process.communicate()
            return process.returncode, err

        for instant in range(instants):
            ended, err = await ends(instant * 0.4 / instants)
            assert ended in {code, -number, 0 if words == ("emulator",) else code}, err
            assert b"Traceback" not in err
            assert ended != -number or err == b""


@pytest.mark.linux
async def test_a_full_stderr_stops_nothing(start_ftlogs: Any, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        async with Emulator([EmulatedJob("ft-1", LINES)], faults=["429:times=2"]) as emulator:
            out = str(tmp_path / "a")
            for words in (("cat", "ft-1"), ("download", "ft-1", "--out", out), ("cat", "ft-404")):
                process = await start_ftlogs(words, emulator, stderr=full)
                await process.communicate()
                assert process.returncode == (4 if words[1] == "ft-404" else 0)


@pytest.mark.linux
@pytest.mark.parametrize("full", ["device", "pipe"])
async def test_an_emulator_that_nobody_listens_to_goes_on_serving(
    start_ftlogs: Any, full: str, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    device = os.open("/dev/full", os.O_WRONLY)
    try:
        log = tmp_path / "long.log"
        log.write_text("x\n" * 9)
        process = await start_ftlogs(
            ("emulator", str(log), "-v"), None, stderr=writer if full == "pipe" else device
        )
        url = (await process.stdout.readline()) + (await process.stdout.readline())
        base = url.decode().split("DASHSCOPE_BASE_URL=")[1].split()[0]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
            for _ in range(1_500):  # of some fifty bytes each: more than a pipe holds
                async with client.get(f"{base}/fine-tunes/{'x' * 20}/logs") as response:
                    assert response.status == 401
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0
    finally:
        for descriptor in (reader, writer, device):
            os.close(descriptor)


@pytest.mark.covered
@pytest.mark.parametrize(
    "name",
    [
        *("x.csv", "x.jsonl", "x.html"),
        *(pytest.param(name, marks=pytest.mark.extras) for name in ("x.parquet", "x.png")),
    ],
)
async def test_a_pipe_where_output_goes_is_written_to_and_stays(
    ftlogs: Any, tmp_path: Path, name: str
) -> None:
    command = {".html": "report", ".png": "plot"}.get(Path(name).suffix, "metrics")
    os.mkfifo(tmp_path / name)
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        reading = asyncio.create_task(asyncio.to_thread((tmp_path / name).read_bytes))
        ended = await ftlogs(command, "ft-1", "-o", str(tmp_path / name), emulator=emulator)
        assert ended.code == 0, ended.err
        assert len(await reading) > 20
    assert stat.S_ISFIFO((tmp_path / name).lstat().st_mode)


@pytest.mark.linux
async def test_what_stands_for_stdout_is_written_to_and_stays(ftlogs: Any) -> None:
    before = os.lstat("/dev/stdout")
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs("report", "ft-1", "-o", "/dev/stdout", emulator=emulator)
    assert (ended.code, ended.out[:9].lower()) == (0, b"<!doctype")
    after = os.lstat("/dev/stdout")
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
