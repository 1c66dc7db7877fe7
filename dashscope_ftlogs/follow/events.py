"""What is known of jobs that are followed, and what is told of them."""

import enum
from collections.abc import Collection, Mapping
from typing import Any, cast

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.cursor import HandedOut
from dashscope_ftlogs.errors import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.follow.line_delay import Lags
from dashscope_ftlogs.models import Job, LogPage
from dashscope_ftlogs.text import Position, shown


class EventKind(enum.StrEnum):
    """What can happen to a job that is followed, but for new lines.

    Attributes:
        STATUS: It has another status.
        QUIET: The service answers, and no new line has come for a minute or more, and for twice as long
            as ever before.
        THROTTLED: The service has refused to answer for longer than the retry policy allows; asking
            goes on.
        DISCONNECTED: There was no usable answer for as long; asking goes on.
        CONNECTED: There are answers again.
        REWRITTEN: Its log is another one than before. It is read from its first line, offset 0.
        GREW: Its last line goes on: it was delivered while it was still being written. The log is the
            same one; the line is not delivered again, those after it are.
        MISSING: Lines that the service said exist, or the job itself, are not there now; asking goes
            on.
        AWAITED: The log does not reach the offset yet from which it is to be followed.
        FAILED: It can't be followed any further; the other jobs are.
        FINISHED: It has ended, and every line was delivered.
    """

    STATUS = "status"
    QUIET = "quiet"
    THROTTLED = "throttled"
    DISCONNECTED = "disconnected"
    CONNECTED = "connected"
    REWRITTEN = "rewritten"
    GREW = "grew"
    MISSING = "missing"
    AWAITED = "awaited"
    FAILED = "failed"
    FINISHED = "finished"


@attrs.frozen
class FollowEvent:
    """Something that happened to a job, said in the place where it happened among the lines.

    Attributes:
        job_id: The job.
        kind: What has happened.
        message: In words, safe to show.
        offset: The number of the line that it is about, if it is about one: the one that grew.
        position: Where the log is read on from, if that is not where the last line was: it grew, or is
            another.
    """

    job_id: str
    kind: EventKind
    message: str
    offset: int | None = None
    position: Position | None = attrs.field(default=None, repr=False, hash=False)


@attrs.define(eq=False)
class Followed:
    """One job that is followed, as it stands now.

    Attributes:
        job_id: The job.
        offset: The number of the next line that was not yet delivered: go on from here.
        job: As the service last described it; at the end, the job as it ended.
        error: What keeps it from being read at present; at the end, why it was given up.
        first: The line from which it is followed; None until that is known: `tail` depends on the log.
        found: How many lines were read so far.
        silence: For how many seconds of its running no new line had come, when it was last read; beyond
            a minute there is an `EventKind.QUIET`.
        lags: How long new lines had been there, by estimate, when they were read.
        settling: Whether the job has ended, and only lines that come late are waited for.
    """

    job_id: str
    offset: int = 0
    job: Job | None = None
    error: FTLogsError | None = None
    first: int | None = None
    found: int = 0
    silence: float = 0.0
    lags: Lags = attrs.field(factory=Lags)
    settling: bool = False
    _handed_out: HandedOut = attrs.field(factory=HandedOut, init=False, repr=False)

    @property
    def position(self) -> Position:
        """The offset, with digests of the last lines: `follow(..., at=position)` goes on from it."""
        return self._handed_out.position(self.offset)

    def stands_at(self, position: Position) -> None:
        """Take note of where the log is read on from."""
        self.offset, self._handed_out = position["offset"], HandedOut(position["last"])

    def take(self, page: LogPage) -> None:
        """Take note of a page before its lines are delivered."""
        self._handed_out.add(page, 0.0, 0.0, proven=True)

    def rest(self) -> None:
        """Let go of the last page, which was delivered."""
        self._handed_out = self._handed_out.without_page(self.offset)


@attrs.frozen(kw_only=True)
class FollowOptions:
    """How to follow. `LogSession.follow` says what each means."""

    offset: int | Mapping[str, int]
    at: Position | Mapping[str, Position] | None
    tail: int | None
    shortest_poll: float
    longest_poll: float
    give_up_after: float | None
    settle: float

    def __attrs_post_init__(self) -> None:
        for position in self.positions.values():
            checks.position(position)
        if "" not in self.positions:
            checks.by_job("at", self.positions)
        checks.seconds("settle", self.settle, or_zero=True)
        if isinstance(self.offset, Mapping):
            checks.by_job("offset", self.offset)
        for offset in self.offset.values() if isinstance(self.offset, Mapping) else [self.offset]:
            checks.whole_number("offset", offset, 0)
        if self.tail is not None:
            checks.whole_number("tail", self.tail, 0)
        self._refuse_what_would_be_ignored()
        checks.seconds("shortest_poll", self.shortest_poll)
        checks.seconds("longest_poll", self.longest_poll)
        if self.longest_poll < self.shortest_poll:
            raise checks.refused(
                "longest_poll", self.longest_poll, f"at least shortest_poll, {self.shortest_poll!r}"
            )
        if self.give_up_after is not None:
            checks.seconds("give_up_after", self.give_up_after)

    def _refuse_what_would_be_ignored(self) -> None:
        """Refuse two places for one job to begin at."""
        tail = f"tail={self.tail}" if self.tail is not None else ""
        offset = f"offset={shown(self.offset)}" if self.offset else ""
        if "" in self.positions and (offset or tail):
            raise InvalidArgumentError(f"{offset or tail}: `at` says where to begin")
        if not isinstance(self.offset, Mapping):
            if offset and tail:
                raise InvalidArgumentError(f"{offset}, {tail}: only one of them can say where to begin")
        elif twice := sorted(self.offset.keys() & self.positions.keys()):
            raise InvalidArgumentError(f"{offset}: `at` says where to begin with {twice[0]}")

    def refuse_others(self, job_ids: Collection[str]) -> None:
        """Refuse a place to begin at in a job that is not followed."""
        offsets = [] if isinstance(self.offset, int) else list(self.offset)
        for name, named in (("at", list(self.positions)), ("offset", offsets)):
            if others := sorted({*named} - {"", *job_ids}):
                raise InvalidArgumentError(f"{name}: {others[0]} is none of the jobs to follow")

    @property
    def positions(self) -> Mapping[str, Position]:
        """The positions by job; one for whatever job has the key ""."""
        at = cast("object", {} if self.at is None else self.at)
        if isinstance(at, Mapping):
            named = cast("Mapping[str, Any]", at)
            if not isinstance(named.get("offset"), int) and "last" not in named:
                return named
        # Whatever else it may be is refused as the position that it should be.
        return {"": cast("Position", at)}

    def place(self, job_id: str) -> Position | None:
        """Return where a job was left, if that was said; it may be without digests."""
        position = self.positions.get(job_id, self.positions.get(""))
        if position is None and not isinstance(self.offset, int) and job_id in self.offset:
            position = Position(offset=self.offset[job_id], last=[])
        return position
