"""HTML elements that can't be broken by what they hold: text becomes text, whatever it is."""

import html
from collections.abc import Iterable

import attrs

from dashscope_ftlogs.text import escaped


@attrs.frozen
class Markup:
    """HTML that was made here."""

    html: str


def element(tag: str, *content: Markup | str, **attributes: str | int) -> Markup:
    r"""Return an element; strings in it are text, with all that could act on a reader made visible.

    Args:
        tag: The element's name, and, like those of the attributes, never from a log.
        content: What is in it, in order.
        attributes: `_` stands for `-` in their names, and is left out at the end.

    >>> element("a", "<b>\x1b[1m", href="#log", data_line=3).html
    '<a href="#log" data-line="3">&lt;b&gt;\\x1b[1m</a>'
    """
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(str(value)).html}"'
        for name, value in attributes.items()
    )
    return Markup(f"<{tag}{named}>{joined(content).html}</{tag}>")


def text(content: str) -> Markup:
    """Return text as HTML, also fit for a quoted attribute."""
    return Markup(html.escape(escaped(content)))


def joined(content: Iterable[Markup | str]) -> Markup:
    """Return one piece of HTML after the other."""
    return Markup("".join(text(one).html if isinstance(one, str) else one.html for one in content))
