"""Through which proxy the service is asked: what the settings mean, and which hosts need none.

The variables are those that curl, pip and the vendor's SDK read, and mean what they mean to curl. The
standard library's own reading of them knows no networks (`10.0.0.0/8`) and imports an HTTP client.
"""

import ipaddress
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.redaction import Secret
from dashscope_ftlogs.errors import ConfigError, FTLogsError

NONE: Final = "none"
"""What is said in place of a URL for: none, whatever the environment names."""
HOST: Final = re.compile(r"[a-z0-9_:-]{1,63}(?:\.[a-z0-9_:-]{1,63})*\.?")
"""What can be looked up, or is an address: of other names, Python raises what no network does."""

_VARIABLES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_EXCEPTIONS: Final = ("no_proxy", "NO_PROXY")
_PORTS: Final = {"http": 80, "https": 443}
_ARGUMENT: Final = "proxy"
_MEANT: Final = (
    "http://HOST:PORT, if need be with NAME:PASSWORD@ before HOST, and in these other characters than "
    "letters and digits written as %23 for #, say"
)


@attrs.frozen
class Proxy:
    """A proxy that is asked to pass on what it can't read."""

    url: str
    """Without a name and password."""
    variable: str | None = None
    """The environment's, if that names it."""
    authorization: Secret | None = None
    """What the header `Proxy-Authorization` says: the name and password, if there are."""

    def __str__(self) -> str:
        return self.url if self.variable is None else f"{self.url} ({self.variable})"


def proxy_for(base_url: str, said: str | None, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy through which a base URL is asked, or None if it is asked directly.

    Args:
        base_url: The endpoint. Over plain http a proxy could read the key, so none is used.
        said: A proxy's URL, or `none`; None leaves it to the environment.
        environ: The environment's variables.

    Raises:
        InvalidArgumentError: what is said is no proxy that can be used. No message repeats any of it.
        ConfigError: what the environment names is none.

    >>> proxy_for("https://a.example/api/v1", None, {"ALL_PROXY": "me:secret@proxy.example:3128"})
    Proxy(url='http://proxy.example:3128', variable='ALL_PROXY', authorization='[secret]')
    """
    if said is not None and said.lower() == NONE:
        return None
    parts = urlsplit(base_url)
    if said is not None:
        if parts.scheme != "https":
            raise _unusable(None, f"{NONE} over plain http, where a proxy could read the key")
        return _checked(said, None)
    named = next((name for name in _VARIABLES if environ.get(name)), None)
    exceptions = next((environ[name] for name in _EXCEPTIONS if environ.get(name)), "")
    host = parts.hostname or ""
    if named is None or parts.scheme != "https" or needs_none(host, parts.port or 443, exceptions):
        return None
    return _checked(environ[named], named)


def needs_none(host: str, port: int, exceptions: str) -> bool:
    """Whether a host is one of those that `NO_PROXY` lists: names, domains, addresses, networks, `*`.

    >>> needs_none("a.example.com", 443, ".example.com"), needs_none("10.1.2.3", 443, "10.0.0.0/8")
    (True, True)
    >>> needs_none("an-example.com", 443, "example.com"), needs_none("a.example", 443, "a.example:80")
    (False, False)
    """
    host = host.rstrip(".").lower()
    return any(_fits(one, host, port) for one in exceptions.lower().replace(",", " ").split())


def _fits(exception: str, host: str, port: int) -> bool:
    name, colon, of = exception.rpartition(":")
    if colon and of.isdecimal() and (":" not in name or name.endswith("]")):
        if of != str(port):
            return False
        exception = name
    if exception == "*":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        exception = exception.strip(".")
        return bool(exception) and f".{host}".endswith(f".{exception}")
    try:
        return address in ipaddress.ip_network(exception.strip("[]"), strict=False)
    except ValueError:
        return False


def _checked(value: str, variable: str | None) -> Proxy:
    parts = _parts(value.strip())
    if parts is None:
        raise _unusable(variable, _MEANT)
    if parts.scheme.startswith("socks"):
        raise _unusable(
            variable, f"an HTTP proxy, or --proxy {NONE} in its place: SOCKS is not spoken here"
        )
    host, more = parts.hostname or "", parts.query or parts.fragment or parts.path.strip("/")
    if parts.scheme not in _PORTS or parts.port == 0 or not HOST.fullmatch(host) or more:
        raise _unusable(variable, _MEANT)
    if ":" in host:
        host = f"[{host}]"
    port = parts.port or _PORTS[parts.scheme]
    return Proxy(f"{parts.scheme}://{host}:{port}", variable, _authorization(parts))


def _unusable(variable: str | None, must_be: str) -> FTLogsError:
    # None of it is repeated: what is wrong may be a password.
    if variable is None:
        return checks.refused(_ARGUMENT, Secret(), must_be)
    return ConfigError(f"{variable}: must be {must_be}")


def _parts(url: str) -> SplitResult | None:
    """Return the parts of a URL, in which all that is looked at later can be read."""
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        _ = parts.port  # is read when it is asked for
    except ValueError:
        return None
    return parts


def _authorization(parts: SplitResult) -> Secret | None:
    if parts.username is None:
        return None
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Secret("Basic " + b64encode(words.encode("utf-8", "surrogatepass")).decode())
