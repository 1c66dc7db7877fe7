"""How object storage is reached: from the environment variables that each kind's own tools read. Pure.

Keys are secrets: they stand in no message. They go over https, and over plain http to this machine only.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import attrs

from dashscope_ftlogs.archive.object_store.url import StoreURL
from dashscope_ftlogs.errors import ConfigError

_CLASSES: Final = {"s3": "S3Store", "oss": "S3Store", "gs": "GCSStore", "az": "AzureStore"}
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""Of S3, the first that is set counts."""
_ROLES: Final = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Where S3's keys come from, if not from the environment."""


@attrs.frozen
class Keys:
    """What requests are signed with, so that the library does not look for other keys."""

    key_id: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)
    token: str | None = attrs.field(repr=False)

    def __call__(self) -> dict[str, str | None]:
        """Return them as the library wants them."""
        return {
            "access_key_id": self.key_id,
            "secret_access_key": self.secret,
            "token": self.token,
            "expires_at": None,
        }


@attrs.frozen
class Settings:
    """What the library is told."""

    made_by: str
    """The name of its class for this kind of storage."""
    options: Mapping[str, Any] = attrs.field(repr=False)
    """What that takes, which may be secret."""
    allow_http: bool = False
    create_only_header: str = ""
    """With which a request never writes over an object, where the standard ones are not understood."""


def settings(url: StoreURL, environ: Mapping[str, str]) -> Settings:
    """Return how to reach the storage that a URL names.

    Raises:
        ConfigError: a variable is missing, or can't be used.
    """
    made_by = _CLASSES[url.kind]
    if url.kind == "oss":
        return _oss(url, environ)
    if url.kind == "s3":
        return _s3(environ)
    return Settings(made_by, {})


def _s3(environ: Mapping[str, str]) -> Settings:
    name = next((name for name in _ENDPOINTS if environ.get(name)), "")
    has_keys = bool(environ.get("AWS_ACCESS_KEY_ID") and environ.get("AWS_SECRET_ACCESS_KEY"))
    off_cloud = bool(name) or environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    if off_cloud and not has_keys and not any(map(environ.get, _ROLES)):
        # Else the library would ask an address that only machines of that cloud have.
        raise ConfigError("S3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
    if not name:
        return Settings("S3Store", {})
    endpoint = _endpoint(name, environ[name])
    options = {"endpoint": environ[name]}
    if not environ.get("AWS_REGION") and not environ.get("AWS_DEFAULT_REGION"):
        options["region"] = "us-east-1"  # what those who know no regions expect
    return Settings("S3Store", options, allow_http=endpoint.scheme == "http")


def _oss(url: StoreURL, environ: Mapping[str, str]) -> Settings:
    names = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_ENDPOINT")
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"OSS needs {' and '.join(missing)} in the environment; an endpoint is such as "
            "https://oss-cn-hangzhou.aliyuncs.com"
        )
    said = environ["OSS_ENDPOINT"]
    endpoint = _endpoint("OSS_ENDPOINT", said if "://" in said else f"https://{said}")
    host = endpoint.hostname or ""
    by_name = not _is_address(host)
    place = endpoint.netloc
    if by_name and not host.startswith(f"{url.bucket}."):
        place = f"{url.bucket}.{place}"  # OSS takes the bucket's name as part of the host's only
    at = f"{endpoint.scheme}://{place}"
    options: dict[str, Any] = {
        "credential_provider": Keys(
            environ["OSS_ACCESS_KEY_ID"],
            environ["OSS_ACCESS_KEY_SECRET"],
            environ.get("OSS_SESSION_TOKEN") or None,
        ),
        # Each is said, or what the environment says of S3 would count.
        "endpoint": at,
        "aws_endpoint_url_s3": at,
        "skip_signature": False,
        "region": environ.get("OSS_REGION") or _region(host),
        "virtual_hosted_style_request": by_name,
        "disable_bulk_delete": True,  # which there asks for another checksum
    }
    return Settings(
        "S3Store",
        options,
        allow_http=endpoint.scheme == "http",
        create_only_header="x-oss-forbid-overwrite",
    )


def _endpoint(name: str, said: str) -> SplitResult:
    """Return an endpoint that keys may be sent to."""
    try:
        found = urlsplit(said)
        found.port  # noqa: B018  (which says so if it is none)
    except ValueError:
        found = urlsplit("")
    if found.scheme not in {"http", "https"} or not found.hostname or found.username is not None:
        raise ConfigError(f"{name} is not the URL of an endpoint, such as https://HOST")
    if found.scheme == "http" and not _is_this_machine(found.hostname):
        raise ConfigError(
            f"{name} is plain http, over which no keys are sent but to this machine: use https"
        )
    return found


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _region(host: str) -> str:
    """Return the region that the name of OSS's endpoint says.

    >>> _region("s3.oss-cn-hangzhou-internal.aliyuncs.com")
    'cn-hangzhou'
    """
    for part in host.split("."):
        if part.startswith("oss-"):
            return part.removeprefix("oss-").removesuffix("-internal")
    return "cn-hangzhou"
