"""The runs of one log: a restart sets step or epoch back."""

from typing import Final

import attrs

EPOCH_ROUNDING: Final = 0.011
"""Epochs that differ by no more than this may be one, printed in two ways."""


@attrs.define
class Segments:
    """Counts the runs of a log: one is over when step or epoch go back."""

    _number: int = 0
    _step: int = -1
    _epoch: float = -1.0

    def number(self, kind: str | None, step: int | None, epoch: float | None) -> int:
        """Return in which run the next point is."""
        if kind == "final":  # its epoch is rounded in another way, if at all
            return self._number
        back = epoch is not None and epoch < self._epoch - EPOCH_ROUNDING
        if step is not None:  # which is exact, but may count from each epoch's beginning
            back = step < self._step and not (epoch is not None and epoch > self._epoch)
        if back:
            self._number, self._step, self._epoch = self._number + 1, -1, -1.0
        self._step = self._step if step is None else step
        self._epoch = self._epoch if epoch is None else epoch
        return self._number
