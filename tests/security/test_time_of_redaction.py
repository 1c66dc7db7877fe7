"""To look for the key in an answer takes time in proportion to its length, whatever the service sent."""

import time
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.client.redaction import hidden, without
from dashscope_ftlogs.text import without_keys

KEYS = ("sk-0123456789abcdef0123456789abcdef", "sk-a/b+c==0123456789", '\\\\"sk\\/%25&amp;x;')
UNITS = (
    *(
        "\\",
        "\\u00",
        "\\x",
        "%",
        "%25",
        "%73",
        "&",
        "&amp;",
        "&#",
        "&#0",
        "&#115;",
        "&#x73;",
        "amp;",
        "0",
    ),
    *("s", "sk-", "\\s", ";"),
)


def seconds(key: str, body: bytes) -> float:
    """Return the processor time that a search takes, the least of three: others use the machine, too."""
    took = []
    for _ in range(3):
        begin = time.process_time()
        without(key, 200, {}, body)
        took.append(time.process_time() - begin)
    return min(took)


@pytest.mark.unmeasured
@pytest.mark.parametrize("key", KEYS)
def test_what_begins_as_a_spelling_over_and_over_is_passed_in_one_go(key: str) -> None:
    """A quadratic search would take seconds for each of these."""
    units = [*UNITS, key[:-1], "".join(f"\\u{ord(one):04x}" for one in key[:-1])]
    for unit in units:
        repeated = b"%\\u00" + unit.encode() * (100_000 // len(unit))
        assert seconds(key, repeated) < 0.5, unit


@pytest.mark.unmeasured
@pytest.mark.parametrize("key", KEYS)
def test_so_is_one_run_behind_another_and_two_in_turns(key: str) -> None:
    slow = {}
    for one, other in permutations(UNITS, 2):
        body = (one * (8000 // len(one)) + other * (8000 // len(other)) + (one + other) * 2000).encode()
        begin = time.process_time()
        without(key, 200, {}, body)
        took = time.process_time() - begin
        if took > 0.1 and seconds(key, body * 4) > 10 * seconds(key, body):
            slow[one, other] = took
    assert slow == {}


@pytest.mark.covered
@given(st.text("\\", max_size=9), st.sampled_from(['"', "/", "\\", "s"]), st.text("\\", max_size=9))
def test_a_run_of_backslashes_is_blacked_out_with_the_character_that_it_escapes(
    before: str, first: str, behind: str
) -> None:
    r"""From its beginning: `\\\\u0073` is one spelling of `s`."""
    key = first + "k-0123456789\\"
    for spelled in (f"\\{before}u{ord(first):04x}", first):
        text = f"<{spelled}k-0123456789\\{behind}>"
        assert hidden(key, text + "%") == "<[secret]>%"


def test_a_copy_right_behind_one_that_ends_in_a_backslash_is_found_too() -> None:
    assert hidden('"k\\', '\\\\"k\\"k\\') == "[secret][secret]"


def test_to_look_for_what_is_shaped_like_a_key_takes_no_longer() -> None:
    begin = time.process_time()
    for unit in ("sk-", "sk-a/", "sk", "-", "sk-+", "sk-=,"):
        without_keys(unit * 100_000)
    assert time.process_time() - begin < 1
