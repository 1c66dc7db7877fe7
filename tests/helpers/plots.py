"""Logs and jobs that have something to plot."""

import re
from pathlib import Path
from typing import Any

from dashscope_ftlogs.emulator import EmulatedJob, generate_job

GAP = "\N{MULTIPLICATION SIGN}"

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def losses(*values: object, name: str = "loss") -> list[str]:
    return [f"{{'{name}': {value}, 'step': {step}}}" for step, value in enumerate(values)]


def log(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return str(folder / name)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def job(job_id: str, seed: int = 0, **facts: Any) -> EmulatedJob:
    return EmulatedJob(job_id, generate_job("sft", seed=seed, lines=60).lines[:], **facts)
