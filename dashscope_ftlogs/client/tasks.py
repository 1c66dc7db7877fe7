"""The tasks of a session, and the iterators that they feed. What ends a session ends all of them.

Whatever a session does for its caller runs in a task that the session owns. So there is one way in which
closing it ends what is under way: the task is cancelled, and whoever waits for it is told with
`SessionStateError`. The waiter's own cancellation stays what it is.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Container, Coroutine, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any, Generic, Self, TypeVar
from weakref import WeakSet, ref

from dashscope_ftlogs.client.callers_side.driven_iterators import begun_by_what_is_driven, drives
from dashscope_ftlogs.client.callers_side.left_by_block import LeftByBlock
from dashscope_ftlogs.client.callers_side.raised_by_a_hook import hand_over
from dashscope_ftlogs.errors import SessionStateError

T = TypeVar("T")
Found = TypeVar("Found")
Item = TypeVar("Item")


class _Waiting(asyncio.Future[None]):
    """Knows in which task it was cancelled."""

    cancelled_in: "asyncio.Task[Any] | None" = None

    def cancel(self, msg: Any | None = None) -> bool:
        # No task and no loop, where `asyncio.run` ends: it cancels whatever is left from outside.
        self.cancelled_in = asyncio.current_task() if _running_loop() else None
        return super().cancel(msg)


async def ended(tasks: Collection["asyncio.Task[Any]"], inside: Container[Any] = ()) -> None:
    """Wait until tasks have ended, however often the waiter is cancelled meanwhile.

    Unless one of these does that, or one `inside`, or the waiter by cancelling them: it is waited for
    then, by an iterator of the caller's own say, and both would wait for ever.
    """
    cancelled: asyncio.CancelledError | None = None
    for task in tasks:
        while not task.done():
            waiting = _Waiting()
            try:
                await end_of(task, waiting)
            except asyncio.CancelledError as error:
                cancelled, by = error, waiting.cancelled_in
                if by in tasks or by in inside or by is asyncio.current_task():
                    raise
    if cancelled is not None:
        raise cancelled


async def end_of(task: "asyncio.Task[Any]", waiter: "asyncio.Future[None] | None" = None) -> None:
    """Wait until a task has ended: as `asyncio.wait([task])` does, which takes three times as long."""
    if task.done():
        return
    waiter = asyncio.get_running_loop().create_future() if waiter is None else waiter

    def wake(_: "asyncio.Task[Any]") -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


class Tasks:
    """The tasks of one session, each with the one that began it, and awaited by it."""

    def __init__(self) -> None:
        self.is_open = False
        self.loop: asyncio.AbstractEventLoop | None = None
        """The one in which the session was opened, until it has been closed."""
        self._running: dict[asyncio.Task[Any], asyncio.Task[Any] | None] = {}
        self._left: set[asyncio.Task[Any]] = set()
        """Those that were cancelled with all that came of them; whoever did that waits for them all."""
        self._closed: WeakSet[asyncio.Task[Any]] = WeakSet()
        """Those that closing has ended. The session may be open again when somebody asks."""

    def __len__(self) -> int:
        return sum(not task.done() for task in self._running)

    def __contains__(self, task: object) -> bool:
        return task in self._running

    def open(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Let work begin in that event loop."""
        self.is_open, self.loop = True, loop

    def check_loop(self) -> None:
        """Refuse to be used in another event loop."""
        if elsewhere := self._elsewhere():
            raise SessionStateError(elsewhere)

    def _elsewhere(self) -> str:
        if self.loop is None or self.loop is _running_loop():
            return ""
        if self.loop.is_closed():
            return "the event loop has ended in which the session was opened"
        return "the session is used in another event loop: each needs one of its own"

    def spawn(
        self, work: Coroutine[Any, Any, T], parent: "asyncio.Task[Any] | None" = None
    ) -> "asyncio.Task[T]":
        """Begin a piece of work, which ends with the session, and with its parent: else, this one."""
        refused = self._elsewhere()
        if not self.is_open:
            refused = "the session is not open: use `async with LogSession() as session:`"
        if refused:
            work.close()
            raise SessionStateError(refused)
        parent = parent or asyncio.current_task()
        task = asyncio.get_running_loop().create_task(self._owned(work, parent))
        # Not as an argument: it would be the factory's, which may know of none.
        task.set_name(getattr(work, "__qualname__", task.get_name()))
        self._running.setdefault(task, parent)
        task.add_done_callback(partial(self._forget, work))
        return task

    async def _owned(self, work: Coroutine[Any, Any, T], parent: "asyncio.Task[Any] | None") -> T:
        """Do a piece of work in a task that is known before it, though the loop may begin it at once."""
        me: Any = asyncio.current_task()
        self._running[me] = parent
        return await work

    async def run(self, work: Coroutine[Any, Any, T], doing: str) -> T:
        """Do a piece of work for the caller, whose cancellation ends it, as closing the session does."""
        task = self.spawn(work)
        try:
            await end_of(task)
        except asyncio.CancelledError:
            await ended(self.cancel(task))
            raise
        return self.result(task, doing)

    def result(self, task: "asyncio.Task[T]", doing: str) -> T:
        """Return what a task that has ended came to, for who waited for it and was not cancelled."""
        if task.cancelled() and (task in self._closed or task.cancelling()):
            how = "session was closed while" if task in self._closed else "task was cancelled in which"
            raise SessionStateError(f"the {how} {doing}")
        if not task.cancelled() and task.exception() is not None:
            me = asyncio.current_task()
            if me not in self._running or drives(me):
                hand_over(task)
        return task.result()

    def cancel(self, first: "asyncio.Task[Any]") -> list["asyncio.Task[Any]"]:
        """Cancel a task and all that came of it, the last first; return all of them."""
        family = [first]
        for task, parent in self._running.items():
            if parent in family:
                family.append(task)
        self._cancel(family)
        return family

    def _cancel(self, family: list["asyncio.Task[Any]"]) -> None:
        """Cancel tasks, once: what they do in the end, the caller's own code too, is not broken off."""
        left = [task for task in reversed(family) if task not in self._left and not task.done()]
        self._left.update(left)
        for task in left:
            task.cancel()

    async def leave(self, tasks: Collection["asyncio.Task[Any]"]) -> None:
        """Cancel tasks with all that came of them, and wait until they have ended.

        A task that is left itself waits for none, or it would end later: who left it waits for these.
        Nor does what one of them may wait for: what was begun by the caller's iterator that it drives.
        """
        family = [one for task in tasks if not task.done() for one in self.cancel(task)]
        # Where there is none, there may be no loop any more, and the garbage is collected.
        if not family or asyncio.current_task() in self._left:
            return
        if not begun_by_what_is_driven([family]):
            await ended(family)

    async def close(self) -> None:
        """End all that runs, and let nothing begin."""
        self.is_open = False
        self._closed.update(self._running)
        self._cancel(running := list(self._running))
        await ended(running)

    def _forget(self, work: Coroutine[Any, Any, Any], task: "asyncio.Task[Any]") -> None:
        work.close()  # one that was cancelled before its first step never came to it
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
        return self._tasks.result(self._waiting.popleft(), "a page was asked for")

    async def drop(self) -> None:
        """End all of them."""
        tasks, self._waiting = self._waiting, deque()
        await self._tasks.leave(tasks)


