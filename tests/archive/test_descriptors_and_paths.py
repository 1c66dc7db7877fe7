"""An archive where descriptors run out, where the process goes elsewhere or is its own rival."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dashscope_ftlogs import ArchiveBusyError, FTLogsError, LogSession, verify_archive
from dashscope_ftlogs.archive.disk_failures import in_our_words
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.session import _loading

Connect = Callable[..., LogSession]

FEW_FILES = """
import asyncio, resource, sys
from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy

async def main():
    base_url, key, folder, few = sys.argv[1:]
    retry = RetryPolicy(max_tries=2, base_delay=0.001, max_delay=0.002)
    async with LogSession(key, base_url=base_url, retry=retry) as session:
        await session.page("ft-0")
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(few), int(few)))
        try:
            errors = [one.error for one in await session.download(map("ft-{}".format, range(9)), folder)]
        except FTLogsError as error:
            errors = [error]
        for ask in (lambda: session.metrics("ft-0"), lambda: session.follow("ft-0").aclose()):
            try:
                await ask()
            except FTLogsError as error:
                errors.append(error)
    print(*{str(error) for error in errors if error}, sep="\\n")

asyncio.run(main())
"""


@pytest.mark.linux
@pytest.mark.unmeasured
def test_where_no_descriptor_is_left_it_is_told_in_our_words(
    ftlogs_emulator: Emulator, tmp_path: Path
) -> None:
    for number in range(9):
        ftlogs_emulator.add(EmulatedJob(f"ft-{number}", ["line"] * 50, end_time="2025-01-01 00:00:00"))
    told = ""
    for few in range(6, 22, 3):
        words = [ftlogs_emulator.base_url, ftlogs_emulator.api_key, str(tmp_path / f"{few}"), str(few)]
        done = subprocess.run(
            [sys.executable, "-c", FEW_FILES, *words], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        told += done.stdout
    assert "Raise the limit of open files" in told


async def test_two_downloads_of_one_process_are_told_of_each_other(
    connect: Connect, tmp_path: Path
) -> None:
    async with Emulator([EmulatedJob("ft-1", ["a"]), EmulatedJob("ft-2", ["b"])]) as emulator:
        async with connect(emulator) as session:
            both = (session.download(job, tmp_path, settle=0) for job in ("ft-1", "ft-2"))
            first, second = await asyncio.gather(*both, return_exceptions=True)
            told = first if isinstance(first, BaseException) else second
            assert isinstance(told, ArchiveBusyError)
            assert "another download of this process is writing to" in str(told)
            (outcome,) = await session.download("ft-2", tmp_path, settle=0)
            assert outcome.error is None


async def test_a_relative_path_is_where_it_was_when_the_download_began(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    async with Emulator([EmulatedJob("ft-1", ["a"])], latency=0.01) as emulator:
        async with connect(emulator) as session:
            download = asyncio.create_task(session.download("ft-1", "logs", settle=0))
            while not (tmp_path / "logs/.ftlogs-lock").exists():
                await asyncio.sleep(0)
            monkeypatch.chdir(tmp_path / "elsewhere")
            (outcome,) = await download
    assert outcome.error is None
    assert [verdict.lines for verdict in verify_archive(tmp_path / "logs")] == [1]
    assert not any((tmp_path / "elsewhere").iterdir())


def test_what_to_do_is_said_where_no_file_can_be_opened() -> None:
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE), "logs/ft-1.log")
    told = in_our_words(error, "write to", Path("logs"))
    assert str(told).startswith("cannot write to logs/ft-1.log: Too many open files. Raise the limit")
    with pytest.raises(FTLogsError, match="Too many open files"):
        with _loading():
            raise error
