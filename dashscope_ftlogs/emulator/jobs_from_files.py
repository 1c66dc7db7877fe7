"""Jobs out of log files that lie on disk."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dashscope_ftlogs.emulator.jobs import EmulatedJob

_MANIFEST = ".manifest.json"
"""How the names end of what an archive has beside its logs."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def job_from_file(path: str | Path, *, job_id: str | None = None, **facts: Any) -> EmulatedJob:
    r"""A job whose log is a text file.

    Lines end at "\n" and nowhere else; a final newline ends the last line and adds no empty one.
    Bytes that are not UTF-8 become U+FFFD: JSON can carry text only, and a line that cannot be
    sent as it was should look so (smuggled through as surrogates it would look like a real one).

    Args:
        path: of the file.
        job_id: else the file's name without its last suffix, made safe for a URL.
        facts: keyword arguments of `EmulatedJob`.
    """
    path = Path(path)
    text = path.read_bytes().decode("utf-8", errors="replace")
    lines = text.removesuffix("\n").split("\n") if text else []
    return EmulatedJob(job_id or _safe(path.stem), lines, **facts)


def jobs_from_paths(paths: Iterable[str | Path], **facts: Any) -> list[EmulatedJob]:
    """One job for each file, and for each in a folder that is not hidden and no archive's manifest.

    Files whose names come to the same id get a number appended, so that none is lost.

    Raises:
        OSError: a path can't be read.
    """
    jobs: dict[str, EmulatedJob] = {}
    for file in (file for path in paths for file in _files(Path(path))):
        wanted = job_id = _safe(file.stem)
        number = 1
        while job_id in jobs:
            number += 1
            job_id = f"{wanted}-{number}"
        jobs[job_id] = job_from_file(file, job_id=job_id, **facts)
    return list(jobs.values())


def jobs_from_folder(path: str | Path, **facts: Any) -> list[EmulatedJob]:
    """`jobs_from_paths` of a single folder.

    Raises:
        FileNotFoundError: there is no such folder; NotADirectoryError likewise.
    """
    return jobs_from_paths(_inside(Path(path)), **facts)


def _files(path: Path) -> list[Path]:
    return _inside(path) if path.is_dir() else [path]


def _inside(folder: Path) -> list[Path]:
    files = (file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in files if not file.name.endswith(_MANIFEST))


def _safe(name: str) -> str:
    return _UNSAFE.sub("-", name).strip("-.") or "job"
