"""The chain of commits that vouches for a log on object storage. Pure.

A store knows no append, no rename and no lock, but it can refuse to write over an object. So content
goes into objects that never change, under names that nobody else takes, and what counts is said by
numbered commits, each created only if there is none of its number. Each names the checksum of the one
before it, the objects with which it goes on, and all that a manifest says. So of two writers at the same
number one wins, and the other takes the log up again from there.

A chain begins with a commit of all lines from the first on: with the very first, with a new generation,
when a log that has ended is compacted, or when its last line is taken back, since that has gone on.
By the same create-only commit it takes the old one's place.

docs/reference/archive-format.md says all of this for who reads archives without us.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import attrs
import msgspec

from dashscope_ftlogs.archive.manifest import (
    Manifest,
    checksum,
    log_name,
    sealed,
    stem,
    unsealed,
)
from dashscope_ftlogs.archive.store import DamagedError, Why
from dashscope_ftlogs.errors import InvalidArgumentError, ManifestError
from dashscope_ftlogs.text import TAIL

SCHEMA: Final = 1
OBJECT_BYTES: Final = 8 * 2**20
"""About how much content one object holds: what is appended is committed by then, and merged to that."""

_MOST: Final = 10**10 - 1
_COMMIT: Final = re.compile(r"commit-(\d{10})-(\d{10})\.json")
DATA_NAMES: Final = re.compile(r"data-\d{4}-[0-9a-f]{32}\.(?:log|jsonl)(?:\.gz)?")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_OF_MANIFEST: Final = frozenset({"schema", "sha256", "piece_bytes", "pieces", "superseded"})
"""What a manifest says of one file, and a commit says otherwise."""


@attrs.frozen(kw_only=True)
class DataObject:
    """So many whole lines of a log, in one object."""

    name: str
    from_line: int
    """The number of the first line."""
    to_line: int
    """The number of the line behind the last one."""
    bytes: int
    """The size of its content, before compression."""
    stored_bytes: int
    """The size of the object."""
    sha256: str
    """Of its content, before compression."""


@attrs.frozen(kw_only=True)
class Older:
    """A chain of an earlier generation, which is kept."""

    first: int
    last: int
    why: Why


@attrs.frozen(kw_only=True)
class Commit:
    """What one commit says. `checksum` is that of the whole, once it is known."""

    number: int
    """From 1."""
    first: int
    """The number of the commit with which its chain begins."""
    previous: str
    """The checksum of the commit before it; empty for number 1."""
    objects: tuple[DataObject, ...]
    """What it adds: of the first of a chain all that there is."""
    older: tuple[Older, ...]
    manifest: Manifest
    checksum: str = ""

    @property
    def begins_chain(self) -> bool:
        """Whether it needs none of those before it."""
        return self.number == self.first


_IN_LOG: Final = frozenset(field.name for field in attrs.fields(Manifest)) - _OF_MANIFEST
_IN_OBJECT: Final = frozenset(field.name for field in attrs.fields(DataObject))
_IN_OLDER: Final = frozenset(field.name for field in attrs.fields(Older))


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    """A commit as it is written."""

    schema: int
    number: int
    first: int
    previous: str
    objects: tuple[DataObject, ...]
    older: tuple[Older, ...]
    log: Manifest
    checksum: str


# Made before a second thread can be there; see archive/manifest.py.
_decode: Final = msgspec.json.Decoder(_Said).decode


def commit_name(number: int) -> str:
    """Return the name of a commit: the newest comes first in the order of names.

    >>> commit_name(7)
    'commit-9999999992-0000000007.json'
    """
    return f"commit-{_MOST - number:010d}-{number:010d}.json"


def number_of(name: str) -> int | None:
    """Return the number of a commit by its name; None for other objects."""
    found = _COMMIT.fullmatch(name)
    number = int(found[2]) if found else 0
    return number if number and name == commit_name(number) else None


def data_name(generation: int, token: str, manifest: Manifest) -> str:
    """Return the name of an object with lines; `token` is one that nobody else has."""
    return log_name(f"data-{generation:04d}-{token}", manifest.format, manifest.compression)


def file_names(commit: Commit) -> Iterable[tuple[Older | None, str]]:
    """Yield the logs that a newest commit knows of, each with the name that a file of it would have."""
    manifest = commit.manifest
    counted = {"rewritten": 0, "damaged": 0}
    for older in commit.older:
        counted[older.why] += 1
        kept = f"{stem(manifest.job_id)}.{older.why}-{counted[older.why]}"
        yield older, log_name(kept, manifest.format, manifest.compression)
    yield None, manifest.file


def following(
    head: Commit | None, manifest: Manifest, objects: Iterable[DataObject], *, afresh: Why | None = None
) -> Commit:
    """Return the commit after `head` that says this of the log; `afresh`: of its next generation."""
    older = () if head is None else head.older
    if head is not None and afresh is not None:
        older += (Older(first=head.first, last=head.number, why=afresh),)
    number = 1 if head is None else head.number + 1
    return Commit(
        number=number,
        first=number if head is None or afresh is not None else head.first,
        previous="" if head is None else head.checksum,
        objects=tuple(objects),
        older=older,
        manifest=manifest,
    )


def compacted(head: Commit, objects: Iterable[DataObject]) -> Commit:
    """Return the commit after `head` that says the same in one: the first of a chain of its own."""
    number = head.number + 1
    return attrs.evolve(
        head, number=number, first=number, previous=head.checksum, objects=tuple(objects), checksum=""
    )


def encode(commit: Commit) -> tuple[bytes, Commit]:
    """Return a commit as JSON with a checksum of itself, and as it is known from then on."""
    log = attrs.asdict(commit.manifest, recurse=False, filter=lambda field, _: field.name in _IN_LOG)
    data = sealed(
        {
            "schema": SCHEMA,
            "number": commit.number,
            "first": commit.first,
            "previous": commit.previous,
            "objects": [attrs.asdict(one) for one in commit.objects],
            "older": [attrs.asdict(one) for one in commit.older],
            "log": log,
        }
    )
    return data, attrs.evolve(commit, checksum=checksum(data))


def decode(data: bytes, folder: str, number: int) -> Commit:
    """Read the commit of that number of the log in that folder.

    Raises:
        ManifestError: it is not one, or not as it was written.
        ArchiveMismatchError: it is whole, and of a newer kind.
    """
    name = f"{folder}/{commit_name(number)}"
    try:
        return unsealed(
            data,
            name,
            lambda said: _understood(data, said, folder, number),
            kind="commit",
            newest=SCHEMA,
        )
    except ManifestError as error:
        error.advice = "Put it back from a copy, or move its folder away: the log is then fetched anew."
        raise


def _understood(data: bytes, said: dict[str, Any], folder: str, number: int) -> Commit:
    found = _decode(data)
    parts = [(said["log"], _IN_LOG)]
    parts += [(one, _IN_OBJECT) for one in said["objects"]] + [(one, _IN_OLDER) for one in said["older"]]
    if any(part.keys() != known for part, known in parts):
        raise ValueError("it has not the fields that there are")
    commit = Commit(
        number=found.number,
        first=found.first,
        previous=found.previous,
        objects=found.objects,
        older=found.older,
        manifest=found.log,
        checksum=found.checksum,
    )
    if found.schema != SCHEMA or not _adds_up(commit) or not _fits(commit, folder, number):
        raise ValueError("it does not fit its name, or what it counts")
    return commit


def _adds_up(commit: Commit) -> bool:
    manifest, line = commit.manifest, 0
    numbers = [
        manifest.lines,
        manifest.bytes,
        manifest.file_bytes,
        manifest.retries,
        manifest.total or 0,
    ]
    numbers += [TAIL - len(manifest.tail), manifest.lines - len(manifest.tail)]
    for place, one in enumerate(commit.objects):
        line = one.from_line if place == 0 else line
        numbers += [one.to_line - one.from_line - 1, one.bytes - 1, one.stored_bytes - 1]
        if one.from_line != line or not DATA_NAMES.fullmatch(one.name):
            return False
        line = one.to_line
    if commit.objects and line != manifest.lines:
        return False
    if commit.begins_chain:
        began = commit.objects[0].from_line if commit.objects else manifest.lines
        sizes = sum(one.bytes for one in commit.objects), sum(one.stored_bytes for one in commit.objects)
        if began != 0 or sizes != (manifest.bytes, manifest.file_bytes):
            return False
    return min(numbers) >= 0


def _fits(commit: Commit, folder: str, number: int) -> bool:
    before = bool(_DIGEST.fullmatch(commit.previous)) if number > 1 else commit.previous == ""
    chains = [bound for one in commit.older for bound in (one.first, one.last)] + [commit.first, number]
    if commit.number != number or not before or chains != sorted(chains) or chains[0] < 1:
        return False
    try:
        return stem(commit.manifest.job_id) == folder
    except InvalidArgumentError:
        return False


def check_link(before: Commit, after: Commit) -> None:
    """Raise DamagedError unless one commit goes on from the other in the same chain."""
    same = before.manifest, after.manifest
    lines = before.manifest.lines
    began = after.objects[0].from_line if after.objects else after.manifest.lines
    sizes = (
        before.manifest.bytes + sum(one.bytes for one in after.objects),
        before.manifest.file_bytes + sum(one.stored_bytes for one in after.objects),
    )
    if (
        (after.number, after.previous, after.first) != (before.number + 1, before.checksum, before.first)
        or (began, *sizes) != (lines, after.manifest.bytes, after.manifest.file_bytes)
        or len({(one.job_id, one.format, one.compression) for one in same}) != 1
    ):
        raise DamagedError(
            f"the chain is broken: commit {after.number} does not go on from the one before"
        )


def groups(objects: Iterable[DataObject]) -> list[list[DataObject]]:
    """Return objects by which are to be merged into one: neighbours, as long as they are small."""
    found: list[list[DataObject]] = []
    size = OBJECT_BYTES
    for one in objects:
        if size + one.bytes > OBJECT_BYTES:
            found.append([])
            size = 0
        found[-1].append(one)
        size += one.bytes
    return found


def unneeded(head: Commit, names: Iterable[str]) -> list[str]:
    """Return which objects of a log's folder nothing needs any more, where `head` begins its chain.

    Nothing needs what no commit names, nor the commits of a chain that was compacted; what belongs to
    an older generation is kept.
    """
    generation = f"data-{len(head.older):04d}-"
    needed = {one.name for one in head.objects}
    found: list[str] = []
    for name in names:
        number = number_of(name)
        if number is not None:
            kept = any(one.first <= number <= one.last for one in head.older)
            if number < head.number and not kept:
                found.append(name)
        elif name.startswith(generation) and DATA_NAMES.fullmatch(name) and name not in needed:
            found.append(name)
    return found
