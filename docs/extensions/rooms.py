"""Draws the rooms and what they may import, as pyproject.toml has it, where a page says `@rooms@`."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PLACE = "@rooms@"
_ROOT = Path(__file__).parents[2]
_PACKAGE = _ROOT / "dashscope_ftlogs"
_WIDTH = 78
_NAMES = 18


def setup(sphinx: "Sphinx") -> dict[str, bool]:
    """Be told of each page before it is read."""
    sphinx.connect("source-read", _fill)
    return {"parallel_read_safe": True}


def _fill(_sphinx: "Sphinx", _name: str, source: list[str]) -> None:
    if f"\n{_PLACE}\n" in source[0]:
        parts = ("```text", picture(), "```", "", *_table())
        source[0] = source[0].replace(_PLACE, "\n".join(parts))


def _contracts() -> list[dict[str, Any]]:
    tools = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    contracts: list[dict[str, Any]] = tools["importlinter"]["contracts"]
    return contracts


def rows() -> list[list[str]]:
    """Return the rooms, and the modules that stand beside them, in rows from the top down."""
    (layers,) = (one["layers"] for one in _contracts() if one["id"] == "rooms")
    return [row.split(" | ") for row in layers]


def may_import() -> dict[str, list[str]]:
    """Return which rooms each room may import."""
    keepers: dict[str, set[str]] = {}
    for one in _contracts():
        if one["type"] == "protected":
            allowed = {importer.split(".")[1] for importer in one["allowed_importers"]}
            keepers |= {
                module.removeprefix("dashscope_ftlogs."): allowed for module in one["protected_modules"]
            }
    result = {}
    for number, row in enumerate(rows()):
        below = [room for lower in rows()[number + 1 :] for room in lower]
        for room in row:
            result[room] = [other for other in below if room in keepers.get(other, {room})]
    return result


def about(room: str) -> str:
    """Return the docstring of a room, or of a module beside them."""
    folder = _PACKAGE / room
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""


def picture() -> str:
    """Return the rows as a picture: each room with what it is for, and the files in it."""
    edge = "─" * (_WIDTH + 2)
    lines = [f"┌{edge}┐"]
    for row in rows():
        for room in row:
            lines += [f"│ {line:{_WIDTH}} │" for line in _drawn(room)]
        lines.append(f"├{edge}┤")
    return "\n".join([*lines[:-1], f"└{edge}┘"])


def _drawn(room: str) -> Iterator[str]:
    folder = _PACKAGE / room
    words = wrap(about(room).partition("\n\n")[0].rstrip("."), _WIDTH - _NAMES)
    names = [f"{room}/" if folder.is_dir() else f"{room}.py", *[""] * len(words)]
    yield from (f"{name:{_NAMES}}{text}" for name, text in zip(names, words, strict=False))
    files = " ".join(sorted(_files(folder)))
    yield from (f"{'':{_NAMES}}  {text}" for text in wrap(files, _WIDTH - _NAMES - 2))


def _files(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        for path in folder.iterdir():
            if path.suffix == ".py" and not path.stem.startswith("_"):
                yield path.name
            elif (path / "__init__.py").exists():
                yield f"{path.name}/"


def _table() -> Iterator[str]:
    yield from ("| | may import |", "|---|---|")
    for room, others in may_import().items():
        yield f"| `{room}` | {', '.join(f'`{other}`' for other in others) or 'nothing of ours'} |"
