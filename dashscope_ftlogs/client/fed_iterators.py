"""The async iterators of a session, each fed by a task that the session owns."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, Generic, Self, TypeVar
from weakref import ref

from dashscope_ftlogs.client.callers_side.left_by_block import LeftByBlock
from dashscope_ftlogs.client.tasks import Tasks, end_of, running_loop
from dashscope_ftlogs.errors import SessionStateError

T = TypeVar("T")
Found = TypeVar("Found")
Item = TypeVar("Item")


def _nothing() -> None:
    """Say that nothing is read ahead."""


class Feed(LeftByBlock, Generic[Found, Item]):
    """A generator that runs in a task of the session, and finds what the next steps give.

    It goes on when all that it found has been taken; it may find several things at once, which saves the
    way from one task to the other and back for each. What was taken is held here no longer. A step that
    is cancelled leaves the task alone: the next one waits for the same item. What is found counts as
    handed out once `take` has made an item of it, in the waiter's own task and with no await behind it;
    None stands for no item.

    While it is idle, a step first looks at what it has other tasks read `ahead`: at what these have
    found, or which of them to wait for. The way to the generator's task and back is not free.

    Between two finds the loop has a turn, if not by waiting: or who always finds something would let
    nothing else run.
    """

    def __init__(
        self,
        tasks: Tasks,
        start: "Callable[[Feed[Found, Item]], AsyncGenerator[deque[Found], None]]",
        take: Callable[[Found], Item | None],
        doing: str,
        ahead: "Callable[[], deque[Found] | asyncio.Task[Any] | None]" = _nothing,
    ) -> None:
        self._tasks, self._doing = tasks, doing
        self._start, self._take, self._ahead = start, take, ahead
        self._task: asyncio.Task[None] | None = None
        self._found: deque[Found] = deque()
        self._wanted, self._arrived = asyncio.Event(), asyncio.Event()
        self._wanted.set()  # from the task's beginning on
        self._is_waited_for = self._is_over = False
        self._reader: Callable[[], asyncio.Task[Any] | None] = lambda: None
        """Returns the task that took the last step, as long as there is one: no circle."""
        self._is_turn_due = False
        """Whether the loop has to have a turn before more is given."""
        self._taken_away = ""
        """By what the reader was deprived of the items that were left."""

    async def step(self, reads: object) -> Item:
        """Return the next item; StopAsyncIteration where there is none, or who asks has left this.

        Args:
            reads: What must not be collected before it has its item.

        Raises:
            SessionStateError: another task has closed or replaced this; or it is another event loop.
        """
        self._tasks.check_loop()
        if self._is_waited_for:
            raise SessionStateError("another task waits for the next item of this iterator already")
        self._is_waited_for = True
        self._reader = ref(asyncio.current_task())
        try:
            while (item := self._taken()) is None:
                await self._look(self._task or self._begin())
        except Exception:  # of the caller's own code, too
            await self.aclose()
            raise
        finally:
            self._is_waited_for = False
            del reads  # or a traceback that is kept would keep all this going
        return item

    def _taken(self) -> Item | None:
        """Return the next item of what was found, if there is one."""
        if self._taken_away:
            raise SessionStateError(self._taken_away)
        if self._is_over:
            raise StopAsyncIteration
        # Nothing more is given where the task ends, from outside if anything is left of what it found.
        while self._found and not ((task := self._task) and (task.done() or task.cancelling())):
            try:
                item = self._take(self._found.popleft())
            except StopAsyncIteration as error:  # which would pass for the end of this
                raise RuntimeError("a callback raised StopAsyncIteration") from error
            if item is not None:
                return item
        return None

    def _begin(self) -> "asyncio.Task[None]":
        self._task = task = self._tasks.spawn(self._run(self._start(self)))
        task.add_done_callback(lambda _: self._arrived.set())
        return task

    async def _look(self, task: "asyncio.Task[None]") -> None:
        """Wait for what is found next, or for the end of it all."""
        if task.done():
            self._is_over = True
            self._tasks.result(task, self._doing)
            return
        is_idle = not (self._wanted.is_set() or task.cancelling())
        match self._ahead() if is_idle else None:
            case deque() as found:
                self._found = found
                if self._is_turn_due:
                    await asyncio.sleep(0)
                self._is_turn_due = True
            case None:
                self._wanted.set()
                await self._arrived.wait()
                self._arrived.clear()
            case reading:  # whatever class a task factory makes its tasks of
                await end_of(reading)
                # Where what is asked for meanwhile is not asked for at once, it needs one.
                self._is_turn_due = not self._tasks.can_begin_at_once

    async def _run(self, items: AsyncGenerator[deque[Found], None]) -> None:
        async with aclosing(items):
            async for self._found in items:
                self._wanted.clear()
                self._arrived.set()
                await self._wanted.wait()

    def check_loop(self) -> None:
        """Refuse to be closed in another event loop, unless nothing is left to close."""
        if self._task is None or not self._task.done():
            self._tasks.check_loop()

    def replace(self) -> None:
        """Let the next step say that another iteration has taken over."""
        if not self._is_over:
            self._taken_away = "this read was replaced by a newer one"

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left; another task's reader is told."""
        self.check_loop()
        reader = self._reader()
        if not (self._is_over or reader is None or reader.done() or reader is asyncio.current_task()):
            self._taken_away = self._taken_away or "another task closed this before its end"
        self._is_over = True
        if self._task is not None:
            await self._tasks.leave([self._task])

    def abandon(self) -> None:
        """End what is under way; from wherever the garbage is collected."""
        if self._task is None or self._task.done():
            return
        loop = self._task.get_loop()
        if loop is running_loop():
            self._tasks.cancel(self._task)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self._tasks.cancel, self._task)


class Stream(LeftByBlock, Generic[Item]):
    """An async iterator of a session: what it gives is found by a task that the session owns.

    A step that is cancelled, by `asyncio.wait_for(anext(stream), 1)` say, costs nothing: the next goes
    on. Leave it early by `aclose`, or as an `async with` block, and nothing is left; nor is if it is
    dropped, one turn of the loop later.
    """

    def __init__(self, feed: Feed[Any, Item]) -> None:
        self.feed = feed

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, Item]:
        return self.feed.step(self)

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left; another task's reader is told."""
        await self.feed.aclose()

    def __del__(self) -> None:
        self.feed.abandon()


def stream(tasks: Tasks, items: AsyncGenerator[T, None], doing: str) -> Stream[T]:
    """Give what a generator yields, as it is."""
    feed: Feed[T, T] = Feed(tasks, lambda _: _one_by_one(items), lambda item: item, doing)
    return Stream(feed)


async def _one_by_one(items: AsyncGenerator[T, None]) -> AsyncGenerator[deque[T], None]:
    async with aclosing(items):
        async for item in items:
            yield deque((item,))


class Unfolded(LeftByBlock, Generic[Found, Item]):
    """An async iterator over the items that the finds of a stream hold, such as the lines of pages.

    A class: as an asynchronous generator, each item would cost nearly twice as much.
    """

    def __init__(self, stream: Stream[Found], unfold: Callable[[Found], Iterator[Item]]) -> None:
        self._stream = stream
        self._unfold = unfold
        self._unread: Iterator[Item] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while True:
            for item in self._unread:
                return item
            try:
                self._unread = self._unfold(await anext(self._stream))
            except BaseException:
                del self  # as above
                raise

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left."""
        self._stream.feed.check_loop()
        self._unread = iter(())
        await self._stream.aclose()
