"""The service's protocol: what to ask for, and what an answer means.

Nothing here waits or connects. A request knows its path, and turns `(status, headers, body)` into a
value or raises the error that the answer stands for. The protocol is the vendor's page,
https://www.alibabacloud.com/help/en/model-studio/get-fine-tuning-job-logs-api, and what its gateways
were seen to do beyond it.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, NoReturn, Protocol, TypeVar, cast

import attrs
import msgspec
from msgspec.json import Decoder

from dashscope_ftlogs.checks import MAX_LINE
from dashscope_ftlogs.client.answers.as_described import as_described, lines_of, says_success
from dashscope_ftlogs.client.retry_on_429_and_5xx import may_pass, moment, retry_after
from dashscope_ftlogs.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    IncompleteLogError,
    InternalServerError,
    InvalidParameterError,
    MalformedResponseError,
    NotFoundError,
    PermissionDeniedError,
    ResponseTooLargeError,
    ThrottlingError,
    UnsupportedOperationError,
)
from dashscope_ftlogs.models import Checkpoint, Job, JobsPage, LogPage
from dashscope_ftlogs.text import excerpt

Answer = TypeVar("Answer", covariant=True)
Output = TypeVar("Output")

Headers = Mapping[str, str]
"""Header names are looked up in lower case: give a case-insensitive mapping, or lower-case names."""


What = Literal["page", "job", "jobs", "checkpoints"]

_BOM = b"\xef\xbb\xbf"
_MARKUP = re.compile(rb"(?is)<(style|script|title)\b.*?</\1\s*>|<!--.*?(-->|\Z)|<[^<>]*(>|\Z)")
"""Of a page that a gateway sends, what is not to be read."""


class Request(Protocol[Answer]):
    """One GET: where to, and how to read what comes back."""

    what: ClassVar[What]

    @property
    def path(self) -> str:
        """Path and query below the base URL, encoded."""
        ...

    @property
    def job_id(self) -> str | None:
        """The job that is asked about, if it is one."""
        ...

    @property
    def offset(self) -> int | None:
        """The first line asked for, if lines are."""
        ...

    def read(self, status: int, headers: Headers, body: bytes) -> Answer:
        """Return the answer's value, or raise the error that it stands for."""
        ...


# One is made for every page, so it is a Struct: a frozen attrs class takes six times as long.
class LogsRequest(msgspec.Struct, frozen=True):
    """Ask for `line` lines of a job's log, from `offset` on."""

    what: ClassVar[What] = "page"
    job_id: str
    offset: int
    line: int
    lines_due: bool = False
    """Lines are known to exist there: an answer without any is a failure."""

    @property
    def path(self) -> str:
        """Path and query below the base URL."""
        return f"fine-tunes/{self.job_id}/logs?offset={self.offset}&line={self.line}"

    def read(self, status: int, headers: Headers, body: bytes) -> LogPage:
        """Return the page; what a server sends beyond the lines asked for is left to the next page."""
        answer = _decode(_LOGS, status, headers, body)
        output = answer.output
        lines = output.logs if len(output.logs) <= self.line else output.logs[: self.line]
        if self.lines_due and not lines and output.total > self.offset:
            raise IncompleteLogError(self.offset, output.total, answer.request_id)
        # Lines that are given exist, whatever is said of their number.
        total = output.total
        if lines and total < self.offset + len(lines):
            total = self.offset + len(lines)
        return LogPage(self.job_id, self.offset, lines, total, answer.request_id)


@attrs.frozen
class JobRequest:
    """Ask for one job."""

    what: ClassVar[What] = "job"
    job_id: str
    offset: None = None

    @property
    def path(self) -> str:
        """Path below the base URL."""
        return f"fine-tunes/{self.job_id}"

    def read(self, status: int, headers: Headers, body: bytes) -> Job:
        """Return the job."""
        return _dated(_decode(_JOB, status, headers, body).output, _http_date(headers))


@attrs.frozen
class CheckpointsRequest:
    """Ask for what a job saved of its model on the way."""

    what: ClassVar[What] = "checkpoints"
    job_id: str
    offset: None = None

    @property
    def path(self) -> str:
        """Path below the base URL."""
        return f"fine-tunes/{self.job_id}/checkpoints"

    def read(self, status: int, headers: Headers, body: bytes) -> tuple[Checkpoint, ...]:
        """Return the checkpoints."""
        return _decode(_CHECKPOINTS, status, headers, body).output


