"""What no proper HTTP server does: raw bytes on a socket, and certificates that nobody vouches for."""

import asyncio
import pickle
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from following import in_virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_server import raw_server

from dashscope_ftlogs import (
    APIError,
    FTLogsError,
    InvalidArgumentError,
    LogSession,
    RequestEvent,
    ResponseTooLargeError,
    RetryPolicy,
    TransportError,
)
from dashscope_ftlogs.client.exchange.memory import memory_for
from dashscope_ftlogs.emulator import Body, EmulatedJob, Emulator, Fault, Refuse, Reply, Reset, Stall

ONCE = RetryPolicy(max_tries=1)
PAGE = b'{"request_id": "r", "output": {"total": 1, "logs": ["x"]}}'
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE)

Say = Callable[[asyncio.StreamWriter], None]


@asynccontextmanager
async def socket_server(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answer every connection with these bytes and its end; give the port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw_server(talk, tls) as port:
        yield port


async def read_from(answer: bytes) -> tuple[str, ...]:
    async with socket_server(answer) as port:
        base_url = f"http://127.0.0.1:{port}/api/v1"
        async with LogSession("sk-1", base_url=base_url, retry=ONCE, timeout=5) as session:
            return (await session.page("ft-1")).lines


async def test_a_whole_answer_is_read() -> None:
    assert await read_from(WHOLE) == ("x",)


@pytest.mark.parametrize("stray", [WHOLE, WHOLE[:20], b"\r\n", b"HTTP/1.1 408 Timeout\r\n\r\n"])
async def test_a_connection_on_which_something_came_while_it_lay_idle_is_not_used_again(
    stray: bytes,
) -> None:
    connections = 0
    spoke = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        number = 0
        while head := await reader.readuntil(b"\r\n\r\n"):
            number += 1
            line = head.split(b"offset=")[1].split(b"&")[0]
            page = b'{"output": {"total": 9, "logs": ["%b"]}}' % line
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page))
            await writer.drain()
            if number % 2 == 0:
                await asyncio.sleep(0.05)
                writer.write(stray)
                await writer.drain()
                spoke.set()

    async with raw_server(talk) as port:
        url = f"http://127.0.0.1:{port}/api/v1"
        async with LogSession("sk-1", base_url=url, retry=ONCE, timeout=5) as session:
            for offset in range(6):
                assert (await session.page("ft-1", offset)).lines == (f"{offset}",)
                if offset % 2:
                    await asyncio.wait_for(spoke.wait(), 5)
                    spoke.clear()
                    await asyncio.sleep(0.05)  # for what was said to arrive
    # Of what is no whole answer's beginning nothing is left when the next one is read.
    assert connections == (3 if b"\r\n\r\n" in stray else 1), "used again as long as nothing came"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x16\x03\x01\x00 this is no HTTP",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**20 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nnope",
        WHOLE[:-1],
    ],
    ids=lambda answer: ascii(answer[:40]),
)
async def test_an_answer_that_is_not_http_is_a_transport_error(answer: bytes) -> None:
    with pytest.raises(TransportError, match="no answer: ") as caught:
        await read_from(answer)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@settings(max_examples=50)
@given(data=st.data())
def test_an_answer_damaged_anywhere_is_a_value_or_one_of_our_errors(data: st.DataObject) -> None:
    answer = bytearray(WHOLE)
    for place in data.draw(st.lists(st.integers(0, len(answer) - 1), min_size=1, max_size=4)):
        answer[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(answer)))

    async def main() -> None:
        try:
            lines = await read_from(bytes(answer[:cut]))
        except FTLogsError as error:
            assert str(error).isprintable()
        else:
            assert all(isinstance(line, str) for line in lines)

    asyncio.run(main(), debug=False)


async def told_by(url: str, client: aiohttp.ClientSession | None = None) -> TransportError:
    async with LogSession("sk-1", base_url=url, retry=ONCE, timeout=5, client_session=client) as session:
        with pytest.raises(TransportError) as caught:
            await session.page("ft-1")
    return caught.value


