"""What a commit of a dataset on object storage says: of which parts it consists from then on. Pure.

Parts never change, and have names that nobody else takes. Each commit is created only if there is none
of its number, and names all parts that there are, and of which logs their rows are: each log is in one.
So whoever takes the parts of the newest commit sees each row once, at any instant.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import attrs
import msgspec

from dashscope_ftlogs.archive.manifest import sealed, unsealed
from dashscope_ftlogs.archive.object_store.commits import commit_name, number_of
from dashscope_ftlogs.errors import ManifestError

SCHEMA: Final = 1
COMMITS: Final = "_commits"
"""The folder of commits. Who looks for data passes over folders that begin so."""
PARTS: Final = "_parts"
PART_BYTES: Final = 64 * 2**20
"""From so many bytes of new rows on, they are written; parts of less than half as many are merged."""

_OURS: Final = "dataset-"
"""By which its commits are told from a log's."""
_PART: Final = re.compile(rf"{PARTS}/month=(?:\d{{4}}-\d{{2}}|unknown)/part-[0-9a-f]{{32}}")


@attrs.frozen(kw_only=True)
class Part:
    """An object of the rows of some logs, whose jobs were created in one month."""

    name: str
    rows: int
    stored_bytes: int
    sha256: str
    """Of the object."""
    logs: Mapping[str, str]
    """The jobs' ids, with their profiles, each with a digest of what the rows were made of."""

    @property
    def month(self) -> str:
        """The folder that it is in."""
        return self.name.split("/")[1]


@attrs.frozen(kw_only=True)
class Superseded:
    """A part that no longer counts, for those who began to read before."""

    name: str
    since: int
    """The number of the commit that first did without it."""


@attrs.frozen(kw_only=True)
class DatasetCommit:
    """What one commit says."""

    number: int
    """From 1."""
    parts: tuple[Part, ...] = ()
    superseded: tuple[Superseded, ...] = ()

    @property
    def logs(self) -> dict[str, str]:
        """All logs, each with a digest of what its rows were made of."""
        return {log: digest for part in self.parts for log, digest in part.logs.items()}


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    schema: int
    number: int
    parts: tuple[Part, ...]
    superseded: tuple[Superseded, ...]
    checksum: str


# Made before a second thread can be there; see archive/manifest.py.
_decode: Final = msgspec.json.Decoder(_Said).decode


def commit_path(number: int) -> str:
    """Return the name of a commit: the newest comes first in the order of names.

    >>> commit_path(7)
    '_commits/dataset-commit-9999999992-0000000007.json'
    """
    return f"{COMMITS}/{_OURS}{commit_name(number)}"


def numbers_of(names: Iterable[str]) -> set[int]:
    """Return the numbers of the commits among the objects of their folder."""
    ours = (name.removeprefix(_OURS) for name in names if name.startswith(_OURS))
    return set(filter(None, map(number_of, ours)))


def part_name(month: str, token: str) -> str:
    """Return the name of a part; `token` is one that nobody else has.

    >>> part_name("month=2026-11", 32 * "0")
    '_parts/month=2026-11/part-00000000000000000000000000000000'
    """
    return f"{PARTS}/{month}/part-{token}"


def taken_apart(head: DatasetCommit, months: Collection[str], logs: Collection[str]) -> list[Part]:
    """Return the parts that are written anew when logs are added: with any of them in it, or small."""
    return [
        part
        for part in head.parts
        if (part.month in months and part.stored_bytes < PART_BYTES / 2)
        or not part.logs.keys().isdisjoint(logs)
    ]


def following(
    head: DatasetCommit, old: Iterable[Part], new: Iterable[Part], kept: Collection[int]
) -> DatasetCommit:
    """Return the commit after `head` that has other parts in the place of some.

    `kept` are the numbers of the commits that are there: what was superseded before them is deleted.
    """
    number, gone = head.number + 1, {part.name for part in old}
    superseded = [one for one in head.superseded if one.since in kept]
    superseded += [Superseded(name=name, since=number) for name in sorted(gone)]
    return DatasetCommit(
        number=number,
        parts=(*(part for part in head.parts if part.name not in gone), *new),
        superseded=tuple(superseded),
    )


def encode(commit: DatasetCommit) -> bytes:
    """Return a commit as JSON with a checksum of itself."""
    said = {"schema": SCHEMA, "number": commit.number}
    return sealed(
        said
        | {
            "parts": [attrs.asdict(one) for one in commit.parts],
            "superseded": [attrs.asdict(one) for one in commit.superseded],
        }
    )


def decode(data: bytes, number: int) -> DatasetCommit:
    """Read the commit of that number.

    Raises:
        ManifestError: it is not one, or not as it was written.
        ArchiveMismatchError: it is whole, and of a newer kind.
    """
    name = commit_path(number)
    try:
        return unsealed(
            data, name, lambda _: _understood(_decode(data), number), kind="commit", newest=SCHEMA
        )
    except ManifestError as error:
        error.advice = "Delete the dataset, or name another one: it is made anew from the archive."
        raise


def _understood(said: _Said, number: int) -> DatasetCommit:
    commit = DatasetCommit(number=said.number, parts=said.parts, superseded=said.superseded)
    names = [part.name for part in commit.parts] + [one.name for one in commit.superseded]
    sizes = [size for part in commit.parts for size in (part.rows, part.stored_bytes)]
    if (
        (said.schema, said.number) != (SCHEMA, number)
        or not all(map(_PART.fullmatch, names))
        or len(set(names)) != len(names)
        or sum(len(part.logs) for part in commit.parts) != len(commit.logs)
        or min(sizes, default=0) < 0
    ):
        raise ValueError("it does not fit its name, or what it counts")
    return commit
