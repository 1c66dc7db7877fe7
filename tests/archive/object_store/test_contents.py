"""What objects hold: packed, joined, and checked."""

import gzip

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.archive.manifest import Compression, Format
from dashscope_ftlogs.archive.object_store.commits import DataObject
from dashscope_ftlogs.archive.object_store.contents import Content, joined, packed, unpacked
from dashscope_ftlogs.archive.store import DamagedError


def described(content: bytes, stored: bytes, sha256: str) -> DataObject:
    return DataObject(
        name="data-0000-0.log",
        from_line=5,
        to_line=5 + content.count(b"\n"),
        bytes=len(content),
        stored_bytes=len(stored),
        sha256=sha256,
    )


def check(
    of: DataObject, stored: bytes, compression: Compression | None, step: int, form: Format = "text"
) -> None:
    content = Content(of, form, compression)
    for begin in range(0, len(stored), step):
        content.take(stored[begin : begin + step])
    content.end()


@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=5),
    st.sampled_from([None, "gzip"]),
    st.integers(1, 50),
)
def test_what_was_packed_and_joined_is_proved_in_any_chunks(
    parts: list[bytes], compression: Compression | None, step: int
) -> None:
    contents = [part + b"\n" for part in parts]
    stored, sha256 = joined([packed(one, compression)[0] for one in contents], compression)
    whole = b"".join(contents)
    assert (unpacked(stored, compression), sha256) == (whole, packed(whole, None)[1])
    check(described(whole, stored, sha256), stored, compression, step)


CONTENT = b"one\ntwo\nthree\n" * 9


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_any_flipped_bit_any_byte_too_few_or_too_many_is_noticed(
    compression: Compression | None,
) -> None:
    stored, sha256 = packed(CONTENT, compression)
    of = described(CONTENT, stored, sha256)
    harmed = [stored[:cut] for cut in range(len(stored))] + [stored + b"\n", stored + stored]
    harmed += [
        stored[:place] + bytes([stored[place] ^ 1 << bit]) + stored[place + 1 :]
        for place in range(len(stored))
        for bit in range(8)
    ]
    for one in harmed:
        try:
            check(of, one, compression, 7)
        except DamagedError:
            continue
        # A gzip member has bits that mean nothing, such as its time: they change no line.
        assert compression is not None
        assert len(one) == len(stored)
        assert gzip.decompress(one) == CONTENT


@pytest.mark.parametrize(
    ("field", "value"), [("bytes", 1), ("stored_bytes", 1), ("to_line", 5 + 28), ("sha256", "0" * 64)]
)
def test_a_commit_that_counts_otherwise_is_noticed(field: str, value: object) -> None:
    stored, sha256 = packed(CONTENT, None)
    with pytest.raises(DamagedError):
        check(attrs.evolve(described(CONTENT, stored, sha256), **{field: value}), stored, None, 50)


def test_only_a_text_may_hold_more_newlines_than_lines() -> None:
    stored, sha256 = packed(CONTENT, None)
    fewer = attrs.evolve(described(CONTENT, stored, sha256), to_line=10)
    check(fewer, stored, None, 50)
    with pytest.raises(DamagedError, match="counts what is not there"):
        check(fewer, stored, None, 50, form="jsonl")


@pytest.mark.covered
def test_what_unpacks_to_much_is_never_held_as_a_whole() -> None:
    content = b"\n" * 2**25
    stored, sha256 = packed(content, "gzip")
    check(described(content, stored, sha256), stored, "gzip", len(stored))
