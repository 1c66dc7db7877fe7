"""What a download tells of each job, and while it goes on; what `verify` tells of each log."""

from typing import Literal

import attrs

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.errors import ArchiveError, ArchiveMismatchError, FTLogsError
from dashscope_ftlogs.models import ENDED

DownloadState = Literal["complete", "settling", "running", "failed", "skipped"]

VerifyState = Literal[
    "ok",
    "superseded",
    "settling",
    "incomplete",
    "forgotten",
    "stale",
    "unasked",
    "missing",
    "copied",
    "foreign",
    "damaged",
    "unvouched",
    "unmarked",
    "newer",
]


@attrs.frozen(kw_only=True)
class Downloaded:
    """What became of one job's log."""

    job_id: str
    state: DownloadState
    """`complete`: the job had ended, and all its lines are here. `settling`: so they seem to be, but it
    ended so shortly before that some may yet appear; the next run finds out. `running`: all lines so far
    are here, more will come. `skipped`: it was complete before. `failed`: see `error`; what came before
    it is kept."""
    lines: int = 0
    """How many lines are in the archive now."""
    new_lines: int = 0
    """How many of them this run has fetched."""
    file: str = ""
    """The log's name in the directory, or in the profile's folder of it."""
    set_aside: tuple[str, ...] = ()
    """Under what names older generations are kept, and files that were damaged."""
    profile: str = ""
    """Whose session it was, and so in which folder of the archive the log is."""
    error: FTLogsError | None = None


@attrs.define
class Progress:
    """How far a download has come; give one to `LogSession.download`, and look at it at any time."""

    jobs: int | None = None
    """How many there are to do, once that is known: of an iterator, when it has ended."""
    jobs_done: int = 0
    lines: int = 0
    """Lines fetched."""
    reading: dict[str, tuple[int, int]] = attrs.Factory(dict[str, tuple[int, int]])
    """Jobs being read: the next line's number, and how many lines the service says exist."""
    outcomes: list[Downloaded] = attrs.Factory(list[Downloaded])
    """What became of each job so far: what there is to tell when the download raises. Jobs that had yet
    to be looked at once more come last then, as `settling`."""
    waiting: tuple[int, float] | None = None
    """How many jobs will be looked at once more, and when: by the clock of the event loop."""


@attrs.frozen(kw_only=True)
class Verdict:
    """What was found out about one log of an archive."""

    job_id: str
    """Empty if its manifest can't be read."""
    file: str
    """The log's name in the archive, or that of what vouches for it if that can't be read."""
    state: VerifyState
    """`ok`: whole, and what was committed. `superseded`: so is this one, but it is an older generation,
    which the service has rewritten since. `incomplete`: what was committed, but more was to come.
    `settling`: what was committed, and all that was shown of it; the job had ended shortly before.
    `forgotten`: one of these two, and the service, which was asked, knows no such job by now: more was
    to come, and none will.
    `stale`: the service has another number of lines by now, or others in the end. `unasked`: it was
    asked for the log's end by now, and that failed: see `error`. `missing`: the
    service lists its job, and there is no log of it here. `unmarked`: no log, but a folder whose logs
    no reader of the archive finds, since nothing says that it is a profile's.
    `copied`: the same download as a log in another folder of the archive, so that one of them is in a
    folder that is not its own. `foreign`: of another service than the one that was asked.
    `damaged`: not what was committed. `unvouched`: a log without a manifest, so that nothing says what
    it should hold. `newer`: its manifest is whole, and was made by a newer version, which alone can
    judge."""
    lines: int = 0
    bytes: int = 0
    """How large the log is there, as far as it is committed: compressed, if it is."""
    why: str = ""
    tail: tuple[str, ...] = ()
    """The digests of the last lines, five at the most, by which another log is noticed."""
    running: bool = False
    """Whether what it lacks is to come yet: its job had not ended, or just now, when a download last
    asked; or, where the service was asked for it by now, not a day ago."""
    profile: str = ""
    """In whose folder of an archive it is; `file` begins with that folder's name, unless it was verified
    by itself."""
    endpoint: str = ""
    """The base URL that the log was read from."""
    first_request_id: str = ""
    """By which request its first lines came; empty where the service did not say."""
    error: FTLogsError | None = None
    """Why it is `unasked`."""
    in_the_way: bool = False
    """Whether a download, too, is refused what is there in the place of a damaged log: `why` says what
    to do."""


def of_log(manifest: Manifest, file: str, state: VerifyState, why: str) -> Verdict:
    """Return the verdict on a log whose manifest could be read."""
    goes_on = manifest.settling or manifest.job.get("status", "SUCCEEDED") not in ENDED
    return Verdict(
        job_id=manifest.job_id,
        file=file,
        state=state,
        lines=manifest.lines,
        bytes=manifest.file_bytes,
        why=why,
        tail=manifest.tail,
        endpoint=manifest.endpoint,
        first_request_id=manifest.first_request_id or "",
        running=goes_on and state in {"incomplete", "settling"},
    )


def of_unread(file: str, error: ArchiveError) -> Verdict:
    """Return the verdict on a log of which what vouches for it could not be read."""
    state: VerifyState = "newer" if isinstance(error, ArchiveMismatchError) else "damaged"
    return Verdict(job_id="", file=file, state=state, why=str(error))


def of_unmarked(folder: str, error: ArchiveError) -> Verdict:
    """Return the verdict on a folder that is no profile's for lack of its mark."""
    return Verdict(job_id="", file=f"{folder}/", state="unmarked", why=str(error))
