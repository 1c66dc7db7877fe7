"""Starting, stopping, and leaving nothing behind."""

import asyncio
import gc
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from yarl import URL

from dashscope_ftlogs.emulator import (
    Drip,
    EmulatedJob,
    Emulator,
    Endless,
    Fault,
    Reply,
    Stall,
)
from dashscope_ftlogs.emulator.lazy_lines import Computed

JOB = EmulatedJob("ft-1", ["x" * 1000] * 100)


async def test_it_says_where_it_is_and_how_to_find_it(ask: Any) -> None:
    async with Emulator([JOB], api_key="sk-mine") as emulator:
        assert emulator.environ == {
            "DASHSCOPE_API_KEY": "sk-mine",
            "DASHSCOPE_BASE_URL": emulator.base_url,
            "DASHSCOPE_HTTP_BASE_URL": emulator.base_url,
        }
        assert URL(emulator.base_url).path == "/api/v1"
        assert (await ask(emulator)).status == 200


async def test_an_ipv6_address_is_written_as_urls_want_it() -> None:
    emulator = Emulator(host="::1")
    try:
        async with emulator:
            assert emulator.base_url.startswith("http://[::1]:")
    except OSError as error:
        # A machine may have no IPv6; then that is what it says.
        assert "::1" in str(error)


async def test_before_it_runs_it_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        _ = Emulator().base_url


async def test_it_runs_once_at_a_time_and_again_afterwards(ask: Any) -> None:
    emulator = Emulator([JOB])
    for _ in range(2):
        async with emulator:
            assert (await ask(emulator)).status == 200
            with pytest.raises(RuntimeError, match="already"):
                await emulator.__aenter__()
    assert len(emulator.journal) == 2


async def test_a_port_in_use_is_an_error_that_leaves_nothing_behind() -> None:
    async with Emulator() as first:
        second = Emulator(port=URL(first.base_url).port or 0)
        with pytest.raises(OSError, match="in use"):
            await second.__aenter__()
    async with second:
        assert second.base_url == first.base_url


@pytest.mark.parametrize("reply", [Stall(60), Endless(), Drip(1), None], ids=repr)
async def test_leaving_cuts_off_what_is_still_being_answered(
    reply: Reply | None, connect_bare: Any, until: Callable[..., Any]
) -> None:
    before = asyncio.all_tasks()
    rules = [] if reply is None else [Fault(reply)]
    async with Emulator([JOB], faults=rules) as emulator:
        reader, writer = await connect_bare(emulator)
        await until(lambda: len(emulator.journal) == 1)
    assert emulator.in_flight == 0
    assert asyncio.all_tasks() == before
    with pytest.raises(OSError, match=r"[Cc]onnect|refused"):
        await connect_bare(emulator)
    try:
        while await reader.read(2**20):
            pass
    except ConnectionResetError:
        pass
    writer.close()


async def test_a_client_that_leaves_takes_its_handler_with_it(
    connect_bare: Any, until: Callable[..., Any]
) -> None:
    async with Emulator([JOB], latency=60) as emulator:
        _, writer = await connect_bare(emulator)
        await until(lambda: emulator.in_flight == 1)
        writer.close()
        await until(lambda: emulator.in_flight == 0)
    assert emulator.journal[0].status is None


async def test_a_client_that_hangs_up_in_mid_answer_does_no_harm(
    ask: Any, until: Callable[..., Any]
) -> None:
    client = socket.socket()

    def hang_up(number: int) -> str:
        # Not in good order: the server's next word to it is an error.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        return "x" * 50_000

    jobs = [EmulatedJob("ft-1", Computed(3, hang_up)), EmulatedJob("ft-2", ["y"])]
    async with Emulator(jobs, bandwidth=10**8) as emulator:
        url = URL(emulator.base_url)
        client.connect((url.host, url.port))
        client.sendall(
            b"GET /api/v1/fine-tunes/ft-1/logs HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: Bearer %b\r\n\r\n" % emulator.api_key.encode()
        )
        await until(lambda: bool(emulator.journal) and emulator.in_flight == 0)
        assert emulator.journal[0].status is None
        assert (await ask(emulator, "/fine-tunes/ft-2/logs")).lines == ["y"]


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_that_comes_as_the_emulator_ends_is_closed(turns: int) -> None:
    async def main() -> None:
        async with Emulator() as emulator:
            host, port = emulator.base_url.split("/")[2].split(":")
            with socket.create_connection((host, int(port))):
                for _ in range(turns):
                    await asyncio.sleep(0)

    asyncio.run(main())
    # What is left would be warned of when it is collected.
    gc.collect()
