"""What a stranger finds in an archive, who knows of it what the page of its format says."""

import contextlib
import io
import sys
from functools import cache
from pathlib import Path
from types import CodeType
from unittest.mock import patch

from pages import blocks

PAGE = Path(__file__).parents[2] / "docs/reference/archive-format.md"


@cache
def reader() -> CodeType:
    """Return the program that the page shows."""
    (program,) = (block.content for block in blocks(PAGE.read_text("utf-8")) if block.caption)
    return compile(program, PAGE, "exec")


def found_by_a_stranger(folder: Path) -> dict[str, str]:
    """Return what that program says of each manifest."""
    printed = io.StringIO()
    with patch.object(sys, "argv", ["check_archive.py", str(folder)]):
        with contextlib.redirect_stdout(printed):
            exec(reader(), {"__name__": "__main__"})
    return dict(line.split(" ", 1) for line in printed.getvalue().splitlines())
