"""Iterators that a session's tasks feed, and what becomes of them when they are left or taken over."""

import asyncio
import gc
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from list_source import ListSource, numbered

from dashscope_ftlogs import (
    LogSession,
    SessionStateError,
    Verdict,
    verify_remotely,
)
from dashscope_ftlogs.client.fed_iterators import stream
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.tasks import InOrder, Tasks, ended
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Stall

Connect = Callable[..., LogSession]
LOG = numbered(60)


class MineError(Exception):
    """An application's own error."""


async def test_a_step_that_is_timed_out_keeps_the_read_ahead_and_loses_nothing(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)], latency=0.02) as emulator:
        async with connect(emulator) as session:
            reader = session.lines("ft-1", page_size=10)
            lines, got, timeouts = aiter(reader), [], 0
            while True:
                try:
                    got.append(await asyncio.wait_for(anext(lines), 0.005))
                except TimeoutError:
                    timeouts += 1
                    assert reader.offset == len(got)
                except StopAsyncIteration:
                    break
            assert got == LOG
            assert timeouts > 0
            assert session.requests == 6


async def test_what_makes_iterators_has_no_steps_of_its_own() -> None:
    session = LogSession("sk-1")
    for one, name in ((session.lines("ft-1"), "LogPaginator"), (session.follow("ft-1"), "LogFollower")):
        with pytest.raises(TypeError, match=f"'{name}' object is not an async iterator"):
            anext(one)  # type: ignore[call-overload]


async def test_a_follower_with_a_heartbeat_goes_on(connect: Connect) -> None:
    job = EmulatedJob("ft-1", LOG[:3], status="RUNNING")
    async with Emulator([job]) as emulator, connect(emulator) as session:
        follower = session.follow("ft-1", shortest_poll=0.01, longest_poll=0.02, settle=0)
        got, beats = [], 0
        async with follower as lines:
            line = aiter(lines)
            while True:
                try:
                    got.append((await asyncio.wait_for(anext(line), 0.05)).text)
                except TimeoutError:
                    beats += 1
                    if beats < 4:
                        job.append(f"beat {beats}")
                    else:
                        job.status = "SUCCEEDED"
                except StopAsyncIteration:
                    break
        assert got == [*LOG[:3], "beat 1", "beat 2", "beat 3"]


async def test_a_newer_iteration_takes_over_and_the_older_one_gives_no_further_line() -> None:
    reader = ListSource(LOG).lines()
    older = aiter(reader)
    assert [await anext(older) for _ in range(3)] == LOG[:3]
    assert await reader.collect() == LOG[3:]
    for _ in range(2):
        with pytest.raises(SessionStateError, match="replaced by a newer one"):
            await anext(older)
    assert reader.offset == len(LOG)


async def test_a_newer_iteration_takes_over_from_one_that_waits() -> None:
    source = ListSource(LOG)
    reader = source.lines()
    older = reader.pages()
    waiting = asyncio.create_task(anext(older))
    await asyncio.sleep(0)
    assert await reader.collect() == LOG
    with pytest.raises(SessionStateError, match="replaced by a newer one"):
        await waiting
    assert not source.tasks


async def test_an_iteration_that_has_ended_stays_so_when_another_one_begins() -> None:
    reader = ListSource(LOG).lines()
    older = aiter(reader)
    assert [line async for line in older] == LOG
    assert await reader.collect() == []
    assert [line async for line in older] == []


async def test_two_tasks_that_wait_for_the_same_iterator_are_told() -> None:
    pages = ListSource(LOG).lines().pages()
    async with pages:
        first = asyncio.create_task(anext(pages))
        await asyncio.sleep(0)
        with pytest.raises(SessionStateError, match="another task waits"):
            await anext(pages)
        assert (await first).lines == tuple(LOG[:10])
        assert (await anext(pages)).lines == tuple(LOG[10:20])


async def read_on(source: ListSource, lines: Any) -> None:
    async for _ in lines:
        if not source.requests[6:]:
            continue
        for _ in range(3):  # so that something is in flight
            await asyncio.sleep(0)
        assert source.tasks
        break


@pytest.mark.parametrize("what", ["lines", "pages"])
async def test_after_a_break_all_is_gone_one_turn_of_the_loop_later(what: str) -> None:
    source = ListSource(numbered(1000))
    reader = source.lines()
    await read_on(source, reader if what == "lines" else reader.pages())
    await asyncio.sleep(0)
    assert not source.tasks
    assert not source.in_flight