@attrs.frozen
class JobsRequest:
    """Ask for one page of the workspace's jobs; pages are numbered from 1."""

    what: ClassVar[What] = "jobs"
    page_no: int
    page_size: int
    job_id: None = None
    offset: None = None

    @property
    def path(self) -> str:
        """Path and query below the base URL."""
        return f"fine-tunes?page_no={self.page_no}&page_size={self.page_size}"

    def read(self, status: int, headers: Headers, body: bytes) -> JobsPage:
        """Return the page of jobs."""
        output = _decode(_JOBS, status, headers, body).output
        date = _http_date(headers)
        return JobsPage(self.page_no, output.total, tuple(_dated(job, date) for job in output.jobs))


@attrs.frozen
class RawRequest:
    """Ask for whatever is answered, and take it as it is."""

    what: ClassVar[What] = "jobs"
    path: str
    job_id: None = None
    offset: None = None

    def read(self, status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        """Return the answer itself."""
        return status, headers, body


# What is only passed through on the way to a value is a msgspec Struct: made and checked in C.
class _Logs(msgspec.Struct, frozen=True):
    total: Annotated[int, msgspec.Meta(ge=0)]
    logs: tuple[str, ...]


class _RawLogs(msgspec.Struct, frozen=True):
    total: Annotated[int, msgspec.Meta(ge=0)]
    logs: list[msgspec.Raw]


class _Jobs(msgspec.Struct, frozen=True):
    total: int
    jobs: tuple[Job, ...]


# msgspec takes no default for a generic field, so `output` is required here, and an answer without
# it is read once more in _refuse.
class _Answer(msgspec.Struct, Generic[Output], frozen=True):
    output: Output
    request_id: str | None = None
    code: str | None = None


_LOGS = Decoder(_Answer[_Logs])
_RAW_LOGS = Decoder(_Answer[_RawLogs])
_JOB = Decoder(_Answer[Job])
_CHECKPOINTS = Decoder(_Answer[tuple[Checkpoint, ...]])
_JOBS = Decoder(_Answer[_Jobs])
_PLAIN = Decoder(dict[str, Any])

_LARGEST_ODD = 4 * 2**20
"""What is not as the page describes is taken apart, which costs 25 times its size."""


def _decode(
    decoder: Decoder[_Answer[Output]], status: int, headers: Headers, body: bytes
) -> _Answer[Output]:
    """Return the body's value if the answer is a success, else raise what it stands for."""
    if status != 200:
        return _refuse(status, headers, body, _plain(body))
    large = len(body) > _LARGEST_ODD
    try:
        answer = decoder.decode(body) if large else _from_json(body, decoder)
    except (ValueError, RecursionError) as error:  # msgspec's and json's own errors are ValueErrors
        mismatch, damaged = str(error), not isinstance(error, msgspec.ValidationError)
    else:
        if says_success(answer.code):
            return answer
        mismatch, damaged = "", False
    if large:
        raise ResponseTooLargeError(
            reason=f"not as the service's page describes, and of {len(body):,} bytes",
            status=status,
            request_id=headers.get("x-request-id"),
            damaged=damaged and b"\\ud" not in body and b"\\uD" not in body,  # no lone surrogate
        )
    plain: dict[str, Any] | None = None
    try:
        if decoder is _LOGS and (page := _of_odd_entries(body)):
            return cast("_Answer[Output]", page)
        plain = _from_json(body.removeprefix(_BOM), _PLAIN)
        return msgspec.convert(as_described(plain), decoder.type)
    except msgspec.ValidationError as error:
        mismatch = mismatch or str(error)
    except (ValueError, RecursionError):
        pass
    return _refuse(status, headers, body, plain, mismatch)


def _of_odd_entries(body: bytes) -> _Answer[_Logs] | None:
    """Return a page of which only the entries are none that the page describes, if it is one.

    They are not taken apart, which would take ten times as long; nor more of them than can be asked for.
    """
    try:
        answer = _RAW_LOGS.decode(body)
        if not says_success(answer.code):
            return None
        lines = lines_of(answer.output.logs[:MAX_LINE])
    except (ValueError, RecursionError):
        return None
    return _Answer(_Logs(answer.output.total, lines), answer.request_id)


def _from_json(body: bytes, decoder: Decoder[Output]) -> Output:
    """Decode JSON straight into the decoder's type.

    msgspec refuses lone surrogates, which a log line may hold, and what Python writes of numbers that
    are none: `NaN`, `Infinity`. The standard library keeps them, and the same validation follows, so
    both ways give equal results.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        # What holds a number out of its range, such as 1e999, is taken apart as any odd answer is.
        if decoder is not _PLAIN:
            raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    plain = json.loads(body.decode("utf-8", "surrogatepass"), parse_int=_integer)
    return msgspec.convert(plain, decoder.type)


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # of more digits than Python reads
        return float(digits)


def _plain(body: bytes) -> dict[str, Any] | None:
    try:
        return _from_json(body.removeprefix(_BOM), _PLAIN)
    except (ValueError, RecursionError):
        return None


def _refuse(
    status: int, headers: Headers, body: bytes, plain: dict[str, Any] | None, mismatch: str = ""
) -> NoReturn:
    """Raise the error that an answer stands for, however a gateway wrapped it."""
    answer: dict[str, Any] = plain if plain is not None else {}
    nested = answer.get("error")
    fault: dict[str, Any] = cast("dict[str, Any]", nested) if isinstance(nested, dict) else {}
    code = _first_text(fault, "code", "type") or _first_text(answer, "code", "type")
    if status == 200 and says_success(code):
        code = ""
    message = _first_text(fault, "message") or _first_text(answer, "message")
    request_id = _first_text(answer, "request_id") or headers.get("x-request-id")

    if status == 200 and not code:
        raise MalformedResponseError(
            reason=_what_is_wrong(body, plain, mismatch),
            status=status,
            request_id=request_id,
            excerpt=beginning(body),
            damaged=plain is None,
        )
    if 300 <= status < 400:
        message = f"redirect to {headers.get('location', 'nowhere')} refused: the key stays here"
    raise _error_class(status, code)(
        status=status,
        code=code,
        message=message or words(body),
        request_id=request_id,
        retry_after=retry_after(headers),
    )


def _what_is_wrong(body: bytes, plain: object, mismatch: str) -> str:
    if not body:
        return "the body is empty"
    if plain is None:
        return "the body is not a JSON object"
    return mismatch


def _first_text(fields: dict[str, Any], *names: str) -> str:
    """Return the first of these fields that is a non-empty string (a number counts as its digits)."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""


def beginning(body: bytes) -> str:
    """Return as much of a body as is shown, safe to print."""
    return excerpt(body[:2000].decode("utf-8", "replace"), 120)


def words(body: bytes) -> str:
    """Return as much as is shown of what a body says that is not JSON: of a page, its text."""
    page = body[:2000].removeprefix(_BOM).lstrip()
    text = beginning(_MARKUP.sub(b" ", page)) if page[:1] == b"<" else ""
    return text or beginning(body)


# The part of a code before the first dot decides: Throttling.RateQuota is Throttling.
_BY_CODE: dict[str, type[APIError]] = {
    "InvalidParameter": InvalidParameterError,
    "UnsupportedOperation": UnsupportedOperationError,
    "InvalidApiKey": AuthenticationError,
    "AccessDenied": PermissionDeniedError,
    "Arrearage": PermissionDeniedError,
    "NotFound": NotFoundError,
    "Conflict": ConflictError,
    "Throttling": ThrottlingError,
    "InternalError": InternalServerError,
    "ServiceUnavailable": InternalServerError,
    "GatewayTimeout": InternalServerError,
}
_BY_STATUS: dict[int, type[APIError]] = {
    400: InvalidParameterError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: ThrottlingError,
}


def _error_class(status: int, code: str) -> type[APIError]:
    known = _BY_CODE.get(code.partition(".")[0]) or _BY_STATUS.get(status)
    if known is not None:
        return known
    return InternalServerError if status >= 500 or (status == 200 and may_pass(code)) else APIError


def _http_date(headers: Headers) -> datetime | None:
    return moment(headers.get("date", ""))


def _dated(job: Job, date: datetime | None) -> Job:
    return attrs.evolve(job, http_date=date)
