"""A small object storage for each test, which the environment names."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from small_store import SmallStore


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., SmallStore]]:
    """Start one, of a dialect or another."""
    with ExitStack() as stack:

        def start(dialect: Any = "s3") -> SmallStore:
            store = stack.enter_context(SmallStore(dialect).serving())
            for name, said in store.environ.items():
                monkeypatch.setenv(name, said)
            return store

        yield start


@pytest.fixture
def store(storage: Callable[..., SmallStore]) -> SmallStore:
    return storage()
