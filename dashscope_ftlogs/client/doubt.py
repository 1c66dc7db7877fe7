"""Whether an answer that contradicts what was heard is late, or the log is another one.

The service is many machines, and some lag behind. So what contradicts is asked for again, over a *lag*:
the time within which every machine has caught up. Only an answer that repeats the last lines clears the
doubt: a larger total alone may be that of a log that was started afresh and has outgrown the old one.
"""

import enum
import hashlib
from typing import Final

import attrs

from dashscope_ftlogs.errors import IncompleteLogError, LogRewrittenError
from dashscope_ftlogs.models import LogPage
from dashscope_ftlogs.text import digests

LAG = 45.0
"""Seconds after which no machine is behind any more."""
_TRIED: Final = 4096
"""All lengths below that are tried where that of a line's beginning is not known. Beyond, only those at
which a progress bar is drawn anew are."""
_NOTHING: Final = digests([""])[0]


class InDoubtError(Exception):
    """A read has to wait before it asks again. It reaches nobody but who asked for it."""

    def __init__(self, wait: float) -> None:
        super().__init__(wait)
        self.wait = wait
        """For how many seconds."""


class Contradiction(enum.Enum):
    """In what an answer contradicts what was heard."""

    ANOTHER_LOG = "other lines where lines are known, or none"
    LINES_MISSING = "a total below the highest that was heard"


@attrs.frozen
class Known:
    """What was heard of a log: where a read of it stands, and what another answer is compared with."""

    offset: int
    """How many lines there are up to the last one that was handed out."""
    last: tuple[str, ...] = ()
    """The digests of the lines before `offset`, five at the most; none where none is known."""
    total: int = 0
    """The highest that any answer named."""
    length: int | None = None
    """How many characters the last line had, if that is known."""

    @property
    def begin(self) -> int:
        """The number of the first line whose digest is known."""
        return self.offset - len(self.last)

    def contradiction(self, page: LogPage) -> Contradiction | None:
        """Return in what an answer contradicts this, if it does."""
        low, high = max(page.offset, self.begin), min(page.next_offset, self.offset)
        seen = page.lines[low - page.offset : max(low, high) - page.offset]
        if digests(seen) != self.last[low - self.begin : low - self.begin + len(seen)]:
            return Contradiction.ANOTHER_LOG
        if self.last and page.total < self.offset:
            return Contradiction.ANOTHER_LOG
        return Contradiction.LINES_MISSING if page.total < self.total else None

    def repeated_by(self, page: LogPage) -> bool:
        """Whether an answer repeats all the lines that are known."""
        return (
            page.offset <= self.begin
            and page.next_offset >= self.offset
            and self.contradiction(page) is not Contradiction.ANOTHER_LOG
        )

    def grown(self, page: LogPage) -> "Growth | None":
        """Return how the last line goes on, if that is in what an answer differs.

        It was read while it was being written. That the old text begins the new one is known by its
        digest and its length: a line may be large, so it is not kept.
        """
        at = self.offset - 1 - page.offset
        if not self.last or page.offset > self.begin or at >= len(page.lines):
            return None
        line, before = page.lines[at], page.lines[self.begin - page.offset : at]
        last = digests((*before, line))
        if last[:-1] != self.last[:-1] or last == self.last or (length := self._begins(line)) is None:
            return None
        return Growth(attrs.evolve(self, last=last, length=len(line)), line, length)

    def _begins(self, line: str) -> int | None:
        """Return how many characters of a line are the last one as it was, if that begins it."""
        if self.last[-1] == _NOTHING:  # with which any line begins, so others have to tell
            return 0 if set(self.last) != {_NOTHING} else None
        if self.length is not None:
            return self.length if digests([line[: self.length]]) == self.last[-1:] else None
        hashed, done, length = hashlib.sha256(), 0, 1
        while 0 < length <= len(line):
            hashed.update(line[done:length].encode("utf-8", "surrogatepass"))
            if hashed.hexdigest() == self.last[-1]:
                return length
            done, length = length, length + 1 if length + 1 < _TRIED else line.find("\r", length + 1)
        return None

    def error(
        self, contradiction: Contradiction | None, page: LogPage
    ) -> IncompleteLogError | LogRewrittenError:
        """Return what a contradiction means that has lasted."""
        if contradiction is Contradiction.ANOTHER_LOG:
            return LogRewrittenError(self.offset, page.total)
        return IncompleteLogError(self.offset, self.total, page.request_id)


@attrs.frozen
class Growth:
    """The last line that was handed out goes on: it was read while it was being written."""

    known: Known
    """What is known from now on."""
    line: str
    """As it is now."""
    length: int
    """How many characters of it there were."""

    @property
    def number(self) -> int:
        """The line's."""
        return self.known.offset - 1


class Verdict(enum.Enum):
    """What follows from an answer."""

    CONSISTENT = "nothing is in doubt"
    DOUBTED = "ask again"
    CLEARED = "a doubt that there was is gone"
    BELIEVED = "what contradicts is true"


@attrs.frozen
class Decision:
    """A verdict, and the doubt that there is from then on."""

    verdict: Verdict
    doubt: "Doubt"
    wait: float = 0.0
    """For how many seconds to wait before asking again."""


@attrs.frozen
class Doubt:
    """For how long there has been a doubt, and how often it was looked into. Times are monotonic."""

    lag: float = LAG
    since: float | None = None
    """When the first contradiction was heard; None where there is none."""
    looks: int = 0

    def after(
        self, contradiction: Contradiction | None, *, repeated: bool, asked_at: float, now: float
    ) -> Decision:
        """Decide what follows from an answer.

        Args:
            contradiction: In what it contradicts what was heard.
            repeated: Whether it repeats the last lines that are known.
            asked_at: When it was asked for: what it says was true at that time or later.
            now: When it came.
        """
        if self.since is None:
            if contradiction is None:
                return Decision(Verdict.CONSISTENT, self)
            return Decision(Verdict.DOUBTED, Doubt(self.lag, now))
        if contradiction is None and repeated:
            return Decision(Verdict.CLEARED, Doubt(self.lag))
        end = self.since + self.lag
        if asked_at >= end:
            return Decision(Verdict.BELIEVED, Doubt(self.lag))
        # The first look comes at once: most likely another machine answers. Then after 1 s, 2 s, 4 s, a
        # tenth of the lag at most: where every other answer is late, only many looks make mistakes rare.
        wait = min(2.0 ** min(self.looks, 64), self.lag / 10, max(0.0, end - now))
        return Decision(Verdict.DOUBTED, Doubt(self.lag, self.since, self.looks + 1), wait)
