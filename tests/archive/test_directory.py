"""The directory: names, locks, links, and what can't be trusted."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sealed_manifests import edit

from dashscope_ftlogs import (
    ArchiveError,
    ArchiveGoneError,
    InvalidArgumentError,
    LogSession,
    verify_archive,
)
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.local.generations import set_aside
from dashscope_ftlogs.archive.local.log_writer import LogFile
from dashscope_ftlogs.archive.manifest import (
    Manifest,
    encode,
    log_name,
    manifest_name,
    stem,
)
from dashscope_ftlogs.archive.store import DamagedError
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import digests

Connect = Callable[..., LogSession]
IDS = st.text("abAB019._-", min_size=1, max_size=128).filter(lambda value: value not in {".", ".."})
TRICKY = st.sampled_from(
    [
        *(
            "FT-1",
            "ft-1",
            "nul",
            "con.x",
            "COM1",
            "a.log",
            "a.manifest.json",
            "a.rewritten-1",
            "a.",
            ".a",
        ),
        *("-", "_a", "a.gz", "a.damaged-3", "ft-1.jsonl", ".ftlogs-lock", "lpt9.txt", "a..b"),
        *("a" * 100, "a" * 101, "a" * 128, "A" * 128),
    ]
)


@given(st.lists(IDS | TRICKY, unique=True, max_size=8))
def test_any_job_ids_give_safe_names_that_never_meet(job_ids: list[str]) -> None:
    names = [
        name
        for job_id in job_ids
        for name in (manifest_name(stem(job_id)), log_name(stem(job_id), "jsonl", "gzip"))
    ]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name == name.lower()
        assert name[0] not in ".-"
        assert not set(name) & set('/\\:*?"<>| \0')
        assert name.partition(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
        assert len(name) <= 120
        # Not to be mistaken for an older generation of another job.
        assert not any(part in name for part in (".rewritten-", ".damaged-"))


@pytest.mark.parametrize("job_id", ["", "..", "../x", "a/b", "a\0", "C:x"])
def test_an_id_that_no_service_gives_has_no_name(job_id: str) -> None:
    with pytest.raises(InvalidArgumentError):
        stem(job_id)


def test_an_id_that_is_safe_is_the_name_up_to_a_hundred_characters() -> None:
    assert stem("a" * 100) == "a" * 100
    assert len(stem("a" * 101)) < 100


@contextmanager
def locked(folder: Path) -> Iterator[Archive]:
    archive = Archive(folder)
    archive.lock()
    try:
        yield archive
    finally:
        archive.unlock()


def test_a_lock_is_held_against_other_processes_and_falls_with_its_holder(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from dashscope_ftlogs.archive.directory import Archive\n"
        f"archive = Archive({str(tmp_path)!r}); archive.lock()\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold], **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ArchiveError, match="another process is writing"):
            Archive(tmp_path).lock()
        holder.kill()
    with locked(tmp_path):
        pass


@pytest.mark.posix
def test_the_lock_falls_when_it_is_given_back_whoever_was_forked_meanwhile(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.lock()
    command = [sys.executable, "-c", "input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[archive._lock]) as forked:
        archive.unlock()
        with locked(tmp_path):
            pass
        forked.kill()


@pytest.mark.posix
def test_a_lock_is_not_given_back_by_a_child_that_was_forked_meanwhile(tmp_path: Path) -> None:
    fork = (
        "import os, sys; from dashscope_ftlogs.archive.directory import Archive\n"
        f"archive = Archive({str(tmp_path)!r}); archive.lock()\n"
        "if child := os.fork(): os.waitpid(child, 0); print('held', flush=True); sys.stdin.read()\n"
        "del archive"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", fork], **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ArchiveError, match="another process is writing"):
            Archive(tmp_path).lock()
        holder.stdin.close()
    with locked(tmp_path):
        pass


@pytest.mark.posix
def test_a_file_system_without_locks_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(ArchiveError, match=f"cannot write to .*{os.strerror(errno.ENOLCK)}"):
        Archive(tmp_path).lock()


def test_a_directory_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ArchiveError, match=r"cannot write to .*file is a plain file, not a directory"),
        locked(tmp_path / "file/x"),
    ):
        pass


@pytest.mark.covered
@pytest.mark.parametrize(
    "name", ["ft-1.log", "ft-1.manifest.json", "ft-1.manifest.json.new", ".ftlogs-lock"]
)
@pytest.mark.parametrize("kind", ["link", "dangling link", "fifo", "directory"])
@pytest.mark.posix
async def test_nothing_in_the_archive_leads_elsewhere(
    connect: Connect, tmp_path: Path, name: str, kind: str
) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "archive"
    victim.write_text("untouched")
    folder.mkdir()
    async with Emulator([EmulatedJob("ft-1", ["x"], status="RUNNING")]) as emulator:
        async with connect(emulator) as session:
            await session.download("ft-1", folder)
            trap = folder / name
            trap.unlink(missing_ok=True)
            if kind == "fifo":
                os.mkfifo(trap)
            elif kind == "directory":
                trap.mkdir()
            else:
                trap.symlink_to(victim if kind == "link" else tmp_path / "new")
            emulator.jobs["ft-1"].append("y")
            try:
                (outcome,) = await session.download("ft-1", folder)
            except ArchiveError as error:
                assert name == ".ftlogs-lock"
                assert f"{trap} is a" in str(error)
            else:
                assert outcome.state == "failed"
                assert isinstance(outcome.error, ArchiveError)
    assert victim.read_text() == "untouched"
    assert not (tmp_path / "new").exists()


async def test_dying_while_a_log_is_set_aside_loses_nothing(connect: Connect, tmp_path: Path) -> None:
    old, new = [f"old {n}" for n in range(20)], [f"new {n}" for n in range(30)]
    async with Emulator([EmulatedJob("ft-1", old, status="RUNNING")]) as emulator:
        async with connect(emulator) as session:
            await session.download("ft-1", tmp_path)
            log, manifest = tmp_path / "ft-1.log", tmp_path / "ft-1.manifest.json"
            emulator.jobs["ft-1"].rewrite(new)
            # Died after the manifest of the older generation was written, before the file was moved.
            kept = tmp_path / "ft-1.rewritten-1.manifest.json"
            kept.write_bytes(manifest.read_bytes())
            edit(kept, superseded=True)
            announced = {verdict.file: verdict for verdict in verify_archive(tmp_path)}
            assert announced["ft-1.rewritten-1.log"].state == "superseded"
            assert "ft-1.log still is this one" in announced["ft-1.rewritten-1.log"].why
            (outcome,) = await session.download("ft-1", tmp_path)
            assert outcome.set_aside == ("ft-1.rewritten-1.log",)
            assert (tmp_path / "ft-1.rewritten-1.log").read_text().split("\n")[:-1] == old
            # Died after the file was moved, before the new generation had a manifest.
            emulator.jobs["ft-1"].append("more")
            log.rename(tmp_path / "ft-1.rewritten-2.log")
            (outcome,) = await session.download("ft-1", tmp_path)
            assert outcome.new_lines == 31
            assert log.read_text().split("\n")[:-1] == [*new, "more"]


@pytest.mark.parametrize("now", ["whole", "broken", "gone"])
async def test_an_older_generation_that_is_gone_is_damage_whatever_the_newest_one_is(
    connect: Connect, tmp_path: Path, now: str
) -> None:
    job = EmulatedJob("ft-1", status="RUNNING")
    async with Emulator([job]) as emulator, connect(emulator) as session:
        for life in range(4):
            job.rewrite([f"life {life}"] * 9)
            (outcome,) = await session.download("ft-1", tmp_path)
            if life == 2:
                (tmp_path / "ft-1.rewritten-1.log").unlink()
        assert outcome.set_aside == ("ft-1.rewritten-3.log",)
    if now == "broken":
        (tmp_path / "ft-1.manifest.json").write_text("{}")
    elif now == "gone":
        (tmp_path / "ft-1.manifest.json").unlink()
        (tmp_path / "ft-1.log").unlink()
    found = {verdict.file: (verdict.state, verdict.why) for verdict in verify_archive(tmp_path)}
    assert found["ft-1.rewritten-1.log"] == ("damaged", "the file is gone")
    assert found["ft-1.rewritten-2.log"] == found["ft-1.rewritten-3.log"] == ("superseded", "")
    # A log that is gone, and moved nowhere, is damage too.
    if now == "whole":
        (tmp_path / "ft-1.log").unlink()
        (verdict,) = (v for v in verify_archive(tmp_path) if v.file == "ft-1.log")
        assert (verdict.state, verdict.why) == ("damaged", "the file is gone")


def test_a_manifest_that_has_gone_is_noticed(tmp_path: Path) -> None:
    with locked(tmp_path) as archive, pytest.raises(ArchiveError, match="has gone"):
        set_aside(archive, "ft-1", "rewritten")


def test_a_manifest_under_another_jobs_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ft-1.manifest.json").write_bytes(encode(Manifest(job_id="FT-1", endpoint="https://x")))
    with pytest.raises(ArchiveError, match="does not fit"):
        Archive(tmp_path).manifest("ft-1")


@pytest.mark.covered
@given(
    position=st.integers(0, 10**6),
    flip=st.integers(1, 255),
    form=st.sampled_from(["text", "jsonl"]),
    compression=st.sampled_from([None, "gzip"]),
    cut=st.booleans(),
)
def test_any_damage_to_what_was_committed_is_noticed(
    tmp_path_factory: pytest.TempPathFactory,
    position: int,
    flip: int,
    form: Any,
    compression: Any,
    cut: bool,
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    begin = Manifest(job_id="ft-1", endpoint="https://x", format=form, compression=compression)
    with locked(folder) as archive:
        file = LogFile(archive, begin)
        file.open()
        for n in range(3):
            for lines in ([f"line {n}"], ["\ud800\n", "é" * n]):
                file.append(lines)
                file.write()
            file.commit(total=9)
        file.append(["torn"])
        file.write()
        file.close()
        known = archive.manifest("ft-1")
        assert known is not None
        assert known.lines == 9
        path = folder / known.file
        data = path.read_bytes()
        position %= known.file_bytes
        harmed = data[:position] if cut else bytearray(data)
        if isinstance(harmed, bytearray):
            harmed[position] ^= flip
        path.write_bytes(harmed)
        again = LogFile(archive, known)
        try:
            again.open()
        except DamagedError:
            pass
        else:
            # Some bytes of a gzip header, such as its time stamp, carry nothing.
            assert compression == "gzip"
            assert not cut
        again.close()


def test_lines_that_differ_in_anything_differ_in_their_digests() -> None:
    assert len(set(digests(["", " ", "a", "A", "\ud800", "\\ud800", "\udfff", "é", "e\u0301"]))) == 9


@pytest.mark.parametrize("field", ["lines", "bytes", "sha256"])
@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_a_manifest_that_was_edited_vouches_for_nothing(tmp_path: Path, field: str, form: Any) -> None:
    with locked(tmp_path) as archive:
        file = LogFile(archive, Manifest(job_id="ft-1", endpoint="https://x", format=form))
        file.open()
        file.append(["one", "two"])
        file.commit()
        file.close()
        other: Any = "0" * 64 if field == "sha256" else getattr(file.manifest, field) + 1
        other_file = LogFile(archive, attrs.evolve(file.manifest, **{field: other}))
        with pytest.raises(DamagedError):
            other_file.open()
        other_file.close()


async def test_many_logs_are_yielded_as_they_finish_and_errors_stay_alone(connect: Connect) -> None:
    jobs = [EmulatedJob(f"ft-{n}", [f"{n}"] * n * 900) for n in range(5)]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        logs = {log.job_id: log async for log in session.fetch_many(["gone", *emulator.jobs, "ft-1"])}
    assert {job_id: len(log.lines) for job_id, log in logs.items()} == {
        "gone": 0,
        **{job.job_id: len(job.lines) for job in jobs},
    }
    assert [log.job_id for log in logs.values() if log.error] == ["gone"]


async def test_leaving_many_logs_early_leaves_nothing_behind(connect: Connect) -> None:
    jobs = [EmulatedJob(f"ft-{n}", ["x"] * 5_000) for n in range(50)]
    async with Emulator(jobs, latency=0.005) as emulator, connect(emulator) as session:
        logs = session.fetch_many(session.jobs())
        async for _ in logs:
            break
        await logs.aclose()
        assert not session.tasks


def test_a_source_of_jobs_that_fails_ends_what_is_under_way(connect: Connect) -> None:
    async def broken() -> Any:
        yield "ft-1"
        raise KeyError("mine")

    async def main() -> None:
        async with Emulator([EmulatedJob("ft-1", ["x"] * 5_000)], latency=0.01) as emulator:
            async with connect(emulator) as session:
                with pytest.raises(KeyError, match="mine"):
                    async for _ in session.fetch_many(broken()):
                        pass

    asyncio.run(main())


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_how_a_log_begins_is_compared_however_much_of_it(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    lines = [f"{number}:" + "x" * 99_999 for number in range(30)]
    manifest = Manifest(job_id="ft-1", endpoint="https://x/api/v1", format=form, compression=compression)
    file = LogFile(Archive(tmp_path), manifest)
    file.open()
    try:
        file.append(lines)
        file.commit()
        for count in (1, 9, 29, 30):
            assert file.begins_with(lines[:count])
            assert not file.begins_with([*lines[: count - 1], "y"])
        assert not file.begins_with([*lines, "more"])
        file.append(["and it is gone on with where it ended"])
        file.commit()
    finally:
        file.close()
    assert [verdict.state for verdict in verify_archive(tmp_path)] == ["incomplete"]


def test_a_manifest_is_not_read_from_another_directory_in_the_place_of_the_one_locked(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "archive"
    archive = Archive(folder)
    archive.lock()
    try:
        assert archive.at("ft-1") is None
        folder.rename(tmp_path / "elsewhere")
        with pytest.raises(ArchiveGoneError, match="has gone"):
            archive.at("ft-1")
    finally:
        archive.unlock()
