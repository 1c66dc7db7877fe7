"""Whose folder of an archive a directory is, where it is named by itself."""

import os
from pathlib import Path

from dashscope_ftlogs.archive.directory import OF_PROFILE
from dashscope_ftlogs.client.settings.config_file import is_profile_name


def profile_of(folder: Path) -> str:
    """Return the name of a profile, or nothing: two accounts may have jobs of one id."""
    name = Path(os.path.realpath(folder)).name if os.path.lexists(folder / OF_PROFILE) else ""
    return name if is_profile_name(name) else ""


def profile_around(path: Path) -> Path | None:
    """Return the folder with a profile's logs that a path is, or lies in."""
    there = Path(os.path.realpath(path))
    return next((one for one in (there, *there.parents) if os.path.lexists(one / OF_PROFILE)), None)
