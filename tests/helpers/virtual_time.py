"""An event loop whose clock jumps over every wait in which nothing happens.

Hours of polling take seconds, over real connections. Before it jumps, the loop gives the network a
moment, since what was sent on loopback may not have arrived yet. Nothing in it may wait for a thread.
"""

import asyncio
import selectors
from typing import Any

_MOMENT = 0.001


class _Jumping(selectors.DefaultSelector):
    """Reports what is ready; if nothing is, says that the time asked for has passed."""

    jumped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout is None or timeout <= 0:
            return ready or (super().select(None) if timeout is None else [])
        if ready := super().select(min(timeout, _MOMENT)):
            return ready
        self.jumped += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """To be given to `asyncio.Runner(loop_factory=VirtualTimeLoop)`."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.jumped
