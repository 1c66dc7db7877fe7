"""An archive that is copied file by file while a download writes to it: what the copy is worth."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from teams import BOTH, two_teams

from dashscope_ftlogs import LogSession, verify_archive
from dashscope_ftlogs.archive.manifest import Compression
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = [f"line {n}" for n in range(40)]


async def copied_meanwhile(
    connect: Callable[..., LogSession], tmp_path: Path, names: list[str], compression: Compression | None
) -> tuple[str, Any]:
    """Copy files, each a commit later than the one before; judge the copy, and download into it."""
    job = EmulatedJob("ft-1", LINES[:10], status="RUNNING")
    (tmp_path / "copy").mkdir()
    async with Emulator([job]) as emulator, connect(emulator) as session:
        for name in names:
            await session.download("ft-1", tmp_path / "logs", compression=compression)
            shutil.copy(tmp_path / "logs" / name, tmp_path / "copy" / name)
            job.append(*LINES[len(job.lines) : len(job.lines) + 10])
        (verdict,) = verify_archive(tmp_path / "copy")
        job.append(*LINES[len(job.lines) :])
        (outcome,) = await session.download("ft-1", tmp_path / "copy")
        assert [line async for line in session.lines("ft-1")] == LINES
    (after,) = verify_archive(tmp_path / "copy")
    assert (after.state, after.lines, outcome.lines) == ("incomplete", 40, 40)
    return verdict.state, outcome


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_with_manifests_first_it_is_gone_on_with(
    connect: Callable[..., LogSession], tmp_path: Path, compression: Compression | None
) -> None:
    log = "ft-1.log.gz" if compression else "ft-1.log"
    names = ["ft-1.manifest.json", log]
    state, outcome = await copied_meanwhile(connect, tmp_path, names, compression)
    assert (state, outcome.new_lines, outcome.set_aside) == ("incomplete", 30, ())


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_with_logs_first_verify_tells_that_it_lacks_what_its_manifest_vouches_for(
    connect: Callable[..., LogSession], tmp_path: Path, compression: Compression | None
) -> None:
    log = "ft-1.log.gz" if compression else "ft-1.log"
    names = [log, "ft-1.manifest.json"]
    state, outcome = await copied_meanwhile(connect, tmp_path, names, compression)
    assert (state, outcome.new_lines, len(outcome.set_aside)) == ("damaged", 40, 1)


@asynccontextmanager
async def copied_under(tmp_path: Path, *locks: str) -> AsyncIterator[None]:
    """Hold locks of an archive by `flock`; let it copy the archive in the end."""
    copying = await asyncio.create_subprocess_exec(
        *(word for lock in locks for word in ("flock", lock)),
        *("sh", "-c", "echo; read _; cp -a . ../copy"),
        cwd=tmp_path / "logs",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert copying.stdout is not None
    await copying.stdout.readline()
    yield
    await copying.communicate(b"\n")


@pytest.mark.linux
async def test_the_locks_of_all_profiles_keep_their_downloads_out(ftlogs: Any, tmp_path: Path) -> None:
    download = ("download", "--all", "--running-ok", *BOTH, "--out", str(tmp_path / "logs"))
    with two_teams(tmp_path) as teams:
        assert (await ftlogs(*download, environ=teams.environ)).code == 0
        async with copied_under(tmp_path, "a/.ftlogs-lock", "b/.ftlogs-lock"):
            ended = await ftlogs(*download, environ=teams.environ)
            assert (ended.code, ended.err.count("another process is writing to")) == (5, 2)
        assert {one.state for one in verify_archive(tmp_path / "copy")} == {"ok", "incomplete"}
        assert (await ftlogs(*download, environ=teams.environ)).code == 0


@pytest.mark.linux
async def test_flock_keeps_downloads_out_while_it_is_copied(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
        download = ("download", "ft-1", "--settle", "0", "--out", str(tmp_path / "logs"))
        assert (await ftlogs(*download, emulator=emulator)).code == 0
        async with copied_under(tmp_path, ".ftlogs-lock"):
            ended = await ftlogs(*download, emulator=emulator)
            assert (ended.code, "another process is writing to" in ended.err) == (5, True)
        assert [one.state for one in verify_archive(tmp_path / "copy")] == ["ok"]
        assert (await ftlogs(*download, emulator=emulator)).code == 0
