"""Whether two base URLs lead to the same service. Pure."""

import re
from contextlib import suppress
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from dashscope_ftlogs.client.config import REGIONS

_OF_A_WORKSPACE: Final = re.compile(r"[^.]+\.([a-z0-9-]+)\.maas\.aliyuncs\.com")
_PORTS: Final = {"http": 80, "https": 443}


def same_service(one: str, other: str) -> bool:
    """Whether a log that was begun at one base URL may be gone on with from another.

    The gateways of workspaces are their region's; whatever serves this machine alone, an emulator or a
    tunnel, comes on another port each time, and is taken for the same.

    >>> same_service("https://dashscope.aliyuncs.com/api/v1", "https://dashscope-intl.aliyuncs.com/api/v1")
    False
    >>> same_service("http://127.0.0.1:40001/api/v1", "http://localhost:40002/api/v1")
    True
    """
    return one == other or _service(one) == _service(other)


def _service(url: str) -> tuple[str, int | None, str]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return url, None, ""
    if _is_loopback(host):
        return "localhost", None, ""
    workspaces = _OF_A_WORKSPACE.fullmatch(host)
    gateway = REGIONS.get(workspaces[1]) if workspaces else None
    return _service(gateway) if gateway else (host, port, parts.path.rstrip("/"))


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
