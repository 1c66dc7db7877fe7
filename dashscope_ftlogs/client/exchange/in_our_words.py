"""What aiohttp and the system report of a failure, in our words: theirs hold bytes of the answer."""

import ssl

import aiohttp

from dashscope_ftlogs.errors import TransportError


def transport_error(error: Exception, timeout: float | None) -> TransportError:
    """Say in our words what the network layer reported: its own hold bytes of the answer."""
    if isinstance(error, TimeoutError):
        return TransportError(f"timed out after {timeout:g} s")
    certificate = isinstance(error, aiohttp.ClientSSLError | ssl.SSLCertVerificationError)
    return TransportError(f"{type(error).__name__}: {_in_our_words(error)}", passing=not certificate)


def _in_our_words(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorError(os_error=cause):
            # The host is the one that was configured, or the proxy; the rest is the system's.
            return f"no connection to {error.host}:{error.port}, {_of_the_system(cause)}"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case aiohttp.ClientPayloadError():
            return "the answer was cut short, or is not what its headers say"
        case aiohttp.ClientHttpProxyError(status=int(status)):
            return f"the proxy refused with HTTP {status}"
        case aiohttp.ClientResponseError():
            return "what came is not HTTP"
        case _:
            return f"the connection broke, {_of_the_system(error)}"


def _of_the_system(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    said = error.strerror if isinstance(error, OSError) else None
    return said or "and nothing more was said"
