"""What settings, errors and answers say of the way to the service and of the key."""

import json
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit

import attrs

from dashscope_ftlogs.cli.doctor.findings import Finding, RawAnswer, State
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.errors import FTLogsError
from dashscope_ftlogs.models import STATUSES, Job
from dashscope_ftlogs.text import excerpt, file_for_shell

_OFF: Final = 30.0
"""Seconds by which two clocks may differ, with what an answer takes on its way."""
_OPTIONS: Final = {
    "api_key": "--api-key-file",
    "base_url": "--base-url",
    "region": "--region",
    "workspace": "--workspace",
}
_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
NO_JOBS: Final = "none"
_OF_A_WORKSPACE: Final = ".maas.aliyuncs.com"


@attrs.frozen
class Read:
    """An answer, as far as JSON and the service's envelope tell."""

    status: int
    code: str
    """The service's own, where it refuses; `?` if what came is not from it."""
    output: Any = None
    """What was asked for; None where there is nothing of the kind."""
    request_id: str = ""

    @property
    def is_given(self) -> bool:
        """Whether what was asked for is there."""
        return self.status == 200 and not self.code and self.output is not None


def read(answer: RawAnswer) -> Read:
    """Read an answer, whatever it is."""
    try:
        decoded: object = json.loads(answer.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        decoded = None
    body = as_object(decoded)
    if body is None:
        return Read(answer.status, "?")
    told = as_object(body.get("error")) or body
    code = told.get("code") or told.get("type") or ""
    output = body.get("output", body.get("data"))
    is_success = output is not None and answer.status == 200
    named = "" if is_success and str(code) in {"Success", "200"} else excerpt(str(code), 80)
    if answer.status != 200 and not named:
        named = "?"
    return Read(answer.status, named, output, excerpt(str(body.get("request_id") or ""), 80))


def as_object(value: object) -> dict[str, Any] | None:
    """Return a value of JSON if it is an object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def listed(output: object, name: str) -> tuple[list[object], int] | None:
    """Return what is listed under a name, and the total, if both are there."""
    found = as_object(output) or {}
    some, total = found.get(name), found.get("total")
    if not isinstance(some, list) or type(total) is not int:
        return None
    return cast("list[object]", some), total


def said(answer: RawAnswer) -> str:
    """Return what an answer is, in a few words."""
    found = read(answer)
    if found.code != "?":
        return f"HTTP {found.status} {found.code}".rstrip()
    kind = excerpt(answer.headers.get("content-type", "").partition(";")[0], 40) or "nothing named"
    return f"HTTP {found.status} with {kind}, not the service's JSON"


def settings(places: Mapping[str, str], base_url: str, proxy: str) -> Iterator[Finding]:
    """Tell where each setting was found, and no secret."""
    for name, label in (("api_key", "key"), ("base_url", "endpoint"), ("workspace", "workspace")):
        value = f"{without_workspace(base_url)}, " if name == "base_url" else ""
        if place := places.get(name):
            yield Finding(f"{label} setting", State.OK, f"{value}from {_OPTIONS.get(place, place)}")
    yield Finding("proxy setting", State.OK, proxy or "none")


def files_with_keys(modes: Mapping[str, int]) -> Iterator[Finding]:
    """Tell which files with keys other users of this machine may read."""
    for path, mode in modes.items():
        if stat.S_ISREG(mode) and mode & _OTHERS:
            told = f"{path} can be read by other users of this machine (mode {stat.S_IMODE(mode):o})"
            yield Finding(
                "file with a key", State.ODD, told, f"Shut it: chmod 600 {file_for_shell(path)}"
            )


def without_workspace(base_url: str) -> str:
    """Return a base URL that tells the gateway, and not whose workspace it is."""
    host = urlsplit(base_url).hostname or ""
    if not host.endswith(_OF_A_WORKSPACE):
        return base_url
    return base_url.replace(host.partition(".")[0], "WORKSPACE", 1)


def failed(name: str, error: FTLogsError, told: str = "") -> Finding:
    """Tell that something could not be done."""
    told = told or error.summary()
    return Finding(name, State.WRONG, told, error.advice, exit_code(error))


def certificate(name: str, subject: str, issuer: str) -> Finding:
    """Tell whose certificate the endpoint shows; whether it is accepted, its answer tells."""
    if not issuer:
        return Finding(name, State.UNKNOWN, "none is shown")
    whose = f"for {excerpt(subject, 100)}, " if subject else ""
    told = f"{whose}issued by {excerpt(issuer, 100)}"
    return Finding(name, State.OK, told)


def clock(answer: RawAnswer, now: datetime) -> Finding:
    """Compare this machine's clock with that of whoever answered."""
    try:
        date = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return Finding("clock", State.UNKNOWN, "the answer names no time")
    date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
    ahead = (now - date).total_seconds()
    if abs(ahead) <= _OFF:
        return Finding("clock", State.OK, f"within {_OFF:g} s of the answer's")
    way = "ahead of" if ahead > 0 else "behind"
    told = f"{abs(ahead):,.0f} s {way} the answer's"
    return Finding("clock", State.ODD, told, "Set this machine's clock, or the service's is wrong.")


def gateway(name: str, answer: RawAnswer, seconds: float) -> Finding:
    """Tell whether it is the service that answers, asked without a key: it refuses, in its own words."""
    found = read(answer)
    told = f"{said(answer)}, in {seconds:.1f} s"
    if found.is_given:
        advice = "Is that a Model Studio endpoint, or one that adds a key of its own?"
        return Finding(name, State.ODD, f"{told}: it asks for no key", advice)
    if found.code == "?":
        advice = "Something in between answers: a proxy, a login page, or another server."
        if found.status == 404:
            advice = "A base URL of your own ends with /api/v1. Else something in between answers."
        return Finding(name, State.WRONG, told, advice, 5)
    return Finding(name, State.OK, f"{told}, as it should without a key")


_REFUSALS: Final = {
    401: ("Check the key. A key is for one region: with another's, choose that with --region.", 3),
    403: ("The key is known, but may not do this: check --workspace, and its permissions.", 3),
    404: ("A base URL of your own ends with /api/v1.", 4),
    429: ("Too many requests: try later, or with --max-rate.", 5),
}


def key(answer: RawAnswer) -> Finding:
    """Tell whether the key and the workspace are accepted for a list of jobs."""
    found = read(answer)
    told = said(answer)
    if found.is_given:
        return Finding("key", State.OK, f"{told}: accepted")
    if found.code.startswith(("AccessDenied", "Arrearage")):
        advice, code = _REFUSALS[403]
        if found.code == "Arrearage":
            advice = "The account is in arrears."
        return Finding("key", State.WRONG, told, advice, code)
    if found.code == "?":
        return Finding("key", State.WRONG, told, "Something in between answers.", 5)
    advice, code = _REFUSALS.get(found.status, ("Try later; if it stays, open a ticket.", 5))
    return Finding("key", State.WRONG, told, advice, code)


def listing(answer: RawAnswer) -> Finding:
    """Tell whether a list of jobs is what it should be, and how many there are."""
    found = listed(read(answer).output, "jobs")
    if found is None:
        advice = "The library could not read it either: please report it."
        return Finding("jobs", State.WRONG, "a list without jobs or a total", advice, 5)
    jobs, total = found
    if not jobs and not total:
        advice = "There is none in this workspace and region: choose others with --workspace, --region."
        return Finding("jobs", State.ODD, NO_JOBS, advice)
    if len(jobs) != min(total, 10):
        return Finding("jobs", State.ODD, f"{len(jobs)} given, of a total of {total}")
    return Finding("jobs", State.OK, f"{total:,}")


def job(job: Job) -> Finding:
    """Tell what is known of a job."""
    told = f"{job.job_id} is {excerpt(job.status, 40)}"
    if job.status.upper() in STATUSES:
        return Finding("job", State.OK, told)
    return Finding("job", State.ODD, f"{told}, a status that is not documented")


def log(answer: RawAnswer) -> Finding:
    """Tell whether a log's first page is what it should be."""
    found = listed(read(answer).output, "logs")
    if found is not None:
        return Finding("log", State.OK, f"{found[1]:,} lines")
    code = 4 if answer.status == 404 else 5
    return Finding("log", State.WRONG, f"{said(answer)} in place of lines", "Please report it.", code)
