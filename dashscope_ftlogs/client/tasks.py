"""The tasks of a session. What ends the session ends all of them.

Whatever a session does for its caller runs in a task that the session owns. So there is one way in which
closing it ends what is under way: the task is cancelled, and whoever waits for it is told with
`SessionStateError`. The waiter's own cancellation stays what it is.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Collection, Container, Coroutine
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast
from weakref import WeakSet

from dashscope_ftlogs.client.callers_side.driven_iterators import begun_by_what_is_driven, drives
from dashscope_ftlogs.client.callers_side.raised_by_a_hook import hand_over
from dashscope_ftlogs.errors import SessionStateError

T = TypeVar("T")
Found = TypeVar("Found")
Item = TypeVar("Item")


_Task: Final[Any] = asyncio.Task
_AT_ONCE: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
_start: Final[Callable[..., None]] = partial(_Task.__init__, **_AT_ONCE)
"""Lets a task begin where it is made, and not a turn of the loop later."""

_Begun = tuple["asyncio.Task[Any] | None", Coroutine[Any, Any, Any]]
"""The parent of a task, and what it does."""


class _Waiting(asyncio.Future[None]):
    """Knows in which task it was cancelled."""

    cancelled_in: "asyncio.Task[Any] | None" = None

    def cancel(self, msg: Any | None = None) -> bool:
        # No task and no loop, where `asyncio.run` ends: it cancels whatever is left from outside.
        self.cancelled_in = asyncio.current_task() if running_loop() else None
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
    """Wait until a task has ended that runs: `asyncio.wait([task])` takes three times as long."""
    waiter = asyncio.get_running_loop().create_future() if waiter is None else waiter

    def wake(_: "asyncio.Task[Any]") -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


async def _telling(waiter: "asyncio.Future[None]", work: Coroutine[Any, Any, T]) -> T:
    """Do a piece of work, and wake who waits for it a turn of the loop before asyncio would."""
    try:
        return await work
    finally:
        # Nobody, in a loop that was closed over it.
        if not (waiter.done() or waiter.get_loop().is_closed()):
            waiter.set_result(None)


class Tasks:
    """The tasks of one session, each with the one that began it, and awaited by it."""

    def __init__(self) -> None:
        self.is_open = False
        self.loop: asyncio.AbstractEventLoop | None = None
        """The one in which the session was opened, until it has been closed."""
        self._is_asyncio_s = False
        """Whether that makes plain tasks of asyncio's."""
        self._running: dict[asyncio.Task[Any], _Begun] = {}
        self._children: dict[asyncio.Task[Any] | None, dict[asyncio.Task[Any], None]] = {}
        """Of those that run, in the order in which they were begun."""
        self._left: set[asyncio.Task[Any]] = set()
        """Those that were cancelled with all that came of them; whoever did that waits for them all."""
        self._closed: WeakSet[asyncio.Task[Any]] = WeakSet()
        """Those that closing has ended. The session may be open again when somebody asks."""

    @property
    def can_begin_at_once(self) -> bool:
        """Whether work begins where it is given to `begin(..., at_once=True)`, not a turn later."""
        loop = asyncio.get_running_loop()
        return bool(_AT_ONCE) and self._is_asyncio_s and loop.get_task_factory() is None

    def __len__(self) -> int:
        return sum(not task.done() for task in self._running)

    def __contains__(self, task: object) -> bool:
        return task in self._running

    def open(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Let work begin in that event loop."""
        self.is_open, self.loop = True, loop
        made_by = getattr(type(loop), "create_task", None)
        self._is_asyncio_s = made_by is asyncio.BaseEventLoop.create_task

    def check_loop(self) -> None:
        """Refuse to be used in another event loop."""
        if running_loop() is not self.loop and (elsewhere := self._elsewhere()):
            raise SessionStateError(elsewhere)

    def _elsewhere(self) -> str:
        """Say what is wrong with a loop that is not this one's own."""
        if self.loop is None:
            return ""
        if self.loop.is_closed():
            return "the event loop has ended in which the session was opened"
        return "the session is used in another event loop: each needs one of its own"

    def spawn(
        self,
        work: Coroutine[Any, Any, T],
        parent: "asyncio.Task[Any] | None" = None,
        waiter: "asyncio.Future[None] | None" = None,
    ) -> "asyncio.Task[T]":
        """Begin a piece of work, which ends with the session, and with its parent: else, this one.

        Who gives a `waiter` is told by it when the task has ended; that costs less than `end_of`.
        """
        task = self.begin(work, parent, waiter)
        task.add_done_callback(partial(self._has_ended, waiter))
        return task

    def begin(
        self,
        work: Coroutine[Any, Any, T],
        parent: "asyncio.Task[Any] | None" = None,
        waiter: "asyncio.Future[None] | None" = None,
        *,
        at_once: bool = False,
    ) -> "asyncio.Task[T]":
        """Begin a piece of work as `spawn` does, for who will `forget` it himself: that costs less.

        What begins `at_once`, where that can be, has come to its first await when this returns.
        """
        loop = asyncio.get_running_loop()
        refused = "" if loop is self.loop else self._elsewhere()
        if not self.is_open:
            refused = "the session is not open: use `async with LogSession() as session:`"
        if refused:
            work.close()
            raise SessionStateError(refused)
        parent = parent or asyncio.current_task()
        # The task in no variable: what it fails with at once holds this frame, and the task that.
        if loop.get_task_factory() is not None:  # which may let them begin at once, too
            return self._named(loop.create_task(self._owned(work, parent)), work, parent)
        if at_once and self._is_asyncio_s:
            # Known before its first step, which is taken where it is made.
            task: asyncio.Task[T] = _Task.__new__(_Task)
            self._know(task, work, parent)
            try:
                _start(task, work, loop=loop, name=_name(work))
                return task
            finally:
                del task
        doing = work if waiter is None else _telling(waiter, work)
        return self._named(loop.create_task(doing), work, parent)

    def _named(
        self,
        task: "asyncio.Task[T]",
        work: Coroutine[Any, Any, Any],
        parent: "asyncio.Task[Any] | None",
    ) -> "asyncio.Task[T]":
        if task not in self._running:
            self._know(task, work, parent)
            # Not when it is made: that would be a factory's affair, which may know of no names.
            task.set_name(_name(work))
        return task

    def _know(
        self,
        task: "asyncio.Task[Any]",
        work: Coroutine[Any, Any, Any],
        parent: "asyncio.Task[Any] | None",
    ) -> None:
        self._running[task] = parent, work
        if parent in self._running:
            self._children.setdefault(parent, {})[task] = None

    async def _owned(self, work: Coroutine[Any, Any, T], parent: "asyncio.Task[Any] | None") -> T:
        """Do a piece of work in a task that is known before it, though it may begin at once."""
        # In no variable, as above.
        self._named(cast("asyncio.Task[Any]", asyncio.current_task()), work, parent)
        return await work

    async def run(self, work: Coroutine[Any, Any, T], doing: str) -> T:
        """Do a piece of work for the caller, whose cancellation ends it, as closing the session does."""
        waiter = asyncio.get_running_loop().create_future()
        task = self.spawn(work, waiter=waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            await ended(self.cancel(task))
            raise
        return self.result(task, doing)

    def result(self, task: "asyncio.Task[T]", doing: str) -> T:
        """Return what a task that has ended came to, for who waited for it and was not cancelled."""
        if task.cancelled():
            if task in self._closed:
                raise SessionStateError(f"the session was closed while {doing}")
            if task.cancelling():
                raise SessionStateError(f"the task was cancelled in which {doing}")
        elif task.exception() is not None:
            me = asyncio.current_task()
            if me not in self._running or drives(me):
                hand_over(task)
        return task.result()

    def cancel(self, first: "asyncio.Task[Any]") -> list["asyncio.Task[Any]"]:
        """Cancel a task and all that came of it, the last first; return all of them."""
        family = [first]
        for task in family:
            family.extend(self._children.get(task, ()))
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
        if running_loop() is None:  # it was closed under these, and the garbage is collected
            return
        family = [one for task in tasks if not task.done() for one in self.cancel(task)]
        if not family or asyncio.current_task() in self._left:
            return
        if not begun_by_what_is_driven([family]):
            await ended(family)

    def close(self) -> list["asyncio.Task[Any]"]:
        """Let nothing begin, and cancel all that runs; return it, to be waited for: see `ended`."""
        self.is_open = False
        self._closed.update(self._running)
        self._cancel(running := list(self._running))
        return running

    def _has_ended(self, waiter: "asyncio.Future[None] | None", task: "asyncio.Task[Any]") -> None:
        self.forget(task)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def forget(self, task: "asyncio.Task[Any]") -> None:
        """Let go of a task that has ended."""
        parent, work = self._running.pop(task)
        if (siblings := self._children.get(parent)) is not None:
            siblings.pop(task, None)
            if not siblings:
                del self._children[parent]
        self._left.discard(task)
        if task.cancelled():
            work.close()  # one that was cancelled before its first step never came to it
        else:
            task.exception()  # or asyncio would report one that nobody had to hear of any more


class InOrder(Generic[T]):
    """Tasks that are waited for in the order in which they were begun."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiting: deque[asyncio.Task[T]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, work: Coroutine[Any, Any, T], owner: "asyncio.Task[Any] | None" = None) -> None:
        """Begin one more, which ends with its owner: else, the task that this is called in."""
        self._waiting.append(self._tasks.begin(work, owner, at_once=True))

    @property
    def awaited(self) -> "asyncio.Task[T] | None":
        """The first of them, unless it has ended."""
        first = self._waiting[0] if self._waiting else None
        return None if first is None or first.done() else first

    @property
    def at_hand(self) -> T | None:
        """What the first of them has come to, if it has, and to no error."""
        first = self._waiting[0] if self._waiting else None
        if first is None or not first.done() or first.cancelled() or first.exception() is not None:
            return None
        return first.result()

    def let_go(self) -> "asyncio.Task[T]":
        """Let go of the first of them, which has ended; return it."""
        task = self._waiting.popleft()
        self._tasks.forget(task)
        return task

    async def first(self) -> T:
        """Return what the first of them comes to, and let go of it."""
        if (task := self.awaited) is not None:
            await end_of(task)
        return self._tasks.result(self.let_go(), "a page was asked for")

    async def drop(self) -> None:
        """End all of them."""
        tasks, self._waiting = self._waiting, deque()
        for task in tasks:
            if task.done():
                self._tasks.forget(task)
            else:
                task.add_done_callback(self._tasks.forget)
        await self._tasks.leave(tasks)


def _name(work: Coroutine[Any, Any, Any]) -> str:
    return getattr(work, "__qualname__", type(work).__name__)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs here, if any does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