async def test_what_failed_is_told_in_our_words_by_its_class() -> None:
    async with socket_server(b"") as port:
        pass
    refused = await told_by(f"http://127.0.0.1:{port}/api/v1")
    assert "ClientConnectorError: no connection to 127.0.0.1:" in refused.reason
    unknown = await told_by("https://nowhere.invalid/api/v1")
    assert "ClientConnectorDNSError: no connection to nowhere.invalid:443, " in unknown.reason
    async with (
        socket_server(b"HTTP/1.1 403 sk-1\r\nX: sk-1\r\n\r\n") as port,
        aiohttp.ClientSession(proxy=f"http://127.0.0.1:{port}") as client,
    ):
        proxy = await told_by("https://localhost/api/v1", client)
        assert proxy.reason == "ClientHttpProxyError: the proxy refused with HTTP 403"


@pytest.mark.parametrize(
    ("fault", "seconds", "left"),
    [(Stall(60), 0.1, 4), (Reset(), 30.0, 8), (Refuse(500), 30.0, 8)],
    ids=str,
)
async def test_only_a_time_out_says_that_too_many_requests_are_in_flight(
    fault: Reply, seconds: float, left: int
) -> None:
    faults = [Fault(fault, endpoint="logs")]
    async with Emulator([EmulatedJob("ft-1", ["x"])], faults=faults) as emulator:
        retry = RetryPolicy(max_tries=1)
        session = LogSession(emulator.api_key, base_url=emulator.base_url, timeout=seconds, retry=retry)
        async with session:
            assert session.concurrency == 8
            with pytest.raises(FTLogsError):
                await session.page("ft-1")
            assert session.concurrency == left


async def test_how_many_are_in_flight_is_learned_from_pages_and_from_nothing_else() -> None:
    job = EmulatedJob("ft-1", [f"line {n}" for n in range(200)])
    async with Emulator([job], latency=0.005) as emulator:
        async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
            await asyncio.gather(*(session.job("ft-1") for _ in range(60)))
            assert session.concurrency == 8
            for _ in range(60):
                with pytest.raises(APIError):
                    await session.page("ft-unknown")
            assert session.concurrency == 8
            seen = [session.concurrency async for _ in session.lines("ft-1", page_size=1).pages()]
            assert max(seen) > 8


@pytest.mark.parametrize(("size", "code"), [(65_000, "Throttling.Told"), (66_000, "")])
async def test_of_an_error_s_body_64_kibibytes_are_read(size: int, code: str) -> None:
    body = b'{"code": "Throttling.Told", "message": "%s"}' % (b"x" * size)
    faults = [Fault(Body(body, status=429), endpoint="logs")]
    async with Emulator([EmulatedJob("ft-1", ["x"])], faults=faults) as emulator:
        retry = RetryPolicy(max_tries=1)
        async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=retry) as session:
            with pytest.raises(APIError) as caught:
                await session.page("ft-1")
    assert caught.value.code == code


@pytest.mark.parametrize("fewer", [0, 1])
async def test_an_answer_may_be_as_large_as_was_said_and_no_byte_larger(fewer: int) -> None:
    line = b"x" * 100_000
    page = b'{"output": {"total": 1, "logs": ["%b"]}}' % line
    async with socket_server(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)
    ) as port:
        url, most = f"http://127.0.0.1:{port}/api/v1", len(page) - fewer
        async with LogSession("sk-1", base_url=url, retry=ONCE, max_answer=most) as session:
            if fewer == 0:
                assert (await session.page("ft-1")).lines == (line.decode(),)
                return
            with pytest.raises(ResponseTooLargeError, match=f"larger than {most:,} bytes"):
                await session.page("ft-1")


@pytest.mark.parametrize("parts", [1, 2, 3])
async def test_an_answer_that_comes_in_parts_is_read_whole(parts: int) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begin = len(WHOLE) - len(PAGE)
        for number in range(parts):
            end = len(WHOLE) - (parts - 1 - number) * 10
            writer.write(WHOLE[begin if number else 0 : end])
            await writer.drain()
            await asyncio.sleep(0.05)  # or they would come as one
            begin = end

    async with raw_server(talk) as port:
        url = f"http://127.0.0.1:{port}/api/v1"
        async with LogSession("sk-1", base_url=url, retry=ONCE, timeout=5) as session:
            assert (await session.page("ft-1")).lines == ("x",)


