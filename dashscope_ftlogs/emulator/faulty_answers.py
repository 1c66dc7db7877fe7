"""What a fault can put in the place of a proper answer: values, and what they do to an answer.

Those that touch the connection itself (`Reset`, `Close`, `CutBody`, `Endless`, `Drip`, `Stall`) are
carried out in `delivery`; here they are only named.
"""

# ruff: noqa: D102 - what an alter_...() does is what its class says

import zlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import attrs

from dashscope_ftlogs.emulator.answers import CODES, MESSAGES, Answer, Header, Page, failure
from dashscope_ftlogs.emulator.argument_ranges import a_share, a_status, above_0, from_0


class Reply:
    """What a fault does to a request that it hits: as it stands, nothing."""

    __slots__ = ()

    breaks: ClassVar[bool] = False
    """Whether the connection ends before the answer does."""

    def alter_page(self, page: Page, /) -> Page:
        """Change what a logs request is about to be told."""
        return page

    def alter_answer(self, answer: Answer, _request_id: str, /) -> Answer:
        """Change or replace the whole answer."""
        return answer


def _one_line(_: object, attribute: "attrs.Attribute[Any]", value: str | None) -> None:
    if value is not None and ("\r" in value or "\n" in value):
        raise ValueError(f"{attribute.name} would end a header line: {value!r}")


def _pairs(headers: Mapping[str, str] | Iterable[Header]) -> tuple[Header, ...]:
    return tuple(dict(headers).items())


def _one_line_each(_: object, attribute: "attrs.Attribute[Any]", value: tuple[Header, ...]) -> None:
    for pair in value:
        for text in pair:
            _one_line(None, attribute, text)


def _as_text(value: str | float | None) -> str | None:
    return f"{value:g}" if isinstance(value, (int, float)) else value


@attrs.frozen
class Refuse(Reply):
    """The service's own error: status, `code` and `message`.

    Attributes:
        code: None takes the code that goes with the status.
        message: empty takes the page's own words for the code, if there are any.
        retry_after: sent verbatim as `Retry-After`; a number is written as one.
        retry_after_ms: likewise, as `retry-after-ms`.
        headers: further ones.
    """

    status: int = attrs.field(validator=a_status)
    code: str | None = None
    message: str = ""
    retry_after: str | None = attrs.field(default=None, converter=_as_text, validator=_one_line)
    retry_after_ms: str | None = attrs.field(default=None, converter=_as_text, validator=_one_line)
    headers: tuple[Header, ...] = attrs.field(default=(), converter=_pairs, validator=_one_line_each)

    def alter_answer(self, _answer: Answer, request_id: str, /) -> Answer:
        code = CODES.get(self.status, "InternalError") if self.code is None else self.code
        message = self.message or MESSAGES.get(code.partition(".")[0], "")
        waits = (("Retry-After", self.retry_after), ("retry-after-ms", self.retry_after_ms))
        headers = [(name, value) for name, value in waits if value is not None]
        return failure(self.status, code, message, request_id, (*headers, *self.headers))


@attrs.frozen
class Html(Reply):
    """A proxy's own error page."""

    status: int = attrs.field(default=502, validator=a_status)

    def alter_answer(self, _answer: Answer, _request_id: str, /) -> Answer:
        title = f"{self.status} Bad Gateway" if self.status == 502 else f"{self.status} Error"
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        return Answer(self.status, page.encode(), content_type="text/html")


@attrs.frozen
class OkWithCode(Reply):
    """HTTP 200 with an error in the body. An empty message takes the page's words for the code."""

    code: str = "InternalError"
    message: str = ""

    def alter_answer(self, _answer: Answer, request_id: str, /) -> Answer:
        message = self.message or MESSAGES.get(self.code.partition(".")[0], "")
        return failure(200, self.code, message, request_id)


@attrs.frozen
class Reset(Reply):
    """TCP reset before any answer."""

    breaks: ClassVar[bool] = True


@attrs.frozen
class Close(Reply):
    """The connection is closed before any answer."""

    breaks: ClassVar[bool] = True


