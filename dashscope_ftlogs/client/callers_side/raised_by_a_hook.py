"""What a function of the caller's own raises is none of ours, whatever its class."""

from traceback import walk_tb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


class RaisedByHookError(Exception):
    """Carries what was raised past all that takes errors for the service's, up to the caller."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def raised_by_a_hook(error: BaseException | None) -> BaseException | None:
    """Return what a middleware or a trace of an aiohttp session that was given raised, if that is it.

    Where it was raised tells: behind what calls a trace, there is nothing else; an error of the network
    passes through a middleware on its way out, but begins further inside. aiohttp takes any OSError for
    one of the network, and names it as the cause of its own.
    """
    if error is None:
        return None
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]
    of_aiohttp = [module for module in modules if module.startswith("aiohttp.")]
    if "aiohttp.tracing" in of_aiohttp or of_aiohttp[-1:] == ["aiohttp.client_middlewares"]:
        return error
    return raised_by_a_hook(error.__cause__)


def hand_over(task: "asyncio.Task[Any]") -> None:
    """Raise what a function of the caller's raised, for the caller, if it has ended this task."""
    carrier = task.exception()
    try:
        if isinstance(carrier, RaisedByHookError):
            raise carrier.error
    finally:
        del carrier  # no circle
