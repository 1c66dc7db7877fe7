"""The examples in the emulator's docstrings are true."""

import doctest

import pytest

from dashscope_ftlogs.emulator import fault_grammar, lazy_lines, trainer_output


@pytest.mark.parametrize(
    "module", [lazy_lines, fault_grammar, trainer_output], ids=lambda module: module.__name__
)
def test_the_examples_hold(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]  # a module, which pytest calls an object
    assert found.attempted > 0
    assert found.failed == 0
