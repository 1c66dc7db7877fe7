"""Logs that can't be continued are kept beside the ones to come, under numbers.

At no instant is there a manifest without a file, but where another manifest says the same of the file
under its other name:

1. the manifest under the new name is written, and announces the move (not for damaged logs, for which
   nothing vouches any more);
2. the log is moved;
3. the next generation is begun: `Archive.put` puts its first manifest over the old one.

Everything here blocks, and is called in a thread.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count

import attrs

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.manifest import Manifest, encode, log_name, manifest_name, stem
from dashscope_ftlogs.archive.store import DamagedError, Why
from dashscope_ftlogs.errors import ArchiveError, ManifestError


def set_aside(archive: Archive, job_id: str, why: Why) -> str:
    """Keep a job's log under another name, and return that; to be followed by `Archive.put`."""
    manifest = archive.manifest(job_id)
    if manifest is None:
        raise ArchiveError(f"the manifest of job {job_id} has gone from {archive.directory}")
    number = _free(archive, manifest, why)
    if why == "rewritten":
        kept = attrs.evolve(manifest, superseded=True)
        archive.replace(manifest_name(_stem(job_id, why, number)), encode(kept))
    name = _log(manifest, why, number)
    archive.move(manifest.file, name)
    return name


def withdraw(archive: Archive, manifest: Manifest) -> None:
    """Remove the announcement of a move that never came, before its log is gone on with."""
    for number, is_there, is_said in _older(archive, manifest):
        if is_said and not is_there:
            archive.remove(manifest_name(_stem(manifest.job_id, "rewritten", number)))


def moved_to(archive: Archive, manifest: Manifest) -> str | None:
    """Return under what name a log is kept that was set aside, and not yet begun afresh."""
    for number, is_there, is_said in _older(archive, manifest):
        if is_said and is_there:
            return _log(manifest, "rewritten", number)
    return None


@contextmanager
def opened(archive: Archive, log_stem: str) -> Generator[tuple[int, Manifest]]:
    """Open a log to be read: yield its descriptor, and the manifest that vouches for that very file.

    A writer may set the log aside meanwhile, and begin it afresh. So the manifest that counts is read
    when the file is open, and the file then still has its name.

    Raises:
        DamagedError: the file is gone.
        ArchiveError: the manifest is gone or can't be read, or the file can't.
    """
    descriptor, manifest = -1, _vouching(archive, log_stem)
    try:
        while descriptor < 0:
            name, before = log_name(log_stem, manifest.format, manifest.compression), manifest
            try:
                descriptor = archive.open(name, os.O_RDONLY)
            except FileNotFoundError:
                manifest = _vouching(archive, log_stem)
                descriptor = _open_elsewhere(archive, manifest) if manifest == before else -1
            else:
                manifest = _vouching(archive, log_stem)
                if not archive.holds(name, descriptor):
                    os.close(descriptor)
                    descriptor = -1
        yield descriptor, manifest
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _vouching(archive: Archive, log_stem: str) -> Manifest:
    found = archive.at(log_stem)
    if found is None:
        raise ManifestError(f"{archive.directory / manifest_name(log_stem)} has gone")
    if isinstance(found, ArchiveError):
        raise found
    return found


def _open_elsewhere(archive: Archive, manifest: Manifest) -> int:
    """Open a log that has no file of its name."""
    if not manifest.file_bytes:  # and so needs none
        return os.open(os.devnull, os.O_RDONLY)
    kept = None if manifest.superseded else moved_to(archive, manifest)
    if kept is None:
        raise DamagedError("the file is gone")
    return archive.open(kept, os.O_RDONLY)


def announces(older: Manifest, manifest: Manifest) -> bool:
    """Whether an older generation's manifest says what this one says: both are of one log."""
    return attrs.evolve(older, superseded=False) == manifest


def _older(archive: Archive, manifest: Manifest) -> Iterator[tuple[int, bool, bool]]:
    """Yield of each older generation its number, whether its log is there, and if it is this one's."""
    number = 0
    while True:
        number += 1
        is_there = archive.is_there(_log(manifest, "rewritten", number))
        log_stem = _stem(manifest.job_id, "rewritten", number)
        # Names tell the end: what can't be read may go on for ever.
        if not is_there and not archive.is_there(manifest_name(log_stem)):
            return
        found = archive.at(log_stem)
        yield number, is_there, isinstance(found, Manifest) and announces(found, manifest)


def _free(archive: Archive, manifest: Manifest, why: Why) -> int:
    """Return the first number under which nothing is kept."""
    if why == "damaged":
        return next(n for n in count(1) if not archive.is_there(_log(manifest, why, n)))
    return sum(1 for _ in _older(archive, manifest)) + 1


def _stem(job_id: str, why: Why, number: int) -> str:
    return f"{stem(job_id)}.{why}-{number}"


def _log(manifest: Manifest, why: Why, number: int) -> str:
    return log_name(_stem(manifest.job_id, why, number), manifest.format, manifest.compression)
