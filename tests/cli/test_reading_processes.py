"""Many large logs are read by several processes, and nothing else about it is new."""

import asyncio
import gzip
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import odd_readers
import pytest

from dashscope_ftlogs import ArchiveError
from dashscope_ftlogs.archive.local_log_reader import StoredLog, stored_logs
from dashscope_ftlogs.cli import reading_processes
from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.log_sources import read_logs
from dashscope_ftlogs.cli.reading_processes import Reading, ReadPoints, read_stored

MIB = 2**20
HELPERS = Path(odd_readers.__file__).parent


def written(path: Path, megabytes: int, loss: float = 1.5) -> Path:
    """A log that is so large, and holds one point."""
    path.write_text(f"{{'loss': {loss}}}\n" + ("x" * (MIB - 1) + "\n") * megabytes)
    return path


def named(*paths: Path) -> list[tuple[str, StoredLog]]:
    return [(path.name, log) for path in paths for log in stored_logs(path)]


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, StoredLog]]:
    # Few machines of a CI have more.
    monkeypatch.setattr(reading_processes, "processors", lambda: 2)
    return named(*(written(tmp_path / f"{n}.log", 5, n) for n in range(4)))


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ([], 1),
        ([900 * MIB], 1),
        ([900 * MIB, 1000, 1000], 1),
        ([900 * MIB, MIB // 2, 7 * MIB], 1),
        ([MIB // 2] * 100, 1),
        ([8 * MIB] * 2, 2),
        ([900 * MIB, 9 * MIB, 1000], 2),
        ([8 * MIB] * 100, 7),
    ],
)
def test_processes_are_started_only_where_they_pay(
    sizes: list[int], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_processes, "processors", lambda: 7)
    assert reading_processes._processes(sizes) == count


def test_no_more_processes_than_there_are_processors() -> None:
    assert 1 <= reading_processes.processors() <= (os.cpu_count() or 1)


def test_a_compressed_log_counts_as_what_it_holds_and_a_lost_one_as_nothing(tmp_path: Path) -> None:
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(gzip.compress(b"x\n" * 9999))
    assert StoredLog("a", packed).size() == 8 * packed.stat().st_size
    assert StoredLog("b", tmp_path / "none").size() == 0


@pytest.mark.covered
async def test_each_log_becomes_what_it_would_here(logs: list[tuple[str, StoredLog]]) -> None:
    async with Reading(partial(read_stored, ReadPoints), logs) as reading:
        for name, log in logs:
            found = await reading.result(name)
            assert found is not None
            here = read_stored(ReadPoints, name, log)
            assert list(found.points.values()) == list(here.points.values())
            assert found.unlike_a_log == here.unlike_a_log == ""
    assert multiprocessing.active_children() == []


@pytest.mark.covered
async def test_other_processes_read(logs: list[tuple[str, StoredLog]]) -> None:
    async with Reading(partial(read_stored, odd_readers.Counts), logs) as reading:
        found = [await reading.result(name) for name, _ in logs]
    assert [one and one[:2] for one in found] == [(name, 6) for name, _ in logs]
    assert os.getpid() not in {one[2] for one in found if one}


async def test_one_log_is_left_to_this_process(logs: list[tuple[str, StoredLog]]) -> None:
    async with Reading(partial(read_stored, odd_readers.Counts), logs[:1]) as reading:
        assert await reading.result(logs[0][0]) is None
        assert multiprocessing.active_children() == []


async def test_an_error_is_the_one_that_reading_here_raises(
    logs: list[tuple[str, StoredLog]], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.log.gz"
    broken.write_bytes(gzip.compress(os.urandom(3 * MIB))[: 2 * MIB])
    some = [*logs[:2], *named(broken), *logs[2:]]
    with pytest.raises(ArchiveError) as here:
        read_stored(odd_readers.Counts, *some[2])
    async with Reading(partial(read_stored, odd_readers.Counts), some) as reading:
        for name, _ in logs[:2]:
            assert await reading.result(name) is not None
        with pytest.raises(ArchiveError) as there:
            await reading.result(broken.name)
    assert str(there.value) == str(here.value)


@pytest.mark.posix
@pytest.mark.parametrize("begin", [odd_readers.IsKilled, odd_readers.CannotBeHandedOver])
async def test_what_no_other_process_can_read_is_left_to_this_one(
    logs: list[tuple[str, StoredLog]], begin: Any
) -> None:
    async with Reading(partial(read_stored, begin), logs) as reading:
        assert [await reading.result(name) for name, _ in logs] == [None] * 4


def eventually(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


def lives(pid: str) -> bool:
    try:
        # A zombie, which only its parent can take away, is no more.
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.posix
async def test_who_leaves_early_waits_for_no_process(
    logs: list[tuple[str, StoredLog]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READ_BY", str(tmp_path))
    async with Reading(partial(read_stored, odd_readers.NeverEnds), logs) as reading:
        waiting = asyncio.ensure_future(reading.result(logs[0][0]))
        await asyncio.to_thread(
            eventually, lambda: any(one.name.isdigit() for one in tmp_path.iterdir())
        )
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert multiprocessing.active_children() == []


COMMAND = f"""
import sys
sys.path.insert(0, {str(HELPERS)!r})
import odd_readers
from functools import partial
from pathlib import Path
from dashscope_ftlogs.archive.local_log_reader import stored_logs
from dashscope_ftlogs.cli import reading_processes
from dashscope_ftlogs.cli.run_command import run

async def main() -> int:
    logs = [(path, log) for path in sys.argv[1:] for log in stored_logs(Path(path))]
    read = partial(reading_processes.read_stored, odd_readers.NeverEnds)
    async with reading_processes.Reading(read, logs) as reading:
        await reading.result(sys.argv[1])
    return 0

if __name__ == "__main__":
    import typer
    reading_processes.processors = lambda: 2
    try:
        run(main())
    except typer.Exit as end:
        sys.exit(end.exit_code)
"""


@pytest.mark.linux
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "ftlogs: interrupted\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_ctrl_c_and_a_kill_end_all_at_once_and_quietly(
    logs: list[tuple[str, StoredLog]], tmp_path: Path, number: int, code: int, said: str
) -> None:
    script, readers = tmp_path / "command.py", tmp_path / "readers"
    script.write_text(COMMAND)
    readers.mkdir()
    process = subprocess.Popen(
        [sys.executable, script, *(str(log.path) for _, log in logs)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "READ_BY": str(readers)},
        start_new_session=True,
    )
    try:
        eventually(lambda: len(list(readers.iterdir())) == 2)
        pids = [one.name for one in readers.iterdir()]
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does it
        else:
            process.send_signal(number)
        told = process.communicate(timeout=60)[1]
        # Of a kill, Python itself has a word to say.
        assert told == said or number == signal.SIGKILL
        assert process.returncode == code
        eventually(lambda: not any(map(lives, pids)))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.covered
async def test_what_another_process_read_is_what_a_command_gets(
    logs: list[tuple[str, StoredLog]],
) -> None:
    words = [str(log.path) for _, log in logs]
    found = [log async for log in read_logs(words, Connection(), odd_readers.Counts, [])]
    assert [log.read[:2] for log in found] == [(name, 6) for name, _ in logs]
    assert os.getpid() not in {log.read[2] for log in found}
