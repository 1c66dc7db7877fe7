"""Work in a thread of its own: in order, and not abandoned while it holds what would be harmed."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.archive.threads import NAME, Thread, Threads


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(NAME)]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_work_returns_or_raises_is_passed_on() -> None:
    with Thread() as thread:
        assert await thread.run(max, 1, 2) == 2
        assert await thread.run_surely(max, 1, 2) == 2
        with pytest.raises(ZeroDivisionError):
            await thread.run(lambda: 1 / 0)
    assert not ours()


async def test_no_thread_is_started_that_nobody_needs() -> None:
    with Threads(8) as threads:
        assert not ours()
        await threads.next().run(int)
        assert len(ours()) == 1
    assert not ours()


@pytest.mark.parametrize("cancels", [1, 2, 3, 4])
async def test_work_that_has_begun_is_waited_for_however_often_its_waiter_is_cancelled(
    cancels: int,
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def work() -> None:
        begun.set()
        go_on.wait()
        done.append("done")

    with Thread() as thread:
        task = asyncio.create_task(thread.run(work))
        await asyncio.to_thread(begun.wait)
        for _ in range(cancels):
            task.cancel()
            await turns()
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["done"]


async def test_an_error_of_work_whose_waiter_was_cancelled_is_reported_to_nobody() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    begun, go_on = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        go_on.wait()
        raise OSError("disk full")

    with Thread() as thread:
        task = asyncio.create_task(thread.run(fail))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await turns()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    del task
    await turns()
    assert not told


@pytest.mark.parametrize("surely", [False, True])
async def test_work_whose_turn_has_not_come_is_taken_back_unless_it_has_to_be_done(surely: bool) -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def hold() -> None:
        begun.set()
        go_on.wait()

    with Thread() as thread:
        first = asyncio.create_task(thread.run(hold))
        await asyncio.to_thread(begun.wait)
        do = thread.run_surely if surely else thread.run
        second = asyncio.create_task(do(done.append, "done"))
        await turns()
        second.cancel()
        await turns()
        assert second.done() != surely
        go_on.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await second
    assert done == ["done"] * surely


async def test_what_may_go_on_alone_is_waited_for_only_as_long_as_patience_lasts() -> None:
    go_on = threading.Event()
    for patience in (0, 0.01):
        begun = threading.Event()
        with Thread(patience=patience) as thread:
            task = asyncio.create_task(thread.run(lambda begun=begun: (begun.set(), go_on.wait())))
            await asyncio.to_thread(begun.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert ours(), "leaving the block does not wait for it either"
    go_on.set()
    for thread_left in ours():
        await asyncio.to_thread(thread_left.join)


async def test_patience_is_not_tried_by_what_ends_in_time() -> None:
    begun, go_on = threading.Event(), threading.Event()
    with Thread(patience=60) as thread:
        task = asyncio.create_task(thread.run(lambda: (begun.set(), go_on.wait())))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            task.cancel()
            await turns()
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not ours()


async def test_the_applications_own_executor_is_left_to_the_application() -> None:
    go_on = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    occupied = asyncio.create_task(asyncio.to_thread(go_on.wait))
    await turns()
    with Thread() as thread:
        assert await thread.run(max, 1, 2) == 2
    go_on.set()
    await occupied


@pytest.mark.covered
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=12),
    st.lists(st.integers(0, 12), max_size=4),
)
def test_for_any_cancellations_work_is_done_in_order_and_what_must_be_done_is(
    works: list[tuple[bool, int]], cancels: list[int]
) -> None:
    async def main() -> None:
        done: list[int] = []
        with Thread() as thread:
            tasks = []
            for number, (surely, pause) in enumerate(works):
                do = thread.run_surely if surely else thread.run
                tasks.append(asyncio.create_task(do(partial(done.append, number))))
                await turns(pause)
            for index in cancels:
                tasks[index % len(tasks)].cancel()
                await turns(index)
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            assert done == sorted(done)
            cancelled = {number for number, task in enumerate(tasks) if task.cancelled()}
            must = {number for number, (surely, _) in enumerate(works) if surely}
            # A task that was cancelled before its first step has asked for nothing.
            assert set(range(len(works))) - cancelled <= set(done)
            assert cancels or must <= set(done)

    asyncio.run(main())
    assert not ours()
