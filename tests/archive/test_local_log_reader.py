"""Logs on disk and through pipes are read as what they are, or refused with a reason."""

import gzip
import io
import os
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modest_root import modes_count
from sealed_manifests import edit

from dashscope_ftlogs import ArchiveError, ArchivePathError, LogSession
from dashscope_ftlogs.archive.local_log_reader import (
    StoredLog,
    is_stored,
    lines_as_they_come,
    numbered_lines,
    stored_logs,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import file_bytes, jsonl_bytes, text_bytes

LINES = ["Training start!", " 10%\r 20%", "", "{'loss': 0.5}", "\x1b[2J 训练"]


def reader(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]  # what a buffered file is


def read(data: bytes) -> list[tuple[int, str]]:
    return list(numbered_lines(reader(data)))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_any_text_is_its_lines(pack: Callable[[bytes], bytes]) -> None:
    assert read(pack(text_bytes(LINES))) == list(enumerate(LINES))
    assert read(pack(b"no newline at the end")) == [(0, "no newline at the end")]
    assert read(pack(b"crlf\r\nstays\r\n")) == [(0, "crlf\r"), (1, "stays\r")]
    assert read(pack(b"not \xff utf-8\n")) == [(0, "not \udcff utf-8")]
    assert read(b"") == []


class Trickle(io.RawIOBase):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data, self._most = io.BytesIO(data), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._data.readinto(memoryview(buffer)[: self._most])


@given(st.binary().filter(lambda data: data[:2] != b"\x1f\x8b"), st.integers(2, 9))
def test_any_bytes_are_given_back(data: bytes, most: int) -> None:
    some = list(lines_as_they_come(io.BufferedReader(Trickle(data, most))))
    assert b"".join(file_bytes(one.lines, ended=one.ended) for one in some) == data
    lines = [line for one in some for line in one.lines]
    assert lines == data.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")[: len(lines)]
    assert [one.offset for one in some] == [*accumulate((len(one.lines) for one in some), initial=0)][
        :-1
    ]


@pytest.mark.unmeasured
def test_a_line_without_an_end_is_no_burden_and_given_back_too() -> None:
    data = b"x" * (2**27 + 7) + b"\nnext"
    some = list(lines_as_they_come(reader(data)))
    assert max(len(line) for one in some for line in one.lines) < 2**27
    assert b"".join(file_bytes(one.lines, ended=one.ended) for one in some) == data


@pytest.mark.covered
@given(st.lists(st.text(st.characters(exclude_categories=[]))), st.integers(0, 10**6))
def test_rows_that_this_package_wrote_give_back_lines_and_numbers(lines: list[str], offset: int) -> None:
    assert read(jsonl_bytes(lines, offset)) == list(enumerate(lines, offset))


def test_rows_of_tail_and_rows_with_gaps_keep_their_numbers() -> None:
    rows = b'{"job_id": "ft-1", "offset": 7, "line": "a"}\n{"offset": 9, "line": "b"}\nplain\n'
    assert read(rows) == [(7, "a"), (9, "b"), (10, "plain")]


def test_a_row_that_is_no_utf_8_is_text() -> None:
    assert read(b'{"offset": 10, "line": "a\xff"}\n') == [(0, '{"offset": 10, "line": "a\udcff"}')]


def test_what_only_looks_like_such_a_row_is_text() -> None:
    lines = ['{"offset": 1}', '{"job_id": ', '{"offset": "x", "line": 1}']
    assert read(text_bytes(lines)) == list(enumerate(lines))


async def archive(connect: Callable[..., LogSession], folder: Path, **options: str) -> None:
    jobs = [EmulatedJob("ft-1", LINES), EmulatedJob("ft-2", ["{'loss': 1}"], status="FAILED")]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(["ft-1", "ft-2"], folder, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["text", "jsonl"])
@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_an_archive_gives_its_logs_with_their_jobs(
    connect: Callable[..., LogSession], tmp_path: Path, form: str, compression: str | None
) -> None:
    await archive(connect, tmp_path, format=form, compression=compression)  # type: ignore[arg-type]
    one, other = stored_logs(tmp_path)
    assert list(one.lines()) == list(enumerate(LINES))
    assert [log.job and log.job.status for log in (one, other)] == ["SUCCEEDED", "FAILED"]
    (alone,) = stored_logs(one.path)
    assert alone == one


async def test_only_what_the_manifest_vouches_for_is_read(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    await archive(connect, tmp_path)
    with (tmp_path / "ft-1.log").open("ab") as file:
        file.write(b"half a li")
    log, _ = stored_logs(tmp_path)
    assert list(log.lines()) == list(enumerate(LINES))


async def test_logs_that_were_superseded_are_left_out(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    await archive(connect, tmp_path)
    async with Emulator([EmulatedJob("ft-2", ["{'loss': 2}", "x"])]) as emulator:
        edit(tmp_path / "ft-2.manifest.json", complete=False, total=9)
        async with connect(emulator) as session:
            await session.download("ft-2", tmp_path)
    assert [log.name for log in stored_logs(tmp_path)] == ["ft-1", "ft-2"]


async def test_a_manifest_that_says_little_of_its_job_still_leads_to_the_log(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    await archive(connect, tmp_path)
    edit(tmp_path / "ft-1.manifest.json", job={"status": 7})
    assert stored_logs(tmp_path)[0].job is None


async def test_a_file_beside_another_log_s_manifest_is_a_plain_file(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    await archive(connect, tmp_path)
    (tmp_path / "ft-1.jsonl").write_bytes(b"other\n")
    (log,) = stored_logs(tmp_path / "ft-1.jsonl")
    assert log == StoredLog("ft-1.jsonl", tmp_path / "ft-1.jsonl")
    assert list(log.lines()) == [(0, "other")]


def test_a_folder_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="holds no manifest"):
        stored_logs(tmp_path)


def test_a_file_that_is_gone_or_broken_is_one_clear_error(tmp_path: Path) -> None:
    gone = StoredLog("x", tmp_path / "x.log")
    with pytest.raises(ArchiveError, match=r"cannot read .*x.log: No such file"):
        list(gone.lines())
    broken = tmp_path / "x.log.gz"
    broken.write_bytes(gzip.compress(os.urandom(5000))[:-100])
    with pytest.raises(ArchiveError, match="compressed data is broken"):
        list(StoredLog("x", broken).lines())
    broken.write_bytes(b"\x1f\x8b and no more")
    with pytest.raises(ArchiveError, match="cannot read"):
        list(StoredLog("x", broken).lines())


@pytest.mark.posix
def test_a_log_in_a_folder_that_is_shut_is_told_by_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "shut" / "inner"
    folder.mkdir(parents=True)
    folder.parent.chmod(0)
    told = rf"cannot read {folder.parent}: Permission denied"
    with modes_count():
        for path in (folder.parent, folder, folder.parent / "ft-1.log", folder / "any-name"):
            assert is_stored(path)
            with pytest.raises(ArchivePathError, match=told):
                for log in stored_logs(path):
                    list(log.lines())
    assert not is_stored(Path("ft-1"))


@pytest.mark.posix
async def test_a_link_in_an_archive_leads_nowhere(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    await archive(connect, tmp_path)
    (tmp_path / "ft-1.log").rename(tmp_path / "secret")
    (tmp_path / "ft-1.log").symlink_to("secret")
    log, _ = stored_logs(tmp_path)
    with pytest.raises(ArchiveError):
        list(log.lines())


ROWS = ['{"offset": 700, "line": "x"}', '{"offset": 99999999999999999999, "line": "x"}']


@pytest.mark.parametrize("row", [*ROWS, '{"offset": -5, "line": "x"}'])
def test_a_row_among_other_lines_or_with_a_number_that_none_has_is_a_line(row: str) -> None:
    lines = ["Training start!", row, "{'loss': 0.5}"]
    assert read(text_bytes(lines)) == list(enumerate(lines))
    if row != ROWS[0]:
        assert read(text_bytes(lines[1:])) == list(enumerate(lines[1:]))


@pytest.mark.parametrize("form", ["text", "jsonl"])
async def test_lines_of_an_archive_are_what_its_manifest_says_whatever_they_look_like(
    connect: Callable[..., LogSession], tmp_path: Path, form: Any
) -> None:
    async with Emulator([EmulatedJob("ft-1", ROWS)]) as emulator, connect(emulator) as session:
        await session.download(["ft-1"], tmp_path, format=form)
    (log,) = stored_logs(tmp_path)
    assert list(log.lines()) == list(enumerate(ROWS))
