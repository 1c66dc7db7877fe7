"""Small archives, made by real downloads, that every later version has to read.

`python tests/helpers/golden_archives.py` writes those of the schema that the package has now to
tests/archive/golden/schema-N/. That is done once for each schema; later versions leave them as they are.
"""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from logs_in_pieces import begin

from dashscope_ftlogs import LogSession, RetryPolicy
from dashscope_ftlogs.archive.manifest import SCHEMA
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

GOLDEN: Final = Path(__file__).parents[1] / "archive/golden"

FORMS: Final[dict[str, tuple[Literal["text", "jsonl"], Literal["gzip"] | None]]] = {
    "text": ("text", None),
    "jsonl": ("jsonl", None),
    "gzip": ("text", "gzip"),
    "jsonl-gzip": ("jsonl", "gzip"),
}

LOGS: Final = {
    # The archive's words for it: which log, and what it holds.
    "ft-complete": [f"{{'loss': {n / 7:.4f}, 'step': '{n}/30'}}" for n in range(30)],
    "ft-running": [f"line {n}" for n in range(12)],
    "ft-empty": [],
    "ft-again": [f"second life {n}" for n in range(9)],
    "FT-1.log": ["an id that is no name", "", "  spaces  ", "tab\t\x1b[31mred", "é 微调 🚀"],
}
FIRST_LIFE: Final = [f"first life {n}" for n in range(21)]
NAME: Final = "a lone \ud800 surrogate"
RUNNING: Final = frozenset({"ft-running", "ft-again"})
IN_PIECES: Final = RUNNING | {"ft-complete"}
"""Their logs have small pieces, from schema 3 on; but for the second life of one."""


def jobs() -> Iterator[EmulatedJob]:
    """Yield the jobs as they were when the archives were made."""
    for job_id, lines in LOGS.items():
        status = "RUNNING" if job_id in RUNNING else "SUCCEEDED"
        hyper_parameters = {"n_epochs": 3, "learning_rate": "1.6e-5", "nested": {"deep": [1, 2.5, None]}}
        yield EmulatedJob(job_id, lines, status=status, job_name=NAME, hyper_parameters=hyper_parameters)


async def make(folder: Path) -> None:
    """Download the jobs into one archive per form; one job's log is rewritten on the way."""
    quick = RetryPolicy(base_delay=0.001, max_delay=0.002, lag=0.05)
    for name, (form, compression) in FORMS.items():
        async with Emulator(jobs()) as emulator:
            begin(
                folder / name,
                emulator.base_url,
                *IN_PIECES,
                piece_bytes=64,
                form=form,
                compression=compression,
            )
            async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=quick) as session:
                for log in (LOGS["ft-running"][:5], LOGS["ft-running"]):  # two commits
                    emulator.jobs["ft-running"].rewrite(log)
                    emulator.jobs["ft-again"].rewrite(FIRST_LIFE)
                    await session.download(
                        sorted(LOGS), folder / name, format=form, compression=compression
                    )
                emulator.jobs["ft-again"].rewrite(LOGS["ft-again"])
                await session.download("ft-again", folder / name)


if __name__ == "__main__":
    here = GOLDEN / f"schema-{SCHEMA}"
    shutil.rmtree(here, ignore_errors=True)
    asyncio.run(make(here))
