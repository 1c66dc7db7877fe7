"""What each reply puts on the wire."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import (
    BadJson,
    Body,
    Bomb,
    Close,
    CutBody,
    Drip,
    EmptyPage,
    EmulatedJob,
    Emulator,
    Endless,
    Fault,
    Html,
    OkWithCode,
    Redirect,
    Refuse,
    Reply,
    ReportTotal,
    Reset,
    ShortPage,
    Stall,
)
from dashscope_ftlogs.emulator.faulty_answers import inflatable

LINES = [f"line {number}" for number in range(200)]


def replying(reply: Reply) -> Emulator:
    return Emulator([EmulatedJob("ft-1", LINES)], faults=[Fault(reply)])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidParameter"),
        (401, "InvalidApiKey"),
        (403, "AccessDenied"),
        (404, "NotFound"),
        (409, "Conflict"),
        (429, "Throttling"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "GatewayTimeout"),
        (599, "InternalError"),
    ],
)
async def test_a_refusal_has_the_code_that_goes_with_its_status(
    ask: Any, status: int, code: str
) -> None:
    async with replying(Refuse(status)) as emulator:
        got = await ask(emulator)
    assert (got.status, got.json["code"]) == (status, code)
    assert got.json["message"]
    assert got.json["request_id"] == got.headers["x-request-id"]
    assert "Retry-After" not in got.headers


async def test_a_refusal_says_what_it_is_told_to(ask: Any) -> None:
    reply = Refuse(429, "Throttling.RateQuota", headers={"X-A": "1"}, message="slower")
    async with replying(reply) as emulator:
        got = await ask(emulator)
    assert (got.json["code"], got.json["message"]) == ("Throttling.RateQuota", "slower")
    assert got.headers["X-A"] == "1"


async def test_a_refined_code_keeps_the_words_of_its_family_and_an_unknown_one_has_none(
    ask: Any,
) -> None:
    async with replying(Refuse(429, "Throttling.RateQuota")) as emulator:
        assert (await ask(emulator)).json["message"] == "Too many requests. Please retry later."
    async with replying(Refuse(418, "Teapot")) as emulator:
        assert (await ask(emulator)).json["message"] == ""


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (2, "2"),
        (1.5, "1.5"),
        ("0", "0"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("soon", "soon"),
    ],
)
async def test_retry_after_is_sent_as_it_stands(ask: Any, given: float | str, sent: str) -> None:
    async with replying(Refuse(429, retry_after=given)) as emulator:
        assert (await ask(emulator)).headers["Retry-After"] == sent
    async with replying(Refuse(429, retry_after_ms=given)) as emulator:
        got = await ask(emulator)
    assert got.headers["retry-after-ms"] == sent
    assert "Retry-After" not in got.headers


async def test_an_error_can_come_as_200(ask: Any) -> None:
    async with replying(OkWithCode("Throttling")) as emulator:
        got = await ask(emulator)
    assert (got.status, got.json["code"]) == (200, "Throttling")
    assert "output" not in got.json


@pytest.mark.parametrize(("status", "title"), [(502, "502 Bad Gateway"), (504, "504 Error")])
async def test_a_proxys_page_is_html(ask: Any, status: int, title: str) -> None:
    async with replying(Html(status)) as emulator:
        got = await ask(emulator)
    assert (got.status, got.headers["Content-Type"]) == (status, "text/html")
    assert f"<h1>{title}</h1>".encode() in got.body


async def test_a_reset_sends_no_byte(wire: Any) -> None:
    async with replying(Reset()) as emulator:
        with pytest.raises(ConnectionResetError):
            await wire(emulator)


async def test_a_close_ends_the_connection_in_good_order_without_a_byte(wire: Any) -> None:
    async with replying(Close()) as emulator:
        assert await wire(emulator) == b""


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
async def test_a_cut_body_is_shorter_than_its_length_says(wire: Any, share: float) -> None:
    async with replying(CutBody(share)) as emulator:
        head, _, body = (await wire(emulator)).partition(b"\r\n\r\n")
    length = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
    assert len(body) == max(1, int(length * share))


async def test_broken_json_arrives_whole(ask: Any) -> None:
    async with replying(BadJson()) as emulator:
        got = await ask(emulator)
    assert got.status == 200
    assert got.body.startswith(b'{"request_id"')
    with pytest.raises(json.JSONDecodeError):
        _ = got.json


async def test_an_empty_page_has_the_right_total(ask: Any) -> None:
    async with replying(EmptyPage()) as emulator:
        got = await ask(emulator)
    assert (got.lines, got.total) == ([], 200)


async def test_a_short_page_has_no_more_lines_than_it_may(ask: Any) -> None:
    async with replying(ShortPage(3)) as emulator:
        assert (await ask(emulator, offset=5)).lines == LINES[5:8]
        assert (await ask(emulator, line=2)).lines == LINES[:2]


@pytest.mark.parametrize(("by", "total"), [(7, 207), (-7, 193), (-1000, 0)])
async def test_a_wrong_total_is_off_by_so_many_but_not_negative(ask: Any, by: int, total: int) -> None:
    async with replying(ReportTotal(by)) as emulator:
        got = await ask(emulator)
    assert (got.total, got.lines) == (total, LINES[:100])


async def test_a_body_arrives_byte_for_byte(ask: Any) -> None:
    reply = Body(b"\xff\x00" * 2000, 203, "text/weird", {"X-A": "b"})
    async with replying(reply) as emulator:
        got = await ask(emulator, headers={"Accept-Encoding": "gzip"})
    assert (got.status, got.body) == (203, b"\xff\x00" * 2000)
    assert (got.headers["Content-Type"], got.headers["X-A"]) == ("text/weird", "b")
    assert "Content-Encoding" not in got.headers


async def test_a_redirect_names_its_place(ask: Any) -> None:
    async with replying(Redirect("https://example.org/x", 307)) as emulator:
        got = await ask(emulator)
    assert (got.status, got.headers["Location"], got.body) == (307, "https://example.org/x", b"")


async def test_an_endless_body_goes_on_until_the_client_leaves(
    wire: Any, until: Callable[..., Any]
) -> None:
    async with replying(Endless()) as emulator:
        got = await wire(emulator, limit=2_000_000)
        assert b'"logs": ["the first line"' in got
        assert b"chunked" in got
        await until(lambda: emulator.in_flight == 0)
    assert emulator.journal[0].status is None


async def test_a_drip_takes_as_long_as_its_bytes(ask: Any) -> None:
    loop = asyncio.get_running_loop()
    async with replying(Drip(40_000)) as emulator:
        began = loop.time()
        got = await ask(emulator)
        seconds = loop.time() - began
    assert got.lines == LINES[:100]
    assert len(got.body) / 40_000 - 0.025 <= seconds < 1


async def test_a_drip_may_be_slower_than_a_byte_per_tick(wire: Any) -> None:
    loop = asyncio.get_running_loop()
    async with replying(Drip(40)) as emulator:
        began = loop.time()
        head = await wire(emulator, limit=10)
        assert head == b"HTTP/1.1 2"
        assert loop.time() - began < 1


async def test_a_stall_is_the_proper_answer_after_a_wait(ask: Any) -> None:
    loop = asyncio.get_running_loop()
    async with replying(Stall(0.03)) as emulator:
        began = loop.time()
        assert (await ask(emulator)).lines == LINES[:100]
        assert loop.time() - began >= 0.028


async def test_a_bomb_is_small_on_the_wire_and_large_inside(ask: Any) -> None:
    async with replying(Bomb(3)) as emulator:
        got = await ask(emulator)
    assert got.headers["Content-Encoding"] == "gzip"
    assert len(got.body) < 20_000
    output = json.loads(gzip.decompress(got.body))["output"]
    assert (output["total"], len(output["logs"]), len(output["logs"][0])) == (1, 1, 3 * 2**20)


@settings(max_examples=10)
@given(st.binary(max_size=40), st.integers(0, 3), st.binary(max_size=40))
def test_whatever_is_around_it_a_bomb_is_valid_gzip(head: bytes, mebibytes: int, tail: bytes) -> None:
    packed = inflatable(head, mebibytes, tail)
    assert gzip.decompress(packed) == head + b"x" * mebibytes * 2**20 + tail


async def test_a_connection_outlives_an_error_but_not_a_cut(until: Callable[..., Any]) -> None:
    faults = [Fault(Refuse(500), on=[1]), Fault(CutBody(), on=[2])]
    async with Emulator([EmulatedJob("ft-1", LINES)], faults=faults) as emulator:
        url, key = (
            f"{emulator.base_url}/fine-tunes/ft-1/logs",
            {"Authorization": f"Bearer {emulator.api_key}"},
        )
        async with aiohttp.ClientSession() as client:
            async with client.get(url, headers=key) as response:
                assert response.status == 500
            async with client.get(url, headers=key) as response:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()
            async with client.get(url, headers=key) as response:
                assert (await response.json())["output"]["total"] == 200


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Refuse(199),
        lambda: Refuse(600),
        lambda: Html(42),
        lambda: Body(b"", 1000),
        lambda: Redirect("https://x/\r\nX-A: 1"),
        lambda: Redirect("/", 0),
        lambda: Refuse(429, retry_after="1\n2"),
        lambda: Refuse(429, retry_after_ms="1\r2"),
        lambda: Refuse(429, headers={"X-A": "1\n2"}),
        lambda: Refuse(429, headers=[("X\n", "1")]),
        lambda: Body(b"", content_type="a\nb"),
        lambda: CutBody(1.0),
        lambda: CutBody(-0.1),
        lambda: ShortPage(-1),
        lambda: Drip(0),
        lambda: Drip(float("inf")),
        lambda: Stall(-1),
        lambda: Stall(float("nan")),
        lambda: Stall(float("inf")),
        lambda: Bomb(0),
    ],
)
def test_what_a_reply_can_not_be_is_refused_at_once(wrong: Callable[[], Reply]) -> None:
    with pytest.raises(ValueError, match=r"must be|header line"):
        wrong()