@attrs.frozen
class CutBody(Reply):
    """`Content-Length` of the whole body, then this share of it (one byte at least), then the end."""

    share: float = attrs.field(default=0.5, validator=a_share)

    breaks: ClassVar[bool] = True


@attrs.frozen
class BadJson(Reply):
    """Two thirds of the JSON, with the right `Content-Length` for that."""

    def alter_answer(self, answer: Answer, _request_id: str, /) -> Answer:
        return attrs.evolve(answer, body=answer.body[: len(answer.body) * 2 // 3])


@attrs.frozen
class EmptyPage(Reply):
    """The right total, but no lines."""

    def alter_page(self, page: Page, /) -> Page:
        return attrs.evolve(page, lines=())


@attrs.frozen
class ShortPage(Reply):
    """At most `lines` lines."""

    lines: int = attrs.field(validator=from_0)

    def alter_page(self, page: Page, /) -> Page:
        return attrs.evolve(page, lines=page.lines[: self.lines])


@attrs.frozen
class ReportTotal(Reply):
    """A total that is off `by` so many, but not below 0."""

    by: int

    def alter_page(self, page: Page, /) -> Page:
        return attrs.evolve(page, total=max(0, page.total + self.by))


@attrs.frozen
class Body(Reply):
    """These very bytes."""

    body: bytes
    status: int = attrs.field(default=200, validator=a_status)
    content_type: str = attrs.field(default="application/json", validator=_one_line)
    headers: tuple[Header, ...] = attrs.field(default=(), converter=_pairs, validator=_one_line_each)

    def alter_answer(self, _answer: Answer, _request_id: str, /) -> Answer:
        return Answer(self.status, self.body, self.headers, self.content_type, verbatim=True)


@attrs.frozen
class Redirect(Reply):
    """Sends the client elsewhere."""

    location: str = attrs.field(validator=_one_line)
    status: int = attrs.field(default=302, validator=a_status)

    def alter_answer(self, _answer: Answer, request_id: str, /) -> Answer:
        headers = (("Location", self.location), ("x-request-id", request_id))
        return Answer(self.status, b"", headers, content_type="text/plain")


@attrs.frozen
class Endless(Reply):
    """A body that begins like a page of lines and never ends; the client has to go away."""

    breaks: ClassVar[bool] = True


@attrs.frozen
class Drip(Reply):
    """The proper answer, slowly."""

    bytes_per_second: float = attrs.field(validator=above_0)


@attrs.frozen
class Stall(Reply):
    """The proper answer, after a wait."""

    seconds: float = attrs.field(validator=from_0)


@attrs.frozen
class Bomb(Reply):
    """A small gzip body that inflates to so many mebibytes (and a little): a page with one line."""

    mebibytes: int = attrs.field(validator=above_0)

    def alter_answer(self, _answer: Answer, request_id: str, /) -> Answer:
        head = b'{"request_id": "%s", "output": {"total": 1, "logs": ["' % request_id.encode()
        headers = (("x-request-id", request_id), ("Content-Encoding", "gzip"))
        return Answer(200, inflatable(head, self.mebibytes, b'"]}}'), headers, verbatim=True)


def inflatable(head: bytes, mebibytes: int, tail: bytes) -> bytes:
    """One gzip member that inflates to head, so many mebibytes of "x", and tail.

    A full flush makes what follows independent of what came before, so one compressed mebibyte can
    be repeated: time and memory stay small however large the promise.
    """
    block = b"x" * 2**20
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(tail) + packer.flush(zlib.Z_FINISH)
    check = zlib.crc32(head)
    for _ in range(mebibytes):
        check = zlib.crc32(block, check)
    check = zlib.crc32(tail, check)
    size = (len(head) + mebibytes * 2**20 + len(tail)) % 2**32
    return b"".join(
        (
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff",
            first,
            again * mebibytes,
            last,
            check.to_bytes(4, "little"),
            size.to_bytes(4, "little"),
        )
    )
