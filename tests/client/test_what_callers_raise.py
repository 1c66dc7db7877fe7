"""What iterators, callbacks and client sessions of the application's own raise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from list_source import numbered
from shown_locals import as_rich_prints_it

from dashscope_ftlogs import (
    AuthenticationError,
    ConfigError,
    JobLog,
    LogSession,
    NotFoundError,
    Progress,
    RetryPolicy,
    SessionStateError,
    TransportError,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Reset, Stall

Connect = Callable[..., LogSession]
LOG = numbered(60)


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


async def test_what_an_iterator_of_jobs_gave_before_it_raised_is_done_first(
    connect: Connect, tmp_path: Any
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", LOG) for n in range(20)]

    async def ids() -> AsyncIterator[str]:
        for job in jobs:
            yield job.job_id
        raise MineError("gone")

    async with Emulator(jobs, latency=0.01) as emulator, connect(emulator) as session:
        progress = Progress()
        with pytest.raises(MineError):
            await session.download(ids(), tmp_path, settle=0, progress=progress)
        assert [one.error for one in progress.outcomes] == [None] * 20
        got: list[JobLog] = []
        with pytest.raises(MineError):
            async for log in session.fetch_many(ids()):
                got.append(log)
        assert [list(log.lines) for log in got] == [LOG] * 20
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


def traced(error: Exception, when: str) -> aiohttp.ClientSession:
    async def fail(*_: Any) -> None:
        raise error

    trace = aiohttp.TraceConfig()
    getattr(trace, when).append(fail)
    return aiohttp.ClientSession(trace_configs=[trace])


def with_middlewares(error: Exception, *, count: int = 1, after: bool = False) -> aiohttp.ClientSession:
    async def fail(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        if after:
            await handler(request)
        raise error

    async def pass_on(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await handler(request)
        return response

    return aiohttp.ClientSession(middlewares=[*[pass_on] * (count - 1), fail])


SESSIONS: dict[str, Callable[[Exception], aiohttp.ClientSession]] = {
    "before": lambda error: traced(error, "on_request_start"),
    "headers sent": lambda error: traced(error, "on_request_headers_sent"),
    "at the end": lambda error: traced(error, "on_request_end"),
    "middleware": with_middlewares,
    "one of more": lambda error: with_middlewares(error, count=3),
    "behind an answer": lambda error: with_middlewares(error, after=True),
}
MISTAKES = [
    ValueError("mine"),
    UnicodeEncodeError("ascii", "x", 0, 1, "mine"),
    OSError(28, "No space left on device"),
    TimeoutError("mine"),
    aiohttp.ClientConnectionError("mine"),
    NotFoundError(404, "NotFound", "mine"),
    MineError("mine"),
]


@pytest.mark.parametrize("error", MISTAKES, ids=repr)
@pytest.mark.parametrize("make", SESSIONS)
async def test_what_a_client_session_raises_of_its_own_comes_out_as_it_is_after_one_try(
    connect: Connect, make: str, error: Exception
) -> None:
    error.__traceback__ = None  # or it would grow by what each case before this one has added
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, SESSIONS[make](error) as client:
        async with connect(emulator, client_session=client) as session:
            with pytest.raises(type(error)) as caught:
                await session.lines("ft-1").collect()
            assert caught.value is error
            assert emulator.api_key not in as_rich_prints_it(error)
            assert session.requests == 1


async def _slow_trace(*_: Any) -> None:
    await asyncio.sleep(60)


async def _slow_middleware(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    await asyncio.sleep(60)
    response: aiohttp.ClientResponse = await handler(request)
    return response


def _traced_slowly() -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_slow_trace)
    return aiohttp.ClientSession(trace_configs=[trace])


@pytest.mark.parametrize(
    "make", [_traced_slowly, lambda: aiohttp.ClientSession(middlewares=[_slow_middleware])]
)
async def test_a_request_whose_time_ends_within_such_a_function_is_timed_out_as_any_other(
    connect: Connect, make: Callable[[], aiohttp.ClientSession]
) -> None:
    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator, make() as client:
        twice = RetryPolicy(max_tries=2, base_delay=0.001, max_delay=0.001)
        async with connect(emulator, client_session=client, timeout=0.02, retry=twice) as session:
            with pytest.raises(TransportError, match=r"timed out after 0.02 s.*after 2 tries"):
                await session.lines("ft-1").collect()
            assert session.requests == 2


async def test_a_broken_connection_behind_a_middleware_is_retried_as_any_other(connect: Connect) -> None:
    async def pass_on(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await handler(request)
        return response

    faults = [Fault(Reset(), times=3)]
    async with Emulator([EmulatedJob("ft-1", LOG)], faults=faults) as emulator:
        async with aiohttp.ClientSession(middlewares=[pass_on]) as client:
            async with connect(emulator, client_session=client) as session:
                assert await session.lines("ft-1").collect() == LOG
                assert session.requests > 1


async def test_what_aiohttp_refuses_for_another_reason_is_not_told_as_credentials(
    connect: Connect,
) -> None:
    class Refusing(aiohttp.TCPConnector):
        async def connect(self, *_: Any, **__: Any) -> Any:
            raise ValueError("mine")

    async with Emulator([EmulatedJob("ft-1", LOG)]) as emulator:
        async with aiohttp.ClientSession(connector=Refusing()) as client:
            async with connect(emulator, client_session=client) as session:
                with pytest.raises(ValueError, match="mine"):
                    await session.page("ft-1")


async def test_a_client_session_that_leaves_answers_compressed_is_asked_for_plain_ones(
    connect: Connect,
) -> None:
    long = numbered(1000)  # shorter answers are not compressed
    async with Emulator([EmulatedJob("ft-1", long)]) as emulator:
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            async with connect(emulator, client_session=client) as session:
                assert await session.lines("ft-1").collect() == long
