"""A gateway that repeats the key, wherever in an answer it can, and however it is spelled."""

import asyncio
import base64
import html
import json
import logging
import pickle
import re
import traceback
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from raw_server import raw_server
from thinned import every

from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy

KEY = "sk-4f1cda7e91b26d53/+"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": urllib.parse.quote_plus,
    "every byte percent-encoded": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent-encoded twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "escapes of JSON": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "escapes of Python": lambda text: "".join(f"\\x{ord(one):02x}" for one in text),
    "references of HTML": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "hexadecimal references": lambda text: "".join(f"&#x{ord(one):X};" for one in text),
    "escaped twice": lambda text: html.escape("".join(f"&#{ord(one)};" for one in text)),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind one more": lambda text: base64.b64encode(b"x" + text.encode()).decode(),
    "base64 behind two more": lambda text: base64.urlsafe_b64encode(b"xy" + text.encode()).decode(),
}

OK = b"HTTP/1.1 200 OK\r\n"
PAGE = b'{"request_id": "r", "output": {"total": 1, "logs": ["x"]}}'


def sized(body: bytes, start: bytes = OK, headers: bytes = b"") -> bytes:
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (start, headers, len(body), body)


POSITIONS: dict[str, Callable[[bytes], bytes]] = {
    "the status line": lambda said: b"HTTP/1.1 " + said + b"\r\n\r\n",
    "the version": lambda said: said + b" 200 OK\r\n\r\n",
    "the version's number": lambda said: b"HTTP/" + said + b" 200 OK\r\n\r\n",
    "the reason": lambda said: sized(b"{}", b"HTTP/1.1 401 " + said + b"\r\n"),
    "a header's name": lambda said: sized(PAGE, headers=said.replace(b" ", b"-") + b": 1\r\n"),
    "a header's name, with a space": lambda said: sized(PAGE, headers=b"X " + said + b": 1\r\n"),
    "a line without a colon": lambda said: sized(PAGE, headers=said + b"\r\n"),
    "a header's value": lambda said: sized(b"{}", headers=b"X-Echo: " + said + b"\r\n"),
    "a header's value, with a NUL": lambda said: sized(PAGE, headers=b"X: " + said + b"\0\r\n"),
    "a folded header": lambda said: sized(b"{}", headers=b"X: 1\r\n " + said + b"\r\n"),
    "a header too long": lambda said: sized(PAGE, headers=b"X: " + said * 900 + b"\r\n"),
    "too many headers": lambda said: sized(PAGE, headers=b"X: " + said + b"\r\n" + b"Y: 1\r\n" * 999),
    "x-request-id": lambda said: sized(b"{}", headers=b"x-request-id: " + said + b"\r\n"),
    "x-request-id of a page": lambda said: sized(
        PAGE.replace(b"r", said, 1), headers=b"x-request-id: " + said + b"\r\n"
    ),
    "content-length": lambda said: OK + b"Content-Length: " + said + b"\r\n\r\n" + PAGE,
    "content-type": lambda said: sized(b"{}", headers=b"Content-Type: text/" + said + b"\r\n"),
    "charset": lambda said: sized(b"{}", headers=b"Content-Type: a/b; charset=" + said + b"\r\n"),
    "content-encoding": lambda said: sized(PAGE, headers=b"Content-Encoding: " + said + b"\r\n"),
    "transfer-encoding": lambda said: OK + b"Transfer-Encoding: " + said + b"\r\n\r\n" + PAGE,
    "a compressed body that is none": lambda said: sized(said, headers=b"Content-Encoding: gzip\r\n"),
    "location": lambda said: sized(b"", b"HTTP/1.1 302 F\r\nLocation: http://" + said + b"/\r\n"),
    "retry-after": lambda said: sized(b"{}", b"HTTP/1.1 429 T\r\nRetry-After: " + said + b"\r\n"),
    "date": lambda said: sized(b"{}", b"HTTP/1.1 429 T\r\nDate: " + said + b"\r\n"),
    "set-cookie": lambda said: sized(b"{}", headers=b"Set-Cookie: a=" + said + b"; x\r\n"),
    "a cookie's name": lambda said: sized(b"{}", headers=b"Set-Cookie: " + said + b"=1; Max-Age=x\r\n"),
    "connection": lambda said: sized(b"{}", headers=b"Connection: " + said + b"\r\n"),
    "upgrade": lambda said: OK.replace(b"200", b"101")
    + b"Connection: upgrade\r\nUpgrade: " + said + b"\r\n\r\n",
    "a chunk's size": lambda said: chunked(said + b"\r\n"),
    "a chunk's extension": lambda said: chunked(b"2;x=" + said + b"\r\n{}\r\n0\r\n\r\n"),
    "an extension with a line feed": lambda said: chunked(b"2;x=\n" + said + b"\r\n{}\r\n0\r\n\r\n"),
    "behind a chunk": lambda said: chunked(b"2\r\n{}" + said + b"\r\n0\r\n\r\n"),
    "a trailer": lambda said: chunked(b"2\r\n{}\r\n0\r\nX: " + said + b"\r\n\r\n"),
    "a trailer's name": lambda said: chunked(b"2\r\n{}\r\n0\r\nX " + said + b": 1\r\n\r\n"),
    "an answer that is none": lambda said: said * 3,
    "a gateway's page": lambda said: sized(b"<p>" + said, b"HTTP/1.1 502 B\r\n"),
    "a gateway's page, cut": lambda said: sized(
        b"<p><b>" + b"." * (119 - len(said)) + said, b"HTTP/1.1 502 B\r\n"
    ),
    "a body that is no JSON": lambda said: sized(b"<p>" + said),
    "a body that is cut": lambda said: sized(b'{"message": "' + said + b'"}')[:-1],
    "a code": lambda said: sized(b'{"code": "' + said + b'"}', b"HTTP/1.1 400 B\r\n"),
    "a message": lambda said: sized(b'{"code": "X", "message": "' + said + b'"}', b"HTTP/1.1 400 B\r\n"),
    "a message under 200": lambda said: sized(b'{"code": "X", "message": "' + said + b'"}'),
    "an error in an error": lambda said: sized(b'{"error": {"type": "X", "message": "' + said + b'"}}'),
    "a request id": lambda said: sized(b'{"request_id": "' + said + b'"}', b"HTTP/1.1 500 E\r\n"),
    "a field of another type": lambda said: sized(b'{"output": {"total": "' + said + b'", "logs": []}}'),
    "a field's name": lambda said: sized(b'{"output": {"' + said + b'": 1, "logs": [[]]}}'),
    "entries that are no list": lambda said: sized(
        b'{"output": {"total": 1, "logs": {"' + said + b'": ["' + said + b'"]}}}'
    ),
    "a hundred, then another answer": lambda said: OK.replace(b"200", b"103")
    + b"Link: <" + said + b">\r\n\r\n" + sized(b"{}"),
    "behind the answer": lambda said: sized(PAGE) + said,
}  # fmt: skip


