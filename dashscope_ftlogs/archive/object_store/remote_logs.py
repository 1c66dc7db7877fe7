"""Logs on object storage, for those who read them. Everything blocks."""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import chain as chained
from typing import Final

import attrs

from dashscope_ftlogs.archive.directory import LOCK
from dashscope_ftlogs.archive.local_log_reader import (
    PACKED,
    as_file,
    job_of,
    numbered_lines,
)
from dashscope_ftlogs.archive.manifest import LOG_NAMES, Manifest, stem_of
from dashscope_ftlogs.archive.object_store.bucket import AT_ONCE, Bucket, Listed, NotThereError
from dashscope_ftlogs.archive.object_store.commits import (
    Commit,
    DataObject,
    check_link,
    commit_name,
    decode,
    file_names,
    number_of,
)
from dashscope_ftlogs.archive.object_store.contents import Content
from dashscope_ftlogs.archive.object_store.profile_folder import (
    is_profiles,
    profile_of,
    unmarked_folder,
    was_written_to,
)
from dashscope_ftlogs.archive.object_store.url import store_url
from dashscope_ftlogs.archive.store import (
    DamagedError,
    KeptLog,
    UnvouchedLog,
    copied,
    no_archive,
    no_log_yet,
)
from dashscope_ftlogs.archive.threads import side_by_side
from dashscope_ftlogs.client.settings.config_file import is_profile_name
from dashscope_ftlogs.errors import (
    ArchiveError,
    ArchiveMismatchError,
    ArchivePathError,
    DamagedLogError,
    ManifestError,
)
from dashscope_ftlogs.models import Job

_SMALL: Final = 2**18
"""Bytes."""
_KEPT: Final = re.compile(r"\.(?:rewritten|damaged)-\d+$")


