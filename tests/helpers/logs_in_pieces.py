"""Logs in so small pieces that a few lines have many."""

from pathlib import Path
from typing import Any

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.manifest import Manifest


def begin(
    folder: Path,
    endpoint: str,
    *job_ids: str,
    piece_bytes: int,
    form: Any = "text",
    compression: Any = None,
) -> None:
    """Begin these logs, as a download does before it asks for the first line."""
    folder.mkdir(parents=True, exist_ok=True)
    for job_id in job_ids:
        begun = Manifest(
            job_id=job_id,
            endpoint=endpoint,
            format=form,
            compression=compression,
            piece_bytes=piece_bytes,
        )
        Archive(folder).put(begun)