@pytest.mark.covered
@pytest.mark.parametrize("latency", [0, *(0.0007 * number for number in range(1, 30, 2)), 0.05])
async def test_after_a_break_no_request_is_under_way_one_turn_of_the_loop_later(
    connect: Connect, latency: float
) -> None:
    jobs = [EmulatedJob("ft-1", numbered(1000)), EmulatedJob("ft-2", LOG, status="RUNNING")]
    async with Emulator(jobs, latency=latency) as emulator, connect(emulator) as session:
        async for _ in session.lines("ft-1", page_size=10):
            break
        await asyncio.sleep(0)
        assert not session.tasks
        async for _ in session.follow(["ft-1", "ft-2"]):
            break
        await asyncio.sleep(0)
        assert not session.tasks
        async for _ in session.fetch_many(["ft-2", "ft-1"]):
            break
        await asyncio.sleep(0)
        assert not session.tasks
        assert session._transport.gate.inside == 0


async def test_a_traceback_that_is_kept_keeps_no_read_going(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG, status="RUNNING")]) as emulator:
        async with connect(emulator) as session:

            async def forever() -> None:
                async for _ in session.follow("ft-1"):
                    pass

            task = asyncio.create_task(forever())
            while session.requests < 3:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as kept:
                await task
            assert not session.tasks
            assert kept.traceback


async def test_an_iterator_that_is_collected_in_another_thread_ends_as_well() -> None:
    source = ListSource(numbered(1000))
    held = [source.lines().pages()]
    await anext(held[0])
    assert source.tasks
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not source.tasks


def test_an_iterator_that_outlives_its_loop_is_collected_in_peace() -> None:
    told: list[str] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context["message"]))

    async def first_page() -> Any:
        pages = ListSource(numbered(1000)).lines().pages()
        await anext(pages)
        return pages

    pages = loop.run_until_complete(first_page())
    loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of coroutines that never ran
        del pages
        gc.collect()
    # That its tasks were there still is what asyncio has to say to whoever closes a loop under them.
    assert set(told) == {"Task was destroyed but it is pending!"}


async def test_what_was_left_ends_and_can_be_left_again() -> None:
    source = ListSource(LOG)
    reader = source.lines()
    async with reader as lines, aclosing(aiter(lines)) as one:
        assert await anext(one) == LOG[0]
    for _ in range(2):
        await reader.aclose()
        await one.aclose()
        assert [line async for line in one] == []
    assert not source.tasks
    assert reader.offset == 1
    assert await reader.collect() == LOG[1:]
    untouched = source.lines()
    await untouched.aclose()


@pytest.mark.parametrize("what", [aiter, LogPaginator.pages])
async def test_a_reader_under_which_an_iterator_is_closed_by_another_task_is_told(what: Any) -> None:
    for waits in (True, False):
        source = ListSource(LOG)
        paginator = source.lines()
        items = what(paginator)
        may_go_on = asyncio.Event()
        got: list[Any] = []

        async def read(items: Any = items, got: list[Any] = got, go: asyncio.Event = may_go_on) -> None:
            async for item in items:
                got.append(item)
                await go.wait()

        reading = asyncio.create_task(read())
        while not waits and not got:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await (paginator if waits else items).aclose()
        may_go_on.set()
        with pytest.raises(SessionStateError, match="another task closed this before its end"):
            await reading
        assert len(got) == (0 if waits else 1)
        assert not source.tasks
        with pytest.raises(SessionStateError, match="another task closed this before its end"):
            await anext(items)


async def test_a_reader_that_has_read_all_or_has_ended_is_told_nothing_of_a_closing() -> None:
    pages = ListSource(LOG).lines().pages()
    read_all, may_go_on = asyncio.Event(), asyncio.Event()

    async def read() -> list[Any]:
        first = [page async for page in pages]
        read_all.set()
        await may_go_on.wait()
        return first + [page async for page in pages]

    reading = asyncio.create_task(read())
    await read_all.wait()
    await pages.aclose()
    may_go_on.set()
    assert len(await reading) == 6
    by_a_task_of_its_own = ListSource(LOG).lines().pages()
    await asyncio.create_task(anext(by_a_task_of_its_own))
    await by_a_task_of_its_own.aclose()
    assert [page async for page in by_a_task_of_its_own] == []


