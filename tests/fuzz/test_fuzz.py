"""Hypothesis at the targets: any bytes, and better, the seeds with something changed in them.

`nox -s fuzz -- SECONDS` goes on looking for so long.
"""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import LOG, SEEDS
from targets import TARGETS

from dashscope_ftlogs import parse_line

TOKENS = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b'"', b"'", b":", b",", b"\\", b"\0", b"\n", b"\r", b"%|", b"-"),
        *(b"null", b"true", b"NaN", b"1e999", b"-1", b"9" * 20, b"9" * 400, b"\xed\xa0\x80", b"\xff"),
        *(
            b"\\ud800",
            b'"output"',
            b'"total"',
            b'"code"',
            b'"error"',
            b"'loss': nan",
            b"tensor(",
            b"\x1b[2J",
        ),
        *(b"[" * 2000, b'{"x":' * 2000, b"\x1f\x8b", b"sk-secret", b"##FT_COMPLETE##"),
    ]
)

pytestmark = pytest.mark.unmeasured


@st.composite
def changed(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw a seed with some parts cut, doubled, or replaced."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + 30)))
        part = draw(st.one_of(TOKENS, st.binary(max_size=8), st.just(data[begin:end] * 2), st.just(b"")))
        data = data[:begin] + part + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_any_bytes_keep_the_promise(name: str, data: Any) -> None:
    TARGETS[name](data.draw(st.binary(max_size=200) | changed(SEEDS[name])))


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_keep_it(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


PIECES = st.sampled_from(
    [
        *("{", "}", "'", '"', "'loss': ", "1.5", ", ", "(", ")", "[", "]", "<", "|", "%", "1%| ", " "),
        *("10%|█| 1/2 [", "00:01<00:02, ", "[INFO:", "[INFO|", "2025-12-06 20:28:19,002 - ", " - "),
        *("\r", "\n", "\x1b[", "0;", "m", "np.float64(", "tokens is 9", "Traceback (most recent call "),
        *LOG[::9],
    ]
)


@settings(max_examples=25)
@given(st.lists(PIECES, min_size=1, max_size=6).map("".join), st.lists(PIECES, max_size=3).map("".join))
def test_a_line_takes_time_linear_in_its_length(piece: str, end: str) -> None:
    """A quadratic search through so long a line would take minutes."""
    line = piece * (100_000 // len(piece)) + end
    began = time.process_time()
    parse_line(line)
    assert time.process_time() - began < 10
