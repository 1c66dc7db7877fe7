"""What a function of the caller's own raises is none of ours, whatever its class."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class RaisedByHookError(Exception):
    """Carries what was raised past all that takes errors for the service's, up to the caller."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def hand_over(task: "asyncio.Task[Any]") -> None:
    """Raise what a function of the caller's raised, for the caller, if it has ended this task."""
    carrier = task.exception()
    try:
        if isinstance(carrier, RaisedByHookError):
            raise carrier.error
    finally:
        del carrier  # no circle