async def test_the_base_url_is_asked_as_it_was_written() -> None:
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE)
        await writer.drain()

    async with raw_server(talk) as port:
        base_url = f"http://127.0.0.1:{port}/by%2fway%7Eof/api/v1"
        async with LogSession("sk-1", base_url=base_url, retry=ONCE) as session:
            await session.page("ft-1")
    path = b"/by%2fway%7Eof/api/v1/fine-tunes/ft-1/logs?offset=0&line=100"
    assert asked == [b"GET %b HTTP/1.1\r\n" % path]


async def test_jobs_take_turns_and_a_request_that_failed_goes_before_the_later_ones_of_its_job() -> None:
    jobs = [EmulatedJob(job_id, [str(n) for n in range(9)]) for job_id in ("ft-long", "ft-short")]
    faults = [Fault(Refuse(500), on={1}, job_id="ft-long")]
    async with Emulator(jobs, faults=faults, latency=0.05) as emulator:
        url, retry = emulator.base_url, RetryPolicy(base_delay=0.001, max_delay=0.001)
        async with LogSession(emulator.api_key, base_url=url, retry=retry, concurrency=1) as session:
            asked = [session.page("ft-long", offset, 1) for offset in range(8)]
            await asyncio.gather(*asked, session.page("ft-short", 0, 1))
        order = [(exchange.job_id, exchange.offset) for exchange in emulator.journal]
    assert len(order) == 8 + 1 + 1
    assert order[0] == ("ft-long", 0)
    assert order.index(("ft-long", 0), 1) < 5
    assert order.index(("ft-short", 0)) < 5
    order.pop(order.index(("ft-long", 0), 1))
    assert [offset for job_id, offset in order if job_id == "ft-long"] == list(range(8))


@pytest.mark.parametrize("retry_after", [None, 1000])
async def test_a_refusal_without_a_pause_or_with_one_that_is_not_waited_for_holds_up_nobody(
    retry_after: int | None,
) -> None:
    waits: list[float] = []

    def note(event: RequestEvent) -> None:
        now = asyncio.get_running_loop().time()
        waits.append(session._transport.gate.rate.ready_at(now) - now)

    faults = [Fault(Refuse(429, retry_after=retry_after))]
    async with Emulator([EmulatedJob("ft-1", ["x"])], faults=faults) as emulator:
        retry = RetryPolicy(max_tries=3, base_delay=0.001, max_delay=0.001)
        session = LogSession(emulator.api_key, base_url=emulator.base_url, retry=retry, on_request=note)
        async with session:
            with pytest.raises(APIError):
                await session.page("ft-1")
    assert len(waits) == (3 if retry_after is None else 1)
    assert max(waits) < 0.5


def test_refusals_bring_the_rate_down_to_one_request_for_each_shortest_wait() -> None:
    async def main() -> None:
        faults = [Fault(Refuse(429))]
        async with Emulator([EmulatedJob("ft-1", ["x"])], faults=faults) as emulator:
            retry = RetryPolicy(max_tries=1, base_delay=0.4)
            async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=retry) as session:
                for _ in range(9):
                    with pytest.raises(APIError):
                        await session.page("ft-1")
                assert session.rate is not None
                assert 1 / 0.4 <= session.rate < 1.5 / 0.4

    in_virtual_time(main(), debug=False)


async def test_an_event_tells_for_how_many_seconds_the_request_was_under_way() -> None:
    events: list[RequestEvent] = []
    async with Emulator([EmulatedJob("ft-1", ["x"])], latency=0.01) as emulator:
        url = emulator.base_url
        async with LogSession(emulator.api_key, base_url=url, on_request=events.append) as session:
            began = asyncio.get_running_loop().time()
            await session.page("ft-1")
            most = asyncio.get_running_loop().time() - began
    (event,) = events
    assert 0.01 <= event.seconds <= most


@pytest.mark.parametrize(("size", "fits"), [(4_000_000, True), (4_400_000, False)])
async def test_of_what_is_said_of_a_job_four_mebibytes_are_read_and_the_request_is_named(
    size: int, fits: bool
) -> None:
    job = EmulatedJob("ft-1", ["x"], job_name="n" * size)
    async with Emulator([job]) as emulator:
        async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
            if fits:
                assert len((await session.job("ft-1")).job_name or "") == size
                return
            with pytest.raises(ResponseTooLargeError) as caught:
                await session.job("ft-1")
    assert caught.value.request_id


