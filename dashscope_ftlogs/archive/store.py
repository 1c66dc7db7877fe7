"""What a download needs of the place where it keeps logs, be that a directory or object storage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NoReturn, Protocol, Self

import attrs

from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.client.settings.config_file import is_profile_name
from dashscope_ftlogs.errors import ArchiveError, ArchivePathError, ManifestError
from dashscope_ftlogs.models import Job

OF_PROFILE: Final = ".ftlogs-profile"
"""By a file or an object of this name, a folder of an archive is known to hold a profile's logs."""
MARK: Final = ".ftlogs-archive"
"""The name of an object by which an archive on object storage is known, and the storage."""

Why = Literal["rewritten", "damaged"]
"""Why a log is set aside, and its next generation begun."""


class DamagedError(Exception):
    """A log is not what is vouched for."""


class MissingError(Exception):
    """There is no log where one is vouched for."""


class OvertakenError(Exception):
    """Another writer, whom this kind of place can't keep out, has gone on with the log meanwhile."""


class Log(Protocol):
    """A log that is being written. Nothing counts until it is committed."""

    @property
    def manifest(self) -> Manifest:
        """What is vouched for so far."""
        ...

    @property
    def sound(self) -> bool:
        """Whether it is open, and everything was written so far."""
        ...

    @property
    def has_uncommitted(self) -> bool:
        """Whether lines were appended that nothing vouches for yet."""
        ...

    @property
    def is_due(self) -> bool:
        """Whether so much was appended that it should be written."""
        ...

    async def open(self) -> None:
        """Make it ready to be gone on with.

        Raises:
            MissingError: it is gone.
            DamagedError: it is not what was committed.
        """
        ...

    def append(self, lines: Sequence[str]) -> None:
        """Take lines for its end; does not wait."""
        ...

    async def write(self, facts: Mapping[str, Any], /) -> None:
        """Write what was appended; `facts` are what would be said of it."""
        ...

    async def commit(self, facts: Mapping[str, Any]) -> None:
        """Make what was appended last, and vouch for it; `facts` change other fields of the manifest."""
        ...

    async def take_back(self, line: str) -> bool:
        """Vouch for what is committed but its last line, which is that one; False if that can't be done.

        Nothing may wait to be committed.
        """
        ...

    async def prove(self) -> None:
        """Check what was there before it was opened, as far as that was not done then."""
        ...

    async def begins_with(self, lines: Sequence[str]) -> bool:
        """Whether these are the first lines of what was committed."""
        ...

    async def finish(self, facts: Mapping[str, Any] | None) -> None:
        """Commit, unless `facts` is None, and let go of it: also where the caller was cancelled."""
        ...


class Place(Protocol):
    """Where one job's log is, or will be."""

    async def manifest(self) -> Manifest | None:
        """Return what vouches for the log, or None if there is none yet.

        Raises:
            ArchiveError: that can't be read, or there is a log for which nothing vouches.
        """
        ...

    async def holds_all(self, manifest: Manifest, /) -> bool:
        """Whether a log seems to be there as it is vouched for, as far as a glance tells."""
        ...

    async def is_damaged(self, manifest: Manifest, /) -> bool:
        """Whether a log that is there is not what is vouched for, by reading all of it."""
        ...

    async def put(self, manifest: Manifest) -> Manifest:
        """Let that vouch for the log from now on."""
        ...

    async def set_aside(self, why: Why) -> str:
        """Keep the log under another name, and return that; to be followed by `put`."""
        ...

    async def tidy(self) -> None:
        """Put a complete log in its final form, where it has another one until then.

        Raises:
            DamagedError: it is not what was committed.
        """
        ...

    def log(self, manifest: Manifest, *, whole: bool) -> Log:
        """Return the log to go on with; `whole`: all that is there is checked when it is opened."""
        ...


class Store(Protocol):
    """An archive, while a download writes to it."""

    first_commit_after: float
    """Seconds from the first line to the first commit; each further one comes after twice the time."""
    commit_every: float
    """The most seconds: what a killed download has to fetch again."""

    async def __aenter__(self) -> Self:
        """Take the right to write, where there is such."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """Give it back."""
        ...

    async def check(self) -> None:
        """Raise ArchiveGoneError if it is no longer what it was, where that can be seen."""
        ...

    def place(self, job_id: str) -> Place:
        """Return where a job's log is."""
        ...

    def name_of(self, file: str) -> str:
        """Return how to name a log's file to people."""
        ...


