"""What the config file says, which the vendor's tools read, too: at its top, and by profiles. Pure.

At the top, keys that are not ours may be theirs, unless they are one of ours but for a slip: then
another key, or another region's service, would be used without a word. In a profile all are ours.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from dashscope_ftlogs.errors import ConfigError
from dashscope_ftlogs.text import holds_key, shown

_TEXTS: Final = ("api_key", "base_url", "region", "workspace")
_SETTINGS: Final = (*_TEXTS, "timeout", "max_retries")
_PROFILES: Final = "profiles"
_NEAR: Final = 0.8
"""How alike two words are of which one is the other misspelt: half a dozen letters with two changed."""
_PROFILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PLACE_IN_TOML: Final = re.compile(r"at (?:line \d+, column \d+|end of document)")


def parsed(text: str, path: str) -> dict[str, Any]:
    """Return what TOML says.

    Raises:
        ConfigError: it is none.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # integers too long, arrays too deep
        # Only the place is told: the decoder's own words can quote the file.
        place = _PLACE_IN_TOML.search(str(error))
        raise ConfigError(f"{path} is not TOML{f' ({place[0]})' if place else ''}") from None


def check_top(file: Mapping[str, Any], path: str) -> None:
    """Refuse a key at the top of a file that is ours but for a slip."""
    known = (*_SETTINGS, _PROFILES)
    for name in file:
        if name not in known and (near := _nearest(name, known, _NEAR)):
            raise ConfigError(f"{path}: there is no setting {shown(name)}; {_meant(near)}")


def profile_of(file: Mapping[str, Any] | None, name: str, path: str) -> tuple[dict[str, Any], str]:
    """Return what a file says under the name of a profile, and what that place is called.

    Raises:
        ConfigError: there is no such file or profile, or it says what none can say.
    """
    if holds_key(name):
        raise ConfigError("profile: that looks like an API key, which is no name")
    tables = profiles(file or {})
    if not is_profile_name(name):
        raise ConfigError(
            f"profile {shown(name)}: must be a name of letters, digits, - and _ that begins with a "
            f"letter or digit, as the NAME of a table [profiles.NAME] in {path}; "
            f"there are: {', '.join(tables) or 'none'}"
        )
    if file is None:
        raise ConfigError(f"profile {name!r}: there is no file {path} to hold its [profiles.{name}]")
    if name not in tables:
        known = ", ".join(tables) or "none"
        raise ConfigError(
            f"profile {name!r}: there is no [profiles.{name}] in {path}; there are: {known}"
        )
    place, table = f"[profiles.{name}] in {path}", tables[name]
    for one, value in table.items():
        if one not in _SETTINGS:
            near = _nearest(one, _SETTINGS, 0.6)
            meant = _meant(near) if near else f"there are: {', '.join(_SETTINGS)}"
            raise ConfigError(f"{place}: there is no setting {shown(one)}; {meant}")
        if value == "":
            # Else that of another account would take its place.
            raise ConfigError(f"{one} in {place} is empty: set it, or leave it out")
    return table, place


def profiles(file: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the profiles of a file."""
    found = file.get(_PROFILES)
    tables = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    return {
        name: table
        for name, table in tables.items()
        if isinstance(table, dict) and is_profile_name(name)
    }


def is_profile_name(name: str) -> bool:
    """Whether a profile may be called so: it can be a folder, too, and is no key.

    >>> is_profile_name("prod"), is_profile_name("ft-1.log"), is_profile_name("..")
    (True, False, False)
    """
    return _PROFILE.fullmatch(name) is not None and not holds_key(name)


def _nearest(name: str, known: Iterable[str], alike: float) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415  (few files have a slip in them)

    word = name.lower().replace("-", "_")
    return next(iter(get_close_matches(word, known, 1, alike)), None)


def _meant(near: str) -> str:
    return f"[{near}.NAME] is meant?" if near == _PROFILES else f"is {near} meant?"
