"""Iterators that a session's tasks feed, and what becomes of them when they are left or taken over."""

import asyncio
import gc
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest
from list_source import ListSource, numbered

from dashscope_ftlogs import (
    AuthenticationError,
    ConfigError,
    LogSession,
    NotFoundError,
    SessionStateError,
    Verdict,
    verify_remotely,
)
from dashscope_ftlogs.client.paginator import LogPaginator
from dashscope_ftlogs.client.tasks import Tasks, stream
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Stall

Connect = Callable[..., LogSession]
LOG = numbered(60)


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


async def test_a_follower_is_left_by_its_block(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG, status="RUNNING")]) as emulator:
        async with connect(emulator) as session:
            async with session.follow("ft-1") as follower:
                async for line in follower:
                    assert line.text == LOG[0]
                    break
                with pytest.raises(SessionStateError, match="followed already"):
                    await anext(follower.pages())
            assert not session.tasks
            assert follower.jobs["ft-1"].offset == 1
            await session.follow("ft-1").aclose()


async def test_a_closed_session_says_so(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        session = connect(emulator)
        await session.aclose()
        assert not session.closed
        async with session:
            assert not session.closed
            lines, old = (aiter(session.lines("ft-1", page_size=10)) for _ in range(2))
            await anext(old)
            await anext(lines)
            with pytest.raises(SessionStateError, match="open already"):
                await session.__aenter__()
            await session.aclose()
            assert session.closed
        await asyncio.gather(session.aclose(), session.aclose())
        for call in (session.page("ft-1"), session.lines("ft-1").collect(), anext(session.jobs())):
            with pytest.raises(SessionStateError, match="not open"):
                await call
        with pytest.raises(SessionStateError, match="closed while this log was read"):
            while True:
                await anext(lines)
        async with session:
            assert not session.closed
            assert await session.lines("ft-1").collect() == LOG
            with pytest.raises(SessionStateError, match="closed while this log was read"):
                while True:
                    await anext(old)


async def test_a_session_is_not_opened_while_it_is_being_closed(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)], faults=[Fault(Stall(60))]) as emulator:
        async with connect(emulator) as session:
            reading = asyncio.create_task(session.page("ft-1"))
            await asyncio.sleep(0)
            closing = asyncio.create_task(session.aclose())
            await asyncio.sleep(0)
            with pytest.raises(SessionStateError, match="open already"):
                await session.__aenter__()
            await closing
            with pytest.raises(SessionStateError, match="closed while a page was asked for"):
                await reading


async def test_a_session_is_not_closed_by_what_runs_in_it(connect: Connect) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, connect(emulator) as session:

        async def ids() -> AsyncIterator[str]:
            yield "ft-1"
            await session.aclose()

        with pytest.raises(SessionStateError, match="not closed by what runs in it"):
            async for _ in session.fetch_many(ids()):
                pass
        assert not session.closed


class MineError(Exception):
    """An application's own error."""


Failing = Callable[[LogSession, Any, Any], Any]


async def fetched(session: LogSession, ids: Any, _folder: Any) -> None:
    async for _ in session.fetch_many(ids):
        pass


async def followed(session: LogSession, ids: Any, _folder: Any) -> None:
    async for _ in session.follow(ids, shortest_poll=0.001, longest_poll=0.002):
        pass


async def downloaded(session: LogSession, ids: Any, folder: Any) -> None:
    await session.download(ids, folder)


@pytest.mark.parametrize("use", [fetched, followed, downloaded])
@pytest.mark.parametrize(
    "error",
    [MineError("gone"), ExceptionGroup("mine", [MineError("gone")]), NotFoundError(404, "x", "y")],
)
async def test_what_an_iterator_of_jobs_raises_comes_out_as_it_is(
    connect: Connect, tmp_path: Any, use: Failing, error: Exception
) -> None:
    cause = KeyError("why")

    async def ids() -> AsyncIterator[str]:
        yield "ft-1"
        raise error from cause

    async with Emulator([EmulatedJob("ft-1", LOG, status="RUNNING")]) as emulator:
        async with connect(emulator) as session:
            with pytest.raises(type(error)) as caught:
                await use(session, ids(), tmp_path)
            assert caught.value is error
            assert caught.value.__cause__ is cause
            assert not session.tasks


