"""The command `ftlogs`: parses, calls the library, prints.

A file in `commands/` is a command; `terminal/` holds what they share on a screen. What users import
comes in as it does for them, from `dashscope_ftlogs`.

May import: `session`, `report`, `follow`, `archive`, `metrics`, `reading`, `checks`, `errors`, `models`,
`text`, `emulator`. Begin with `app`, then `run_command`, in which every command ends.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from dashscope_ftlogs import __version__


def main() -> None:
    """Run the command; what the installed script calls."""
    # Answered before anything is imported: scripts ask this often.
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"ftlogs {__version__}\n")
        return
    try:
        app = _app()
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("ftlogs: the command needs more packages: pip install 'dashscope-ftlogs[cli]'")
    app(prog_name="ftlogs")


def _app() -> Callable[..., Any]:
    """Import as little as the question needs."""
    if "_FTLOGS_COMPLETE" in os.environ:
        from dashscope_ftlogs.cli.quick_completion import only_jobs  # noqa: PLC0415

        if (jobs := only_jobs()) is not None:
            return jobs
    from dashscope_ftlogs.cli.app import app  # noqa: PLC0415

    return app(sys.argv[1:])
