"""Which config file is read. This loads nothing: completion asks it, too, and has no time for more."""

from collections.abc import Mapping


def config_path(environ: Mapping[str, str]) -> str:
    """Return its path, as people know it: a `~` is expanded by who opens it."""
    return environ.get("DASHSCOPE_CONFIG") or "~/.dashscope/config.toml"