async def test_every_kind_of_iterator_tells_its_reader_that_another_task_closed_it(
    connect: Connect,
) -> None:
    job = EmulatedJob("ft-1", LOG, status="RUNNING")
    async with Emulator([job], faults=[Fault(Stall(60))]) as emulator, connect(emulator) as session:
        verdict = Verdict(job_id="ft-1", file="ft-1.log", state="ok", lines=1)
        kinds: list[Any] = [
            *(session.jobs(), session.fetch_many("ft-1"), verify_remotely(session, [verdict])),
            *(session.lines("ft-1"), session.lines("ft-1").pages()),
            *(session.follow("ft-1"), session.follow("ft-1").pages()),
        ]
        for items in kinds:
            before = session.requests
            steps = aiter(items)
            reading: asyncio.Task[Any] = asyncio.create_task(anext(steps))
            while session.requests == before:
                await asyncio.sleep(0)
            await items.aclose()
            with pytest.raises(SessionStateError, match="another task closed this"):
                await reading
            assert not session.tasks


# As applications have it that let the loop begin each task at once.
FACTORIES = [None, asyncio.eager_task_factory] if sys.version_info >= (3, 12) else [None]


@pytest.mark.parametrize("factory", FACTORIES)
async def test_a_task_ends_with_the_one_that_began_it(factory: Any) -> None:
    asyncio.get_running_loop().set_task_factory(factory)
    tasks = Tasks()
    tasks.open(asyncio.get_running_loop())
    log: list[str] = []

    async def sleep(name: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            log.append(name)

    async def parent() -> None:
        tasks.spawn(sleep("child"))
        await sleep("parent")

    other = tasks.spawn(sleep("other"))
    first = tasks.spawn(parent())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks.cancel(first)
    await asyncio.sleep(0)
    assert log == ["child", "parent"]
    assert len(tasks) == 1
    await ended(tasks.close())
    assert other.cancelled()
    with pytest.raises(SessionStateError, match="not open"):
        tasks.spawn(sleep("late"))


async def test_a_task_that_is_waited_for_can_cancel_the_waiter_and_wait_for_it_in_turn() -> None:
    async def end_both() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            waiter.cancel()
            await asyncio.wait([waiter])

    async def wait() -> None:
        task.cancel()
        await ended([task])

    task = asyncio.create_task(end_both())
    await asyncio.sleep(0)
    waiter = asyncio.create_task(wait())
    async with asyncio.timeout(5):
        await asyncio.wait([task, waiter])
    assert waiter.cancelled()


async def test_the_loop_hears_of_no_mistake_whether_somebody_waits_or_not() -> None:
    told: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    tasks = Tasks()
    tasks.open(loop)
    left = loop.create_future()
    left.cancel()
    for waiter in (None, loop.create_future(), left):
        await asyncio.wait([tasks.spawn(asyncio.sleep(0), waiter=waiter)])
    await asyncio.sleep(0)
    assert not told


async def test_the_first_of_those_in_order_is_there_once_it_has_come_to_something() -> None:
    tasks = Tasks()
    tasks.open(asyncio.get_running_loop())

    async def fail() -> str:
        raise MineError

    in_order = InOrder[str](tasks)
    assert in_order.at_hand is None
    for works, is_there in (
        ([asyncio.sleep(0, "one"), asyncio.sleep(60, "two")], "one"),
        ([asyncio.sleep(60, "one"), asyncio.sleep(0, "two")], None),
        ([fail()], None),
    ):
        for work in works:
            in_order.begin(work)
        for _ in range(3):
            await asyncio.sleep(0)
        assert in_order.at_hand == is_there
        await tasks.leave(in_order._waiting)
        assert in_order.at_hand == is_there
        await in_order.drop()


async def come_to(what: str) -> str:
    if what == "an error":
        raise MineError
    await asyncio.sleep(60 if what == "nothing" else 0)
    return what


@given(
    begun=st.lists(st.sampled_from(["something", "an error", "nothing"]), max_size=8),
    taken=st.integers(0, 8),
    late=st.integers(0, 2),
)
def test_nothing_is_left_of_those_in_order_whatever_was_taken_and_whatever_they_came_to(
    begun: list[str], taken: int, late: int
) -> None:
    async def check() -> list[Any]:
        tasks = Tasks()
        tasks.open(asyncio.get_running_loop())
        in_order = InOrder[str](tasks)
        works: list[weakref.ref[Any]] = []

        def begin(what: str) -> None:
            works.append(weakref.ref(work := come_to(what)))
            in_order.begin(work)

        for what in begun:
            begin(what)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(taken):
            if in_order.at_hand is not None:
                assert in_order.let_go().result() == "something"
        for _ in range(late):
            begin("nothing")
        await in_order.drop()
        await asyncio.sleep(0)
        return [work() for work in works if work() is not None]

    assert asyncio.run(check()) == []


async def test_whose_parent_has_ended_before_goes_its_own_way() -> None:
    tasks = Tasks()
    tasks.open(asyncio.get_running_loop())

    async def nap(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def parent() -> None:
        tasks.spawn(nap(9))

    first = tasks.spawn(parent())
    await nap(2)
    late = tasks.spawn(nap(1), first)
    await nap(4)
    assert late.done()
    assert len(tasks) == 1
    await nap(9)
    assert len(tasks) == 0


async def test_cancelling_one_of_many_looks_at_none_of_the_others() -> None:
    tasks = Tasks()
    tasks.open(asyncio.get_running_loop())
    looked_at = 0

    class Counted(asyncio.Task[None]):
        def __hash__(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return id(self)

        def __eq__(self, other: object) -> bool:
            nonlocal looked_at
            looked_at += 1
            return self is other

    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work, **how: Counted(work, loop=loop, **how))
    try:
        many = [tasks.spawn(asyncio.sleep(60)) for _ in range(500)]
        looked_at = 0
        for task in many[:100]:
            tasks.cancel(task)
        assert looked_at < 100 * 50
    finally:
        loop.set_task_factory(None)
        await ended(tasks.close())


async def test_a_stream_gives_what_its_generator_yields_and_then_its_error_once() -> None:
    tasks = Tasks()
    tasks.open(asyncio.get_running_loop())

    async def items() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise MineError

    numbers = stream(tasks, items(), "things were done")
    got = []
    with pytest.raises(MineError):
        async for item in numbers:
            got.append(item)
    assert got == [1, 2]
    assert [item async for item in numbers] == []


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_however_often_the_waiter_is_cancelled_what_ends_slowly_is_waited_for(times: int) -> None:
    tasks = Tasks()
    tasks.open(asyncio.get_running_loop())
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            await may_end.wait()

    waiter = asyncio.create_task(tasks.run(slow(), "slow things were done"))
    await begun.wait()
    try:
        waiter.cancel()
        for _ in range(times - 1):
            for _ in range(3):
                await asyncio.sleep(0)
            waiter.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiter.done()
        assert len(tasks) == 1
    finally:
        may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert not tasks


async def test_a_session_that_is_used_in_another_loop_says_so(connect: Connect) -> None:
    with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        async with connect(emulator) as session:
            assert (await session.page("ft-1", line=1)).total == len(LOG)

            def elsewhere() -> None:
                asyncio.run(session.lines("ft-1").collect())

            with pytest.raises(SessionStateError, match="used in another event loop"):
                await asyncio.to_thread(elsewhere)
            assert await session.lines("ft-1").collect() == LOG


def test_a_session_can_be_opened_again_in_another_loop(connect: Connect) -> None:
    with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        session = connect(emulator)

        async def read() -> list[str]:
            async with session:
                return await session.lines("ft-1").collect()

        assert [asyncio.run(read()) for _ in range(2)] == [LOG, LOG]


# The other one is no `asyncio.Task` to isinstance. From 3.14 on, `asyncio.current_task` knows none such.
KINDS: list[Any] = [asyncio.Task]
if sys.version_info < (3, 14):
    KINDS.append(asyncio.tasks._PyTask)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
async def test_in_a_loop_with_a_task_factory_of_its_own_all_ends_with_the_session_too(
    connect: Connect, kind: Any
) -> None:
    loop = asyncio.get_running_loop()
    made: list[asyncio.Task[Any]] = []

    def factory(loop: asyncio.AbstractEventLoop, work: Any, **named: Any) -> Any:
        made.append(task := kind(work, loop=loop, **named))
        return task

    loop.set_task_factory(factory)
    try:
        async with Emulator([EmulatedJob("ft-1", LOG)], latency=0.05) as emulator:
            async with connect(emulator) as session:
                assert await session.lines("ft-1", page_size=10).collect() == LOG
                reading = asyncio.ensure_future(session.lines("ft-1", page_size=1).collect())
                await asyncio.sleep(0.06)
            with pytest.raises(SessionStateError):
                await reading
            assert made
            assert len(session.tasks) == 0
    finally:
        loop.set_task_factory(None)
