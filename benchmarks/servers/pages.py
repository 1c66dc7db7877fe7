"""The ready-made answers that both servers give: ten different pages of a realistic log, over and over.

A page holds 1,000 lines, as many as the service gives at most, so a log of any length costs no memory.
"""

import json
from functools import cache

import attrs

from dashscope_ftlogs.emulator import generate_job

PAGE = 1000
VARIETY = 10


def body(lines: list[str], total: int) -> bytes:
    """Return an answer as the service writes it: compact, in UTF-8."""
    answer = {"request_id": "c0ffee00-0000-4000-8000-000000000000"}
    output = {"total": total, "logs": lines}
    return json.dumps(answer | {"output": output}, ensure_ascii=False, separators=(",", ":")).encode()


@attrs.frozen
class Log:
    """A log of `total` lines, a whole number of pages, asked for page by page."""

    total: int
    pages: tuple[bytes, ...]
    beyond: bytes

    def at(self, offset: int) -> bytes:
        """Return the answer to a request for the page at `offset`."""
        return self.beyond if offset >= self.total else self.pages[offset // PAGE % VARIETY]


def make_log(total: int) -> Log:
    """Return a log of which every line is one that training jobs write."""
    lines = ready_made()
    parts = (lines[start : start + PAGE] for start in range(0, VARIETY * PAGE, PAGE))
    return Log(total, tuple(body(part, total) for part in parts), body([], total))


@cache
def ready_made() -> list[str]:
    """Return the lines of all pages, however many logs are made of them."""
    return list(generate_job("sft", lines=VARIETY * PAGE, seed=1).lines)