class KeptLog(Protocol):
    """A log that was downloaded, or lies in a file, and can be read from another process, too."""

    @property
    def name(self) -> str:
        """The job's id where it is known, else the file's name."""
        ...

    @property
    def profile(self) -> str:
        """In whose folder of an archive it is; empty where it is in none's."""
        ...

    @property
    def job(self) -> Job | None:
        """The job as the manifest has it."""
        ...

    @property
    def version(self) -> str:
        """Another text once the log, as it is vouched for, is another; empty where nothing vouches."""
        ...

    @property
    def where(self) -> str:
        """Its path or its URL."""
        ...

    def size(self) -> int:
        """Return about how many bytes there are to read; 0 if that can't be told."""
        ...

    def glance(self) -> None:
        """Look whether what is vouched for can be there at all, without reading it.

        Raises:
            ArchiveError: it can't.
        """
        ...

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines, each with its number. Blocks.

        Raises:
            ArchiveError: it can't be read.
        """
        ...


@attrs.frozen
class UnvouchedLog:
    """A log of an archive of which what vouches for it can't be read: it costs no other log."""

    name: str
    """The name of its files, without their ending."""
    where: str
    why: ArchiveError
    job: Job | None = None
    version: str = "unknown"
    profile: str = ""

    def size(self) -> int:
        """Return that it can't be told."""
        return 0

    def glance(self) -> None:
        """Raise ArchiveError."""
        raise self.why

    def lines(self) -> Iterator[tuple[int, str]]:
        """Raise ArchiveError."""
        raise self.why


def label(profile: str, name: str) -> str:
    """Return what tells a log, or a job, from those of other profiles.

    >>> label("prod", "ft-1"), label("", "ft-1")
    ('prod/ft-1', 'ft-1')
    """
    return f"{profile}/{name}" if profile else name


def is_of_profile(name: str, is_marked: Callable[[str], bool]) -> bool:
    """Whether a folder of an archive is a profile's: it can be called so, and holds the mark."""
    return is_profile_name(name) and is_marked(name)


def has_lost_mark(name: str, *, marked: bool, holds_logs: bool, are_apart: Callable[[], bool]) -> bool:
    """Whether a folder may have been a profile's, as after a copy without hidden files.

    Where a download without a profile has written to an archive, and one to a folder of it, they are
    apart: each is an archive of its own.
    """
    return holds_logs and not marked and is_profile_name(name) and not are_apart()


def refuse_folder_of(profile: str, place: object, around: object) -> NoReturn:
    """Refuse to write to what is a profile's: another account's logs would come into it.

    Raises:
        ArchivePathError: always.
    """
    error = ArchivePathError(
        f"{place} belongs to the profile {profile} of an archive, by its folder's name"
    )
    error.advice = (
        f"To download into it, name that archive: {around}, and the profile. If the folder was copied "
        "or renamed, put it, by its profile's name, into an archive or an empty folder, and name that."
    )
    raise error


def refuse_beside_profiles(place: object, around: object) -> NoReturn:
    """Refuse to make an archive in another one, where a reader of that would not find its logs.

    Raises:
        ArchivePathError: always.
    """
    error = ArchivePathError(f"{place} would lie in an archive, beside the folders of its profiles")
    error.advice = f"Name that archive: {around}, or a place outside of it."
    raise error


def unmarked(folder: object, how: str) -> ManifestError:
    """Return the error for a folder with logs, of which nothing says any more that it is a profile's."""
    error = ManifestError(
        f"{folder} holds logs, and no {OF_PROFILE}, so it is not read as a profile's folder"
    )
    error.advice = (
        f"If it is one, {how}, or download with that --profile again; if not, name it by itself."
    )
    return error


def no_archive(place: object, lacks: str, instead: str = "") -> ArchivePathError:
    """Return the error for a place that was only to be read: nothing there is in the way."""
    error = ArchivePathError(f"{place} holds no {lacks}, so it is no archive")
    error.advice = f"Name one that `ftlogs download` wrote{instead}."
    return error


def no_log_yet(place: object, lacks: str) -> ArchivePathError:
    """Return the error for an archive that was only to be read, and has nothing to read yet."""
    error = ArchivePathError(f"{place} holds no {lacks} of a log yet")
    error.advice = "Download into it first."
    return error


def copied(place: object, was: str, here: str) -> ArchivePathError:
    """Return the error for an archive that was copied to where another format is read."""
    error = ArchivePathError(f"{place} is an archive from {was}, and {here} it has another format")
    error.advice = "To read it, copy it back; to have it here, download its jobs to another place."
    return error
