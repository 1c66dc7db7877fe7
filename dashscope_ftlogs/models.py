"""What the service's answers become: a page of a log, a job, and what it saved."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELED"})
"""The statuses that are final. Any other, known or not, means that the job goes on."""

UNSTARTED: Final = frozenset({"PENDING", "QUEUING"})
"""The statuses of a job that may have no log yet."""

STATUSES: Final = ENDED | UNSTARTED | {"RUNNING", "CANCELING"}
"""Those that the service's documentation knows; there may be others."""

_LONG_AGO: Final = timedelta(hours=24)
"""Times come without a zone: one that seems to be that long past is past in any zone."""


@attrs.frozen
class LogPage:
    """One answer: consecutive lines of one job's log."""

    job_id: str
    offset: int
    """The zero-based number of the first line."""
    lines: tuple[str, ...]
    """As the service sent them: nothing stripped, joined or split."""
    total: int
    """How many lines the service said exist when it gave this page, or more if this page shows it."""
    request_id: str | None = None
    attempts: int = 1
    """How many requests it took."""

    @property
    def next_offset(self) -> int:
        """The number of the line after the last one here."""
        return self.offset + len(self.lines)


@attrs.frozen
class LogLine:
    """One line of a log, as `LogSession.follow` yields it."""

    job_id: str
    offset: int
    """Its zero-based number in that job's log; go on later from the one after it."""
    text: str
    """As the service sent it."""


@attrs.frozen
class Job:
    """One fine-tuning job, as the service describes it.

    Times are as sent: `YYYY-MM-DD hh:mm:ss` without a time zone. What the service leaves out is None;
    `finetuned_output`, `end_time` and `usage` (tokens) come when the job ends, `code` and `message`
    when it failed or was canceled.
    """

    job_id: str
    status: str
    """One of PENDING, QUEUING, RUNNING, CANCELING, SUCCEEDED, FAILED, CANCELED, or a newer word."""
    job_name: str | None = None
    model: str | None = None
    base_model: str | None = None
    finetuned_output: str | None = None
    training_type: str | None = None
    training_file_ids: tuple[str, ...] | None = None
    validation_file_ids: tuple[str, ...] | None = None
    hyper_parameters: Mapping[str, Any] | None = attrs.field(default=None, hash=False)
    create_time: str | None = None
    end_time: str | None = None
    usage: int | None = None
    workspace_id: str | None = None
    user_identity: str | None = None
    creator: str | None = None
    modifier: str | None = None
    group: str | None = None
    code: str | None = None
    message: str | None = None
    http_date: datetime | None = attrs.field(default=None, eq=False, repr=False)
    """When the service said so, by its own clock: the `Date` of the answer, UTC; no fact of the job."""

    @property
    def ended(self) -> bool:
        """Whether the status is final: no further line will be written, though some may yet appear."""
        return self.status in ENDED

    @property
    def ended_long_ago(self) -> bool:
        """Whether it ended more than a day before the service said so, by the service's own clock."""
        if not self.ended or self.end_time is None or self.http_date is None:
            return False
        try:
            # Not strptime: at its first call it loads a module, for which no descriptor may be left.
            end = datetime.fromisoformat(self.end_time).replace(tzinfo=UTC)
        except ValueError:
            return False
        return " " in self.end_time and self.http_date - end > _LONG_AGO

    @property
    def unstarted(self) -> bool:
        """Whether the job waits for its turn."""
        return self.status in UNSTARTED


@attrs.frozen
class Checkpoint:
    """What a job saved of a model on the way, as the service describes it.

    Times are as sent: ISO 8601 without a time zone. What the service leaves out is None.
    """

    checkpoint: str
    """Its name within the job, such as `checkpoint-00040004`."""
    status: str
    """SUCCEEDED once it can be deployed, PENDING before that, or a newer word."""
    job_id: str | None = None
    checkpoint_id: str | None = None
    """Its name in the whole workspace."""
    full_name: str | None = None
    model_name: str | None = None
    """What it is deployed by, once it can be."""
    model_display_name: str | None = None
    step: int | None = None
    """As the service numbers them: 40004 is the 4th epoch of both parts of a model, and no step."""
    create_time: str | None = None
    expire_time: str | None = None


@attrs.frozen
class JobsPage:
    """One answer of the job listing."""

    page_no: int
    total: int
    jobs: tuple[Job, ...]


def runs(job: Job) -> bool:
    """Whether a job is training, by its status in any case."""
    return job.status.upper() == "RUNNING"


def is_same_end(job: Job, status: object, end_time: object) -> bool:
    """Whether a job has ended, and as it had with that status, at that time: it may run again."""
    is_same_time = end_time in {None, job.end_time} or job.end_time is None
    return job.ended and job.status == status and is_same_time


def matches(job: Job, statuses: Collection[str], models: Collection[str]) -> bool:
    """Whether a job has one of the statuses, in any case, and fine-tunes one of the models.

    Where there are none, any will do.
    """
    has_status = not statuses or job.status.upper() in {status.upper() for status in statuses}
    return has_status and (not models or job.model in models or job.base_model in models)
