"""What the package shows to the world."""

import doctest
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import dashscope_ftlogs

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(dashscope_ftlogs.__path__, "dashscope_ftlogs.")
    if not module.name.endswith("__main__")
)


def test_the_names_are_sorted_and_all_there() -> None:
    names = dashscope_ftlogs.__all__
    # As ruff sorts them: constants, classes, functions.
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    for name in names:
        assert getattr(dashscope_ftlogs, name) is not None
    assert dir(dashscope_ftlogs) == sorted(names)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = dashscope_ftlogs.Nothing  # type: ignore[attr-defined]  # which is the point


def test_importing_the_package_loads_no_http_client() -> None:
    code = (
        "import sys, dashscope_ftlogs, dashscope_ftlogs.models, dashscope_ftlogs.errors\n"
        "print({'aiohttp', 'backoff', 'asyncio', 'typer', 'rich'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_does_what_it_says(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_there_are_examples() -> None:
    attempted = sum(doctest.testmod(import_module(name)).attempted for name in MODULES)
    assert attempted >= 8
