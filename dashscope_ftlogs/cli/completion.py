"""Job ids for the shell's completion: those of a minute ago, from a file; never slow, never loud.

There is a file for each service, profile and workspace that was asked. Neither its name nor what it
holds tells a key.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import typer

from dashscope_ftlogs.client.settings.config_path import config_path

_ASKED: Final = ("api_key_file", "base_url", "profile", "region", "workspace")
"""The options by which another service is asked, or for another user."""
_ON_THE_WAY: Final = ("allow_http", "ca_file", "proxy")
"""Those by which it is reached."""
_OPTIONS: Final = "_FTLOGS_OPTIONS"
"""The variable by which they come to who asks."""
_KEY: Final = "DASHSCOPE_API_KEY"
_OLD: Final = 30 * 86400.0
"""Seconds after which a file is swept."""
_FRESH: Final = 60.0
"""Seconds for which the file is believed without a look at the service."""
_WHEN_LOADED: Final = '[[ $zsh_eval_context[-1] != loadautofunc ]] || _ftlogs_completion "$@"'
_MOST: Final = 200
"""Recent jobs are what people ask for."""


def complete_job_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the recent jobs whose ids begin so, with what is known of each."""
    found: dict[str, str] = {}
    for profile in context.params.get("profile") or (None,):
        said = {name: context.params.get(name) for name in (*_ASKED, *_ON_THE_WAY)}
        options = {name: value for name, value in (said | {"profile": profile}).items() if value}
        file = cache_file(options)
        age = _age(file)
        if age is None or age > _FRESH:
            _refresh_in_background(options)  # whoever presses the key again will see what it finds
        found |= _jobs(file)
    return [(job_id, about) for job_id, about in found.items() if job_id.startswith(incomplete)]


def refresh(options: Mapping[str, Any]) -> None:
    """Ask the service for the recent jobs, and keep them in the file."""
    import asyncio  # noqa: PLC0415  (completion itself needs none of this)

    from dashscope_ftlogs import InvalidArgumentError  # noqa: PLC0415
    from dashscope_ftlogs.checks import job_id as checked  # noqa: PLC0415
    from dashscope_ftlogs.cli.connection_options import Connection  # noqa: PLC0415

    async def ask() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        profile = [options["profile"]] if "profile" in options else None
        said: dict[str, Any] = {**options, "profile": profile, "timeout": 10.0, "max_tries": 1}
        async with Connection(**said).session() as session:
            async for job in session.jobs():
                about = " ".join(filter(None, (job.status, job.model, job.create_time)))
                # Shells evaluate what they are told, and a service can say anything.
                with suppress(InvalidArgumentError):
                    found.append((checked(job.job_id), re.sub(r"[^A-Za-z0-9 :._-]", "?", about)))
                if len(found) == _MOST:
                    break
        return found

    keep(asyncio.run(ask()), cache_file(options))


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


def keep(jobs: Iterable[tuple[str, str]], file: Path) -> None:
    """Put jobs into the file, for whoever completes next."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Readable by nobody else, and there at once or not at all.
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
        json.dump(list(jobs), new)
    Path(new.name).replace(file)
    for other in file.parent.glob("jobs*.json"):
        if (_age(other) or 0.0) > _OLD:
            other.unlink(missing_ok=True)


def cache_file(options: Mapping[str, Any]) -> Path:
    """Return the file for what is asked with these options, in this environment, by this config file."""
    asked = [(name, str(options.get(name))) for name in _ASKED]
    settings = (one for one in os.environ.items() if one[0].startswith("DASHSCOPE_"))
    asked += sorted(one for one in settings if one[0] != _KEY)
    with suppress(OSError, RuntimeError):  # it may be below the home of nobody
        asked.append(("config", str(Path(config_path(os.environ)).expanduser().stat().st_mtime_ns)))
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = sha256(json.dumps(asked).encode()).hexdigest()
    return Path(folder) / "dashscope-ftlogs" / f"jobs-{digest[:16]}.json"


def _age(file: Path) -> float | None:
    try:
        # One of the future is old, too: the clock was set back.
        return abs(time.time() - file.stat().st_mtime)
    except OSError:
        return None


def _jobs(file: Path) -> list[tuple[str, str]]:
    try:
        found = json.loads(file.read_text("utf-8"))
        return [(str(job_id), str(about)) for job_id, about in found]
    except (OSError, ValueError, TypeError):
        return []  # no file yet, or a damaged one


def _refresh_in_background(options: Mapping[str, Any]) -> None:
    subprocess.Popen(
        [sys.executable, "-m", "dashscope_ftlogs.cli.completion"],
        # Not among the words, which other users can see: a proxy's URL may hold a password.
        env={**os.environ, _OPTIONS: json.dumps(options, default=str)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


if __name__ == "__main__":
    from dashscope_ftlogs import FTLogsError

    try:
        refresh(json.loads(os.environ.get(_OPTIONS) or "{}"))
    except (FTLogsError, OSError):
        sys.exit(1)
