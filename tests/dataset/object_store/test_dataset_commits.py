"""Commits of datasets on object storage: read as they were written, or refused."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import ArchiveMismatchError, ManifestError
from dashscope_ftlogs.archive.manifest import sealed
from dashscope_ftlogs.dataset.object_store.dataset_commits import (
    PART_BYTES,
    DatasetCommit,
    Part,
    Superseded,
    decode,
    encode,
    following,
    part_name,
    taken_apart,
)


def part(number: int, month: str = "2026-11", size: int = 9, **logs: str) -> Part:
    name = part_name(f"month={month}", f"{number:032x}")
    return Part(name=name, rows=3, stored_bytes=size, sha256="0" * 64, logs=logs)


COMMIT = DatasetCommit(
    number=7,
    parts=(part(1, a="x", b="y"), part(2, "unknown", c="x")),
    superseded=(Superseded(name=part(3).name, since=6),),
)


def test_a_commit_is_read_as_it_was_written() -> None:
    assert decode(encode(COMMIT), 7) == COMMIT
    assert COMMIT.logs == {"a": "x", "b": "y", "c": "x"}
    assert [one.month for one in COMMIT.parts] == ["month=2026-11", "month=unknown"]
    assert decode(encode(DatasetCommit(number=1)), 1) == DatasetCommit(number=1)


@given(st.data())
def test_none_is_read_with_any_bit_flipped(data: st.DataObject) -> None:
    whole = encode(COMMIT)
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    flipped = bytearray(whole)
    flipped[place // 8] ^= 1 << place % 8
    with pytest.raises(ManifestError, match="not a commit as it was written"):
        decode(bytes(flipped), 7)


@pytest.mark.parametrize(
    "changed",
    [
        {"number": 8},
        {"schema": 0},
        {"parts": [{}]},
        {"more": 1},
        {"parts": [attrs.asdict(part(1, a="x")), attrs.asdict(part(2, a="y"))]},
        {"parts": [attrs.asdict(part(1, a="x")), attrs.asdict(part(1, b="y"))]},
        {"parts": [attrs.asdict(part(3, a="x"))]},
        {"parts": [attrs.asdict(part(1, size=-1, a="x"))]},
        {"parts": [attrs.asdict(part(1)) | {"name": "../../else"}]},
    ],
)
def test_one_that_contradicts_itself_is_refused(changed: dict[str, Any]) -> None:
    said = json.loads(encode(COMMIT))
    del said["checksum"]
    with pytest.raises(ManifestError, match="made anew from the archive"):
        decode(sealed(said | changed), 7)


def test_one_of_a_newer_version_is_told_as_that() -> None:
    said = json.loads(encode(COMMIT))
    del said["checksum"]
    with pytest.raises(ArchiveMismatchError, match="newer version"):
        decode(sealed(said | {"schema": 2}), 7)


SIZES = st.sampled_from([1, PART_BYTES // 2 - 1, PART_BYTES // 2, PART_BYTES])
LOGS = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("xy"))


@pytest.mark.covered
@given(st.lists(st.tuples(st.sampled_from(["2026-10", "2026-11"]), SIZES, LOGS), max_size=6))
def test_each_log_is_in_one_part_whatever_is_added(adds: list[tuple[str, int, dict[str, str]]]) -> None:
    head, number = DatasetCommit(number=0), 0
    known: dict[str, str] = {}
    for month, size, logs in adds:
        old = taken_apart(head, {f"month={month}"}, logs)
        new: list[Part] = []
        for of in {one.month for one in old} | {f"month={month}"}:
            number += 1
            left = {
                job: digest
                for one in old
                if one.month == of
                for job, digest in one.logs.items()
                if job not in logs
            }
            added = logs if of == f"month={month}" else {}
            new.append(part(number, of.partition("=")[2], size, **left, **added))
        head = following(head, old, new, {head.number})
        known |= logs
        assert head.logs == known
        assert decode(encode(head), head.number) == head
        assert {one.name for one in head.superseded if one.since == head.number} == {
            one.name for one in old
        }
        here = [one for one in head.parts if one.month == f"month={month}"]
        assert sum(one.stored_bytes < PART_BYTES / 2 for one in here) <= 1
