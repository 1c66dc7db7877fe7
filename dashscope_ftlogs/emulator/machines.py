"""The service is many machines, and some lag: what each of them is, and which one answers."""

import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import Literal, get_args
from weakref import WeakKeyDictionary

import attrs

from dashscope_ftlogs.emulator.argument_ranges import is_number, several

MachineBy = Literal["request", "connection"]


@attrs.frozen
class Machine:
    """One machine, which sees everything as it was between `lowest` and `highest` seconds ago.

    How long ago is drawn anew whenever the machine is chosen, in seconds of the emulator's clock,
    not of job time.

    Raises:
        ValueError: not `0 <= lowest <= highest`, or not finite.
    """

    lowest: float = 0.0
    highest: float = attrs.field(default=attrs.Factory(lambda self: self.lowest, takes_self=True))

    def __attrs_post_init__(self) -> None:
        """Check the range."""
        are_numbers = is_number(self.lowest) and is_number(self.highest)
        if not are_numbers or not 0 <= self.lowest <= self.highest < math.inf:
            raise ValueError(
                "a machine's lag must be seconds, 0 or more, or (lowest, highest), "
                f"not {self.lowest!r} to {self.highest!r}"
            )


Machines = Iterable[Machine | float | tuple[float, float]]


def machine(lag: Machine | float | tuple[float, float]) -> Machine:
    """Return the machine that is so far behind."""
    if isinstance(lag, Machine):
        return lag
    return Machine(*lag) if isinstance(lag, tuple) and len(lag) == 2 else Machine(lag)


class MachineChooser:
    """Draws which machine answers, and how far behind it is."""

    def __init__(self, machines: Machines, by: MachineBy, rng: Random) -> None:
        if by not in get_args(MachineBy):
            raise ValueError(f"machine_by must be one of {get_args(MachineBy)}, not {by!r}")
        told = several("machines", machines, "machines, or their seconds: a list of them")
        self.machines: Sequence[Machine] = tuple(map(machine, told))
        self.longest = max((machine.highest for machine in self.machines), default=0.0)
        self._by = by
        self._rng = rng
        self._drawn: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    def lag(self, connection: object) -> float:
        """Seconds by which the answer to a request that came over that connection is behind."""
        if not self.machines:
            return 0.0
        if self._by == "request":
            return self._draw()
        if connection not in self._drawn:
            self._drawn[connection] = self._draw()
        return self._drawn[connection]

    def _draw(self) -> float:
        machine = self._rng.choice(self.machines)
        return self._rng.uniform(machine.lowest, machine.highest)
