"""The pool of connections: aiohttp's, with what it lacks."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final

import aiohttp
from yarl import URL

from dashscope_ftlogs.checks import refused
from dashscope_ftlogs.client.exchange.in_our_words import AtProxyError
from dashscope_ftlogs.client.exchange.memory import LARGE_AT_ONCE
from dashscope_ftlogs.client.network.certificates import names
from dashscope_ftlogs.client.network.proxies import Proxy
from dashscope_ftlogs.client.settings.small_file import check_is_plain
from dashscope_ftlogs.client.tasks import running_loop
from dashscope_ftlogs.errors import ConfigError, SessionStateError

_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)
"""Of aiohttp's: who sends a request keeps the time."""
_PATIENCE: Final = aiohttp.ClientTimeout(total=10)
"""Seconds for what only makes a message better."""
_LARGE_BLOCK: Final = 2**20
"""Bytes, never touched: four times what asyncio reads at once."""
_LARGEST: Final = 16 * 2**20
"""Bytes of certificates: what a system trusts has a quarter of one million."""


class _Connector(aiohttp.TCPConnector):
    """Connections that are used again only if nobody spoke while they lay idle.

    What had come there would be taken for the next answer.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  (aiohttp's)
    ) -> aiohttp.connector.Connection:
        """Return a connection on which nothing has come yet."""
        while True:
            try:
                connection = await super().connect(req, traces, timeout)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError) as error:
                # Before there is a connection, none but a proxy speaks HTTP.
                raise AtProxyError(error) from None
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


class _Seen(aiohttp.Fingerprint):
    """Fits no certificate, so that nothing is sent, and keeps the one that was shown."""

    def __init__(self) -> None:
        super().__init__(bytes(32))
        self.certificate = b""

    def check(self, transport: asyncio.Transport) -> None:
        """Keep it, and let it be refused."""
        self.certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        super().check(transport)


class Connections:
    """The pool of aiohttp's, which is closed by who has opened it."""

    def __init__(
        self,
        limit: int,
        headers: Mapping[str, str],
        given: aiohttp.ClientSession | None,
        proxy: Proxy | None,
        ca_file: str | None,
    ) -> None:
        self._limit = limit
        self._headers = headers if given is None and proxy is None else None
        """What is sent with each request, where it can be told once: aiohttp tells it a proxy, too."""
        self._given = given
        self._tls = True if ca_file is None else _trusting(ca_file)
        self.proxy = proxy
        self.options: dict[str, Any] = {}
        """What aiohttp has to be told with each request, and not once, as our own session is."""
        if given is not None:
            # Whatever it does by itself.
            self.options = {"timeout": _NO_TIMEOUT, "raise_for_status": False, "auto_decompress": True}
        if self._headers is None:
            self.options["headers"] = headers
        if proxy is not None:
            self.options["proxy"] = URL(proxy.url)
            if proxy.authorization is not None:
                # In no URL, which aiohttp would show.
                self.options["proxy_headers"] = {"Proxy-Authorization": proxy.authorization}
        self.requests = 0
        """How many were sent, by whoever shares them."""
        self.client: aiohttp.ClientSession
        self.large_answers: asyncio.Semaphore

    def open(self) -> None:
        """Get ready to send requests. Must be called where an event loop runs: the given session's."""
        # aiohttp would say so with a RuntimeError, of each request.
        if (loop := running_loop()) is None:
            raise SessionStateError("no event loop of asyncio runs here, and a session needs one")
        if getattr(self._given, "_loop", loop) is not loop:
            raise SessionStateError(
                "the aiohttp session that was given is of another event loop: each needs one of its own"
            )
        self.large_answers = asyncio.Semaphore(LARGE_AT_ONCE)
        _keep_room_for_answers()
        self.client = self._given or aiohttp.ClientSession(
            connector=_Connector(limit=self._limit, ssl=self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_NO_TIMEOUT,
            headers=self._headers,
        )

    async def close(self) -> None:
        """Close the connections that are ours."""
        if self.client is not self._given:
            await self.client.close()

    async def certificate_of(self, url: URL) -> tuple[str, str]:
        """Return whom the certificate that is shown there is for, and who issued it.

        It need not be one that is accepted. Nothing is sent there, the key least of all. Behind a proxy
        that shows one itself, there is no looking; nor through what was given.
        """
        if self.client is self._given or (self.proxy and self.proxy.url.startswith("https:")):
            return "", ""
        seen = _Seen()
        keyless: dict[str, Any] = {**self.options, "headers": None}
        async with aiohttp.ClientSession(
            connector=self.client.connector, connector_owner=False, timeout=_PATIENCE
        ) as without_key:
            with suppress(aiohttp.ClientError, OSError):
                await without_key.head(url, ssl=seen, **keyless)
        return names(seen.certificate)


@cache
def _keep_room_for_answers() -> None:
    """Let the C library's allocator keep what answers were held in, for the next ones.

    Of blocks as large as a page of a log, glibc gives the memory back whenever one is freed, and the
    system has to clear it for the next one. It no longer does from when a larger one came and went.
    """
    bytes(_LARGE_BLOCK)  # not a bytearray, all of which would be written to


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Return what trusts the certificates in a file as well as those that the system trusts."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    try:
        check_is_plain(ca_file, _LARGEST)
        context.load_verify_locations(ca_file)
    except (OSError, ValueError) as error:  # what no system can name
        told = getattr(error, "strerror", None) or error
        said = "there is none in it" if isinstance(error, ssl.SSLError) else told
        raise refused("ca_file", ca_file, f"a file of certificates in PEM form: {said}") from None
    return context


def check_given(client_session: object, proxy: object, ca_file: object) -> None:
    """Refuse what is no session of aiohttp's, and what would be ignored beside one.

    Raises:
        InvalidArgumentError: it is none.
        ConfigError: it has a proxy and certificates of its own.
    """
    if not callable(getattr(client_session, "get", None)):
        raise refused("client_session", client_session, "an aiohttp.ClientSession")
    if proxy is not None or ca_file is not None:
        raise ConfigError(
            "client_session: its own proxy and certificates hold, so leave out proxy and ca_file"
        )
