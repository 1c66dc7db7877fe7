"""One log that is written: when it is time to write, what is uncommitted, and whose file it is."""

import os
from pathlib import Path
from typing import Any

import pytest
from golden_archives import FORMS
from logs_in_pieces import begin

from dashscope_ftlogs import LogGoneError
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.local.log_writer import LogFile
from dashscope_ftlogs.archive.store import DamagedError

forms = pytest.mark.parametrize(("form", "compression"), FORMS.values(), ids=FORMS)


def made(folder: Path, form: Any = "text", compression: Any = None, piece_bytes: int = 2**24) -> LogFile:
    begin(
        folder, "https://x/api/v1", "ft-1", piece_bytes=piece_bytes, form=form, compression=compression
    )
    return again(folder)


def again(folder: Path) -> LogFile:
    archive = Archive(folder)
    manifest = archive.manifest("ft-1")
    assert manifest is not None
    file = LogFile(archive, manifest)
    file.open()
    return file


@forms
def test_what_was_appended_is_uncommitted_until_it_is_committed(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    file = made(tmp_path, form, compression)
    assert not file.has_uncommitted
    for lines in (["a"], ["b", "c"], [""]):
        file.append(lines)
        assert file.has_uncommitted
        file.write()
        assert file.has_uncommitted
        file.commit()
        assert not file.has_uncommitted
    file.append([])
    assert not file.has_uncommitted
    file.close()


@pytest.mark.parametrize("piece_bytes", [1_000, 2**24])
def test_it_is_time_to_write_as_soon_as_half_a_mebibyte_waits(tmp_path: Path, piece_bytes: int) -> None:
    file = made(tmp_path, piece_bytes=piece_bytes)
    for _ in range(2):
        file.append(["x" * 511] * 1023 + ["x" * 510])
        assert not file.is_due
        file.append([""])
        assert file.is_due
        before = (tmp_path / "ft-1.log").stat().st_size
        file.write()
        assert not file.is_due
        assert (tmp_path / "ft-1.log").stat().st_size == before + 2**19
    file.append(["x" * 2**20])
    assert file.is_due
    file.close()


@forms
def test_it_begins_with_its_first_lines_and_no_others(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    file = made(tmp_path, form, compression, piece_bytes=9)
    file.append(["a", "b", "c"])
    file.commit()
    assert file.begins_with(["a", "b"])
    assert file.begins_with(["a", "b", "c"])
    assert not file.begins_with(["a", "c"])
    assert not file.begins_with(["a", "b", "c", "d"])
    file.append(["d"])
    file.commit()
    assert file.begins_with(["a", "b", "c", "d"])
    file.close()


def test_a_file_that_was_replaced_while_it_was_written_to_is_named_and_vouched_for_no_more(
    tmp_path: Path,
) -> None:
    file = made(tmp_path)
    file.append(["a"])
    (tmp_path / "ft-1.log").unlink()
    (tmp_path / "ft-1.log").touch()
    with pytest.raises(LogGoneError) as caught:
        file.commit()
    assert str(tmp_path / "ft-1.log") in str(caught.value)
    assert not file.sound
    file.close()


def test_a_file_is_closed_once(tmp_path: Path) -> None:
    file = made(tmp_path)
    descriptor = file._file
    file.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)
    other = os.open(tmp_path / "ft-1.log", os.O_RDONLY)
    os.dup2(other, descriptor)  # the number is used again, and is another's
    file.close()
    os.fstat(descriptor)
    os.close(descriptor)
    if other != descriptor:
        os.close(other)


@forms
def test_what_was_there_is_proved_once_and_what_is_appended_goes_to_the_end(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    file = made(tmp_path, form, compression, piece_bytes=10)
    file.append([f"line {n}" for n in range(9)])
    file.commit()
    file.prove()  # nothing was there before
    file.close()
    whole = again(tmp_path)
    whole.append(["one more"])
    whole.prove()
    whole.append(["and one"])
    whole.commit()
    whole.close()
    path = tmp_path / whole.manifest.file
    data = bytearray(path.read_bytes())
    last = again(tmp_path)
    data[whole.manifest.pieces[0].file_bytes // 2] ^= 1
    path.write_bytes(data)
    last.append(["last"])
    with pytest.raises(DamagedError):
        last.prove()
    last.close()
