"""What a result says: a table of the peers, and the figures that were to be reached."""

from collections.abc import Iterable

import attrs
from measure import Round, Spread, figure
from peers import PEERS


@attrs.frozen
class Figure:
    """One claim, with what was measured and what it was to be."""

    name: str
    measured: Spread
    least: float | None = None
    most: float | None = None
    digits: int = 2
    unit: str = ""

    @property
    def bound(self) -> str:
        if self.least is not None:
            return f"at least {self.least:g}{self.unit}"
        return "" if self.most is None else f"at most {self.most:g}{self.unit}"

    @property
    def reached(self) -> bool:
        """Whether the median keeps to the bound."""
        median = self.measured.median
        return (self.least is None or median >= self.least) and (
            self.most is None or median <= self.most
        )

    @property
    def found(self) -> str:
        """What was measured: the median, and the extremes if there are any."""
        median, low, high = (
            f"{number:,.{self.digits}f}"
            for number in (self.measured.median, self.measured.low, self.measured.high)
        )
        extremes = "" if low == high else f" ({low} to {high})"
        return f"{self.name}: {median}{self.unit}{extremes}"

    def __str__(self) -> str:
        if not self.bound:
            return self.found
        return f"{self.found}; wanted {self.bound}" + ("" if self.reached else ": NOT REACHED")


COLUMNS = ("lines/s", "spread", "CPU s/M", "MiB", "requests", "seconds")


def names(rounds: list[Round]) -> list[str]:
    """Return those that ran, in the order in which they are shown: ours, theirs, limits."""
    places = {name: place for place, name in enumerate(PEERS)}
    return sorted(rounds[0], key=lambda name: places.get(name, 0))


def rows(rounds: list[Round]) -> Iterable[tuple[str, ...]]:
    """Yield what the table says of each peer: its label, medians, and what stopped it if it was."""
    for name in names(rounds):
        label = PEERS[name].label if name in PEERS else name
        if error := rounds[0][name]["error"]:
            stop = f"stopped after {rounds[0][name]['lines']:,} lines: {error}"
            yield label, "", "", "", "", *medians(rounds, name)[4:], stop
        else:
            yield label, *medians(rounds, name)


def medians(rounds: list[Round], name: str) -> tuple[str, ...]:
    """Return the cells of one peer, in the order of the columns."""
    rest = (
        f"{figure(rounds, name, 'peak_mib').median:.0f}",
        f"{figure(rounds, name, 'requests').median:,.0f}",
        f"{figure(rounds, name, 'seconds').median:.2f}",
    )
    if not rounds[0][name]["lines"]:
        return "", "", "", *rest
    speed = figure(rounds, name, "speed")
    return (
        f"{speed.median:,.0f}",
        f"±{(speed.high - speed.low) / 2 / speed.median:.0%}",
        f"{figure(rounds, name, 'cpu_per_million').median:.2f}",
        *rest,
    )


def print_table(rounds: list[Round]) -> None:
    print(f"{'':26}" + "".join(f"{name:>12}" for name in COLUMNS))
    for label, *cells in rows(rounds):
        print(f"{label:26}" + "".join(f"{cell:>12}" for cell in cells[:6]) + "  ".join(["", *cells[6:]]))
