"""Logs of many pieces: their hashes, what is read of them to go on, and who finds damage in which."""

import gzip
import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from golden_archives import FORMS
from hypothesis import given
from hypothesis import strategies as st
from logs_in_pieces import begin
from sealed_manifests import sealed
from stranger import found_by_a_stranger

from dashscope_ftlogs import LogSession, verify_archive
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.local.log_writer import LogFile
from dashscope_ftlogs.archive.manifest import PIECE_BYTES, SCHEMA, Manifest, encode
from dashscope_ftlogs.archive.store import DamagedError
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import counted, digests, jsonl_bytes, text_bytes

ENDPOINT = "https://x/api/v1"
LINES = [f"line {n}" for n in range(60)]
forms = pytest.mark.parametrize(("form", "compression"), FORMS.values(), ids=FORMS)


@contextmanager
def opened(folder: Path) -> Iterator[LogFile]:
    """Go on with the log of the archive."""
    archive = Archive(folder)
    manifest = archive.manifest("ft-1")
    assert manifest is not None
    file = LogFile(archive, manifest)
    try:
        file.open()
        yield file
    finally:
        file.close()


def made(folder: Path, lines: list[str], piece_bytes: int, form: Any, compression: Any) -> Manifest:
    """Make an archive of one log by one commit."""
    begin(folder, ENDPOINT, "ft-1", piece_bytes=piece_bytes, form=form, compression=compression)
    with opened(folder) as file:
        file.append(lines)
        file.commit()
        return file.manifest


def vouched(manifest: Manifest) -> Any:
    """Return what a manifest says of the content, and by how many commits it came does not matter."""
    pieces = [(piece.lines, piece.bytes, piece.sha256) for piece in manifest.pieces]
    return manifest.lines, manifest.bytes, manifest.sha256, manifest.tail, pieces


def state(folder: Path) -> tuple[str, str]:
    (verdict,) = verify_archive(folder)
    return verdict.state, verdict.why


def flip(path: Path, place: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def harm(path: Path, manifest: Manifest, number: int) -> None:
    """Flip a bit of a piece, in what it holds even where that is compressed."""
    pieces = [*manifest.pieces, manifest.last_piece]
    begin = sum(piece.file_bytes for piece in pieces[: pieces.index(pieces[number])])
    flip(path, begin + pieces[number].file_bytes // 2)


STEPS = st.lists(
    st.lists(st.text("ab\n\ud800é", max_size=9), max_size=9)
    | st.sampled_from(["write", "commit", "go on", "die"]),
    max_size=20,
)


@pytest.mark.unmeasured
@given(steps=STEPS, piece_bytes=st.sampled_from([1, 7, 30, 10**6]), form=st.sampled_from(list(FORMS)))
def test_however_the_lines_came_the_hashes_are_those_of_one_writer_and_one_commit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], piece_bytes: int, form: str
) -> None:
    folder, at_once = tmp_path_factory.mktemp("archive"), tmp_path_factory.mktemp("archive")
    begin(
        folder,
        ENDPOINT,
        "ft-1",
        piece_bytes=piece_bytes,
        form=FORMS[form][0],
        compression=FORMS[form][1],
    )
    committed: list[str] = []
    steps = [*steps, "commit", "die"]
    while steps:
        lines = list(committed)
        with opened(folder) as file:
            while (step := steps.pop(0)) != "die":
                if isinstance(step, list):
                    file.append(step)
                    lines += step
                elif step == "write":
                    file.write()
                else:
                    file.commit()
                    committed = list(lines)
                    if step == "go on":
                        break
            manifest = file.manifest
    assert vouched(manifest) == vouched(made(at_once, committed, piece_bytes, *FORMS[form]))
    assert vouched(manifest)[3] == digests(committed[-5:])
    assert state(folder) == (
        "incomplete",
        f"{counted(len(committed), 'line')} so far; the download was broken off",
    )
    assert found_by_a_stranger(folder) == {"ft-1.manifest.json": f"{len(committed)} lines, so far"}


