"""What a log calls the loss that a condition is about, known line by line: it has many names."""

import attrs

from dashscope_ftlogs.metrics.live.live_points import LivePoint
from dashscope_ftlogs.reading.forms.names import (
    WHATEVER_ITS_NAME,
    is_of_evaluation,
    is_of_test,
    loss_called,
)


class StandingFor:
    """Keeps, of one log, what stands for the names that its points lack.

    The first that could is kept, so that two losses are never compared with each other; until a point
    has the very name.
    """

    def __init__(self) -> None:
        self._called: dict[str, str] = {}

    def ends(self, asked: str | None, point: LivePoint) -> bool:
        """Whether a point is the first to have that very name, for which another has stood."""
        if asked is None or asked not in point.values:
            return False
        return self.called(asked) != asked

    def called(self, asked: str) -> str:
        """Return what the log calls that, as far as is known; the name itself until then."""
        return self._called.get(asked, asked)

    def named(self, asked: str | None, point: LivePoint) -> LivePoint:
        """Return a point that has what stands for that name under it, too.

        >>> log = StandingFor()
        >>> log.named("loss", LivePoint({"lm loss": 2.5})).values["loss"]
        2.5
        >>> "loss" in log.named("loss", LivePoint({"loss/aux": 2.5})).values
        False
        """
        if asked is None or asked not in WHATEVER_ITS_NAME:
            return point
        if asked in point.values:
            self._called[asked] = asked
        elif asked not in self._called and (found := _standing(asked, point)) is not None:
            self._called[asked] = found
        name = self.called(asked)
        if name == asked or name not in point.values or not _is_of(asked, name, point):
            return point
        return attrs.evolve(point, values={**point.values, asked: point.values[name]})


def _standing(asked: str, point: LivePoint) -> str | None:
    names = [name for name, value in point.values.items() if isinstance(value, float)]
    of_evaluation = point.kind == "eval"
    if asked == "loss":
        fit = [name for name in names if not (of_evaluation or is_of_evaluation(name))]
    else:
        fit = [name for name in names if not is_of_test(name)]
    return loss_called(asked, fit, lambda _: of_evaluation)


def _is_of(asked: str, name: str, point: LivePoint) -> bool:
    """Whether a point says that by a name, which evaluations may have from training."""
    return is_of_evaluation(name) or (point.kind == "eval") == (asked == "eval_loss")
