"""What answers take in memory, told before anything is made of them."""

from typing import Final

LARGEST_LISTING: Final = 4 * 2**20
"""Bytes of what is said of jobs, a hundred at the most."""
LARGE: Final = 2**20
"""Bytes of an answer that are read without waiting for a turn."""
LARGE_AT_ONCE: Final = 2
"""So many answers are read on from there and made into values at the same time. The others wait: a
thousand lines seldom are that much, and eight times the largest answer is more than they are worth."""
COSTLIEST: Final = 4
"""How many times the cap on answers one may take in memory."""
_DEAREST: Final = 16
"""How many times its bytes an answer may take."""
_FOUR_BYTES: Final = range(0xF0, 0xF5)
"""What the UTF-8 of a character begins with that makes a string four bytes wide."""


def what_to_do(line: int | None) -> str:
    """Return what helps where an answer is too large: of so many lines, or of what is said of jobs."""
    if line is None:
        most = LARGEST_LISTING // 2**20
        return f"Of what is said of jobs {most} MiB are read at once, or max_answer if that is less."
    larger = "llow larger answers: LogSession(max_answer=...)."
    return f"A{larger}" if line == 1 else f"Ask for fewer lines a page, or a{larger}"


def takes_more_than(most: int, body: bytes) -> bool:
    """Whether an answer could take so many bytes; small ones are not looked at."""
    return len(body) * _DEAREST > most and memory_for(body) > most


def memory_for(body: bytes) -> int:
    """Return how many bytes an answer takes at the most while its lines are made from it.

    A string of Python's takes some sixty bytes, and up to four for each character.
    """
    strings = body.count(b'"') - body.count(b'\\"')
    if any(lead in body for lead in _FOUR_BYTES) or b"\\ud" in body or b"\\uD" in body:
        width = 4
    else:
        width = 1 if body.isascii() and b"\\u" not in body else 2
    return len(body) * (1 + width) + strings * 60