@forms
def test_a_piece_is_full_with_the_line_by_which_it_is_so_large(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    manifest = made(tmp_path, LINES, 150, form, compression)
    data = (tmp_path / manifest.file).read_bytes()
    content = text_bytes(LINES) if form == "text" else jsonl_bytes(LINES, 0)
    place = 0
    for piece in (*manifest.pieces, manifest.last_piece):
        stored, data = data[: piece.file_bytes], data[piece.file_bytes :]
        part = gzip.decompress(stored) if compression else stored
        assert part == content[place : place + piece.bytes]
        assert part.count(b"\n") == piece.lines
        assert hashlib.sha256(part).hexdigest() == piece.sha256
        assert len(part.removesuffix(b"\n").rpartition(b"\n")[0]) < 150
        assert len(part) >= 150 or piece == manifest.last_piece
        place += len(part)
    assert place == len(content)
    assert len(manifest.pieces) > 2


def test_of_no_more_than_one_piece_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    content = text_bytes(LINES)
    manifest = made(tmp_path, LINES, len(content), "text", None)
    assert (manifest.pieces, manifest.sha256) == ((), hashlib.sha256(content).hexdigest())
    with opened(tmp_path) as file:
        file.append(["one more"])
        file.commit()
        (piece,) = file.manifest.pieces
        assert piece.sha256 == manifest.sha256
        assert file.manifest.sha256 == hashlib.sha256(b"one more\n").hexdigest()


def bytes_read() -> int:
    """Return how many bytes this thread has read from files so far."""
    said = Path(f"/proc/self/task/{threading.get_native_id()}/io").read_text("ascii")
    return int(dict(line.split(": ") for line in said.splitlines())["rchar"])


@pytest.mark.unmeasured
@pytest.mark.linux
@forms
def test_to_go_on_with_a_log_no_more_than_its_last_piece_is_read(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    lines = [f"{hashlib.sha256(str(n).encode()).hexdigest()} {n}" for n in range(60_000)]
    manifest = made(tmp_path, lines, 2**16, form, compression)
    assert len(manifest.pieces) > 50
    last = manifest.last_piece
    assert 0 < last.file_bytes < 2**16
    looked = -bytes_read() + bytes_read()
    before = bytes_read()
    with opened(tmp_path) as file:
        file.append(["one more"])
        file.commit()
    # Besides, only the manifest is, as large as it is.
    beside = (tmp_path / "ft-1.manifest.json").stat().st_size + 2 * looked
    assert last.file_bytes <= bytes_read() - before <= last.file_bytes + beside
    assert manifest.file_bytes > 10 * (last.file_bytes + beside)
    assert state(tmp_path)[0] == "incomplete"


@pytest.mark.slow
@pytest.mark.unmeasured
@forms
def test_any_flipped_bit_of_any_piece_is_found_by_verify(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    manifest = made(tmp_path, LINES[: 3 if form == "jsonl" else 8], 15, form, compression)
    assert len(manifest.pieces) > 1
    path = tmp_path / manifest.file
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            flip(path, place, bit)
            if state(tmp_path)[0] != "damaged":
                # Some bits of a gzip header, such as those of its time stamp, carry nothing.
                assert gzip.decompress(path.read_bytes()) == gzip.decompress(whole)
                assert "DAMAGED" not in found_by_a_stranger(tmp_path)["ft-1.manifest.json"]
            elif bit == place % 8:
                assert "DAMAGED" in found_by_a_stranger(tmp_path)["ft-1.manifest.json"]
            path.write_bytes(whole)


@pytest.mark.parametrize(("count", "by"), [("lines", 1), ("bytes", 1), ("bytes", -1)])
def test_what_a_piece_counts_is_proved_too(tmp_path: Path, count: str, by: int) -> None:
    manifest = made(tmp_path, LINES, 100, "jsonl", None)
    first, *others = manifest.pieces
    changed = attrs.evolve(first, **{count: getattr(first, count) + by})
    total = {count: getattr(manifest, count) + by}  # or the last piece would not fit
    Archive(tmp_path).put(attrs.evolve(manifest, pieces=(changed, *others), **total))
    assert state(tmp_path) == ("damaged", "its manifest was changed: it counts what is not there")
    assert "DAMAGED" in found_by_a_stranger(tmp_path)["ft-1.manifest.json"]


async def downloaded(session: LogSession, folder: Path) -> Manifest:
    await session.download("ft-1", folder)
    manifest = Archive(folder).manifest("ft-1")
    assert manifest is not None
    return manifest


@pytest.mark.covered
@forms
@pytest.mark.parametrize("found_by", ["recheck", "the end"])
async def test_damage_before_the_last_piece_is_left_alone_until_a_download_proves_all(
    connect: Callable[..., LogSession], tmp_path: Path, form: Any, compression: Any, found_by: str
) -> None:
    job = EmulatedJob("ft-1", LINES * 50, status="RUNNING")
    async with Emulator([job]) as emulator, connect(emulator) as session:
        begin(tmp_path, emulator.base_url, "ft-1", piece_bytes=1_000, form=form, compression=compression)
        manifest = await downloaded(session, tmp_path)
        # Behind the lines that are compared before a log is complete.
        harm(tmp_path / manifest.file, manifest, len(manifest.pieces) // 2)
        job.append("one more")
        (outcome,) = await session.download("ft-1", tmp_path)
        assert (outcome.state, outcome.new_lines, outcome.set_aside) == ("running", 1, ())
        assert state(tmp_path)[0] == "damaged"
        if found_by == "the end":
            job.finish("SUCCEEDED")
        (outcome,) = await session.download("ft-1", tmp_path, recheck=found_by == "recheck")
        ended, verdict = ("running", "incomplete") if found_by == "recheck" else ("complete", "ok")
        assert (outcome.state, outcome.new_lines) == (ended, 3_001)
        assert outcome.set_aside == (manifest.file.replace("ft-1", "ft-1.damaged-1"),)
    assert state(tmp_path)[0] == verdict


@pytest.mark.covered
@forms
async def test_damage_to_the_last_piece_or_the_first_is_set_aside_by_the_download_that_completes(
    connect: Callable[..., LogSession], tmp_path: Path, form: Any, compression: Any
) -> None:
    for number in (0, -1):
        folder = tmp_path / f"{number}"
        job = EmulatedJob("ft-1", LINES, status="RUNNING")
        async with Emulator([job]) as emulator, connect(emulator) as session:
            begin(folder, emulator.base_url, "ft-1", piece_bytes=200, form=form, compression=compression)
            manifest = await downloaded(session, folder)
            harm(folder / manifest.file, manifest, number)
            job.append("one more")
            job.finish("SUCCEEDED")
            (outcome,) = await session.download("ft-1", folder)
            assert (outcome.state, outcome.new_lines) == ("complete", 61)
            assert outcome.set_aside == (manifest.file.replace("ft-1", "ft-1.damaged-1"),)
        assert state(folder)[0] == "ok"


@pytest.mark.unmeasured
@forms
@pytest.mark.parametrize("schema", range(1, SCHEMA))
def test_a_log_of_an_older_schema_is_checked_as_a_whole_once_and_goes_on_in_pieces(
    tmp_path: Path, schema: int, form: Any, compression: Any
) -> None:
    lines = [random.Random(n).randbytes(2**19).hex() for n in range(17)]
    content = text_bytes(lines) if form == "text" else jsonl_bytes(lines, 0)
    stored = gzip.compress(content, 1) if compression else content
    known = Manifest(
        job_id="ft-1",
        endpoint=ENDPOINT,
        format=form,
        compression=compression,
        lines=len(lines),
        bytes=len(content),
        file_bytes=len(stored),
        sha256=hashlib.sha256(content).hexdigest(),
        tail=digests(lines[-5:]),
    )
    path, beside = tmp_path / known.file, tmp_path / "ft-1.manifest.json"
    path.write_bytes(stored)
    beside.write_bytes(older(known, schema))
    assert state(tmp_path)[0] == "incomplete"
    assert found_by_a_stranger(tmp_path) == {beside.name: "17 lines, so far"}
    flip(path, len(stored) // 2)
    with pytest.raises(DamagedError), opened(tmp_path):
        pass
    flip(path, len(stored) // 2)
    for count in (1, 2):
        with opened(tmp_path) as file:
            file.append([f"more {count}"])
            file.commit()
        said = json.loads(beside.read_bytes())
        assert (said["schema"], said["piece_bytes"]) == (SCHEMA, PIECE_BYTES)
        (piece,) = file.manifest.pieces
        assert (piece.lines, piece.bytes, piece.sha256) == (17, len(content), known.sha256)
        assert file.manifest.last_piece.lines == count
    assert state(tmp_path)[0] == "incomplete"
    assert found_by_a_stranger(tmp_path) == {beside.name: "19 lines, so far"}


def older(manifest: Manifest, schema: int) -> bytes:
    """Return a manifest as an older version wrote it."""
    said = json.loads(encode(manifest)) | {"schema": schema}
    for name in ("checksum", "piece_bytes", "pieces"):
        del said[name]
    if schema == 1:
        del said["settling"], said["ended_by"]
        return json.dumps(said, indent=1).encode()
    return sealed(**said)
