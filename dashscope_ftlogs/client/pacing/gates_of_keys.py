"""One gate for each key: the service counts requests by keys, whatever number of sessions send them."""

import asyncio
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary, WeakValueDictionary

from dashscope_ftlogs.client.pacing.request_gate import Gate

_Gates = WeakValueDictionary[Hashable, Gate]
_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gates] = WeakKeyDictionary()


def gate_of(key: Hashable, make: Callable[[], Gate]) -> Gate:
    """Return the gate that sessions made in this event loop share, as long as any of them is there.

    Outside of a loop nobody knows where a session will be used, so it gets one of its own.

    Args:
        key: All in which sessions that share one are alike.
        make: Makes a new one.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return make()
    gates = _of_loops.setdefault(loop, WeakValueDictionary())
    gate = gates.get(key)
    if gate is None:
        gate = gates[key] = make()
    return gate
