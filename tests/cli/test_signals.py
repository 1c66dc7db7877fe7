"""Ctrl-C and SIGTERM end a command, whatever it waits for; the second one at once."""

import asyncio
import contextlib
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import verify_archive
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Stall

SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
HUNG_DISK = """
import os, sys, threading

def hang(descriptor):
    os.write(2, b"hanging\\n")
    threading.Event().wait()

os.fsync = hang
from dashscope_ftlogs.cli import main
main()
"""


async def lines_until(stream: asyncio.StreamReader, word: bytes) -> bytes:
    """Read until a line holds the word, or nothing comes any more."""
    seen = b""
    while word not in seen and (line := await stream.readline()):
        seen += line
    return seen


@SIGNALS
async def test_a_second_signal_ends_at_once_though_the_disk_hangs_and_the_archive_survives(
    ftlogs: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    lines = [f"line {n}" for n in range(9_000)]
    words = ("download", "ft-1", "--out", str(tmp_path / "a"), "-q")
    async with Emulator([EmulatedJob("ft-1", lines)]) as emulator:
        ended = await ftlogs(*words, emulator=emulator)
        assert ended.code == 0
        emulator.jobs["ft-1"] = EmulatedJob("ft-1", [*lines, *lines], status="RUNNING")
        (tmp_path / "a" / "ft-1.manifest.json").unlink()
        (tmp_path / "a" / "ft-1.log").unlink()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HUNG_DISK, *words),
            env={**os.environ, **emulator.environ},
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        assert b"hanging" in await lines_until(process.stderr, b"hanging")
        process.send_signal(number)
        told = await lines_until(process.stderr, b"finishing")
        assert b"finishing what has begun; Ctrl-C once more ends at once" in told
        assert process.returncode is None
        process.send_signal(number)
        _, err = await process.communicate()
        assert process.returncode == code
        assert err == b"ftlogs: ended at once\n"
        ended = await ftlogs(*words, emulator=emulator)
    assert ended.code == 6, "the job goes on"
    (verdict,) = verify_archive(tmp_path / "a")
    assert verdict.lines == 18_000


