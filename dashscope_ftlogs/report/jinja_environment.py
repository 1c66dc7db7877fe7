"""Jinja as the templates need it: whatever they are given is text, unless they say otherwise."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dashscope_ftlogs.text import escaped, excerpt

_UNKNOWN: Final = "\N{EN DASH}"
_LONGEST_CELL: Final = 300


def environment() -> Environment:
    r"""Return what compiles the templates of this folder.

    >>> made = environment().from_string('<a title="{{ word }}">{{ word }}</a>{{ 1234 | counted }}')
    >>> made.render(word="<b>\x1b[1m")
    '<a title="&lt;b&gt;\\x1b[1m">&lt;b&gt;\\x1b[1m</a>1,234'
    """
    made = Environment(
        loader=PackageLoader("dashscope_ftlogs.report"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"cell": _cell, "counted": "{:,}".format, "excerpt": excerpt}
    return made


def _visible(value: object) -> object:
    """Return text with all that could act on a reader made visible; what was made here stays."""
    return value if isinstance(value, Markup) else escaped(str(value))


def _cell(value: object) -> str:
    """Return what to show of a value; what is not known is a dash."""
    try:
        return _UNKNOWN if value is None else excerpt(str(value), _LONGEST_CELL)
    except RecursionError:
        return "nested too deeply to show"
