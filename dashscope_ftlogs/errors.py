"""Everything that can go wrong, as a tree.

::

    FTLogsError
    ├── ConfigError                   a setting is missing or unusable          (also a ValueError)
    ├── InvalidArgumentError          refused before any request was sent       (also a ValueError)
    ├── SessionStateError             a session used before or after its `async with`
    ├── APIError                      the service answered with an error
    │   ├── InvalidParameterError     400 InvalidParameter
    │   ├── UnsupportedOperationError 400 UnsupportedOperation
    │   ├── AuthenticationError       401 InvalidApiKey
    │   ├── PermissionDeniedError     403 AccessDenied, and Arrearage
    │   ├── NotFoundError             404 NotFound
    │   ├── ConflictError             409 Conflict
    │   ├── ThrottlingError           429 Throttling
    │   └── InternalServerError       500 InternalError and the rest of 5xx
    ├── TransportError                no whole answer arrived
    │   ├── CertificateError          nobody whom we trust vouches for the other end
    │   └── ProxyError                the proxy can't be reached, or refuses
    ├── MalformedResponseError        an answer arrived that is not what the service's page describes
    │   └── ResponseTooLargeError     it is larger than the cap, and was not read further
    ├── IncompleteLogError            lines that the service says exist are not given
    ├── LogRewrittenError             the log is another one than was already read
    └── ArchiveError                  an archive of downloaded logs can't be used
        ├── ArchiveBusyError          another download writes to it
        ├── ArchiveMismatchError      it is whole, and not for this: of another endpoint, or newer
        ├── ArchivePathError          something else is at its path or at a file's, or nobody lets us in
        ├── ManifestError             a log's manifest is lost, or not as it was written
        ├── DamagedLogError           a log is gone, or not what was committed: noticed by reading it
        ├── LogGoneError              a log's file was moved or removed while it was downloaded
        ├── ArchiveWriteError         it can't be written to any further: the disk is full, say
        │   └── ArchiveGoneError      all of it was moved or removed while it was written to
        └── ArchiveStoreError         object storage could not be reached, or failed
            ├── StoreDeniedError      the credentials are not accepted, or may not do this
            └── StoreNotFoundError    there is no such bucket

Every error that ends a read says which job it was, at which offset (`job_id`, `offset`: the resume
point) and after how many tries (`attempts`). All of them pickle. The codes are those of
https://www.alibabacloud.com/help/en/model-studio/get-fine-tuning-job-logs-api
"""

import attrs

from dashscope_ftlogs.text import Position, excerpt, without_keys


class FTLogsError(Exception):
    """The base of all errors of this package."""

    job_id: str | None = None
    """The job that was being read, if one was."""
    offset: int | None = None
    """The zero-based number of the first line that was not read: go on from here; but after a
    `LogRewrittenError` from 0, since the log in which it was is no more."""
    position: Position | None = None
    """The same, with digests of the last lines: for `session.lines(job_id, at=error.position)`."""
    lines: tuple[str, ...] = ()
    """What `LogPaginator.collect` had read before that, since it hands out all or nothing."""
    attempts: int = 0
    """How many requests were sent for this one answer; 0 if none was."""
    retry_in: float | None = None
    """Seconds until the next try, while there will be one; None once an error is raised to you."""
    gave_up: str = ""
    """Why no further try was made, where that needs saying."""
    outlasted: bool = False
    """Whether it has lasted for `give_up_after`, or would, so that it was not waited out: it may pass
    yet, and what it kept from being read can be followed again."""

    advice: str = ""
    """What to do next, as a sentence."""

    def __init__(self, *told: object) -> None:
        # A key that was typed where a file, a URL or a job belongs is not repeated.
        super().__init__(*(without_keys(one) if isinstance(one, str) else one for one in told))

    def summary(self) -> str:
        """Say what happened, in one clause."""
        return " ".join(map(str, self.args))

    def __str__(self) -> str:
        """What happened, where, why no more was tried, and what to do next."""
        where = ""
        if self.offset is not None:
            where = f", job {self.job_id} at offset {self.offset}"
        elif self.job_id is not None:
            where = f", job {self.job_id}"
        tries = f", after {self.attempts} tries" if self.attempts > 1 else ""
        gave_up = f" {self.gave_up}" if self.gave_up else ""
        advice = f" {self.advice}" if self.advice else ""
        said = f"{self.summary()}{where}{tries}"
        return f"{said}{'' if said.endswith('?') else '.'}{gave_up}{advice}"


