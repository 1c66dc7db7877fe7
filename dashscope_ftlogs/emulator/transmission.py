"""How an answer leaves on its connection: whole, slowly, cut, or not at all."""

import asyncio
import socket
import struct
import sys
import zlib
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from dashscope_ftlogs.emulator.answers import Answer
from dashscope_ftlogs.emulator.faulty_answers import Close, CutBody, Drip, Endless, Reply, Reset
from dashscope_ftlogs.emulator.rate_limit import Link

_WORTH_COMPRESSING = 1024
_LINGER_0 = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


def accepts_gzip(header: str | None) -> bool:
    """Whether an `Accept-Encoding` header lets the body be gzip."""
    for item in (header or "").lower().split(","):
        name, _, parameters = item.partition(";")
        if name.strip() == "gzip":
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def gzip(body: bytes) -> bytes:
    """A gzip body, made quickly rather than small."""
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()


async def deliver(
    request: web.BaseRequest,
    answer: Answer,
    reply: Reply | None,
    *,
    compress: bool,
    link: Link | None,
) -> web.StreamResponse:
    """Carry an answer out, the way `reply` says if it is about the connection.

    Returns what aiohttp wants to have back; the bytes have left by then.

    Raises:
        ConnectionError: the client went away.
    """
    if isinstance(reply, (Reset, Close)):
        _abort(request, reset=isinstance(reply, Reset))
        return web.Response()
    if isinstance(reply, Endless):
        return await _without_end(request, answer, link)
    body, headers = answer.body, dict(answer.headers)
    if (
        compress
        and not answer.verbatim
        and len(body) > _WORTH_COMPRESSING
        and accepts_gzip(request.headers.get("Accept-Encoding"))
    ):
        body, headers["Content-Encoding"] = gzip(body), "gzip"
    response = await _begin(request, answer, headers, len(body))
    if isinstance(reply, CutBody):
        await _write(response, body[: max(1, int(len(body) * reply.share))], link)
        _finish_early(request)
    elif isinstance(reply, Drip):
        await _drip(response, body, reply.bytes_per_second)
    else:
        await _write(response, body, link)
        await response.write_eof()
    return response


async def _begin(
    request: web.BaseRequest, answer: Answer, headers: Mapping[str, str], length: int | None
) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=_reason(answer.status), headers=headers)
    response.content_type = answer.content_type
    if length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = length
    await response.prepare(request)
    return response


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


async def _write(response: web.StreamResponse, body: bytes, link: Link | None) -> None:
    size = len(body) if link is None else link.piece
    for start in range(0, len(body), max(1, size)):
        piece = body[start : start + size]
        if link is not None:
            await link.carry(len(piece))
        await response.write(piece)


async def _drip(response: web.StreamResponse, body: bytes, bytes_per_second: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    step = max(1, int(bytes_per_second / 50))
    for start in range(0, len(body), step):
        await asyncio.sleep(began + start / bytes_per_second - loop.time())
        await response.write(body[start : start + step])
    await response.write_eof()


async def _without_end(
    request: web.BaseRequest, answer: Answer, link: Link | None
) -> web.StreamResponse:
    """Returns only by being cancelled, or by the error of a connection that is gone."""
    response = await _begin(request, answer, dict(answer.headers), None)
    await _write(response, b'{"output": {"total": 1000000000, "logs": ["the first line"', link)
    more = b', "and one more line, which is not the last"' * 200
    while True:
        await _write(response, more, link)
        await asyncio.sleep(0)  # write() alone need not give way to other requests


def _finish_early(request: web.BaseRequest) -> None:
    """Send what was written, then end the connection in mid-answer."""
    _transport(request).close()


def _abort(request: web.BaseRequest, *, reset: bool) -> None:
    transport = _transport(request)
    if reset:
        # Without lingering, the kernel says RST instead of FIN.
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
    transport.abort()


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    assert request.transport is not None  # noqa: S101 - a lost connection cancels its handler
    return request.transport
