"""Three profiles with limits of their own in one `ftlogs download --all`, at default settings.

The services are three processes, and say themselves when they were asked first and last. All would take
the same time, so each has to be quick while the others are.
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from measure import Effort, Run, spread
from report import Figure
from servers.emulated import JOBS
from servers.lean import BURST
from servers.serving import BENCHMARKS

NAME = "profiles"
TITLE = "Three profiles with limits of 20, 40 and 60 requests/s in one download --all"
LIMITS = (20, 40, 60)
SECONDS = 45
"""That each takes at best."""


def measure(effort: Effort) -> dict[str, Any]:
    seconds = effort.of(SECONDS)
    rounds = [in_one_download(seconds) for _ in range(max(1, effort.rounds // 4))]
    return {"case": NAME, "title": TITLE, "rounds": rounds}


def in_one_download(seconds: int) -> dict[str, Run]:
    """Download what takes each profile so many seconds at best; return what each was asked."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        services = {limit: stack.enter_context(emulator(limit, seconds)) for limit in LIMITS}
        config = Path(folder, "config.toml")
        for limit, service in services.items():
            assert service.stdout is not None
            said = f"[profiles.per-{limit}]\napi_key = 'sk-{limit}'\n"
            with config.open("a") as file:
                file.write(f"{said}base_url = {service.stdout.readline().strip()!r}\n")
        command = [
            *(sys.executable, "-m", "dashscope_ftlogs", "download", "--all", "--quiet"),
            *("--out", f"{folder}/logs", *(f"--profile=per-{limit}" for limit in LIMITS)),
        ]
        environ = {**os.environ, "DASHSCOPE_CONFIG": str(config)}
        subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
        return {f"{limit}/s": json.loads(one.communicate("")[0]) for limit, one in services.items()}


def emulator(limit: int, seconds: int) -> "subprocess.Popen[str]":
    command = [
        *(sys.executable, "-m", "servers.emulated", f"--key=sk-{limit}"),
        *(f"--pages={limit * seconds // JOBS}", f"--per-second={limit}"),
    ]
    return subprocess.Popen(
        command, cwd=BENCHMARKS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def figures(result: dict[str, Any]) -> list[Figure]:
    return [
        Figure(
            f"{limit} requests/s, times the ideal",
            spread([times_ideal(one[f"{limit}/s"], limit) for one in result["rounds"]]),
            most=1.10,
        )
        for limit in LIMITS
    ]


def times_ideal(run: Run, limit: int) -> float:
    granted = run["requests"] - run["refused"]
    return float(run["seconds"] * limit / (granted - BURST))