class ConfigError(FTLogsError, ValueError):
    """A setting is missing, unreadable or unusable. The message names the places looked in."""


class InvalidArgumentError(FTLogsError, ValueError):
    """An argument outside its range. Nothing was sent."""

    argument: str | None = None
    """Its name, where the message begins with it: `name=value: must be ...`."""


class SessionStateError(FTLogsError, RuntimeError):
    """A session was used outside its `async with` block."""


@attrs.define(eq=False, slots=False)
class APIError(FTLogsError):
    """The service answered with an error."""

    status: int
    """The HTTP status; 200 too, since a failure can hide in the body."""
    code: str
    """The service's code, such as `Throttling.RateQuota`; empty if the body named none."""
    message: str
    """The service's own words, as sent: not safe to print. `str(error)` is."""
    request_id: str | None = None
    retry_after: float | None = None
    """Seconds that the server asked to wait."""

    advice = "Look the code up in the service's documentation, or open a ticket with the request id."

    def summary(self) -> str:
        """Say what happened, in one clause."""
        code = f" {excerpt(self.code, 80)}" if self.code else ""
        message = f": {excerpt(self.message).rstrip('.')}" if self.message else ""
        request = f" (request id {excerpt(self.request_id, 80)})" if self.request_id else ""
        return f"HTTP {self.status}{code}{message}{request}"


class InvalidParameterError(APIError):
    """400: the service refused a parameter."""

    advice = "Correct the parameter that the message names."


class UnsupportedOperationError(APIError):
    """400: not possible in the job's present state."""

    advice = "Wait for a state of the job that permits it."


class AuthenticationError(APIError):
    """401: the key is not accepted by this gateway."""

    advice = (
        "Check the API key. A key belongs to one region: if it is another region's, choose that one "
        "with region=... (or DASHSCOPE_REGION, or --region), for example cn-beijing or ap-southeast-1."
    )


class PermissionDeniedError(APIError):
    """403, or an account in arrears: the key is known, but may not do this."""

    advice = "Check the workspace, the key's permissions and the account's balance."


class NotFoundError(APIError):
    """404: no such job for this key, workspace and region."""

    advice = (
        "Check the job id (a whole one: only commands find it by its end), that key, workspace and "
        "region are those it was created in, and that a base URL of your own ends with /api/v1."
    )


class ConflictError(APIError):
    """409: something of that name exists."""

    advice = "Choose a unique name."


class ThrottlingError(APIError):
    """429: too many requests."""

    advice = "Lower the concurrency, or allow more time with a RetryPolicy."


class InternalServerError(APIError):
    """5xx: the service or its gateway failed."""

    advice = "Try later; if it stays, open a ticket with the request id."


@attrs.define(eq=False, slots=False)
class TransportError(FTLogsError):
    """No whole answer arrived: refused, reset, timed out, or cut short."""

    reason: str
    """What the network layer said."""
    passing: bool = True
    """Whether a further try can help; not so where a proxy wants a password, say."""

    advice = "Check the network and the base URL."

    def summary(self) -> str:
        """Say what happened, in one clause."""
        return f"no answer: {excerpt(self.reason)}"


@attrs.define(eq=False, slots=False)
class CertificateError(TransportError):
    """Nobody whom this machine trusts vouches for the other end. The key was not sent."""

    subject: str = ""
    """Whom the certificate is for, as it says: not safe to print. `str(error)` is."""
    issuer: str = ""
    """Who issued it, as it says."""

    advice = (
        "If that is your company's, which opens what passes its proxy, have its certificates trusted: "
        "--ca-file FILE, ca_file=... or SSL_CERT_FILE. Otherwise somebody else may be answering, or the "
        "clock of this machine is wrong. The key was not sent."
    )

    def summary(self) -> str:
        """Say what happened, in one clause."""
        names = (("for", self.subject), ("issued by", self.issuer))
        told = " and ".join(f"{what} {excerpt(name)}" for what, name in names if name)
        return super().summary() + (f"; it is {told}" if told else "")


class ProxyError(TransportError):
    """The proxy can't be reached, or does not pass on what comes. The key was not sent."""

    advice = (
        "Check the proxy and its name and password (--proxy, proxy=..., HTTPS_PROXY or ALL_PROXY). "
        "To ask without one: --proxy none, proxy='none', or the host in NO_PROXY."
    )