def chunked(rest: bytes) -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + rest


@asynccontextmanager
async def serving(answers: Sequence[bytes]) -> AsyncIterator[str]:
    """Answer with the one of these that the job's id names, and close; give the base URL."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = re.search(rb"/ft-(\d+)", await reader.readuntil(b"\r\n\r\n"))
        assert asked is not None
        writer.write(answers[int(asked[1])])
        await writer.drain()

    async with raw_server(talk) as port:
        yield f"http://127.0.0.1:{port}/api/v1"


Ask = Callable[[LogSession, str], Awaitable[object]]
ASKED: dict[str, Ask] = {
    "page": lambda session, job_id: session.page(job_id),
    "job": lambda session, job_id: session.job(job_id),
    "checkpoints": lambda session, job_id: session.checkpoints(job_id),
}


async def told(answers: list[bytes], ask: Ask, caplog: pytest.LogCaptureFixture) -> list[str]:
    """All that an application could show: of each of these answers, and at last what was logged."""

    async def shown(session: LogSession, number: int) -> str:
        try:
            return repr(await ask(session, f"ft-{number}"))
        except FTLogsError as error:
            assert error.__traceback__ is not None
            error.__traceback__ = error.__traceback__.tb_next  # this frame holds all answers
            stack = traceback.TracebackException.from_exception(error, capture_locals=True)
            texts = (*stack.format(), str(error), repr(error), repr(error.__dict__))
            return "\n".join((*texts, repr(pickle.dumps(error))))

    retry = RetryPolicy(max_tries=1)
    async with serving(answers) as url, LogSession(KEY, base_url=url, retry=retry, timeout=2) as session:
        found = await asyncio.gather(*(shown(session, number) for number in range(len(answers))))
    return [*found, caplog.text + "\n".join(repr(record.__dict__) for record in caplog.records)]


def copies(shown: str) -> list[str]:
    """Which spellings of the key are there; of those in base64, what comes of the key alone."""
    found = []
    for name, spelled in SPELLINGS.items():
        text = spelled(KEY)[4:-4] if "base64" in name else spelled(KEY)
        ways = (text, json.dumps(text)[1:-1], repr(text)[1:-1])
        found += [name for way in ways if way in shown]
    return found


@pytest.fixture(autouse=True)
def loud(caplog: pytest.LogCaptureFixture) -> None:
    """What we use may say all that it wants to say."""
    for name in ("aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio", "dashscope_ftlogs"):
        caplog.set_level(logging.DEBUG, name)


@pytest.mark.slow
@pytest.mark.unmeasured
@pytest.mark.parametrize(("spelled", "asked"), every(5, SPELLINGS, ASKED))
async def test_wherever_an_answer_repeats_the_key_it_is_not_shown(
    spelled: str, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = f"Bearer {SPELLINGS[spelled](KEY)}".encode()
    answers = [at(said) for at in POSITIONS.values()]
    shown = await told(answers, ASKED[asked], caplog)
    assert {
        at: copies(one) for at, one in zip((*POSITIONS, "logs"), shown, strict=True) if copies(one)
    } == {}


@pytest.mark.covered
async def test_nor_where_the_answer_is_cut_behind_any_byte(caplog: pytest.LogCaptureFixture) -> None:
    said = f"Bearer {KEY}".encode()
    everywhere = OK.replace(b"OK", said) + b"X-Echo: " + said + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b'{"code": "' + said + b'", "message": "' + said + b'"}'
    everywhere += b"%x;x=%b\r\n%b\r\n0\r\nX: %b\r\n\r\n" % (len(body), said, body, said)
    answers = [everywhere[:cut] for cut in range(len(everywhere) + 1)]
    shown = await told(answers, ASKED["page"], caplog)
    assert {cut: copies(one) for cut, one in enumerate(shown) if copies(one)} == {}


@pytest.mark.covered
async def test_nor_where_any_byte_of_it_is_another(caplog: pytest.LogCaptureFixture) -> None:
    said = f"Bearer {KEY}".encode()
    whole = sized(b'{"request_id": "' + said + b'"}', OK, b"X-Echo: " + said + b"\r\n")
    answers = [
        whole[:at] + bytes([byte]) + whole[at + 1 :]
        for at in range(len(whole))
        for byte in (0, 10, 58, 255)
    ]
    shown = await told(answers, ASKED["page"], caplog)
    assert {number: copies(one) for number, one in enumerate(shown) if copies(one)} == {}
