"""A download that is cancelled, however often, writes to no file but its own, and leaves those whole."""

import asyncio
import contextlib
import gc
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from dashscope_ftlogs import ArchiveError, LogSession, Progress, SessionStateError, verify_archive
from dashscope_ftlogs.archive.threads import NAME
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

RNG = random.Random(1)
# Lines that take gzip a while, in which the interpreter is free to go on with others.
LINES = [RNG.randbytes(150).hex() for _ in range(6_000)]


@attrs.frozen
class Trial:
    """A download, and how it is cancelled."""

    form: Any
    compression: Any
    sync: float
    """Seconds that the disk takes to sync."""
    begin: float
    pauses: tuple[float, ...]
    """Seconds from one cancellation to the next."""
    fill_executor: bool
    leave_session: bool
    """Leave the session's block meanwhile, which cancels once more."""

    @classmethod
    def at_random(cls, rng: random.Random) -> "Trial":
        return cls(
            form=rng.choice(["text", "jsonl"]),
            compression=rng.choice([None, "gzip"]),
            sync=rng.choice([0, rng.uniform(0, 0.3)]),
            begin=rng.uniform(0, 0.6),
            pauses=tuple(
                rng.uniform(0.0005, rng.choice([0.003, 0.3])) for _ in range(rng.randint(0, 3))
            ),
            fill_executor=rng.random() < 0.3,
            leave_session=rng.random() < 0.5,
        )


@contextmanager
def slow_disk(seconds: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sync = os.fsync

    def slowly(descriptor: int) -> None:
        time.sleep(seconds)
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", slowly)
        yield


def hanging_disk(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let the disk hang from now on; return what tells that it does, and what lets it go on."""
    hangs, go_on, sync = threading.Event(), threading.Event(), os.fsync

    def hang(descriptor: int) -> None:
        hangs.set()
        go_on.wait(60)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", hang)
    return hangs, go_on


def descriptors() -> set[str]:
    """Return what this process has open, but for the sockets of a server that is still closing them."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return {name for name in found if not name.startswith(("socket:", "anon_inode:", "pipe:", "/proc"))}


@pytest.mark.unmeasured
@pytest.mark.chance
def test_cancelled_at_random_instants_no_byte_goes_elsewhere_and_nothing_is_damaged(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", LINES, status="RUNNING") for n in range(3)]
    with Emulator(jobs) as emulator:
        for seed in range(pytestconfig.getoption("--cancels")):
            trial = Trial.at_random(random.Random(seed))
            folder = Path(tempfile.mkdtemp())
            with slow_disk(trial.sync, monkeypatch):
                before = descriptors()
                mine: list[Any] = []
                asyncio.run(cancelled(emulator, folder, trial, mine))
                # Whatever still wrote has ended with the loop.
                hit = [file.name for file in mine if os.fstat(file.fileno()).st_size]
                for file in mine:
                    file.close()
            assert not hit, f"seed {seed}: {trial}"
            assert descriptors() == before, f"seed {seed}: {trial}"
            archive = folder / "archive"
            if any(archive.glob("*.json")):
                states = {verdict.state for verdict in verify_archive(archive)}
                assert states == {"incomplete"}, f"seed {seed}: {trial}"
            shutil.rmtree(folder)


async def cancelled(emulator: Emulator, folder: Path, trial: Trial, mine: list[Any]) -> None:
    """Download, cancel that as the trial says, and open files at once, as an application might."""
    go_on = threading.Event()
    async with asyncio.TaskGroup() as group:
        if trial.fill_executor:
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            group.create_task(asyncio.to_thread(go_on.wait))
        try:
            async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
                task = asyncio.create_task(
                    session.download(
                        list(emulator.jobs),
                        folder / "archive",
                        format=trial.form,
                        compression=trial.compression,
                    )
                )
                await asyncio.sleep(trial.begin)
                task.cancel()
                for pause in trial.pauses:
                    await asyncio.sleep(pause)
                    task.cancel()
                if not trial.leave_session:
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
            with contextlib.suppress(asyncio.CancelledError):
                await task
            mine.extend((folder / f"mine-{n}").open("w+b") for n in range(30))
        finally:
            go_on.set()


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_a_second_cancellation_waits_for_the_write_that_has_begun_and_keeps_others_out(
    tmp_path: Path,
    connect: Callable[..., LogSession],
    monkeypatch: pytest.MonkeyPatch,
    compression: Any,
) -> None:
    progress = Progress()
    async with Emulator([EmulatedJob("ft-1", LINES)], latency=0.01) as emulator:
        async with connect(emulator) as session:
            task = asyncio.create_task(
                session.download("ft-1", tmp_path, compression=compression, progress=progress)
            )
            while not progress.lines:
                await asyncio.sleep(0)
            syncing, go_on = hanging_disk(monkeypatch)
            await asyncio.to_thread(syncing.wait)
            try:
                for _ in range(4):
                    task.cancel()
                    async with connect(emulator) as other:
                        with pytest.raises(ArchiveError, match="another download of this process"):
                            await other.download("ft-1", tmp_path)
                    assert not task.done()
            finally:
                go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
    (verdict,) = verify_archive(tmp_path)
    assert verdict.state == "incomplete"
    assert verdict.lines >= progress.lines > 0


async def test_a_timeout_in_a_group_of_which_another_task_fails_leaves_the_archive_whole(
    tmp_path: Path, connect: Callable[..., LogSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", LINES[:2_000]) for n in range(12)]
    async with Emulator(jobs) as emulator, connect(emulator) as session:

        async def download() -> None:
            async with limit:
                await session.download([job.job_id for job in jobs], tmp_path)

        async def fail() -> None:
            await asyncio.to_thread(syncing.wait)
            limit.reschedule(0)
            while not limit.expired():
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(go_on.set)
            raise KeyError

        limit = asyncio.timeout(None)
        syncing, go_on = hanging_disk(monkeypatch)
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(download())
                group.create_task(fail())
        assert not [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]
    assert caught.group_contains(KeyError)
    assert {verdict.state for verdict in verify_archive(tmp_path)} <= {"ok", "incomplete"}


async def test_a_session_closed_under_a_download_is_told_to_who_waits_for_it(
    tmp_path: Path, connect: Callable[..., LogSession]
) -> None:
    async with Emulator([EmulatedJob("ft-1", LINES)], latency=0.02) as emulator:
        session = connect(emulator)
        async with session:
            progress = Progress()
            task = asyncio.create_task(session.download("ft-1", tmp_path, progress=progress))
            while not progress.lines:
                await asyncio.sleep(0)
        with pytest.raises(SessionStateError, match="closed while"):
            await task
    assert {verdict.state for verdict in verify_archive(tmp_path)} == {"incomplete"}


@pytest.mark.filterwarnings("ignore")  # of what is left behind, asyncio and aiohttp complain rightly
def test_a_loop_that_is_closed_under_a_download_leaves_no_descriptor_of_the_archive(
    tmp_path: Path,
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", LINES) for n in range(12)]
    with Emulator(jobs, latency=0.02) as emulator:

        async def download() -> None:
            async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
                await session.download([job.job_id for job in jobs], tmp_path)

        for _ in range(2):
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda *_: None)
            task = loop.create_task(download())
            while not any(str(tmp_path) in name and "log" in name for name in descriptors()):
                loop.run_until_complete(asyncio.sleep(0.01))
            loop.close()
            del task, loop
            # A thread that is in the middle of its work holds what was left, until that has ended.
            while [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]:
                gc.collect()
                time.sleep(0.001)
            gc.collect()
            assert not [name for name in descriptors() if str(tmp_path) in name]
