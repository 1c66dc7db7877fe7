"""What a log calls the loss that a condition is about, known line by line: it has many names."""

from typing import Final

import attrs

from dashscope_ftlogs.metrics.live.live_points import LivePoint
from dashscope_ftlogs.reading.forms.names import (
    is_better_higher,
    is_loss_or_reward,
    is_of_evaluation,
    is_of_test,
    main_metric,
    standing_for,
)

STOOD_FOR: Final = ("loss", "eval_loss")
"""The names by which conditions are about the loss of any log."""


class StandingFor:
    """Keeps, of one log, what stands for the names that its points lack.

    The first that could is kept, so that two losses are never compared with each other; until a point
    has the very name.
    """

    def __init__(self) -> None:
        self.called: dict[str, str] = {}

    def named(self, point: LivePoint) -> LivePoint:
        """Return a point that has what stands for those names under them, too.

        >>> log = StandingFor()
        >>> log.named(LivePoint({"lm loss": 2.5})).values["loss"]
        2.5
        >>> "loss" in log.named(LivePoint({"loss/aux": 2.5})).values
        False
        """
        added: dict[str, float | str] = {}
        for asked in STOOD_FOR:
            if asked in point.values:
                self.called[asked] = asked
            elif asked not in self.called and (found := _standing(asked, point)) is not None:
                self.called[asked] = found
            name = self.called.get(asked, asked)
            if name != asked and name in point.values and _is_of(asked, name, point):
                added[asked] = point.values[name]
        return attrs.evolve(point, values={**point.values, **added}) if added else point


def _standing(asked: str, point: LivePoint) -> str | None:
    names = [name for name, value in point.values.items() if isinstance(value, float)]
    if asked == "loss":
        found = standing_for(asked, [name for name in names if not is_of_evaluation(name)])
        return found if point.kind != "eval" else None
    losses = [name for name in names if is_loss_or_reward(name) and not is_of_test(name)]
    told = [name for name in losses if is_of_evaluation(name)]
    found = main_metric(told or (losses if point.kind == "eval" else []))
    return None if found is None or is_better_higher(found) else found


def _is_of(asked: str, name: str, point: LivePoint) -> bool:
    """Whether a point says that by a name, which evaluations may have from training."""
    return is_of_evaluation(name) or (point.kind == "eval") == (asked == "eval_loss")
