"""What is known of jobs that are followed, and what is told of them."""

import enum
from collections.abc import Mapping

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.errors import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.follow.line_delay import Lags
from dashscope_ftlogs.models import Job


class EventKind(enum.StrEnum):
    """What can happen to a job that is followed, but for new lines."""

    STATUS = "status"
    """It has another status."""
    QUIET = "quiet"
    """The service answers, and there is no new line since long."""
    THROTTLED = "throttled"
    """The service has refused to answer for longer than the retry policy allows; asking goes on."""
    DISCONNECTED = "disconnected"
    """There was no usable answer for as long; asking goes on."""
    CONNECTED = "connected"
    """There are answers again."""
    REWRITTEN = "rewritten"
    """Its log is another one than before. It is read from its first line, offset 0."""
    FAILED = "failed"
    """It can't be followed any further; the other jobs are."""
    FINISHED = "finished"
    """It has ended, and every line was delivered."""


@attrs.frozen
class FollowEvent:
    """Something that happened to a job, said in the place where it happened among the lines."""

    job_id: str
    kind: EventKind
    message: str
    """In words, safe to show."""


@attrs.define(eq=False)
class Followed:
    """One job that is followed, as it stands now."""

    job_id: str
    offset: int = 0
    """The number of the next line that was not yet delivered: go on from here."""
    job: Job | None = None
    """As the service last described it; at the end, the job as it ended."""
    error: FTLogsError | None = None
    """What keeps it from being read at present; at the end, why it was given up."""
    found: int = 0
    """How many lines were read so far."""
    silence: float = 0.0
    """For how many seconds of its running no new line had come, when it was last read."""
    lags: Lags = attrs.field(factory=Lags)
    """How long new lines had been there, by estimate, when they were read."""


@attrs.frozen(kw_only=True)
class FollowOptions:
    """How to follow. `LogSession.follow` says what each means."""

    offset: int | Mapping[str, int]
    tail: int | None
    shortest_poll: float
    longest_poll: float
    give_up_after: float | None

    def __attrs_post_init__(self) -> None:
        for offset in [self.offset] if isinstance(self.offset, int) else self.offset.values():
            checks.whole_number("offset", offset, 0)
        if self.tail is not None:
            checks.whole_number("tail", self.tail, 0)
        checks.seconds("shortest_poll", self.shortest_poll)
        checks.seconds("longest_poll", self.longest_poll)
        if self.longest_poll < self.shortest_poll:
            raise InvalidArgumentError(
                f"longest_poll={self.longest_poll!r}: must be at least shortest_poll, "
                f"{self.shortest_poll!r}"
            )
        if self.give_up_after is not None:
            checks.seconds("give_up_after", self.give_up_after)
