"""A log that is not what its manifest vouches for is not read as if it were; one in the making is."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from golden_archives import FORMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs_in_pieces import begin

from dashscope_ftlogs import ArchiveError, DamagedLogError, ManifestError, metrics, verify_archive
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.local.generations import opened, set_aside
from dashscope_ftlogs.archive.local.log_file_sha256 import proved
from dashscope_ftlogs.archive.local.log_writer import LogFile
from dashscope_ftlogs.archive.local_log_reader import StoredLog, stored_logs
from dashscope_ftlogs.archive.manifest import Manifest

LINES = [f"{{'loss': {number}}}" for number in range(60)]
forms = pytest.mark.parametrize(("form", "compression"), FORMS.values(), ids=FORMS)


def committed(folder: Path, lines: list[str]) -> Manifest:
    """Go on with the log of the archive by one commit."""
    archive = Archive(folder)
    manifest = archive.manifest("ft-1")
    assert manifest is not None
    file = LogFile(archive, manifest)
    file.open()
    file.append(lines)
    file.commit()
    file.close()
    return file.manifest


def made(folder: Path, form: Any = "text", compression: Any = None, pieces: int = 100) -> Path:
    """Make an archive of one log; return its file."""
    begin(folder, "https://x/api/v1", "ft-1", piece_bytes=pieces, form=form, compression=compression)
    return folder / committed(folder, LINES).file


def read(log: Any) -> list[str]:
    return [line for _, line in log.lines()]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def cut_to_nothing(path: Path) -> None:
    path.write_bytes(b"")


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    # What the header of a gzip member says besides is none of the content.
    data[data.rfind(b"\x1f\x8b\x08") + 12 if path.suffix == ".gz" else len(data) // 2] ^= 1
    path.write_bytes(data)


def grown_inside(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:50] + b"{'loss': 0}\n" + data[50:])


@pytest.mark.covered
@forms
@pytest.mark.parametrize("pieces", [100, 2**20])
@pytest.mark.parametrize("harm", [cut, cut_to_nothing, changed, grown_inside, os.unlink])
def test_one_that_is_not_what_was_committed_is_told_as_that(
    tmp_path: Path, form: Any, compression: Any, pieces: int, harm: Callable[[Path], None]
) -> None:
    path = made(tmp_path, form, compression, pieces)
    for source in (tmp_path, path):
        (log,) = stored_logs(source)
        assert read(log) == LINES
    harm(path)
    assert [verdict.state for verdict in verify_archive(tmp_path)] == ["damaged"]
    for source in (tmp_path, path):
        (log,) = stored_logs(source)
        with pytest.raises(DamagedLogError, match=r"cannot read .*ft-1\.") as caught:
            read(log)
        assert "ftlogs verify" in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_no_bit_of_it_changes_unnoticed(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "logs"
    path = folder / "ft-1.log"
    if not folder.exists():
        made(folder)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[place // 8] ^= 1 << place % 8
    path.write_bytes(flipped)
    (log,) = stored_logs(folder)
    try:
        with pytest.raises(DamagedLogError):
            read(log)
    finally:
        path.write_bytes(whole)


def test_points_of_a_damaged_log_are_none(tmp_path: Path) -> None:
    changed(made(tmp_path))
    (partition,) = metrics.partitions(tmp_path)
    with pytest.raises(DamagedLogError):
        metrics.read(partition)


@forms
def test_what_is_not_committed_yet_is_no_damage(tmp_path: Path, form: Any, compression: Any) -> None:
    path = made(tmp_path, form, compression)
    (log,) = stored_logs(tmp_path)
    with path.open("ab") as file:
        file.write(b"half a li")
    assert read(log) == LINES
    os.truncate(path, path.stat().st_size - 9)
    committed(tmp_path, ["more"])
    assert read(log) == [*LINES, "more"], "it is read as it is when it is opened"


def test_a_log_that_was_only_begun_is_empty(tmp_path: Path) -> None:
    begin(tmp_path, "https://x/api/v1", "ft-1", piece_bytes=100)
    (log,) = stored_logs(tmp_path)
    assert read(log) == []


@pytest.mark.parametrize("steps", range(4))
def test_one_that_is_begun_afresh_is_the_old_or_the_new_one(tmp_path: Path, steps: int) -> None:
    """Whatever instant it is opened at, between the steps of a writer."""
    made(tmp_path)
    (log,) = stored_logs(tmp_path)
    if steps:
        set_aside(Archive(tmp_path), "ft-1", "rewritten")
    if steps > 1:
        begin(tmp_path, "https://x/api/v1", "ft-1", piece_bytes=100)
    if steps > 2:
        committed(tmp_path, LINES[::-1] * 2)
    assert read(log) == [LINES, LINES, [], LINES[::-1] * 2][steps]


def test_one_that_is_begun_afresh_while_it_is_opened_is_opened_once_more(tmp_path: Path) -> None:
    """The writer comes in between, at each instant at which something is looked at."""

    class Watched(Archive):
        looks, when = 0, 0

        def look(self) -> None:
            self.looks += 1
            if self.looks == self.when:
                set_aside(Archive(self.directory), "ft-1", "rewritten")
                begin(self.directory, "https://x/api/v1", "ft-1", piece_bytes=100)
                committed(self.directory, ["new"])

        def at(self, log_stem: str) -> Any:
            self.look()
            return super().at(log_stem)

        def open(self, name: str, flags: int) -> int:
            if name.endswith(".log"):
                self.look()
            return super().open(name, flags)

        def holds(self, name: str, descriptor: int) -> bool:
            self.look()
            return super().holds(name, descriptor)

    found = list[str]()
    archive = Watched(tmp_path / "0")
    while archive.looks >= archive.when:
        when, archive = archive.when + 1, Watched(tmp_path / f"{archive.when + 1}")
        archive.when = when
        made(archive.directory)
        with opened(archive, "ft-1") as (descriptor, manifest):
            lines = b"".join(proved(descriptor, manifest)).decode().splitlines()
        found.append("old" if lines == LINES else ", ".join(lines))
    assert found == ["new", "new", "new", "new", "old"]


@pytest.mark.parametrize("begun", [False, True])
def test_one_that_is_only_set_aside_before_it_is_opened_is_read_where_it_is_now(
    tmp_path: Path, begun: bool
) -> None:
    class Watched(Archive):
        moved = False

        def open(self, name: str, flags: int) -> int:
            if not self.moved:
                self.moved = True
                set_aside(Archive(self.directory), "ft-1", "rewritten")
                if begun:
                    begin(self.directory, "https://x/api/v1", "ft-1", piece_bytes=100)
            return super().open(name, flags)

    made(tmp_path)
    with opened(Watched(tmp_path), "ft-1") as (descriptor, manifest):
        found = b"".join(proved(descriptor, manifest)).decode().splitlines()
    assert found == ([] if begun else LINES)


@forms
def test_what_is_written_several_times_before_it_is_committed_is_one_log(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    begin(tmp_path, "https://x/api/v1", "ft-1", piece_bytes=2**20, form=form, compression=compression)
    archive = Archive(tmp_path)
    manifest = archive.manifest("ft-1")
    assert manifest is not None
    file = LogFile(archive, manifest)
    file.open()
    for begun in range(0, len(LINES), 20):
        file.append(LINES[begun : begun + 20])
        file.write()
    file.commit()
    file.close()
    (log,) = stored_logs(tmp_path)
    assert read(log) == LINES


def test_a_log_of_one_line_is_kept_packed_or_not_and_goes_on(tmp_path: Path) -> None:
    for number, (form, compression) in enumerate(FORMS.values()):
        folder = tmp_path / f"{number}"
        begin(folder, "https://x/api/v1", "ft-1", piece_bytes=100, form=form, compression=compression)
        committed(folder, ["one"])
        (log,) = stored_logs(folder)
        assert read(log) == ["one"]
        committed(folder, ["two", "three"])
        assert read(log) == ["one", "two", "three"]


def test_a_manifest_that_goes_away_or_breaks_meanwhile_is_told(tmp_path: Path) -> None:
    made(tmp_path)
    (log,) = stored_logs(tmp_path)
    (tmp_path / "ft-1.manifest.json").write_bytes(b"{}")
    with pytest.raises(ManifestError, match="not a manifest"):
        read(log)
    (tmp_path / "ft-1.manifest.json").unlink()
    with pytest.raises(ManifestError, match=r"ft-1\.manifest\.json has gone"):
        read(log)


@forms
@pytest.mark.parametrize("harm", ["gone", "cut", "a link"])
def test_a_glance_tells_that_a_file_can_t_be_what_was_committed(
    tmp_path: Path, form: Any, compression: Any, harm: str
) -> None:
    made(tmp_path, form, compression)
    (log,) = stored_logs(tmp_path)
    log.glance()
    path = Path(log.where)
    whole = path.read_bytes()
    path.unlink()
    if harm == "cut":
        path.write_bytes(whole[:-1])
    elif harm == "a link":
        path.symlink_to("x")
    with pytest.raises(ArchiveError, match=re.escape(str(path))):
        log.glance()
    path.unlink(missing_ok=True)
    path.write_bytes(whole + b"not yet committed")
    log.glance()


def test_a_glance_finds_a_log_that_was_just_set_aside(tmp_path: Path) -> None:
    made(tmp_path)
    (log,) = stored_logs(tmp_path)
    set_aside(Archive(tmp_path), "ft-1", "rewritten")
    assert not Path(log.where).exists()
    log.glance()


def test_a_damaged_manifest_costs_its_own_log_only(tmp_path: Path) -> None:
    made(tmp_path)
    for name in ("ft-0", "ft-2"):
        (tmp_path / f"{name}.manifest.json").write_bytes(b"{}")
    one, good, other = stored_logs(tmp_path)
    assert read(good) == LINES
    assert isinstance(good, StoredLog)
    for log in (one, other):
        assert (log.job, log.size()) == (None, 0)
        assert log.version
        with pytest.raises(ManifestError):
            log.glance()
        with pytest.raises(ManifestError, match="not a manifest"):
            read(log)
    assert [one.name, other.where] == ["ft-0", str(tmp_path / "ft-2.manifest.json")]


@forms
def test_one_whose_last_line_went_on_while_it_was_read_is_not_called_damaged(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    path = made(tmp_path, form, compression)
    (log,) = stored_logs(tmp_path)
    reading = log.lines()
    assert next(reading) == (0, LINES[0])
    archive = Archive(tmp_path)
    manifest = archive.manifest("ft-1")
    assert manifest is not None
    file = LogFile(archive, manifest)
    file.open()
    assert file.take_back(LINES[-1])
    file.append([f"{LINES[-1]} and more"])
    file.commit()
    file.close()
    with pytest.raises(ArchiveError, match="went on while it was read: read it again") as caught:
        list(reading)
    assert not isinstance(caught.value, DamagedLogError)
    assert read(log) == [*LINES[:-1], f"{LINES[-1]} and more"]
    assert path.exists()
