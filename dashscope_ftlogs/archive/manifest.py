"""What vouches for a downloaded log: its manifest, and the names of the files beside it.

A manifest says how much of the file beside it is committed, and what that must hash to, piece by
piece. Whatever the file holds beyond is of no account. Its own last line is a checksum of all that
stands above, so that no bit of it changes unnoticed. File names are made here too, from job ids that
anyone may have chosen.

docs/reference/archive-format.md says all of this for who reads archives without us.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, TypeVar, cast, get_args

import attrs
import msgspec

from dashscope_ftlogs import checks
from dashscope_ftlogs.errors import ArchiveMismatchError, InvalidArgumentError, ManifestError
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import TAIL, excerpt, storable_text

T = TypeVar("T")

SCHEMA: Final = 3
"""1 had no checksum, no `settling` and no `ended_by`; 1 and 2 had one piece of any size."""

PIECE_BYTES: Final = 2**24
"""How much is read again, at the most and but for a line, to go on with a log. A gigabyte has 64 pieces,
of which its manifest tells in some ten kilobytes."""

Format = Literal["text", "jsonl"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Compression = Literal["gzip"]
COMPRESSIONS: Final[tuple[str, ...]] = get_args(Compression)

_DEEPEST: Final = 100
"""Levels. What is nested deeper would exhaust the stack of whoever reads it."""

_SUFFIX: Final = ".manifest.json"
_KEPT: Final = re.compile(r"\.rewritten-\d+")
_EMPTY: Final = hashlib.sha256().hexdigest()


@attrs.frozen(kw_only=True)
class Piece:
    """So many whole lines of a log, which are proved without the others."""

    lines: int
    bytes: int
    """The size of its content, before compression."""
    file_bytes: int
    """How much of the file it is: whole members where that is compressed."""
    sha256: str
    """Of its content, before compression."""


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
    """Of the content behind `pieces`, before compression."""
    piece_bytes: int = PIECE_BYTES
    """From how much content on a piece is full: what comes then begins another one."""
    pieces: tuple[Piece, ...] = ()
    """Those that are full, and have another one behind them."""
    tail: tuple[str, ...] = ()
    """A digest of each of the last lines, by which a rewritten log is noticed."""
    total: int | None = None
    """How many lines the service said exist, as last heard."""
    complete: bool = False
    """The job had ended, and all its lines are here."""
    settling: bool = False
    """The job had ended so shortly before that the service may yet show more of its lines."""
    ended_by: str = ""
    """When the service was first heard to call the job's status final, by its own clock: UTC, as in
    `updated`."""
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

    @property
    def version(self) -> str:
        """A text that is another one for any other content."""
        hashes = [*(piece.sha256 for piece in self.pieces), self.sha256]
        return f"{self.bytes}-{hashlib.sha256(''.join(hashes).encode()).hexdigest()}"

    @property
    def last_piece(self) -> Piece:
        """The one that is gone on with: all of the log that is behind `pieces`."""
        return Piece(
            lines=self.lines - sum(piece.lines for piece in self.pieces),
            bytes=self.bytes - sum(piece.bytes for piece in self.pieces),
            file_bytes=self.file_bytes - sum(piece.file_bytes for piece in self.pieces),
            sha256=self.sha256,
        )


# Made here, where no second thread can be: what msgspec learns of a class is open to others while it
# learns it, and a thread that comes in between crashes the process.
_decode: Final = msgspec.json.Decoder(Manifest).decode

_OF_A_PIECE: Final = frozenset(field.name for field in attrs.fields(Piece))
_OF_3: Final = frozenset(field.name for field in attrs.fields(Manifest)) | {"checksum"}
_OF_2: Final = _OF_3 - {"piece_bytes", "pieces"}
_OF_1: Final = _OF_2 - {"settling", "ended_by", "checksum"}
_LAST: Final = b' "checksum": "%s"\n}\n'
_LAST_SIZE: Final = len(_LAST % bytes(64))
_DIGEST_BEHIND: Final = len(b'"\n}\n')


def encode(manifest: Manifest) -> bytes:
    """Return a manifest as JSON that people can read, too, in the schema of today."""
    return sealed(attrs.asdict(manifest, recurse=False) | {"schema": SCHEMA})


def sealed(said: dict[str, Any]) -> bytes:
    """Return an object as JSON, one field a line, that ends with a checksum of all above."""
    try:
        data = msgspec.json.encode(said)
    except UnicodeEncodeError:  # a lone surrogate in what the service said of the job
        data = msgspec.json.encode(storable(said))
    above = msgspec.json.format(data, indent=1).removesuffix(b"\n}") + b",\n"
    return above + _last(above)


def is_sealed(data: bytes) -> bool:
    """Whether it ends with a checksum of all above, and so is as it was written."""
    return data.endswith(_last(data[:-_LAST_SIZE]))


def unsealed(
    data: bytes,
    name: str,
    meaning: Callable[[dict[str, Any]], T],
    *,
    kind: str,
    newest: int,
    bare: Collection[object] = (),
) -> T:
    """Return what a sealed object means, which `meaning` tells, or raises ValueError.

    Args:
        data: The object as it is stored.
        name: By which it is called.
        meaning: Is given what the object says.
        kind: What it should be.
        newest: The newest schema that is known.
        bare: The schemas that had no checksum yet.

    Raises:
        ManifestError: it is not as it was written.
        ArchiveMismatchError: it is whole, and of a newer kind.
    """
    try:
        said = parsed(data)
        schema = said.get("schema")
        if schema not in bare and not is_sealed(data):
            raise ValueError("its checksum is not that of what it says")  # noqa: TRY301
        if isinstance(schema, int) and schema > newest:
            raise ArchiveMismatchError(
                f"{name} was made by a newer version of this tool: its schema is {schema}, and this "
                f"version reads {newest} at most"
            )
        return meaning(said)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{name} is not a {kind} as it was written: {excerpt(str(error))}") from None


def checksum(data: bytes) -> str:
    """Return the checksum with which it ends."""
    return data[-_DIGEST_BEHIND - 64 : -_DIGEST_BEHIND].decode()


def _last(above: bytes) -> bytes:
    """Return how a manifest ends that begins like this: with the checksum of all above."""
    return _LAST % hashlib.sha256(above).hexdigest().encode()


def decode(data: bytes, name: str) -> Manifest:
    """Read a manifest; `name` is its file's, which must fit what is inside.

    Raises:
        ManifestError: it is not one, or not as it was written.
        ArchiveMismatchError: it is whole, and of a newer kind.
    """
    return unsealed(
        data, name, lambda said: _understood(said, data, name), kind="manifest", newest=SCHEMA, bare=(1,)
    )


def parsed(data: bytes) -> dict[str, Any]:
    """Return the object that it is, without loss."""
    said = json.loads(data.decode(), object_pairs_hook=_each_once, parse_constant=_refuse)
    if not isinstance(said, dict):
        raise ValueError("no object")  # noqa: TRY004  (what a parser says, too)
    return cast("dict[str, Any]", said)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it says something twice")
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _understood(said: dict[str, Any], data: bytes, name: str) -> Manifest:
    """Return the manifest of a known schema, as one of today's."""
    schema = said.get("schema")
    known = {1: _OF_1, 2: _OF_2, 3: _OF_3}.get(schema) if type(schema) is int else None
    if known is None:
        raise ValueError("it names no schema that there is")
    if unknown := sorted(said.keys() - known):
        raise ValueError(f"it has an unknown field {unknown[0]}")
    # The first schema's were always written, but never asked for.
    if schema != 1 and (missing := sorted(known - said.keys())):
        raise ValueError(f"it lacks the field {missing[0]}")
    manifest = attrs.evolve(_decode(data), schema=SCHEMA)
    if any(piece.keys() != _OF_A_PIECE for piece in said.get("pieces", ())):
        raise ValueError("it has an unknown field in a piece")
    if not _adds_up(manifest) or not _fits(manifest, stem_of(name) or ""):
        raise ValueError("it does not fit its name, or what it counts")
    return manifest


