"""The examples in the emulator's docstrings are true."""

import doctest

import pytest

from dashscope_ftlogs.emulator import computed, script, training


@pytest.mark.parametrize("module", [computed, script, training], ids=lambda module: module.__name__)
def test_the_examples_hold(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]  # a module, which pytest calls an object
    assert found.attempted > 0
    assert found.failed == 0
