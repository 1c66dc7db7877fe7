"""The chain of commits: what is read as one, and what no longer is."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import ArchiveMismatchError, ManifestError
from dashscope_ftlogs.archive.manifest import Manifest, sealed
from dashscope_ftlogs.archive.object_store.commits import (
    OBJECT_BYTES,
    Commit,
    DataObject,
    Older,
    check_link,
    commit_name,
    compacted,
    data_name,
    decode,
    encode,
    file_names,
    following,
    groups,
    number_of,
    unneeded,
)
from dashscope_ftlogs.archive.store import DamagedError

JOB = "ft-1"
BEGUN = Manifest(job_id=JOB, endpoint="https://x/api/v1")


def name(number: int, generation: int = 0) -> str:
    return data_name(generation, f"{number:032x}", BEGUN)


def data(begin: int, end: int, **other: Any) -> DataObject:
    found = DataObject(
        name=name(begin),
        from_line=begin,
        to_line=end,
        bytes=10 * (end - begin),
        stored_bytes=10 * (end - begin),
        sha256="0" * 64,
    )
    return attrs.evolve(found, **other)


def manifest(lines: int, **other: Any) -> Manifest:
    return attrs.evolve(BEGUN, lines=lines, bytes=10 * lines, file_bytes=10 * lines, **other)


def made(commit: Commit) -> Commit:
    return encode(commit)[1]


FIRST = made(following(None, manifest(3), [data(0, 3)]))
SECOND = made(following(FIRST, manifest(7), [data(3, 5), data(5, 7)]))
FACTS = made(following(SECOND, manifest(7, complete=True), []))
AFRESH = made(following(FACTS, manifest(2), [data(0, 2)], afresh="rewritten"))
ALL = [FIRST, SECOND, FACTS, AFRESH]


@pytest.mark.parametrize("commit", ALL, ids=lambda one: f"commit {one.number}")
def test_a_commit_is_read_as_it_was_written(commit: Commit) -> None:
    written, known = encode(commit)
    assert decode(written, JOB, commit.number) == known == commit
    assert json.loads(written)["checksum"] == commit.checksum


@pytest.mark.covered
@pytest.mark.parametrize("commit", [SECOND, AFRESH], ids=lambda one: f"commit {one.number}")
def test_no_commit_is_read_with_any_bit_flipped(commit: Commit) -> None:
    written, _ = encode(commit)
    for place in range(len(written)):
        for bit in range(8):
            harmed = written[:place] + bytes([written[place] ^ 1 << bit]) + written[place + 1 :]
            with pytest.raises(ManifestError):
                decode(harmed, JOB, commit.number)


def test_no_commit_is_read_in_another_ones_place() -> None:
    written, _ = encode(SECOND)
    with pytest.raises(ManifestError, match=r"ft-1/commit-.* does not fit its name"):
        decode(written, JOB, 3)
    with pytest.raises(ManifestError, match="does not fit its name"):
        decode(written, "ft-2", 2)


def resealed(commit: Commit, **fields: Any) -> bytes:
    said = json.loads(encode(commit)[0]) | fields
    del said["checksum"]
    return sealed({name: value for name, value in said.items() if value is not ...})


def log(**fields: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(encode(SECOND)[0])["log"]
    return said | fields


def objects(**fields: Any) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = json.loads(encode(SECOND)[0])["objects"]
    return [said[0] | fields, *said[1:]]


@pytest.mark.parametrize(
    "fields",
    [
        {"number": 3},
        {"number": "2"},
        {"number": True},
        {"first": 0},
        {"first": 3},
        {"previous": ""},
        {"previous": "x" * 64},
        {"previous": ...},
        {"schema": 0},
        {"schema": ...},
        {"schema": "1"},
        {"unknown": 1},
        {"objects": None},
        {"objects": [1]},
        {"objects": objects(name="../../x")},
        {"objects": objects(unknown=1)},
        {"objects": objects(to_line=3)},
        {"objects": objects(to_line=6)},
        {"objects": objects(bytes=0)},
        {"objects": objects(stored_bytes=-1)},
        {"objects": objects()[:1]},
        {"older": [{"first": 1, "last": 1, "why": "rewritten", "more": 1}]},
        {"older": [{"first": 1, "last": 1, "why": "else"}]},
        {"older": [{"first": 2, "last": 1, "why": "damaged"}]},
        {"older": [{"first": 1, "last": 9, "why": "damaged"}]},
        {"log": log(lines=8)},
        {"log": log(lines=-1)},
        {"log": log(bytes=-1)},
        {"log": log(retries=-1)},
        {"log": log(tail=["0" * 64] * 6)},
        {"log": log(job_id="ft-2")},
        {"log": log(job_id="../x")},
        {"log": log(sha256="0" * 64)},
        {"log": []},
    ],
    ids=str,
)
def test_what_does_not_add_up_is_no_commit_though_it_is_sealed(fields: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="is not a commit as it was written"):
        decode(resealed(SECOND, **fields), JOB, 2)


@pytest.mark.parametrize(
    "fields", [{"objects": []}, {"objects": objects()}, {"log": log(lines=3, bytes=31)}]
)
def test_the_first_of_a_chain_names_all_that_there_is(fields: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match="what it counts"):
        decode(resealed(FIRST, **fields), JOB, 1)


@pytest.mark.parametrize("written", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"a":1,"a":1}'])
def test_what_is_no_object_is_no_commit(written: bytes) -> None:
    with pytest.raises(ManifestError):
        decode(written, JOB, 1)


def test_what_a_newer_version_made_is_no_damage() -> None:
    with pytest.raises(ArchiveMismatchError, match="its schema is 2"):
        decode(resealed(FIRST, schema=2, more="x"), JOB, 1)


@given(st.integers(1, 10**10 - 1), st.integers(1, 10**10 - 1))
def test_newer_commits_come_first_in_the_order_of_names(one: int, other: int) -> None:
    assert (commit_name(one) < commit_name(other)) == (one > other)
    assert number_of(commit_name(one)) == one


@pytest.mark.parametrize(
    "odd", ["", "data-0000-00.log", "commit-9999999998-0000000002.json", "commit-1-2.json"]
)
def test_no_other_name_is_a_commits(odd: str) -> None:
    assert number_of(odd) is None
    assert number_of("commit-9999999999-0000000000.json") is None


def test_a_link_holds_where_one_commit_goes_on_from_the_other() -> None:
    check_link(FIRST, SECOND)
    check_link(SECOND, FACTS)


@pytest.mark.parametrize(
    "after",
    [
        attrs.evolve(SECOND, number=3),
        attrs.evolve(SECOND, previous="0" * 64),
        attrs.evolve(SECOND, first=2),
        attrs.evolve(SECOND, objects=SECOND.objects[1:]),
        attrs.evolve(SECOND, objects=()),
        attrs.evolve(SECOND, manifest=manifest(7, job_id="ft-2")),
        attrs.evolve(SECOND, manifest=manifest(7, format="jsonl")),
        attrs.evolve(SECOND, manifest=attrs.evolve(manifest(7), bytes=71)),
    ],
    ids=range(8),
)
def test_any_other_link_is_broken(after: Commit) -> None:
    with pytest.raises(DamagedError, match="the chain is broken"):
        check_link(FIRST, after)


def test_a_compacted_chain_begins_with_one_commit_that_says_the_same() -> None:
    one = made(compacted(FACTS, [data(0, 7)]))
    assert (one.number, one.first, one.previous) == (4, 4, FACTS.checksum)
    assert (one.manifest, one.older) == (FACTS.manifest, FACTS.older)
    assert decode(encode(one)[0], JOB, 4) == one


def test_older_generations_are_counted_by_why_they_were_set_aside() -> None:
    again = made(following(AFRESH, manifest(0), [], afresh="damaged"))
    last = made(following(again, manifest(0), [], afresh="rewritten"))
    assert [file for _, file in file_names(last)] == [
        "ft-1.rewritten-1.log",
        "ft-1.damaged-1.log",
        "ft-1.rewritten-2.log",
        "ft-1.log",
    ]
    assert last.older == (
        Older(first=1, last=3, why="rewritten"),
        Older(first=4, last=4, why="damaged"),
        Older(first=5, last=5, why="rewritten"),
    )


@given(st.lists(st.integers(1, 2 * OBJECT_BYTES), max_size=40))
def test_neighbours_are_merged_as_long_as_they_are_small_and_none_is_lost(sizes: list[int]) -> None:
    given_ones = [data(n, n + 1, bytes=size) for n, size in enumerate(sizes)]
    found = groups(given_ones)
    assert [one for group in found for one in group] == given_ones
    totals = [sum(one.bytes for one in group) for group in found]
    assert all(
        total <= OBJECT_BYTES or len(group) == 1 for total, group in zip(totals, found, strict=True)
    )
    # No two neighbours are left that would have gone into one, so there are few.
    assert len(found) <= 2 * sum(sizes) / OBJECT_BYTES + 1


def test_nothing_is_swept_that_a_commit_or_an_older_generation_needs() -> None:
    head = made(attrs.evolve(compacted(AFRESH, [data(0, 2, name=name(77, 1))])))
    kept = [commit_name(n) for n in (1, 2, 3, 5)] + [name(0), name(3), name(77, 1), "somebody's.txt"]
    garbage = [commit_name(4), name(0, 1)]
    assert unneeded(head, kept + garbage) == garbage
