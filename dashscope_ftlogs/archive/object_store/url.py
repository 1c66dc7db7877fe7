"""URLs of archives on object storage. Pure."""

import re
from typing import Final, Literal, cast, get_args

import attrs

from dashscope_ftlogs.errors import InvalidArgumentError
from dashscope_ftlogs.text import shown

Kind = Literal["s3", "oss", "gs", "az"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

_URL: Final = re.compile(
    r"([a-z0-9]+)://([A-Za-z0-9][A-Za-z0-9._-]{0,254})((?:/[A-Za-z0-9._=+~ -]+)*)/?"
)


@attrs.frozen
class StoreURL:
    """Where an archive is: `s3://bucket/prefix`."""

    kind: Kind
    bucket: str
    prefix: str
    """Without slashes around it; empty where the archive is the whole bucket."""

    def folder(self, name: str) -> "StoreURL":
        """Return where a folder of it is; itself, without a name."""
        return attrs.evolve(self, prefix="/".join(filter(None, (self.prefix, name))))

    @property
    def name(self) -> str:
        """The last part of the prefix."""
        return self.prefix.rpartition("/")[2]

    @property
    def around(self) -> "StoreURL":
        """Where the folder is in which it is."""
        return attrs.evolve(self, prefix=self.prefix.rpartition("/")[0])

    def __str__(self) -> str:
        return f"{self.kind}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


def is_store_url(text: str) -> bool:
    """Whether a text names a place on object storage, rightly or not.

    >>> is_store_url("s3://bucket/logs"), is_store_url("ftp://host"), is_store_url("logs")
    (True, False, False)
    """
    return text.partition("://")[0] in KINDS and "://" in text


def store_url(text: str) -> StoreURL:
    """Return what a URL says.

    >>> store_url("oss://bucket/team/logs/")
    StoreURL(kind='oss', bucket='bucket', prefix='team/logs')

    Raises:
        InvalidArgumentError: there is none such.
    """
    found = _URL.fullmatch(text)
    parts = found[3].split("/") if found else []
    if found is None or found[1] not in KINDS or any(part in {".", ".."} for part in parts):
        raise InvalidArgumentError(
            f"{shown(text)} is not the URL of an archive: must be s3://BUCKET/PREFIX, oss://…, gs://… "
            "or az://…, of letters, digits and . _ = + ~ -"
        )
    return StoreURL(cast("Kind", found[1]), found[2], found[3].strip("/"))
