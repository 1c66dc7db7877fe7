"""Nothing but the import: the memory from which the others' is counted."""

from collections.abc import Callable

import aiohttp  # noqa: F401


def read(_base_url: str, _jobs: list[str], _concurrency: int, _got: Callable[[int], None]) -> None:
    pass
