"""SECURITY.md promises nothing that no test holds."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_each_test_that_is_named_exists(file: str, test: str) -> None:
    assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)


def test_each_promise_names_one() -> None:
    promises = TEXT.partition("## What is promised")[2].partition("\n## ")[0]
    items = re.split(r"^- ", promises, flags=re.MULTILINE)[1:]
    assert len(items) >= 10
    assert [item for item in items if "::test_" not in item] == []
