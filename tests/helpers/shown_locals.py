"""What some tools print of an error: every frame, with its local variables."""

from io import StringIO

from rich.console import Console
from rich.traceback import Traceback


def as_rich_prints_it(error: BaseException) -> str:
    """Show our frames, with local variables; the test's own hold the key."""
    assert error.__traceback__ is not None
    ours = error.__traceback__.tb_next
    shown = StringIO()
    console = Console(file=shown, width=300)
    found = Traceback.from_exception(type(error), error, ours, show_locals=True, locals_max_length=100)
    for stack in found.trace.stacks:
        for frame in stack.frames:
            # No file: each would be coloured from its first line on, which takes longer than all else.
            frame.filename = f"<{frame.filename}>"
    console.print(found)
    return shown.getvalue()
