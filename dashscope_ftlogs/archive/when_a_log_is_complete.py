"""When a log in an archive counts as complete, and what is missing while it doesn't. Pure.

The service is many machines, and some lag. What one of them shows of a log that ended just now may lack
its last lines, so such a log is looked at once more, after the time within which all have caught up.
"""

from datetime import UTC, datetime
from typing import Final, Literal

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.models import ENDED, Job, is_same_end
from dashscope_ftlogs.text import counted

Stage = Literal["ok", "superseded", "settling", "incomplete"]

_STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"


def is_complete(job: Job, *, brought: int, ended_for: float, settled_after: float) -> bool:
    """Whether a log has all its lines, if it was read to its end after the service said this of its job.

    Args:
        job: As it was described before this look.
        brought: How many lines this look has added.
        ended_for: For how many seconds the job was known to have ended when the look began.
        settled_after: After how many every machine shows all its lines.
    """
    if not job.ended:
        return False
    return job.ended_long_ago or (ended_for >= settled_after and brought == 0)


def stamp(moment: datetime | None) -> str:
    """Return a time as manifests have it; nothing if it is not known.

    >>> stamp(datetime(2026, 11, 24, 8, 30, tzinfo=UTC))
    '2026-11-24T08:30:00Z'
    """
    return "" if moment is None else moment.astimezone(UTC).strftime(_STAMP)


def is_end_in(manifest: Manifest, job: Job) -> bool:
    """Whether a job has ended, and a manifest tells of that end: it may have run again since."""
    return is_same_end(job, manifest.job.get("status"), manifest.job.get("end_time"))


def end_heard(manifest: Manifest, job: Job) -> str:
    """Return when the end that a job tells of was first heard, as far as a manifest says."""
    return manifest.ended_by if is_end_in(manifest, job) else ""


def seconds_since(written: str, now: datetime | None) -> float:
    """Return how long ago a time of a manifest was; 0 if it tells none, or one to come.

    Both are the service's: this machine's clock can be set, and may jump.
    """
    try:
        # Not strptime: at its first call it loads a module, for which no descriptor may be left.
        then = datetime.fromisoformat(written).replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return 0.0 if now is None else max(0.0, (now - then).total_seconds())


def stage(manifest: Manifest) -> tuple[Stage, str]:
    """Return how far a log has come that is what its manifest vouches for, and what it lacks."""
    if manifest.superseded:
        return "superseded", ""
    if manifest.complete:
        return "ok", ""
    if manifest.total is not None and manifest.total > manifest.lines:
        return "incomplete", f"{counted(manifest.lines, 'line')} of {manifest.total:,}"
    if manifest.settling:
        return "settling", f"{counted(manifest.lines, 'line')}; the job had ended shortly before"
    status = manifest.job.get("status")
    if manifest.ended_by or status in ENDED:
        why = "there may be more"
    elif status is None:  # a download that was killed before its first commit
        why = "the download was broken off"
    else:
        why = "the job had not ended"
    return "incomplete", f"{counted(manifest.lines, 'line')} so far; {why}"
