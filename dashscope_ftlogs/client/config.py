"""Where the key, the endpoint and the workspace come from.

The places are those where users of this service keep them for the vendor's own SDK, in its order: an
explicit argument, then the environment, then files below `~/.dashscope`. What a profile says, a table
`[profiles.NAME]` in their file, was asked for by its name, and goes before the environment. A
proxy is an argument, or what the environment names for all programs; the file has no word for it.
"""

import ipaddress
import re
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from dashscope_ftlogs.client.network.proxies import HOST, Proxy, proxy_for
from dashscope_ftlogs.client.redaction import Secret
from dashscope_ftlogs.client.settings.config_file import check_top, parsed, profile_of, profiles
from dashscope_ftlogs.client.settings.config_path import config_path
from dashscope_ftlogs.errors import ConfigError
from dashscope_ftlogs.text import holds_key, shown, without_keys

ReadText = Callable[[str], str | None]
"""Return the text of the file at a path (`~` allowed), or None if there is no such file."""

DEFAULT_REGION: Final = "ap-southeast-1"
"""Singapore: the region of the API page's own example."""

_INTERNATIONAL = "https://dashscope-intl.aliyuncs.com/api/v1"
REGIONS: Final[Mapping[str, str]] = {
    "ap-northeast-1": _INTERNATIONAL,
    "ap-southeast-1": _INTERNATIONAL,
    "cn-beijing": "https://dashscope.aliyuncs.com/api/v1",
    "cn-hongkong": "https://cn-hongkong.dashscope.aliyuncs.com/api/v1",
    "eu-central-1": _INTERNATIONAL,
    "us-east-1": _INTERNATIONAL,
}
"""The gateway of each region."""

_KEY_FILE: Final = "~/.dashscope/api_key"
_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEY = re.compile(r"[!-~]+")
_OF_A_WORKSPACE: Final = re.compile(r"[^.]+\.([a-z0-9-]+)\.maas\.aliyuncs\.com")
_PORTS: Final = {"http": 80, "https": 443}


@attrs.frozen
class Settings:
    """All that is needed to reach the service."""

    api_key: Secret
    base_url: str
    workspace: str | None = None
    timeout: float | None = None
    """Seconds for one request, where a file names them."""
    max_retries: int | None = None
    """Retries after the first try, where a file names them."""
    proxy: Proxy | None = None
    places: Mapping[str, str] = attrs.field(factory=dict[str, str], eq=False)
    """Where key, endpoint and workspace were found: an argument, a variable or a file."""