async def test_a_job_id_that_is_the_key_is_refused_whatever_object_it_is() -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])], api_key="any.key-1") as emulator:
        async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
            with pytest.raises(InvalidArgumentError, match="that is the API key"):
                await session.page(b"any.key-1".decode())
        assert not emulator.journal


async def test_a_certificate_that_is_not_trusted_is_refused_at_once() -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    async with socket_server(WHOLE, tls) as port:
        base_url = f"https://localhost:{port}/api/v1"
        async with LogSession("sk-1", base_url=base_url) as session:
            with pytest.raises(TransportError, match="certificate") as caught:
                await session.page("ft-1")
        assert caught.value.attempts == 1

        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            LogSession("sk-1", base_url=base_url, client_session=client) as session,
        ):
            assert (await session.page("ft-1")).lines == ("x",)


async def test_an_answer_that_would_take_too_much_memory_is_refused_and_comes_in_parts() -> None:
    lines = [""] * 900
    async with Emulator([EmulatedJob("ft-1", lines)]) as emulator:
        url = emulator.base_url
        async with LogSession(emulator.api_key, base_url=url, max_answer=5_000) as session:
            with pytest.raises(
                ResponseTooLargeError, match="more than 20,000 bytes of memory"
            ) as caught:
                await session.page("ft-1", 0, 900)
            assert "Ask for fewer lines a page, or allow larger answers" in str(caught.value)
            assert "Ask for fewer" in str(pickle.loads(pickle.dumps(caught.value)))
            assert await session.lines("ft-1").collect() == lines


async def test_what_is_too_large_by_itself_is_told_with_what_helps_there() -> None:
    log = ["first", "x" * 10_000]
    job = EmulatedJob("ft-1", log, job_name="x" * 10_000)
    async with Emulator([job]) as emulator:
        url = emulator.base_url
        async with LogSession(emulator.api_key, base_url=url, max_answer=5_000) as session:
            for call in (session.lines("ft-1").collect(), session.page("ft-1", 1, 1)):
                with pytest.raises(ResponseTooLargeError, match="000 bytes") as caught:
                    await call
                assert "fewer lines" not in str(caught.value)
                assert str(caught.value).endswith("Allow larger answers: LogSession(max_answer=...).")
            with pytest.raises(ResponseTooLargeError, match="Of what is said of jobs 4 MiB are read"):
                await session.job("ft-1")
        async with LogSession(emulator.api_key, base_url=url, max_answer=20_000) as session:
            assert await session.lines("ft-1").collect() == log


async def test_a_list_of_jobs_that_is_too_large_at_once_comes_in_smaller_pages() -> None:
    jobs = [EmulatedJob(f"ft-{n}", [], job_name="x" * 1_000) for n in range(120)]
    async with Emulator(jobs) as emulator:
        url = emulator.base_url
        async with LogSession(emulator.api_key, base_url=url, max_answer=20_000) as session:
            assert {job.job_id async for job in session.jobs()} == {job.job_id for job in jobs}


@pytest.mark.parametrize(
    ("text", "width"), [("x", 1), ("é", 2), ("\\u00e9", 2), ("😀", 4), ("\\ud83d\\ude00", 4)]
)
def test_the_widest_character_tells_how_many_bytes_each_of_them_takes(text: str, width: int) -> None:
    body = f'["{text}"]'.encode()
    assert memory_for(body) == len(body) * (1 + width) + 2 * 60


class ClockAtZero(asyncio.SelectorEventLoop):
    """A loop whose clock has not begun to tick."""

    def time(self) -> float:
        return 0.0


def test_a_request_takes_one_turn_whatever_the_clock_says() -> None:
    async def two_pages() -> None:
        async with (
            Emulator([EmulatedJob("ft-1", ["a", "b"])]) as emulator,
            LogSession(emulator.api_key, base_url=emulator.base_url, concurrency=1) as session,
        ):
            for _ in range(2):
                assert (await session.page("ft-1")).lines == ("a", "b")
            assert session._transport.gate.inside == 0

    with asyncio.Runner(loop_factory=ClockAtZero) as runner:
        runner.run(two_pages())
