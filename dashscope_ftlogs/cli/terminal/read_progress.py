"""How far a read has come, on stderr, where someone is looking."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

MOST: Final = 2**53
"""Of how many lines a bar tells: a total may be a lie that no float can hold."""


@contextmanager
def progress(what: str, *, printing: bool = False) -> Generator[Callable[[int, int | None], None]]:
    """Show a bar while the block runs, if stderr is a terminal.

    If the block is `printing`, only where stdout does not go to a terminal, too.
    """
    if not sys.stderr.isatty() or (printing and sys.stdout.isatty()):
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415  (takes longer to import than most reads last)
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(
            task, completed=done, total=None if total is None else min(total, MOST)
        )