def resolve(
    *,
    environ: Mapping[str, str],
    read_text: ReadText,
    api_key: str | None = None,
    base_url: str | None = None,
    region: str | None = None,
    workspace: str | None = None,
    profile: str | None = None,
    proxy: str | None = None,
    allow_http: bool = False,
) -> Settings:
    """Find every setting, and check it.

    Args:
        environ: The environment's variables.
        read_text: Reads a file; passed in, so that nothing here touches a disk.
        api_key: The key; as all other arguments, it goes before environment and files.
        base_url: The endpoint, up to and with `/api/v1`.
        region: Chooses the endpoint by its region instead.
        workspace: A workspace id, if not the key's own.
        profile: The table of the file whose settings go before the environment.
        proxy: The URL of a proxy, or `none` for none, whatever the environment names.
        allow_http: Send the key over plain http to another machine too.

    Raises:
        ConfigError: something is missing or unusable; the message names every place looked in.
    """
    given: dict[str, Any] = {
        "api_key": api_key,
        "base_url": base_url,
        "region": region,
        "workspace": workspace,
        "profile": profile,
        "proxy": proxy,
    }
    _check_strings(given)
    named = config_path(environ)
    found, shown_path = _config_file(named, read_text), without_keys(named)
    file = found or {}
    check_top(file, shown_path)
    own, own_path = ({}, shown_path) if profile is None else profile_of(found, profile, shown_path)
    own_key = _text(own, "api_key", own_path)

    def endpoints() -> Iterator[tuple[str | None, str]]:
        yield base_url, "base_url"
        yield _regional(region, "region"), "region"
        yield _text(own, "base_url", own_path), own_path
        yield _regional(_text(own, "region", own_path), f"region in {own_path}"), own_path
        for name in ("DASHSCOPE_BASE_URL", "DASHSCOPE_HTTP_BASE_URL"):
            yield environ.get(name), name
        for name in ("DASHSCOPE_REGION", "DASHSCOPE_API_REGION"):
            yield _regional(environ.get(name), name), name
        yield _text(file, "base_url", shown_path), shown_path
        yield _regional(_text(file, "region", shown_path), f"region in {shown_path}"), shown_path
        yield REGIONS[DEFAULT_REGION], f"the default region, {DEFAULT_REGION}"

    def workspaces() -> Iterator[tuple[str | None, str]]:
        yield workspace, "workspace"
        yield _text(own, "workspace", own_path), own_path
        if own_key:
            return  # any other workspace would be that of another key
        for name in ("DASHSCOPE_WORKSPACE", "DASHSCOPE_WORKSPACE_ID"):
            yield environ.get(name), name
        yield _text(file, "workspace", shown_path), shown_path

    url, url_place = next((one, place) for one, place in endpoints() if one)
    chosen_workspace, workspace_place = next((one for one in workspaces() if one[0]), (None, ""))
    with _told_with(url_place, unless="base_url"):
        endpoint = checked_url(url, allow_http=allow_http)
    with _told_with(workspace_place, unless="workspace"):
        checked_workspace = _checked_workspace(chosen_workspace) if chosen_workspace else None
    if api_key is None and own_key:
        key, key_place = _checked_key(own_key, own_path)
    else:
        key, key_place = _key(api_key, environ, file, shown_path, read_text)
        if profile is not None and api_key is None:
            key_place += f", since {own_path} has none"
    places = {"api_key": key_place, "base_url": url_place, "workspace": workspace_place}
    return Settings(
        api_key=key,
        base_url=endpoint,
        workspace=checked_workspace,
        proxy=proxy_for(endpoint, proxy, environ),
        timeout=_number(file | own, "timeout", own_path, low=0.001),
        max_retries=_number(file | own, "max_retries", own_path, low=0, whole=True),
        places={name: place for name, place in places.items() if place},
    )


@contextmanager
def _told_with(place: str, *, unless: str) -> Generator[None]:
    """Tell where a setting that is refused was found, unless it is an argument."""
    try:
        yield
    except ConfigError as error:
        if place == unless:
            raise
        raise ConfigError(f"{error.summary()}; it is from {place}") from None


