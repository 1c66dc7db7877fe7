"""The tasks of a session, and the iterators that they feed. What ends a session ends all of them.

Whatever a session does for its caller, a call or an iterator, runs in a task that the session owns. So
there is one way in which closing it ends what is under way: the task is cancelled, and whoever waits for
it is told with `SessionStateError`. The waiter's own cancellation stays what it is.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, Generic, Self, TypeVar
from weakref import WeakSet

from dashscope_ftlogs.errors import SessionStateError

T = TypeVar("T")
Found = TypeVar("Found")
Item = TypeVar("Item")


async def end(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await ended(tasks)


async def ended(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Wait until tasks have ended, however often the waiter is cancelled meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def end_of(task: "asyncio.Task[Any]") -> None:
    """Wait until a task has ended, which a cancellation of the waiter leaves alone.

    That is `asyncio.wait([task])`, which takes three times as long.
    """
    if task.done():
        return
    waiter = asyncio.get_running_loop().create_future()

    def wake(_: "asyncio.Task[Any]") -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


class Tasks:
    """The tasks of one session, each with the one that began it. They are awaited by who began them."""

    def __init__(self) -> None:
        self.is_open = False
        self._loop: asyncio.AbstractEventLoop | None = None
        """The one in which they run, once one of them does."""
        self._running: dict[asyncio.Task[Any], asyncio.Task[Any] | None] = {}
        self._left: set[asyncio.Task[Any]] = set()
        """Those that were cancelled with all that came of them; whoever did that waits for them all."""

        self._closed: WeakSet[asyncio.Task[Any]] = WeakSet()
        """Those that were ended by closing. The session may be open again when somebody asks."""

    def __len__(self) -> int:
        return sum(not task.done() for task in self._running)

    def __contains__(self, task: object) -> bool:
        return task in self._running

    def open(self) -> None:
        """Let work begin."""
        self.is_open, self._loop = True, None

    def spawn(
        self, work: Coroutine[Any, Any, T], parent: "asyncio.Task[Any] | None" = None
    ) -> "asyncio.Task[T]":
        """Begin a piece of work, which ends with the session, and with its parent: else, this one."""
        if not self.is_open:
            work.close()
            raise SessionStateError("the session is not open: use `async with LogSession() as session:`")
        loop = asyncio.get_running_loop()
        self._loop = self._loop or loop
        if loop is not self._loop:
            work.close()
            raise SessionStateError(
                "the session is used in another event loop: each needs one of its own"
            )
        task = loop.create_task(work)
        self._running[task] = parent or asyncio.current_task()
        task.add_done_callback(self._forget)
        return task

    async def run(self, work: Coroutine[Any, Any, T], doing: str) -> T:
        """Do a piece of work for the caller, whose cancellation ends it.

        Raises:
            SessionStateError: the session was closed while doing it.
        """
        task = self.spawn(work)
        try:
            await end_of(task)
        except asyncio.CancelledError:
            await ended(self.cancel(task))
            raise
        return self.result(task, doing)

    def result(self, task: "asyncio.Task[T]", doing: str) -> T:
        """Return what a task that has ended came to, for who waited for it outside of the session."""
        if task.cancelled() and task in self._closed:
            raise SessionStateError(f"the session was closed while {doing}")
        return task.result()

    def cancel(self, first: "asyncio.Task[Any]") -> list["asyncio.Task[Any]"]:
        """Cancel a task and all that came of it, the last first; return all of them."""
        family = [first]
        for task, parent in self._running.items():
            if parent in family:
                family.append(task)
        self._left.update(task for task in family if not task.done())
        for task in reversed(family):
            task.cancel()
        return family

    async def leave(self, tasks: Collection["asyncio.Task[Any]"]) -> None:
        """Cancel tasks with all that came of them, and wait until they have ended.

        A task that is left itself waits for none: whoever left it waits for these as well. One that was
        about to go on when it was left comes before them, and would end some turns of the loop later.
        """
        family = [one for task in tasks if not task.done() for one in self.cancel(task)]
        # Where there is none, there may be no loop any more, and the garbage is collected.
        if family and asyncio.current_task() not in self._left:
            await ended(family)

    async def close(self) -> None:
        """End all that runs, and let nothing begin."""
        self.is_open = False
        self._closed.update(self._running)
        await end(list(reversed(self._running)))

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        del self._running[task]
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # or asyncio would report one that nobody had to hear of any more


class InOrder(Generic[T]):
    """Tasks that are waited for in the order in which they were begun."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiting: deque[asyncio.Task[T]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, work: Coroutine[Any, Any, T]) -> None:
        """Begin one more."""
        self._waiting.append(self._tasks.spawn(work))

    async def first(self) -> T:
        """Return what the first of them comes to, and let go of it."""
        await end_of(self._waiting[0])
        return self._waiting.popleft().result()

    async def drop(self) -> None:
        """End all of them."""
        tasks, self._waiting = self._waiting, deque()
        await self._tasks.leave(tasks)


