"""What stands for the operating system where an archive is written to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dashscope_ftlogs.archive import directory
from dashscope_ftlogs.archive.local import log_writer


@contextmanager
def in_place_of_os(system: Any) -> Iterator[None]:
    """Let archives use it in the place of `os`; None for `os` itself."""
    with pytest.MonkeyPatch.context() as patch:
        if system is not None:
            patch.setattr(directory, "os", system)
            patch.setattr(log_writer, "os", system)
        yield
