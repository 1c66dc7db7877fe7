"""When a log in an archive counts as complete, and what is missing while it doesn't. Pure."""

from typing import Literal

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.models import Job

Stage = Literal["ok", "superseded", "incomplete"]


def is_complete(job: Job) -> bool:
    """Whether a log has all its lines, if it was read to its end after the service said this of its job.

    In this order: whatever came between the question and the read was read.
    """
    return job.ended


def stage(manifest: Manifest) -> tuple[Stage, str]:
    """Return how far a log has come that is what its manifest vouches for, and what it lacks."""
    if manifest.superseded:
        return "superseded", ""
    if manifest.complete:
        return "ok", ""
    if manifest.total is not None and manifest.total > manifest.lines:
        return "incomplete", f"{manifest.lines:,} lines of {manifest.total:,}"
    return "incomplete", f"{manifest.lines:,} lines so far; the job had not ended"
