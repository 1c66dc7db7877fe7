"""What vouches for a downloaded log: its manifest, and the names of the files beside it.

A manifest says how much of the file beside it is committed, and what that must hash to. Whatever the
file holds beyond is of no account. File names are made here too, from job ids that anyone may have
chosen.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import attrs
import msgspec

from dashscope_ftlogs import checks
from dashscope_ftlogs.errors import ArchiveError, InvalidArgumentError
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import excerpt

SCHEMA: Final = 1

Format = Literal["text", "jsonl"]
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Compression = Literal["gzip"]

_DEEPEST: Final = 100
"""Levels. What is nested deeper would exhaust the stack of whoever reads it."""

_SUFFIX: Final = ".manifest.json"
_KEPT: Final = re.compile(r"\.rewritten-\d+")
_EMPTY: Final = hashlib.sha256().hexdigest()


@attrs.frozen(kw_only=True)
class Manifest:
    """What is known of one downloaded log."""

    schema: int = SCHEMA
    job_id: str
    endpoint: str
    """The base URL that it was read from."""
    format: Format = "text"
    compression: Compression | None = None
    lines: int = 0
    bytes: int = 0
    """The size of the content, before compression."""
    file_bytes: int = 0
    """How much of the file is committed; what comes after it was never vouched for."""
    sha256: str = _EMPTY
    """Of the content, before compression."""
    tail: tuple[str, ...] = ()
    """A digest of each of the last lines, by which a rewritten log is noticed."""
    total: int | None = None
    """How many lines the service said exist, as last heard."""
    complete: bool = False
    """The job had ended, and all its lines are here."""
    superseded: bool = False
    """An older generation, set aside; the service has rewritten the log since."""
    job: Mapping[str, Any] = attrs.Factory(dict[str, Any])
    """The job as the service described it, without what it left out."""
    first_request_id: str | None = None
    last_request_id: str | None = None
    retries: int = 0
    """How many requests had to be sent again."""
    updated: str = ""
    """When it was last committed: UTC, as in 2026-11-24T08:30:00Z."""

    @property
    def file(self) -> str:
        """The name of the log's file."""
        return log_name(stem(self.job_id), self.format, self.compression)


def encode(manifest: Manifest) -> bytes:
    """Return a manifest as JSON that people can read, too."""
    try:
        data = msgspec.json.encode(manifest)
    except UnicodeEncodeError:  # a lone surrogate in what the service said of the job
        data = msgspec.json.encode(storable(msgspec.to_builtins(manifest)))
    return msgspec.json.format(data, indent=1) + b"\n"


def decode(data: bytes, name: str) -> Manifest:
    """Read a manifest; `name` is its file's, which must fit what is inside.

    Raises:
        ArchiveError: it is not one, or a newer kind.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveError(f"{name} is not a manifest: {excerpt(str(error))}") from None
    if manifest.schema != SCHEMA:
        raise ArchiveError(f"{name} has schema {manifest.schema}, and this version reads {SCHEMA} only")
    numbers = (manifest.lines - len(manifest.tail), manifest.bytes, manifest.file_bytes)
    if min(numbers) < 0 or not _fits(manifest, stem_of(name) or ""):
        raise ArchiveError(f"{name} does not fit what it says inside")
    return manifest


def _fits(manifest: Manifest, log_stem: str) -> bool:
    try:
        kept = log_stem.removeprefix(stem(manifest.job_id))
    except InvalidArgumentError:
        return False
    return bool(_KEPT.fullmatch(kept)) if manifest.superseded else kept == ""


def manifest_name(log_stem: str) -> str:
    """Return the name of the manifest of the log with this stem."""
    return log_stem + _SUFFIX


def log_name(log_stem: str, form: Format, compression: Compression | None) -> str:
    """Return the name of the log's file.

    >>> log_name("ft-1", "jsonl", "gzip")
    'ft-1.jsonl.gz'
    """
    return log_stem + (".log" if form == "text" else ".jsonl") + (".gz" if compression else "")


def stem_of(name: str) -> str | None:
    """Return the stem of a manifest's name; None for other files."""
    return name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else None


# Lower case only: some file systems hold no difference between FT-1 and ft-1.
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
_OURS = re.compile(r"\.(?:manifest|rewritten-\d+|damaged-\d+|log|jsonl|gz)(?:\.|$)")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")


def stem(job_id: str) -> str:
    """Return the name, without its ending, of a job's files: the job id, wherever that is safe.

    No two job ids give names that any file system takes for the same, none gives the name of a
    device, and none leaves its directory.

    >>> stem("ft-202410291653-1c7f"), stem("FT-1"), stem("nul")
    ('ft-202410291653-1c7f', 'ft-1~a9a2128a3133422d', 'nul~99e6242759016035')

    Raises:
        InvalidArgumentError: no service gives such ids.
    """
    checks.job_id(job_id)
    plain = _PLAIN.fullmatch(job_id) and not _OURS.search(job_id) and not _DEVICES.match(job_id)
    if plain and len(job_id) <= 100:
        return job_id
    readable = re.sub(r"[^a-z0-9_-]+", "-", job_id.lower()).strip("-")[:60] or "job"
    return f"{readable}~{hashlib.sha256(job_id.encode()).hexdigest()[:16]}"


def facts(job: Job) -> dict[str, Any]:
    """Return what the service said of a job, without what it left out, fit to be stored."""
    said = attrs.asdict(job, recurse=False)
    return {name: storable(value) for name, value in said.items() if value is not None}


def storable(value: Any, depth: int = _DEEPEST) -> Json:
    """Return JSON data with every lone surrogate in its escaped form, and nested no deeper than that."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if not isinstance(value, dict | list | tuple):
        return cast("Json", value)
    if depth == 0:
        return "nested too deeply to keep"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {str(storable(name)): storable(item, depth - 1) for name, item in pairs}
    return [storable(item, depth - 1) for item in cast("list[Any]", value)]
