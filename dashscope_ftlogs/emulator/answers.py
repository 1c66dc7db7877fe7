"""What the service answers, as pure functions: parameters in, a body or a `Refusal` out.

Everything here follows the vendor's pages for "query fine-tuning logs", "list fine-tuning jobs", "query
a fine-tuning job" and "list checkpoints".
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import unquote

import attrs

from dashscope_ftlogs.emulator.jobs import EmulatedJob

BASE_PATH = "/api/v1"
# Where clients look for an address: ours and the vendor's newer ones, and the vendor's older ones.
URL_NAMES = ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL")
DEFAULT_LINES, MAX_LINES = 100, 1000
DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 10, 100

# What the page shows beside each code; None of them is promised to stay so.
MESSAGES = {
    "AccessDenied": "Access denied.",
    "Arrearage": "Access denied, please make sure your account is in good standing.",
    "Conflict": "Model instance already exists, please specify a suffix",
    "GatewayTimeout": "The gateway timed out.",
    "InternalError": "Internal server error!",
    "InvalidApiKey": "Invalid API-key provided.",
    "InvalidParameter": "Required parameter(s) missing or invalid, please check the request.",
    "NotFound": "Not found!",
    "ServiceUnavailable": "Service unavailable, please retry later.",
    "Throttling": "Too many requests. Please retry later.",
    "UnsupportedOperation": "The fine-tuning job is in a state that does not permit the operation.",
}

# The code that the service is known to send with a status.
CODES = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    403: "AccessDenied",
    404: "NotFound",
    409: "Conflict",
    429: "Throttling",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}

_DIGITS = re.compile(r"[0-9]{1,18}")

Header = tuple[str, str]


@attrs.frozen
class Answer:
    """A whole answer, before it meets a connection.

    `verbatim` bodies are never compressed: they are meant to arrive byte for byte.
    """

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()
    content_type: str = "application/json"
    verbatim: bool = False


@attrs.frozen
class Page:
    """The output of a logs request: `lines` from `offset` on, of `total`."""

    total: int
    lines: Sequence[str]
    offset: int = 0


@attrs.frozen
class Route:
    """Which endpoint a path means: "logs", "list", "job", "checkpoints" or "other"."""

    endpoint: str
    job_id: str | None = None


class Refusal(Exception):  # noqa: N818 - it is an answer on its way, not an error of the emulator
    """The request can't be served: `status`, `code` and `message` as they are sent."""

    def __init__(self, status: int, message: str | None = None) -> None:
        self.status = status
        self.code = CODES[status]
        self.message = MESSAGES[self.code] if message is None else message
        super().__init__(self.status, self.code, self.message)


def route(raw_path: str) -> Route:
    """Read a path as it was sent, still percent-encoded, so that a slash in an id stays in it."""
    match raw_path.removeprefix(BASE_PATH).split("/"):
        case _ if not raw_path.startswith(BASE_PATH + "/"):
            return Route("other")
        case ["", "fine-tunes"]:
            return Route("list")
        case ["", "fine-tunes", job_id] if job_id:
            return Route("job", unquote(job_id))
        case ["", "fine-tunes", job_id, "logs"] if job_id:
            return Route("logs", unquote(job_id))
        case ["", "fine-tunes", job_id, "checkpoints"] if job_id:
            return Route("checkpoints", unquote(job_id))
        case _:
            return Route("other")


def check_headers(headers: Mapping[str, str], api_key: str, *, insists: bool) -> None:
    """Raise the service's 401 unless there is `Bearer {api_key}`; 400 where it insists on more."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or key.strip() != api_key:
        raise Refusal(401)
    if insists and headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refusal(400, "Header 'Content-Type' must be application/json.")


def integer(
    query: Mapping[str, str], name: str, default: int, *, low: int, high: int | None = None
) -> int:
    """One whole number of the query, in the range; 400 otherwise, as the page documents it."""
    text = query.get(name)
    if text is None:
        return default
    value = int(text) if _DIGITS.fullmatch(text) else -1
    if value < low or (high is not None and value > high):
        allowed = f"{low} or more" if high is None else f"{low} to {high}"
        raise Refusal(400, f"Parameter '{name}' must be an integer, {allowed}, not '{text[:40]}'.")
    return value


def window(query: Mapping[str, str]) -> tuple[int, int]:
    """`offset` and `line` of a logs request."""
    offset = integer(query, "offset", 0, low=0)
    return offset, integer(query, "line", DEFAULT_LINES, low=1, high=MAX_LINES)


def page_of_jobs(jobs: Collection[Mapping[str, object]], query: Mapping[str, str]) -> dict[str, object]:
    """The `output` of a list request; `model` keeps the jobs of one model."""
    number = integer(query, "page_no", 1, low=1)
    size = integer(query, "page_size", DEFAULT_PAGE_SIZE, low=1, high=MAX_PAGE_SIZE)
    model = query.get("model")
    found = [job for job in jobs if model is None or job["model"] == model]
    start = (number - 1) * size
    return {
        "page_no": number,
        "page_size": size,
        "total": len(found),
        "jobs": found[start : start + size],
    }


def checkpoints(job: EmulatedJob) -> list[dict[str, object]]:
    """The `output` of a checkpoints request: what was trained in more epochs comes first.

    The page says that few models have such a list, and not how the others are refused.
    """
    if job.checkpoints is None:
        raise Refusal(400, f"The model {job.model} does not support multiple checkpoints.")
    best = sorted(job.checkpoints, key=lambda one: one.lm_epoch * one.fm_epoch, reverse=True)
    return [one.facts(job.job_id, job.job_name or job.job_id, job.model) for one in best]


def encode(value: object) -> bytes:
    """JSON as UTF-8; with ASCII escapes where a lone surrogate would not go into UTF-8."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def success(output: object, request_id: str) -> Answer:
    """An answer that holds what was asked for."""
    body = encode({"request_id": request_id, "output": output})
    return Answer(200, body, (("x-request-id", request_id),))


def failure(
    status: int, code: str, message: str, request_id: str, headers: tuple[Header, ...] = ()
) -> Answer:
    """An error in the service's own words."""
    body = encode({"code": code, "request_id": request_id, "message": message})
    return Answer(status, body, (("x-request-id", request_id), *headers))
