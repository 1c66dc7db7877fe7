"""Let modes mean something to root, too: a container's tests run as root, to whom no file is closed."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 0x20080522
_BYPASS_MODES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


@contextmanager
def modes_count() -> Iterator[None]:
    """Do without root's right to open everything, in this thread and those that it starts."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        yield
        return
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the higher bits after them
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capget(header, sets) == 0
    before = sets[0]
    sets[0] = before & ~_BYPASS_MODES
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = before
        assert libc.capset(header, sets) == 0
