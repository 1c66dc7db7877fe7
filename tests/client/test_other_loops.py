"""A session belongs to the event loop in which it was opened; in another one it says so."""

import asyncio
import contextlib
import gc
import signal
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from dashscope_ftlogs import LogSession, SessionStateError, verify_remotely
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Stall

Connect = Callable[..., LogSession]
LOG = [f"line {n}" for n in range(60)]
ELSEWHERE = "the session is used in another event loop"
ENDED = "the event loop has ended in which the session was opened"


def steps(session: LogSession) -> dict[str, Any]:
    """Each kind of iterator, one step taken, and more to come."""
    return {
        "jobs": session.jobs(),
        "lines": aiter(session.lines("ft-1", page_size=1)),
        "pages": session.lines("ft-1", page_size=10).pages(),
        "fetch_many": session.fetch_many(["ft-1", "ft-2"]),
        "follow": aiter(session.follow(["ft-1"], shortest_poll=0.001)),
        "followed pages": session.follow(["ft-1"]).pages(),
        "verdicts": verify_remotely(session, iter([])),
    }


def calls(session: LogSession, folder: Any) -> list[Callable[[], Awaitable[Any]]]:
    """What a stranger may try."""
    return [
        *(session.aclose, session.__aenter__),
        *(lambda: session.page("ft-1"), lambda: session.job("ft-1"), lambda: session.metrics("ft-1")),
        lambda: session.checkpoints("ft-1"),
        *(session.lines("ft-1").collect, lambda: session.download("ft-1", folder / "archive")),
        *(one.__anext__ for one in steps(session).values()),
        *(one.aclose for one in steps(session).values()),
    ]


async def each_is_refused(tries: list[Callable[[], Awaitable[Any]]], words: str) -> None:
    for one in tries:
        with pytest.raises(SessionStateError, match=words):
            await one()


async def test_a_session_that_was_opened_and_not_yet_used_says_so_elsewhere(
    connect: Connect, tmp_path: Any
) -> None:
    with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        async with connect(emulator) as session:
            tries = [one for one in calls(session, tmp_path) if one != session.__aenter__]
            await asyncio.to_thread(lambda: asyncio.run(each_is_refused(tries, ELSEWHERE)))
            assert not session.closed
            assert session.requests == 0
            assert await session.lines("ft-1").collect() == LOG


async def test_a_stranger_ends_no_iterator_of_its_owner(connect: Connect) -> None:
    jobs = [EmulatedJob("ft-1", LOG), EmulatedJob("ft-2", LOG)]
    with Emulator(jobs) as emulator:
        async with connect(emulator) as session:
            owned = steps(session)
            got = {name: [one async for one in items] for name, items in steps(session).items()}
            begun = {name: [await anext(items)] for name, items in owned.items() if name != "verdicts"}
            tries = [one for items in owned.values() for one in (items.aclose, items.__anext__)]
            tries.remove(owned["follow"].__anext__)  # it holds lines of a page that was handed out
            await asyncio.to_thread(lambda: asyncio.run(each_is_refused(tries, ELSEWHERE)))
            for name, items in owned.items():
                all_of_it = begun.get(name, []) + [one async for one in items]
                assert len(all_of_it) == len(got[name])


async def test_a_reader_that_waits_goes_on_when_a_stranger_steps_or_closes(connect: Connect) -> None:
    with Emulator([EmulatedJob("ft-1", LOG)], latency=0.05) as emulator:
        async with connect(emulator) as session:
            pages = session.lines("ft-1").pages()
            reading = asyncio.create_task(anext(pages))
            await asyncio.sleep(0)
            tries = [pages.__anext__, pages.aclose, session.aclose]
            await asyncio.to_thread(lambda: asyncio.run(each_is_refused(tries, ELSEWHERE)))
            assert (await reading).lines == tuple(LOG)


async def test_a_session_that_is_being_closed_is_not_waited_for_elsewhere(connect: Connect) -> None:
    with Emulator([EmulatedJob("ft-1", LOG)], faults=[Fault(Stall(60))]) as emulator:
        async with connect(emulator) as session:
            may_end = asyncio.Event()

            async def ids() -> Any:
                try:
                    yield "ft-1"
                    await asyncio.sleep(60)
                finally:
                    await may_end.wait()

            reading = asyncio.create_task(anext(session.fetch_many(ids())))
            while not session.requests:
                await asyncio.sleep(0)
            closing = asyncio.create_task(session.aclose())
            try:
                await asyncio.sleep(0)
                await asyncio.to_thread(
                    lambda: asyncio.run(each_is_refused([session.aclose], ELSEWHERE))
                )
            finally:
                may_end.set()
            await closing
            await asyncio.to_thread(lambda: asyncio.run(session.aclose()))
            with pytest.raises(SessionStateError, match="closed while logs were fetched"):
                await reading