def _check_strings(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if not isinstance(value, str | None):
            raise ConfigError(f"{name}: must be a string, not {type(value).__name__}")


def _key(
    explicit: str | None,
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    shown_path: str,
    read_text: ReadText,
) -> tuple[Secret, str]:
    """Return the key, and the place where it was found."""
    if explicit is not None:
        return _checked_key(explicit, "api_key")
    if key := environ.get("DASHSCOPE_API_KEY"):
        return _checked_key(key, "DASHSCOPE_API_KEY")
    named = environ.get("DASHSCOPE_API_KEY_FILE_PATH")
    if named:
        key = read_text(named)
        if key is None:
            raise ConfigError(f"DASHSCOPE_API_KEY_FILE_PATH names {shown(named)}: there is no such file")
        return _checked_key(key, without_keys(named))
    if key := _text(file, "api_key", shown_path):
        return _checked_key(key, shown_path)
    if key := read_text(_KEY_FILE):
        return _checked_key(key, _KEY_FILE)
    raise ConfigError(
        "no API key. Looked for: the argument api_key; the environment variables DASHSCOPE_API_KEY and "
        f"DASHSCOPE_API_KEY_FILE_PATH; api_key in {shown_path}; the file {_KEY_FILE}. "
        "Get a key in the Model Studio console, then: export DASHSCOPE_API_KEY=..."
    )


def kept_keys(environ: Mapping[str, str], read_text: ReadText) -> Iterator[tuple[str, str]]:
    """Yield what stands where keys are looked for, whether it is one or not: none is to be shown.

    Each with the path of its file; with none, what the environment holds.
    """
    yield environ.get("DASHSCOPE_API_KEY", ""), ""
    for path in (environ.get("DASHSCOPE_API_KEY_FILE_PATH"), _KEY_FILE):
        if path:
            yield read_text(path) or "", path
    config = config_path(environ)
    try:
        file = _config_file(config, read_text) or {}
    except ConfigError:
        return
    for table in (file, *profiles(file).values()):
        key = table.get("api_key")
        yield key if isinstance(key, str) else "", config


def _checked_key(key: str, place: str) -> tuple[Secret, str]:
    key = key.strip()
    if not _KEY.fullmatch(key):
        # The key itself is not shown: it may be one good key with a stray character.
        raise ConfigError(f"the API key from {place} is empty or holds characters no key has")
    if {key[0], key[-1]} & {'"', "'"}:
        raise ConfigError(f"the API key from {place} has quotation marks around it: leave them out")
    return Secret(key), place


def checked_url(url: str, *, allow_http: bool) -> str:
    """Return an endpoint without its final slash; ConfigError if the key should not go there."""
    # These first: passwords, queries and fragments can hold a key, which no message may show.
    if "@" in url:
        raise ConfigError("base URL: it must hold no user name or password")
    if "?" in url or "#" in url:
        raise ConfigError("base URL: it must hold no query or fragment")
    if holds_key(url):
        raise ConfigError("base URL: that looks like an API key, which no URL should hold")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"base URL {url!r}: {error}") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"base URL {url!r}: must be plain ASCII without spaces")
    if parts.scheme not in {"https", "http"} or not HOST.fullmatch(host) or port == 0:
        raise ConfigError(f"base URL {url!r}: must be https://HOST/api/v1")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ConfigError(
            f"base URL {url!r}: plain http would show the key to the network. Use https; http is for "
            "this machine only (127.0.0.1, localhost), unless you pass allow_http=True "
            "(--allow-http)"
        )
    whole = (parts.scheme + url[len(parts.scheme) :]).rstrip("/")
    if host.endswith(".aliyuncs.com") and not whole.endswith("/api/v1"):
        raise ConfigError(f"base URL {url!r}: fine-tuning is below /api/v1 there: https://{host}/api/v1")
    return whole


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
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _regional(region: str | None, place: str) -> str | None:
    if not region:
        return None
    if region not in REGIONS:
        raise ConfigError(f"{place} {region!r}: must be one of {', '.join(REGIONS)}")
    return REGIONS[region]


def _checked_workspace(workspace: str) -> str:
    if not _WORKSPACE.fullmatch(workspace):
        raise ConfigError(
            f"workspace {workspace!r}: must be 1 to 64 letters, digits, '-' or '_', and begin with a "
            "letter or digit"
        )
    return workspace


def _config_file(path: str, read_text: ReadText) -> dict[str, Any] | None:
    text = read_text(path)
    return None if text is None else parsed(text, without_keys(path))


def _text(file: Mapping[str, Any], name: str, path: str) -> str | None:
    value = file.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{name} in {path}: must be a string")
    return value


def _number(file: Mapping[str, Any], name: str, path: str, *, low: float, whole: bool = False) -> Any:
    value = file.get(name)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else int | float)
        or not low <= value <= sys.float_info.max
    ):
        kind = "whole number" if whole else "number"
        raise ConfigError(f"{name}={shown(value)} in {path}: must be a {kind} of at least {low:g}")
    return value
