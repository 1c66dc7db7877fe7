"""What aiohttp and the system report of a failure, in our words: theirs hold bytes of the answer."""

import ssl
from typing import Final

import aiohttp

from dashscope_ftlogs.errors import CertificateError, ProxyError, TransportError

_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""What a proxy says when a further try may well succeed."""


class AtProxyError(aiohttp.ClientConnectionError):
    """What failed while a proxy was asked to pass on what comes."""

    def __init__(self, cause: aiohttp.ClientError) -> None:
        super().__init__()
        self.cause = cause


def transport_error(error: Exception, timeout: float, proxy: str = "") -> TransportError:
    """Say in our words what the network layer reported: its own hold bytes of the answer.

    Args:
        error: What was reported.
        timeout: Seconds that the request might take.
        proxy: The proxy that was asked to pass it on, if one was.
    """
    named = f"the proxy {proxy}".rstrip()
    by_way = f", by way of {named}" if proxy else ""
    match error:
        case TimeoutError():
            return TransportError(f"timed out after {timeout:g} s{by_way}")
        case AtProxyError() | aiohttp.ClientHttpProxyError():
            return _refused(error.cause if isinstance(error, AtProxyError) else error, named)
        case aiohttp.ClientProxyConnectionError():
            return ProxyError(
                f"{_kind(error)}: no connection to {named}, {_of_the_system(error.os_error)}"
            )
        case aiohttp.ClientConnectorCertificateError(host=host, port=port, certificate_error=cause):
            return CertificateError(
                f"the certificate of {host}:{port} is not accepted, {_of_the_system(cause)}{by_way}",
                passing=False,
            )
        case _:
            no_tls = isinstance(error, aiohttp.ClientSSLError | ssl.SSLError)
            return TransportError(f"{_kind(error)}: {_in_our_words(error)}{by_way}", passing=not no_tls)


def _refused(error: Exception, named: str) -> ProxyError:
    match error:
        case aiohttp.ClientHttpProxyError(status=407):
            said, passing = "asks for a name and password, or for others (HTTP 407)", False
        case aiohttp.ClientHttpProxyError(status=int(status)):
            said, passing = f"refused with HTTP {status}", status in _PASSING
        case aiohttp.ServerDisconnectedError():
            said, passing = "closed the connection before it answered", True
        case _:
            said, passing = "answered what is not HTTP", False
    return ProxyError(f"{_kind(error)}: {named} {said}", passing=passing)


def _kind(error: Exception) -> str:
    return type(error).__name__


def _in_our_words(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorError(os_error=cause):
            # The host is the one that was configured; the rest is the system's.
            return f"no connection to {error.host}:{error.port}, {_of_the_system(cause)}"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case aiohttp.ClientPayloadError():
            return "the answer was cut short, or is not what its headers say"
        case aiohttp.ClientResponseError():
            return "what came is not HTTP"
        case _:
            return f"the connection broke, {_of_the_system(error)}"


def _of_the_system(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    said = error.strerror if isinstance(error, OSError) else None
    return said or "and nothing more was said"
