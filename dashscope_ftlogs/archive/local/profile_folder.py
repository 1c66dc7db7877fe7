"""Whose folder of an archive a directory is, where it is named by itself."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.disk_failures import in_our_words
from dashscope_ftlogs.archive.manifest import stem_of
from dashscope_ftlogs.archive.store import (
    MARK,
    OF_PROFILE,
    copied,
    has_lost_mark,
    is_of_profile,
    no_archive,
    unmarked,
)
from dashscope_ftlogs.client.settings.config_file import is_profile_name
from dashscope_ftlogs.errors import ArchivePathError, ManifestError
from dashscope_ftlogs.text import file_for_shell


def profile_of(folder: Path) -> str:
    """Return the name of a profile, or nothing: two accounts may have jobs of one id."""
    name = Path(os.path.realpath(folder)).name
    return name if is_of_profile(name, lambda _: _is_marked(folder)) else ""


def profile_around(path: Path) -> Path | None:
    """Return the folder with a profile's logs that a path is, or lies in."""
    there = Path(os.path.realpath(path))
    return next(filter(profile_of, (there, *there.parents)), None)


def refuse_other_s_folder(around: Path, profile: str) -> None:
    """Refuse a folder that is another profile's, where the file system knows no capitals.

    Raises:
        ArchivePathError: it is one.
    """
    folder, others = around / profile, list[Path]()
    with suppress(OSError):  # none is there yet, or a folder that can be used and not listed
        alike = [one for one in around.iterdir() if one.name.lower() == profile.lower()]
        others = [one for one in alike if one.name != profile and folder.samefile(one)]
    if others:
        error = ArchivePathError(f"{folder} is the folder of the profile {others[0].name}")
        error.advice = "Call one of these profiles otherwise, not in other capitals only."
        raise error


def archive_around(path: Path) -> Path | None:
    """Return the folder in which a path is, or would be made, if other folders in it are of profiles."""
    there = Path(os.path.realpath(path))
    with suppress(OSError):  # what can't be read is no archive to anybody
        around = next(one for one in there.parents if one.is_dir())
        marked = (
            is_of_profile(one.name, lambda name: _is_marked(around / name)) for one in around.iterdir()
        )
        if any(marked):
            return around
    return None


def _is_marked(folder: Path) -> bool:
    return os.path.lexists(folder / OF_PROFILE)


def check_is_archive(archive: Archive, instead: str = "") -> None:
    """Raise ArchivePathError unless an archive is there, though it may be one without logs."""
    places = [archive, *map(archive.of, archive.profiles())]
    if any(map(_was_written_to, places)):
        return
    _refuse_copied(places)
    raise no_archive(archive.directory, "manifest", instead)


def check_is_not_copied(archive: Archive, profile: str) -> None:
    """Raise ArchivePathError if what is there, and a download would write to, was made in a bucket."""
    if archive.directory.is_dir():
        _refuse_copied([archive, *map(archive.of, {*archive.profiles(), profile} - {""})])


def _refuse_copied(places: Sequence[Archive]) -> None:
    if any(one.is_there(MARK) and not _was_written_to(one) for one in places):
        raise copied(places[0].directory, "a bucket", "on disk")


def _was_written_to(archive: Archive) -> bool:
    return archive.was_written_to or next(archive.manifests(), None) is not None


def unmarked_folders(archive: Archive) -> list[tuple[str, ManifestError]]:
    """Return the folders with manifests that have lost their mark, sorted.

    Raises:
        ArchiveError: the directory, or a folder of it, can't be read.
    """
    try:
        with os.scandir(archive.directory) as there:
            names = [one.name for one in there if one.is_dir(follow_symlinks=False)]
        folders = [archive.directory / name for name in sorted(names) if is_profile_name(name)]
        return [(one.name, _unmarked(one)) for one in folders if _lacks_mark(archive, one)]
    except OSError as error:
        raise in_our_words(error, "read", archive.directory) from None


def _lacks_mark(archive: Archive, folder: Path) -> bool:
    return has_lost_mark(
        folder.name,
        marked=_is_marked(folder),
        holds_logs=any(stem_of(path.name) for path in folder.iterdir()),
        are_apart=lambda: archive.was_written_to and Archive(folder).was_written_to,
    )


def _unmarked(folder: Path) -> ManifestError:
    return unmarked(folder, f"`touch {file_for_shell(str(folder / OF_PROFILE))}`")