@attrs.define(eq=False, slots=False)
class MalformedResponseError(FTLogsError):
    """An answer that is not what the service's page describes."""

    reason: str
    status: int
    request_id: str | None = None
    excerpt: str = ""
    """The beginning of the body, on one line, safe to print."""
    damaged: bool = False
    """The body is not JSON at all, as when a gateway answers in the service's place: worth a retry."""

    advice = "If it stays, check that the base URL is a Model Studio endpoint."

    def summary(self) -> str:
        """Say what happened, in one clause."""
        request = f", request id {excerpt(self.request_id, 80)}" if self.request_id else ""
        body = f", body begins {self.excerpt!r}" if self.excerpt else ""
        return f"unusable answer: {excerpt(self.reason)} (HTTP {self.status}{request}{body})"


class ResponseTooLargeError(MalformedResponseError):
    """An answer larger than the cap. It was not read to its end."""

    advice = "Ask for fewer lines a page, or allow larger answers: LogSession(max_answer=...)."


@attrs.define(eq=False, slots=False)
class IncompleteLogError(FTLogsError):
    """The service says that more lines exist, and does not give them."""

    next_offset: int
    """The first line that is missing: go on from here."""
    total: int
    """How many lines the service says exist."""
    request_id: str | None = None

    advice = "Go on later from that offset."

    def summary(self) -> str:
        """Say what happened, in one clause."""
        return (
            f"incomplete log: the service says that {self.total} lines exist, but gives none "
            f"from offset {self.next_offset}"
        )


@attrs.define(eq=False, slots=False)
class LogRewrittenError(FTLogsError):
    """The log is another one than was already read, or shorter: it was started afresh or trimmed."""

    next_offset: int
    """How many lines had been read."""
    total: int
    """How many lines the service says exist now."""

    advice = "What was read before belongs to an older log: read again from offset 0."

    def summary(self) -> str:
        """Say what happened, in one clause."""
        return (
            f"the log was rewritten: {self.next_offset} lines had been read, and now the service "
            f"has another log in their place, of {self.total} lines"
        )


class ArchiveError(FTLogsError):
    """An archive of downloaded logs, or a file in it, that can't be used as it is."""


class ArchiveMismatchError(ArchiveError):
    """What is in the archive is whole, and can't be gone on with from here. It is left as it is."""

    advice = "Nothing was changed. Use another directory, or what the archive was made with."


class ArchiveBusyError(ArchiveError):
    """Another download writes to the archive, of this process or of another one."""

    advice = "Wait for it, or choose another directory."


class ArchivePathError(ArchiveError):
    """What is at the path of an archive, or of a file of it, is none, or may not be read or written."""

    advice = (
        "Nothing there was changed. Put right or move away what is in the way, or use another directory."
    )


class ManifestError(ArchiveError):
    """The manifest of a log is lost, or is not as it was written, so nothing vouches for the log."""

    advice = (
        "Put the manifest back from a copy, or move it and its log away: the log is then fetched anew."
    )


class DamagedLogError(ArchiveError):
    """A log that was read is gone, or is not what was committed: it was cut or changed. Others go on."""

    advice = (
        "`ftlogs verify` names all that is damaged. Put it back from a copy, or fetch it anew with "
        "`ftlogs download --recheck`, which keeps what is here."
    )


class LogGoneError(ArchiveError):
    """A file of a log was moved, removed or replaced while it was downloaded. Other logs go on."""

    advice = "Run the same again: what is missing is then fetched anew."


class ArchiveWriteError(ArchiveError):
    """The archive can't be written to any further. What was committed is whole."""

    advice = (
        "What was committed is whole. Make room, or see to the disk, then run the same again: it goes "
        "on from there."
    )


class ArchiveGoneError(ArchiveWriteError):
    """The archive was moved, removed or replaced while it was written to."""

    advice = (
        "If it was moved, what was committed is whole there, and a download into it goes on. If it was "
        "removed, the next download fetches everything anew."
    )


class ArchiveStoreError(ArchiveError):
    """Object storage could not be reached, or did not do what was asked. What was committed is whole."""

    advice = (
        "Check the network, and the credentials, endpoint and region in the environment, then run the "
        "same again: it goes on from there."
    )


class StoreDeniedError(ArchiveStoreError):
    """Object storage does not accept the credentials, or they may not do this."""

    advice = (
        "Check the credentials in the environment, and that they may list, read, write and delete the "
        "objects there."
    )


class StoreNotFoundError(ArchiveStoreError):
    """There is no such bucket."""

    advice = "Check the name of the bucket, its endpoint and its region; a bucket is never created."
