"""What the shell asks when a job id is being completed, answered without loading the command itself.

Whoever presses the key waits, and the commands import far more than the ids in a file need.
"""

import os
from collections.abc import Mapping, MutableMapping
from typing import Annotated, Final

import typer

from dashscope_ftlogs.cli.completion import complete_job_ids

_TAKE_JOBS: Final = frozenset({"cat", "tail", "show", "download", "metrics", "plot", "report", "doctor"})


def join_options(environ: MutableMapping[str, str] = os.environ) -> None:
    """Take bash's `--status`, `=` and `RU` for the two words that they stand for.

    It tells every word apart at what it also breaks lines of input at, and what parses them would take
    the `=` for the option's value.
    """
    words = environ.get("COMP_WORDS", "").split("\n")
    at = int(environ.get("COMP_CWORD", "0"))
    if 2 <= at < len(words) and words[at - 1] == "=" and words[at - 2].startswith("--"):
        del words[at - 1]
        environ.update({"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(at - 1)})


def only_jobs(environ: Mapping[str, str] = os.environ) -> typer.Typer | None:
    """Return commands that know nothing but the ids of jobs, if those are what is asked for.

    They are unless an option stands among the words: that one, or its value, may be what is completed.
    """
    words = (environ.get("COMP_WORDS") or environ.get("_TYPER_COMPLETE_ARGS") or "").split()
    if len(words) < 2 or words[1] not in _TAKE_JOBS or any(word.startswith("-") for word in words[2:]):
        return None
    if words[-1] == words[1] and not _begun_another(environ):
        return None
    app = typer.Typer()
    app.command(words[1])(_jobs)
    app.callback()(_commands)  # else the only command would need no name
    return app


def _begun_another(environ: Mapping[str, str]) -> bool:
    """Whether the command's own name is complete: a blank follows it."""
    if "COMP_CWORD" in environ:
        return environ["COMP_CWORD"] not in {"0", "1"}
    return environ.get("_TYPER_COMPLETE_ARGS", "").endswith(" ")


def _jobs(_jobs: Annotated[list[str], typer.Argument(autocompletion=complete_job_ids)]) -> None:
    """Is never called: the shell only asks what could be its argument."""


def _commands() -> None:
    """Nor is this."""