def test_what_outlives_its_loop_says_so(connect: Connect, tmp_path: Any) -> None:
    with Emulator([EmulatedJob("ft-1", LOG), EmulatedJob("ft-2", LOG)]) as emulator:
        outlive(connect(emulator), tmp_path)
        with warnings.catch_warnings():
            # Of the session, and of each connection, that nobody can close any more.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def outlive(session: LogSession, folder: Any) -> None:
    begun: dict[str, Any] = {}

    async def begin() -> None:
        await session.__aenter__()
        begun.update(steps(session))
        for name in ("lines", "pages", "follow", "followed pages"):
            await anext(begun[name])

    asyncio.run(begin())
    tries = [one.__anext__ for name, one in begun.items() if name != "follow"]
    asyncio.run(each_is_refused([*tries, *calls(session, folder)], ENDED))

    async def leave() -> None:
        for name in ("lines", "pages", "follow", "followed pages"):
            await begun[name].aclose()  # nothing of it is under way any more

    asyncio.run(leave())


def test_where_no_loop_of_asyncio_runs_it_says_so(connect: Connect) -> None:
    with Emulator() as emulator:
        opening = connect(emulator).__aenter__()
        with pytest.raises(SessionStateError, match="no event loop of asyncio runs here"):
            opening.send(None)  # as another kind of loop does


@pytest.mark.parametrize("used", [False, True])
def test_a_client_session_of_another_loop_is_told_in_our_words(connect: Connect, used: bool) -> None:
    with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, asyncio.Runner() as runner:

        async def make() -> aiohttp.ClientSession:
            client = aiohttp.ClientSession()
            if used:
                async with connect(emulator, client_session=client) as session:
                    await session.page("ft-1")
            return client

        client = runner.run(make())
        session = connect(emulator, client_session=client)
        with pytest.raises(
            SessionStateError, match="aiohttp session that was given is of another event"
        ):
            asyncio.run(session.__aenter__())
        assert not session.tasks.is_open
        runner.run(client.close())


async def test_a_task_that_others_have_cancelled_is_no_cancellation_of_the_reader() -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
            pages = session.lines("ft-1", page_size=10).pages()
            before = asyncio.all_tasks()
            await anext(pages)
            for task in asyncio.all_tasks() - before:
                if "Feed" in task.get_name():
                    task.cancel()
            with pytest.raises(SessionStateError, match="the task was cancelled in which this log was"):
                while True:
                    await anext(pages)
            with contextlib.suppress(StopAsyncIteration):
                await anext(pages)


class Source:
    """Jobs of an application, and other work of it: it takes its time to tidy up."""

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.waits, self.tidies = asyncio.Event(), asyncio.Event()

    async def ids(self) -> AsyncGenerator[str, None]:
        try:
            yield "ft-1"
            self.waits.set()
            await asyncio.Event().wait()
        finally:
            self.told.append("source")
            self.tidies.set()
            await asyncio.Event().wait()

    async def other_work(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.told.append("another task")


async def close(session: LogSession, source: Source) -> list[asyncio.Task[None]]:
    fetching = asyncio.create_task(fetch(session, source))
    await source.waits.wait()
    return [fetching, asyncio.create_task(session.aclose())]


async def cancel(session: LogSession, source: Source) -> list[asyncio.Task[None]]:
    fetching = asyncio.create_task(fetch(session, source))
    await source.waits.wait()
    fetching.cancel()
    return [fetching]


async def leave(session: LogSession, source: Source) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(fetch(session, source, most=1))]


async def fetch(session: LogSession, source: Source, most: int = 9) -> None:
    async with session.fetch_many(source.ids()) as logs:
        while most:
            await anext(logs)
            most -= 1


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def fail() -> None:
    raise KeyError("the application's error")


# The session is never closed, nor are its connections.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("end", [close, cancel, leave])
@pytest.mark.parametrize(("last", "right"), [(interrupt, KeyboardInterrupt), (fail, KeyError)])
def test_what_is_still_ending_when_asyncio_run_ends_changes_nothing_for_others(
    end: Any, last: Callable[[], None], right: type[BaseException]
) -> None:
    told: list[str] = []

    async def main() -> None:
        source = Source(told)
        session = LogSession(emulator.api_key, base_url=emulator.base_url)
        await session.__aenter__()
        tasks = [asyncio.create_task(source.other_work()), *await end(session, source)]
        await source.tidies.wait()
        last()
        await asyncio.wait(tasks)

    with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator, pytest.raises(right):
        asyncio.run(main())
    assert sorted(told) == ["another task", "source"]
    gc.collect()