@SIGNALS
async def test_a_signal_that_timeout_sends_twice_is_one(
    start_ftlogs: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    job = EmulatedJob("ft-1", ["x"] * 50_000)
    async with Emulator([job], faults=[Fault(Stall(60), on=frozenset(range(3, 99)))]) as emulator:
        process = await start_ftlogs(("download", "ft-1", "--out", str(tmp_path / "a")), emulator)
        while len(emulator.journal) < 3:
            await asyncio.sleep(0.01)
        process.send_signal(number)  # as `timeout` does: to the process, and to its group
        process.send_signal(number)
        _, err = await process.communicate()
    assert (process.returncode, b"ended at once" in err) == (code, False)


STOPPED = """
import asyncio, os, sys
from dashscope_ftlogs.cli.signals import Stopping

NUMBER, TIMES = int(sys.argv[1]), map(float, sys.argv[2:])
now = next(TIMES)

async def main():
    global now
    try:
        os.kill(os.getpid(), NUMBER)
        await asyncio.sleep(60)
    finally:
        for now in TIMES:
            os.kill(os.getpid(), NUMBER)
            await asyncio.sleep(0)
        print("in order")

async def run():
    try:
        await stopping.work_until_stopped(main())
    except asyncio.CancelledError:
        os.kill(os.getpid(), NUMBER)
        sys.exit(stopping.code)

stopping = Stopping(print, clock=lambda: now)
asyncio.run(run())
"""


@SIGNALS
@pytest.mark.parametrize(
    ("times", "out", "err"),
    [
        ((5.0,), b"in order\n", b""),
        ((5.0, 5.0, 5.2, 5.49), b"in order\n", b""),
        ((5.0, 5.5), b"", b"ftlogs: ended at once\n"),
        ((5.0, 5.2, 9.0), b"", b"ftlogs: ended at once\n"),
    ],
)
async def test_the_same_signal_within_half_a_second_is_the_first_and_a_later_one_ends_at_once(
    number: signal.Signals, code: int, times: tuple[float, ...], out: bytes, err: bytes
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STOPPED, str(int(number)), *map(str, times)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await process.communicate() == (out, err)
    assert process.returncode == code


@pytest.mark.posix
async def test_a_terminal_has_its_cursor_back_after_an_end_at_once(tmp_path: Path) -> None:
    import pty  # not to be had on every system

    master, end = pty.openpty()
    os.set_blocking(master, False)
    shown = b""

    async def until(word: bytes) -> None:
        nonlocal shown
        while word not in shown:
            try:
                shown += os.read(master, 65536)
            except BlockingIOError:
                await asyncio.sleep(0.01)

    try:
        async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", HUNG_DISK, "download", "ft-1", "--out", str(tmp_path / "a")),
                env={**os.environ, **emulator.environ, "TERM": "xterm"},
                stderr=end,
            )
            await until(b"hanging")
            process.send_signal(signal.SIGINT)
            await until(b"finishing")
            process.send_signal(signal.SIGINT)
            await process.wait()
            await until(b"ended at once")
    finally:
        os.close(master)
        os.close(end)
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


@SIGNALS
async def test_a_reader_that_takes_nothing_does_not_hold_up_the_end(
    start_ftlogs: Any, number: signal.Signals, code: int
) -> None:
    lines = ["x" * 100] * 20_000
    reader, writer = os.pipe()
    try:
        async with Emulator([EmulatedJob("ft-1", lines)]) as emulator:
            process = await start_ftlogs(("cat", "ft-1"), emulator, stdout=writer)
            while sum(exchange.status == 200 for exchange in emulator.journal) < 3:
                await asyncio.sleep(0.01)
            process.send_signal(number)
            _, err = await process.communicate()
        assert process.returncode == code
        assert b"go on with: ftlogs cat ft-1 --offset 0" in err.splitlines()[-1]
    finally:
        os.close(reader)
        os.close(writer)


def full_pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x")
    os.set_blocking(writer, True)
    return reader, writer


@pytest.mark.covered
@SIGNALS
async def test_a_command_that_is_stuck_in_a_write_ends_soon_after_the_first_signal(
    ftlogs: Any, start_ftlogs: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    archive = str(tmp_path / "a")
    commands = {
        ("jobs", "--format", "jsonl"): code,
        ("verify", archive, "--json"): code,
        ("emulator",): 0,
        ("demo",): code,
    }
    reader, writer = full_pipe()

    async def end(words: tuple[str, ...]) -> int | None:
        process = await start_ftlogs(words, emulator, stdout=writer)
        while not is_stuck(process.pid):
            await asyncio.sleep(0.01)
        process.send_signal(number)
        await process.communicate()
        return int(process.returncode)

    try:
        async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
            await ftlogs("download", "ft-1", "--out", archive, emulator=emulator)
            # All at once: each takes the seconds that a write is given.
            assert await asyncio.gather(*map(end, commands)) == [*commands.values()]
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.covered
@SIGNALS
async def test_a_pattern_that_takes_for_ever_makes_no_command_immortal(
    start_ftlogs: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    log = tmp_path / "a.log"
    log.write_text(f"loss {'a' * 1000}!\n")
    process = await start_ftlogs(("metrics", "--pattern", "(?P<loss>(a+)+)$", str(log)), None)
    while utime(process.pid) < 0.5:  # it does nothing else for so long
        await asyncio.sleep(0.01)
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == code


def utime(pid: int) -> float:
    """Seconds of a processor that a process had."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) / os.sysconf(
        "SC_CLK_TCK"
    )


def is_stuck(pid: int) -> bool:
    """Whether one of its threads waits for room in a pipe."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if (thread / "wchan").read_text().endswith("pipe_write"):
                return True
            if (thread / "syscall").read_text().startswith("1 "):
                return True
    return False


@pytest.mark.parametrize(
    ("signals", "code"), [((signal.SIGINT,), 130), ((signal.SIGINT, signal.SIGTERM), 143)]
)
async def test_a_full_pipe_for_all_that_is_said_makes_no_command_immortal(
    start_ftlogs: Any, signals: tuple[signal.Signals, ...], code: int
) -> None:
    reader, writer = full_pipe()
    try:
        async with Emulator([EmulatedJob("ft-1", ["x"] * 9_000)]) as emulator:
            process = await start_ftlogs(("cat", "ft-1"), emulator, stdout=writer, stderr=writer)
            # Its loop turns on for as long as the thread that prints is waited for.
            while not is_stuck(process.pid):
                await asyncio.sleep(0.01)
            for number in signals:
                process.send_signal(number)
            await process.wait()
        assert process.returncode == code
    finally:
        os.close(reader)
        os.close(writer)


AFTERWARDS = """
import atexit, os, signal
atexit.register(lambda: os.kill(os.getpid(), signal.{name}))
from dashscope_ftlogs.cli import main
main()
"""


@pytest.mark.covered
@SIGNALS
async def test_a_signal_that_comes_when_all_is_done_is_no_error(
    number: signal.Signals, code: int
) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", AFTERWARDS.format(name=number.name), "cat", "ft-1"),
            env={**os.environ, **emulator.environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert (process.returncode, out, err) == (code, b"x\n", b"ftlogs: ended at once\n")


async def test_output_that_finds_no_room_is_an_error_however_python_buffers(
    start_ftlogs: Any, tmp_path: Path
) -> None:
    import resource  # not to be had on every system

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with Emulator([EmulatedJob("ft-1", ["x" * 999] * 2_000)]) as emulator:
        for unbuffered in ("", "1"):
            with (tmp_path / "out").open("wb") as out:
                # Room enough for what measures the coverage of the process.
                resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_050, limits[1]))
                try:
                    environ = {"PYTHONUNBUFFERED": unbuffered}
                    process = await start_ftlogs(("cat", "ft-1"), emulator, environ, stdout=out)
                finally:
                    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
                _, err = await process.communicate()
            assert process.returncode == 1
            assert b"File too large" in err


@SIGNALS
@pytest.mark.parametrize("words", [("metrics", "-"), ("download", "--from-file", "-")])
async def test_a_pipe_that_brings_nothing_is_left_at_once(
    start_ftlogs: Any, words: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"a line\n")
        async with Emulator() as emulator:
            process = await start_ftlogs(words, emulator, stdin=reader)
        # Nothing tells from outside that it reads but that the pipe is empty.
        while not is_empty(reader):
            await asyncio.sleep(0.01)
        process.send_signal(number)
        _, err = await process.communicate()
        assert process.returncode == code
        assert err.splitlines()[-1].startswith((b"ftlogs: interrupted", b"ftlogs: stopped"))
        assert b"Traceback" not in err
    finally:
        os.close(reader)
        os.close(writer)


def is_empty(pipe: int) -> bool:
    return not select.select([pipe], [], [], 0)[0]


async def test_what_is_started_to_ignore_ctrl_c_goes_on() -> None:
    in_the_background = 'trap "" INT; exec "$0" -m dashscope_ftlogs "$@"'
    async with Emulator([EmulatedJob("ft-1", ["a", "b"], status="RUNNING")]) as emulator:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", in_the_background, sys.executable),
            *(
                "tail",
                "-f",
                "ft-1",
                "--shortest-poll",
                "0.05",
                "--longest-poll",
                "0.05",
                "--settle",
                "0",
            ),
            env={**os.environ, **emulator.environ},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"a\n"
        process.send_signal(signal.SIGINT)
        emulator.jobs["ft-1"].append("c")
        emulator.jobs["ft-1"].finish("SUCCEEDED")
        out, _ = await process.communicate()
        assert out == b"b\nc\n"
        assert process.returncode == 0
