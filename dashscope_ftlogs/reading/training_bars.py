"""How far training has come, as its bars show it: whether it went on after an error."""

import attrs

from dashscope_ftlogs.reading.line_prefixes import text_of
from dashscope_ftlogs.reading.records import ProgressBar, whole


def training_step(bar: ProgressBar) -> int | None:
    """Return the step that a bar shows if it is that of training, whatever carries the log.

    >>> training_step(ProgressBar(3, "2026-01-05T03:04:05.5Z", 3.0, 100.0))
    3
    """
    about = f"{bar.description}: " if bar.description.isdecimal() else f"{bar.description} "
    return whole(bar.done) if text_of(about).strip() in {"", "Train"} else None


@attrs.define
class TrainingBars:
    """How far training is by its bar: where it has one, a metric can be from before an error.

    What a program prints is kept back until it ends, unless it goes to a terminal; bars and errors are
    not.
    """

    _step: int | None = None
    _total: float | None = None
    _at_error: int | None = None
    anew: bool = False
    """Training has begun again since an error: what is told from then on is from after it."""

    @property
    def are_moving(self) -> bool:
        """Whether there is a bar that has not come to its end."""
        return self._step is not None and self._total is not None and self._step < self._total

    def remember(self) -> None:
        """There was an error."""
        if self._at_error is None or self.anew:
            self._at_error, self.anew = self._step, False

    def went_on(self, bar: ProgressBar, *, since_error: bool) -> bool:
        """Take a bar, and return whether training went on since there was an error."""
        if (step := training_step(bar)) is None:
            return False
        if not since_error:
            self._at_error, self.anew = None, False
        elif bar.remaining is None:
            before, total = self._step, self._total
            if before is None or (step < before and bar.total == total):
                self._at_error, self.anew = step, True
        went_on = since_error and bar.total == self._total and step > (self._at_error or 0)
        self._step, self._total = step, bar.total
        return went_on
