"""Job ids for the shell's completion: those of a minute ago, from a file; never slow, never loud."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

_FRESH: Final = 60.0
"""Seconds for which the file is believed without a look at the service."""
_WHEN_LOADED: Final = '[[ $zsh_eval_context[-1] != loadautofunc ]] || _ftlogs_completion "$@"'
_MOST: Final = 200
"""Recent jobs are what people ask for."""


def complete_job_ids(incomplete: str) -> list[tuple[str, str]]:
    """Return the recent jobs whose ids begin so, with what is known of each."""
    file = _file()
    age = _age(file)
    if age is None or age > _FRESH:
        _refresh_in_background()  # whoever presses the key again will see what it finds
    return [(job_id, about) for job_id, about in _jobs(file) if job_id.startswith(incomplete)]


def refresh() -> None:
    """Ask the service for the recent jobs, and keep them in the file."""
    import asyncio  # noqa: PLC0415  (completion itself needs none of this)

    from dashscope_ftlogs import InvalidArgumentError, LogSession, RetryPolicy  # noqa: PLC0415
    from dashscope_ftlogs.checks import job_id as checked  # noqa: PLC0415

    async def ask() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        async with LogSession(timeout=10, retry=RetryPolicy(max_tries=1)) as session:
            async for job in session.jobs():
                about = " ".join(filter(None, (job.status, job.model, job.create_time)))
                # Shells evaluate what they are told, and a service can say anything.
                with suppress(InvalidArgumentError):
                    found.append((checked(job.job_id), re.sub(r"[^A-Za-z0-9 :._-]", "?", about)))
                if len(found) == _MOST:
                    break
        return found

    keep(asyncio.run(ask()))


def answer_the_first_tab() -> None:
    """Make the script that typer has installed for zsh complete when it is loaded, too.

    zsh loads it when TAB is pressed for the first time after the command; typer's would only get ready
    for the second time.
    """
    script = Path.home() / ".zfunc" / "_ftlogs"
    with suppress(OSError, UnicodeDecodeError):
        text = script.read_text("utf-8")
        if _WHEN_LOADED not in text:
            script.write_text(f"{text}\n{_WHEN_LOADED}\n", "utf-8")


def keep(jobs: Iterable[tuple[str, str]]) -> None:
    """Put jobs into the file, for whoever completes next."""
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Readable by nobody else, and there at once or not at all.
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
        json.dump(list(jobs), new)
    Path(new.name).replace(file)


def _file() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "dashscope-ftlogs" / "jobs.json"


def _age(file: Path) -> float | None:
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return None


def _jobs(file: Path) -> list[tuple[str, str]]:
    try:
        found = json.loads(file.read_text("utf-8"))
        return [(str(job_id), str(about)) for job_id, about in found]
    except (OSError, ValueError, TypeError):
        return []  # no file yet, or a damaged one


def _refresh_in_background() -> None:
    subprocess.Popen(
        [sys.executable, "-m", "dashscope_ftlogs.cli.completion"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    from dashscope_ftlogs import FTLogsError

    try:
        refresh()
    except (FTLogsError, OSError):
        sys.exit(1)
