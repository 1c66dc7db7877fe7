"""A real shell on a terminal, into which keys are typed."""

import os
import select
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROMPT = "READY> "
_PATIENCE = 60.0
"""Seconds without a sign of life: the shell hangs. Nothing is asserted of how long anything takes."""


class ShellOnTerminal:
    """Takes keys, and shows what a terminal would, without its bell."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._shown = ""

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def until(self, text: str) -> None:
        """Wait until that is shown, after what was waited for before."""
        while text not in self._shown:
            assert select.select([self._terminal], [], [], _PATIENCE)[0], self._shown
            more = os.read(self._terminal, 65536).decode("utf-8", "replace")
            self._shown += more.replace("\a", "")
        self._shown = self._shown.partition(text)[2]


@contextmanager
def shell_on_terminal(
    *words: str, folder: Path, environ: Mapping[str, str]
) -> Generator[ShellOnTerminal, None, None]:
    """Start that shell, and wait for its prompt."""
    import pty  # does not exist on Windows

    terminal, end = pty.openpty()
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={**environ, "TERM": "dumb", "COLUMNS": "200", "LINES": "50"},
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    )
    os.close(end)
    try:
        shell = ShellOnTerminal(terminal)
        shell.until(PROMPT)
        yield shell
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
