"""The gate that every request of a session passes: how many at once, and when."""

import asyncio
from types import TracebackType


class Gate:
    """Lets at most `concurrency` requests through at once, and none while the server wants quiet."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._quiet_until = 0.0

    def refused(self, pause: float) -> None:
        """Take note of a 429: nobody sends anything for `pause` seconds."""
        now = asyncio.get_running_loop().time()
        self._quiet_until = max(self._quiet_until, now + pause)

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        try:
            loop = asyncio.get_running_loop()
            while (wait := self._quiet_until - loop.time()) > 0:  # noqa: ASYNC110  (it moves)
                await asyncio.sleep(wait)
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._slots.release()