class Feed(LeftByBlock, Generic[Found, Item]):
    """A generator that runs in a task of the session, and finds one item for each step.

    A step that is cancelled leaves the task alone: the next one waits for the same item. What is found
    counts as handed out once `take` has made an item of it, in the waiter's own task and with no await
    behind it; None stands for no item.
    """

    def __init__(
        self,
        tasks: Tasks,
        start: "Callable[[Feed[Found, Item]], AsyncGenerator[Found, None]]",
        take: Callable[[Found], Item | None],
        doing: str,
    ) -> None:
        self._tasks, self._doing = tasks, doing
        self._start, self._take = start, take
        self._task: asyncio.Task[None] | None = None
        self._found: list[Found] = []  # at most one
        self._wanted, self._arrived = asyncio.Event(), asyncio.Event()
        self._is_waited_for = self._is_over = False
        self._reader: Callable[[], asyncio.Task[Any] | None] = lambda: None
        """Returns the task that took the last step, as long as there is one: no circle."""
        self._taken_away = ""
        """By what the reader was deprived of the items that were left."""

    async def step(self) -> Item:
        """Return the next item; StopAsyncIteration where there is none, or who asks has left this.

        Raises:
            SessionStateError: another task has closed or replaced this; or it is another event loop.
        """
        self._tasks.check_loop()
        if self._is_waited_for:
            raise SessionStateError("another task waits for the next item of this iterator already")
        self._is_waited_for = True
        self._reader = ref(asyncio.current_task())
        try:
            return await self._next()
        except Exception:  # of the caller's own code, too
            await self.aclose()
            raise
        finally:
            self._is_waited_for = False

    async def _next(self) -> Item:
        while True:
            if self._taken_away:
                raise SessionStateError(self._taken_away)
            if self._is_over:
                raise StopAsyncIteration
            if self._found:
                try:
                    item = self._take(self._found.pop())
                except StopAsyncIteration as error:  # which would pass for the end of this
                    raise RuntimeError("a callback raised StopAsyncIteration") from error
                if item is not None:
                    return item
            await self._look(self._task or self._begin())

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

    A step that is cancelled, by `asyncio.wait_for(anext(stream), 1)` say, costs nothing: the next goes
    on. Leave it early by `aclose`, or as an `async with` block, and nothing is left; nor is if it is
    dropped, one turn of the loop later.
    """

    def __init__(self, feed: Feed[Any, Item]) -> None:
        self.feed = feed

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        try:
            return await self.feed.step()
        finally:
            del self  # or a traceback that is kept would keep all this going

    async def aclose(self) -> None:
        """End what is under way, and wait until nothing of it is left; another task's reader is told."""
        await self.feed.aclose()

    def __del__(self) -> None:
        self.feed.abandon()


def stream(tasks: Tasks, items: AsyncGenerator[T, None], doing: str) -> Stream[T]:
    """Give what a generator yields, as it is."""
    feed: Feed[T, T] = Feed(tasks, lambda _: items, lambda item: item, doing)
    return Stream(feed)


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