@pytest.mark.parametrize("use", [fetched, followed, downloaded])
async def test_a_cancellation_that_an_iterator_of_jobs_raises_is_no_closing(
    connect: Connect, tmp_path: Any, use: Failing
) -> None:
    async def ids() -> AsyncIterator[str]:
        yield "ft-1"
        raise asyncio.CancelledError

    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, connect(emulator) as session:
        with pytest.raises(asyncio.CancelledError):
            await use(session, ids(), tmp_path)


async def test_what_a_callback_raises_comes_out_as_it_is_and_ends_the_following(
    connect: Connect,
) -> None:
    error = MineError("no")

    def on_event(_event: object) -> None:
        raise error

    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, connect(emulator) as session:
        lines = aiter(session.follow("ft-1", on_event=on_event))
        with pytest.raises(MineError) as caught:
            await anext(lines)
        assert caught.value is error
        assert not session.tasks


async def test_a_callback_that_raises_what_ends_an_iteration_does_not_end_it_in_silence(
    connect: Connect,
) -> None:
    error = StopAsyncIteration("no")

    def on_event(_event: object) -> None:
        raise error

    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, connect(emulator) as session:
        with pytest.raises(RuntimeError, match="a callback raised StopAsyncIteration") as caught:
            async for _ in session.follow("ft-1", on_event=on_event):
                pass
        assert caught.value.__cause__ is error
        assert not session.tasks


@pytest.mark.parametrize("use", [fetched, followed, downloaded])
async def test_a_key_that_is_not_accepted_ends_all_at_once(
    connect: Connect, tmp_path: Any, use: Failing
) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        async with LogSession("sk-wrong", base_url=emulator.base_url) as session:
            with pytest.raises(AuthenticationError):
                await use(session, [f"ft-{n}" for n in range(200)], tmp_path)
            assert session.requests <= 2 * session.concurrency


@pytest.mark.parametrize("use", [fetched, followed, downloaded])
async def test_a_client_session_that_was_closed_is_told_in_our_words(
    connect: Connect, tmp_path: Any, use: Failing
) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)], faults=[Fault(Stall(60), on={2})]) as emulator:
        client = aiohttp.ClientSession()
        async with connect(emulator, client_session=client) as session:
            await session.page("ft-1")
            using = asyncio.create_task(use(session, ["ft-1"], tmp_path))
            while not emulator.in_flight:
                await asyncio.sleep(0.001)
            await client.close()
            with pytest.raises(SessionStateError, match="the aiohttp session that was given is closed"):
                await using
            with pytest.raises(SessionStateError, match="the aiohttp session that was given is closed"):
                await session.page("ft-1")


async def test_credentials_of_the_client_sessions_own_are_told_in_our_words(
    connect: Connect, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret-of-mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        async with aiohttp.ClientSession(trust_env=True) as client:
            async with connect(emulator, client_session=client) as session:
                with pytest.raises(ConfigError, match="has credentials of its own") as caught:
                    await session.page("ft-1")
    assert "secret-of-mine" not in str(caught.value)


async def test_a_task_ends_with_the_one_that_began_it() -> None:
    tasks = Tasks()
    tasks.open(asyncio.get_running_loop())
    ended: list[str] = []

    async def sleep(name: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    async def parent() -> None:
        tasks.spawn(sleep("child"))
        await sleep("parent")

    other = tasks.spawn(sleep("other"))
    first = tasks.spawn(parent())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks.cancel(first)
    await asyncio.sleep(0)
    assert ended == ["child", "parent"]
    assert len(tasks) == 1
    await tasks.close()
    assert other.cancelled()
    with pytest.raises(SessionStateError, match="not open"):
        tasks.spawn(sleep("late"))


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
