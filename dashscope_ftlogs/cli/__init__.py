"""The command `ftlogs`: parses, calls the library, prints."""

import sys

from dashscope_ftlogs import __version__


def main() -> None:
    """Run the command; what the installed script calls."""
    # Answered before anything is imported: scripts ask this often.
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"ftlogs {__version__}\n")
        return
    try:
        from dashscope_ftlogs.cli.app import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("ftlogs: the command needs more packages: pip install 'dashscope-ftlogs[cli]'")
    app(prog_name="ftlogs")