def _adds_up(manifest: Manifest) -> bool:
    last = manifest.last_piece
    numbers = [manifest.lines - len(manifest.tail), last.lines, last.bytes, last.file_bytes]
    numbers += [manifest.retries, manifest.total or 0, TAIL - len(manifest.tail)]
    for piece in manifest.pieces:
        numbers += [piece.lines - 1, piece.bytes - 1, piece.file_bytes - 1]
    return min(numbers) >= 0 and manifest.piece_bytes > 0


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


def is_of_form(file: str, form: Format | None, compression: Compression | None) -> bool:
    """Whether a log's file has that form, by its name; None stands for any.

    >>> is_of_form("ft-1.jsonl", "jsonl", None), is_of_form("ft-1.log", None, "gzip")
    (True, False)
    """
    plain = file.removesuffix(".gz")
    return (compression is None or plain != file) and (
        form is None or plain.endswith(log_name("", form, None))
    )


def stem_of(name: str) -> str | None:
    """Return the stem of a manifest's name; None for other files."""
    return name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else None


LOG_NAMES: Final = re.compile(
    r"(?!.*\.damaged-\d+\.)(?P<stem>[a-z0-9][a-z0-9_~.-]*)\.(?:log|jsonl)(?:\.gz)?"
)
"""What logs are called, but for the damaged ones that were set aside, for which nothing vouches."""

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
    said = attrs.asdict(job, recurse=False, filter=lambda field, _: field.name != "http_date")
    return {name: storable(value) for name, value in said.items() if value is not None}


def storable(value: Any, depth: int = _DEEPEST) -> Json:
    """Return JSON data with every lone surrogate in its escaped form, and nested no deeper than that."""
    if isinstance(value, str):
        return storable_text(value)
    if not isinstance(value, dict | list | tuple):
        return cast("Json", value)
    if depth == 0:
        return "nested too deeply to keep"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {str(storable(name)): storable(item, depth - 1) for name, item in pairs}
    return [storable(item, depth - 1) for item in cast("list[Any]", value)]