@attrs.frozen
class RemoteLog:
    """One log of an archive on object storage, not yet opened; another process can open it, too."""

    name: str
    url: str
    """The archive's."""
    folder: str
    newest: int
    """The number of the commit up to which it is read, whatever is committed meanwhile."""
    file: str
    rows: bool
    stored_bytes: int
    job: Job | None
    version: str
    """Another text once anything else was committed."""
    profile: str = ""
    """In whose folder of an archive it is."""

    @property
    def where(self) -> str:
        """Its URL."""
        return f"{self.url}/{self.file}"

    def size(self) -> int:
        """Return about how many bytes there are to read, after decompression."""
        return self.stored_bytes * PACKED if self.file.endswith(".gz") else self.stored_bytes

    def glance(self) -> None:
        """Do nothing: its newest commit is there, and an object that was put is whole."""

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines, each with its number.

        Raises:
            DamagedLogError: an object is gone, or not what was committed.
            ArchiveError: the log can't be read.
        """
        bucket = Bucket(store_url(self.url))
        try:
            head = commit(bucket, self.folder, self.newest)
            with as_file(_chunks(bucket, self.folder, head)) as file:
                yield from numbered_lines(file, rows=self.rows)
        except DamagedError as error:
            raise DamagedLogError(f"cannot read {self.where}: {error}") from None


def remote_logs(url: str) -> list[KeptLog]:
    """Return the logs of an archive, or the one that a URL names as a file of it would be named.

    Raises:
        ArchiveError: there is none.
    """
    place = store_url(url)
    log = LOG_NAMES.fullmatch(place.name)
    if log is not None:
        bucket = Bucket(place.around)
        return [attrs.evolve(_named(bucket, log), profile=profile_of(bucket))]
    bucket = Bucket(place)
    logs, profiles = _logs(bucket)
    own = profile_of(bucket)
    found: list[KeptLog] = [attrs.evolve(log, profile=log.profile or own) for log in logs]
    for profile in profiles:
        logs, _ = _logs(Bucket(place.folder(profile)))
        found += [attrs.evolve(log, profile=profile) for log in logs]
    if not found:
        check_is_archive(bucket, profiles)
        raise no_log_yet(place, "commit")
    return found


def check_is_archive(bucket: Bucket, profiles: Iterable[str]) -> None:
    """Raise ArchivePathError unless a download has ever written there, or to a folder of a profile.

    To be asked where no log is found.
    """
    if not any(was_written_to(Bucket(bucket.url.folder(one))) for one in ("", *profiles)):
        _refuse_copied(bucket, filter(is_profile_name, bucket.folders()))
        raise no_archive(bucket.url, "commit")


def _refuse_copied(bucket: Bucket, folders: Iterable[str] = ()) -> None:
    """Raise ArchivePathError if what is there was made in a directory, and copied."""
    found = side_by_side(bucket.names, (None, *folders), AT_ONCE)
    if any(map(is_from_disk, chained.from_iterable(found))):
        raise copied(bucket.url, "disk", "in a bucket")


def is_from_disk(name: str) -> bool:
    """Whether an object of that name was copied from an archive on disk."""
    return name == LOCK or stem_of(name) is not None


def _logs(bucket: Bucket) -> tuple[list[RemoteLog | UnvouchedLog], list[str]]:
    """Return the logs of an archive, and the folders of profiles in it."""
    folders = bucket.folders()
    looked = zip(folders, side_by_side(partial(_looked, bucket), folders, AT_ONCE), strict=True)
    logs: list[RemoteLog | UnvouchedLog] = []
    profiles: list[str] = []
    for folder, (head, listed) in looked:
        if isinstance(head, ArchiveError):
            logs.append(UnvouchedLog(folder, f"{bucket.url}/{folder}", head))
        elif head is not None:
            logs.append(_log(bucket, folder, head, head.manifest.file))
        elif is_profiles(folder, listed):
            profiles.append(folder)
        elif (why := unmarked_folder(bucket, folder, listed)) is not None:
            logs.append(UnvouchedLog("", f"{bucket.url}/{folder}", why, profile=folder))
    return logs, profiles


def _named(bucket: Bucket, log: re.Match[str]) -> RemoteLog:
    """Return the log of that name, which may be an older generation."""
    folder = _KEPT.sub("", log["stem"])
    head = newest(bucket, folder)
    for older, name in () if head is None else file_names(head):
        if name == log[0] and head is not None:
            last = head if older is None else commit(bucket, folder, older.last)
            return _log(bucket, folder, last, name)
    if not was_written_to(bucket):
        _refuse_copied(bucket)
    error = ArchivePathError(f"{bucket.url} holds no log {log[0]}")
    error.advice = f"Check its name: `ftlogs show {bucket.url}` names those that are there."
    raise error


def _log(bucket: Bucket, folder: str, head: Commit, name: str) -> RemoteLog:
    manifest = head.manifest
    return RemoteLog(
        name=manifest.job_id,
        url=str(bucket.url),
        folder=folder,
        newest=head.number,
        file=name,
        rows=manifest.format == "jsonl",
        stored_bytes=manifest.file_bytes,
        job=job_of(manifest),
        version=head.checksum,
    )


def newest(bucket: Bucket, folder: str) -> Commit | None:
    """Return the newest commit of a log, if there is one."""
    return look(bucket, folder)[0]


def look(bucket: Bucket, folder: str) -> tuple[Commit | None, list[Listed]]:
    """Return the newest commit of a log, if there is one, and what is in the folder."""
    listed = bucket.listed(folder)
    if is_profiles(folder, listed):
        return None, listed
    number = max(filter(None, (number_of(one.name) for one in listed)), default=None)
    return None if number is None else commit(bucket, folder, number), listed


def _looked(bucket: Bucket, folder: str) -> tuple[Commit | ArchiveError | None, list[Listed]]:
    try:
        return look(bucket, folder)
    except (ManifestError, ArchiveMismatchError) as error:
        return error, []


def commit(bucket: Bucket, folder: str, number: int) -> Commit:
    """Return one commit of a log.

    Raises:
        ManifestError: it has gone, or is not as it was written.
    """
    try:
        data = bucket.get(f"{folder}/{commit_name(number)}")
    except NotThereError:
        raise ManifestError(f"commit {number} of {folder} has gone") from None
    return decode(data, folder, number)


def chain(bucket: Bucket, folder: str, head: Commit) -> Iterator[Commit]:
    """Yield the commits from the first one of a chain to its last.

    Raises:
        DamagedError: it is not whole.
    """
    before: Commit | None = None
    earlier = range(head.first, head.number)
    with closing(side_by_side(partial(commit, bucket, folder), earlier, AT_ONCE)) as commits:
        try:
            for one in chained(commits, (head,)):
                if before is not None:
                    check_link(before, one)
                yield one
                before = one
        except ManifestError as error:
            raise DamagedError(error.summary()) from None


def check_content(bucket: Bucket, folder: str, head: Commit) -> None:
    """Raise DamagedError unless the chain is whole, and each object is what was committed."""
    for one in chain(bucket, folder, head):
        for of in one.objects:
            for _ in _proved(bucket, folder, one.manifest, of):
                pass


def _chunks(bucket: Bucket, folder: str, head: Commit) -> Iterator[bytes]:
    """Yield all that a log's objects hold, each proved with its end; what is small is fetched ahead."""

    def ahead(of: DataObject) -> Iterable[bytes]:
        stored = _proved(bucket, folder, head.manifest, of)
        return list(stored) if of.stored_bytes <= _SMALL else stored

    objects = (of for one in chain(bucket, folder, head) for of in one.objects)
    with closing(side_by_side(ahead, objects, AT_ONCE)) as found:
        for chunks in found:
            yield from chunks


def _proved(bucket: Bucket, folder: str, manifest: Manifest, of: DataObject) -> Iterator[bytes]:
    """Yield an object as it is stored, some at a time.

    Raises:
        DamagedError: it is gone, or not what was committed.
    """
    content = Content(of, manifest.format, manifest.compression)
    try:
        for chunk in bucket.chunks(f"{folder}/{of.name}"):
            content.take(chunk)
            yield chunk
    except NotThereError:
        raise DamagedError(
            f"{of.name} has gone; if the log was compacted more than a day ago, read it again"
        ) from None
    content.end()