class LeftByBlock(ABC):
    """Is left by `aclose`, or at the end of its `async with` block."""

    @abstractmethod
    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Feed(LeftByBlock, Generic[Found, Item]):
    """A generator that runs in a task of the session, and finds one item for each step.

    A step that is cancelled, by a timeout say, leaves the task alone: the next step waits for the same
    item. What is found counts as handed out once `take` has made an item of it, in the waiter's own task
    and with no await behind it; None stands for no item.
    """

    def __init__(
        self,
        tasks: Tasks,
        start: "Callable[[Feed[Found, Item]], AsyncGenerator[Found, None]]",
        take: Callable[[Found], Item | None],
        doing: str,
    ) -> None:
        self._tasks = tasks
        self._start = start
        self._take = take
        self._doing = doing
        self._task: asyncio.Task[None] | None = None
        self._found: list[Found] = []
        """At most one."""
        self._wanted, self._arrived = asyncio.Event(), asyncio.Event()
        self._is_waited_for = self._is_over = self._is_replaced = False

    async def step(self) -> Item:
        """Return the next item.

        Raises:
            StopAsyncIteration: there is none, or it was left.
            SessionStateError: the session was closed, or another iteration has taken over.
        """
        if self._is_waited_for:
            raise SessionStateError("another task waits for the next item of this iterator already")
        self._is_waited_for = True
        try:
            return await self._next()
        except Exception:
            # Whatever ended it, the caller's own code included.
            await self.aclose()
            raise
        finally:
            self._is_waited_for = False

    async def _next(self) -> Item:
        while True:
            if self._is_replaced:
                raise SessionStateError("this read was replaced by a newer one")
            if self._is_over:
                raise StopAsyncIteration
            if self._found:
                item = self._take(self._found.pop())
                if item is not None:
                    return item
            await self._look(self._task or self._begin())

    def _begin(self) -> "asyncio.Task[None]":
        self._task = self._tasks.spawn(self._run(self._start(self)))
        self._task.add_done_callback(lambda _: self._arrived.set())
        return self._task

    async def _look(self, task: "asyncio.Task[None]") -> None:
        """Wait for what is found next, or for the end of it all."""
        if task.done():
            self._is_over = True
            self._tasks.result(task, self._doing)
            return
        self._wanted.set()
        await self._arrived.wait()
        self._arrived.clear()

    async def _run(self, items: AsyncGenerator[Found, None]) -> None:
        async with aclosing(items):
            async for found in items:
                self._found.append(found)
                self._wanted.clear()
                self._arrived.set()
                await self._wanted.wait()

    def replace(self) -> None:
        """Let the next step say that another iteration has taken over."""
        self._is_replaced = not self._is_over

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left."""
        self._is_over = True
        if self._task is not None and not self._task.done():
            await self._tasks.leave([self._task])

    def abandon(self) -> None:
        """End what is under way; from wherever the garbage is collected."""
        if self._task is None or self._task.done():
            return
        loop = self._task.get_loop()
        if loop is _running_loop():
            self._tasks.cancel(self._task)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self._tasks.cancel, self._task)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Stream(LeftByBlock, Generic[Item]):
    """An async iterator of a session: what it gives is found by a task that the session owns.

    A step that is cancelled, by `asyncio.wait_for(anext(stream), 1)` say, costs nothing: the next one
    goes on. Leave it early by `aclose`, or as an `async with` block. A stream that is dropped leaves
    nothing behind either, one turn of the loop later.
    """

    def __init__(self, feed: Feed[Any, Item]) -> None:
        self._feed = feed

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        try:
            return await self._feed.step()
        finally:
            del self  # or a traceback that is kept would keep all this going

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left."""
        await self._feed.aclose()

    def __del__(self) -> None:
        self._feed.abandon()


def stream(tasks: Tasks, items: AsyncGenerator[T, None], doing: str) -> Stream[T]:
    """Give what a generator yields, as it is."""

    def start(_: Feed[T, T]) -> AsyncGenerator[T, None]:
        return items

    def take(item: T) -> T:
        return item

    return Stream(Feed(tasks, start, take, doing))


class Unfolded(LeftByBlock, Generic[Found, Item]):
    """An async iterator over the items that the finds of a stream hold, such as the lines of pages.

    A class, since a coroutine for each item costs little more than half of what an asynchronous
    generator does.
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
        self._unread = iter(())
        await self._stream.aclose()
