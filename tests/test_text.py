"""Lines as bytes, rows and something safe to show."""

import json
import math
import os
import re
import subprocess
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dashscope_ftlogs.text import (
    escaped,
    escaped_jsonl_bytes,
    excerpt,
    file_for_shell,
    for_shell,
    json_bytes,
    jsonl_bytes,
    text_bytes,
)

ANY = st.text(alphabet=st.characters())  # lone surrogates included
NASTY = ANY | st.lists(
    st.sampled_from(
        ["\x1b[2J", "\x1b]0;x\x07", "\r", "\n", "\t", "\0", "\x9b", "\u202e", "\u2028", "\ud800", "a"]
    )
).map("".join)
MARKS = set("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_harmless(text: str) -> bool:
    return not any(
        (unicodedata.category(char) in {"Cc", "Cs"} and char != "\t") or char in MARKS for char in text
    )


@given(NASTY)
def test_nothing_that_acts_on_a_terminal_survives_escaping(text: str) -> None:
    assert is_harmless(escaped(text))
    assert is_harmless(excerpt(text))


@pytest.mark.covered
@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"])))
def test_readable_text_is_shown_as_it_is(text: str) -> None:
    assert escaped(text) == text


@given(NASTY, st.integers(1, 50))
def test_an_excerpt_is_short_and_on_one_line(text: str, limit: int) -> None:
    # Each character that is shown may take up to ten of its escaped form.
    assert len(excerpt(text, limit)) <= limit * 10 + 1
    assert "\n" not in excerpt(text, limit)


def test_an_excerpt_of_a_huge_text_costs_no_more_than_it_shows() -> None:
    assert excerpt(" \n" * 10_000_000 + "end") == ""


@pytest.mark.covered
@given(st.lists(NASTY), st.integers(0, 2**53))
def test_rows_give_back_the_very_lines_and_offsets(lines: list[str], offset: int) -> None:
    for encode in (jsonl_bytes, escaped_jsonl_bytes):
        data = encode(lines, offset)
        rows = [json.loads(row) for row in data.splitlines()]
        assert rows == [{"offset": n, "line": line} for n, line in enumerate(lines, offset)]
        assert data.count(b"\n") == len(lines)
    assert is_harmless(escaped_jsonl_bytes(lines, offset).decode().replace("\n", ""))


@pytest.mark.covered
@given(st.lists(NASTY))
def test_text_is_each_line_and_a_newline(lines: list[str]) -> None:
    expected = b"".join(line.encode("utf-8", "backslashreplace") + b"\n" for line in lines)
    assert text_bytes(lines) == expected


@pytest.mark.parametrize("beside", ["x", "\ud800"])
def test_a_number_that_json_has_no_word_for_is_null_whatever_stands_beside_it(beside: str) -> None:
    data = json_bytes({"a": [math.nan, {"b": -math.inf}], "c": beside, "d": 1.5})
    told = json.loads(data, parse_constant=pytest.fail)
    assert told == {"a": [None, {"b": None}], "c": beside, "d": 1.5}


@pytest.mark.covered
@pytest.mark.posix
@given(word=st.one_of(st.text(), st.binary().map(os.fsdecode), st.text("-./'\"\\$`n1é\n\u202e\udcff")))
def test_a_shell_makes_the_same_word_of_what_is_told_and_a_terminal_is_not_changed(word: str) -> None:
    assume("\0" not in word and not re.search("[\ud800-\udc7f\udd00-\udfff]", word))
    for told, meant in (
        (for_shell(word), word),
        (file_for_shell(word), f"./{word}" if word.startswith("-") and word[1:] else word),
    ):
        assert told == escaped(told)
        assert told.isprintable()
        made = subprocess.check_output(["bash", "-c", f"printf %s {told}"])
        assert os.fsdecode(made) == meant


def test_of_half_a_character_which_is_in_no_file_s_name_a_word_is_made_too() -> None:
    assert for_shell("\ud800") == r"$'\355\240\200'"
