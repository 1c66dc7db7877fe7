"""Lets autodoc see the package as its users do, and its docstrings as what they are."""

import pkgutil
import re
from importlib import import_module

from sphinx.application import Sphinx

import dashscope_ftlogs

_TABLE_ROW = re.compile(r"\|(.*)\|")


def setup(sphinx: Sphinx) -> dict[str, bool]:
    """Import everything, and be told of each docstring."""
    _resolve_annotations()
    # Around napoleon (500), to which a colon in an attribute's first line ends the attribute's type.
    sphinx.connect("autodoc-process-docstring", _keep, priority=400)
    sphinx.connect("autodoc-process-docstring", _restore, priority=600)
    sphinx.connect("autodoc-process-docstring", _tables)
    return {"parallel_read_safe": True}


def _resolve_annotations() -> None:
    """Give every module the public names.

    Many modules import them only for type checkers; autodoc has to find what an annotation names.
    """
    public = {name: getattr(dashscope_ftlogs, name) for name in dashscope_ftlogs.__all__}
    # What is built on the service asks for no more; what users have of it is the session.
    public["Service"] = dashscope_ftlogs.LogSession
    for module in pkgutil.walk_packages(dashscope_ftlogs.__path__, "dashscope_ftlogs."):
        if not module.name.endswith("__main__"):
            names = vars(import_module(module.name))
            names.update({name: value for name, value in public.items() if name not in names})


_kept: dict[str, list[str]] = {}


def _keep(
    _sphinx: Sphinx, what: str, name: str, _object: object, _options: object, lines: list[str]
) -> None:
    if what in {"attribute", "data", "property"}:
        _kept[name] = lines[:]


def _restore(
    _sphinx: Sphinx, _what: str, name: str, _object: object, _options: object, lines: list[str]
) -> None:
    lines[:] = _kept.pop(name, lines)


def _tables(
    _sphinx: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Turn tables of Markdown into those of reStructuredText."""
    result: list[str] = []
    for line in lines:
        row = _TABLE_ROW.fullmatch(line)
        if row is None:
            result.append(line)
        elif set(row[1]) <= set("-|"):
            continue
        else:
            if not (result and result[-1].startswith("   ")):
                result += [".. list-table::", "   :header-rows: 1", ""]
            first, *others = (cell.strip() for cell in row[1].split("|"))
            result += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    lines[:] = result
