"""The command `ftlogs`: parses, calls the library, prints.

A file in `commands/` is a command; `terminal/` holds what they share on a screen, `tail/` how one of
them prints. What users import comes in as it does for them, from `dashscope_ftlogs`.

May import: `session`, `report`, `dataset`, `follow`, `archive`, `metrics`, `reading`, `checks`,
`errors`, `models`, `text`, `emulator`. Begin with `app`, then `run_command`, in which every command
ends.
"""

import os
import sys

from dashscope_ftlogs import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def main() -> None:
    """Run the command; what the installed script calls."""
    try:
        _let_ctrl_c_end_it()
    except KeyboardInterrupt:
        sys.exit(130)
    _open_streams()
    # Answered before anything is imported: scripts ask this often.
    if sys.argv[1:] == ["--version"] and _is_told(f"ftlogs {__version__}\n"):
        return
    try:
        app = _app()
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("ftlogs: the command needs more packages: pip install 'dashscope-ftlogs[cli]'")
    if "_FTLOGS_COMPLETE" in os.environ:
        app(prog_name="ftlogs")  # and exit
    from dashscope_ftlogs.cli.usage_errors import parse_and_run  # noqa: PLC0415

    try:
        parse_and_run(app, sys.argv[1:])
    finally:
        if "--install-completion" in sys.argv[1:]:
            from dashscope_ftlogs.cli.completion import answer_the_first_tab  # noqa: PLC0415

            answer_the_first_tab()


def _let_ctrl_c_end_it() -> None:
    """Let Ctrl-C end this as it ends any command, until there is more to do than that.

    The imports take their time, and a traceback out of them helps nobody. What was started to ignore
    Ctrl-C goes on ignoring it.
    """
    import signal  # noqa: PLC0415  (takes long enough to be interrupted)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _open_streams() -> None:
    """Open those of the three standard streams that are closed, on the null device, as SQLite does.

    Else the first file or socket that is opened would get the number of one, and what is written to it.
    A stdin that was closed is opened for writing only, and a stdout for reading only: that there is no
    input, or nobody gets the output, is an error for who reads or writes some, as it is for cat.
    """
    for number, way in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:  # the lowest number that is free is what the system gives
            os.set_inheritable(os.open(os.devnull, way), True)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _is_told(text: str) -> bool:
    """Say it, and whether that was possible: if not, the command has the words for it."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _app() -> "Callable[..., Any]":
    """Import as little as the question needs."""
    if "_FTLOGS_COMPLETE" in os.environ:
        from dashscope_ftlogs.cli.quick_completion import join_options, only_jobs  # noqa: PLC0415

        join_options()
        if (jobs := only_jobs()) is not None:
            return jobs
    from dashscope_ftlogs.cli.app import app  # noqa: PLC0415

    return app(sys.argv[1:])
