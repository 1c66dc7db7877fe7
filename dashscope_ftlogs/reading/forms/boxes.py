"""Numbers in a box, a name and its values in each line, below a title that says what they are.

PyTorch Lightning prints what an evaluation came to (`Validate metric`, `Test metric`) in a table, with
`rich` or without it; Ray Train prints what a run reported (`Training result`). The trainer may have told
the same before. Ray Tune's tables are of several runs, which are no one's curve.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import attrs

from dashscope_ftlogs.reading.forms.names import is_loss_or_reward
from dashscope_ftlogs.reading.forms.over_lines import OverLines
from dashscope_ftlogs.reading.forms.stamps import message_at, time_in

TITLES: Final = ("Validate metric", "Test metric", "Training result")
"""Of which each box has one."""
_EVALUATION: Final = re.compile(
    r"(?:(?P<edge>[┃│|])\s+|^\s*)(?:Validate|Test) metric\s+"
    r"(?P<sets>(?:(?(edge)(?P=edge)\s+)DataLoader \d{1,4}(?:\s+|$))+)(?(edge)(?P=edge))$"
)
_REPORT: Final = re.compile(r"(?P<edge>[│|]) Training result\s+(?P=edge)$")
_SET: Final = re.compile(r"DataLoader (\d+)")
_RULE: Final = re.compile(r"(?:^|\s)[─━┏┓┗┛┳┻╇┡┩├┤┼┴┬╭╮╰╯└┘┌┐+|=-]{3,}$")
_COLUMNS: Final = re.compile(r"\s{2,}")
_NAME: Final = re.compile(r"[A-Za-z_][\w/@.:%()+-]{0,200}")
_REST: Final = re.compile(r"[\w/@.:%()+-]{1,200}")
_NUMBER: Final = re.compile(r"[-+]?(?:\d{1,20}(?:\.\d{0,30})?(?:e[-+]?\d{1,3})?|nan|inf)", re.IGNORECASE)
_ROUNDED: Final = 1e-4
"""A report has five decimals: of what is less, no two digits are left."""
_LONGEST: Final = 1000
"""Characters of a line of a box."""
_MOST: Final = 200
"""Lines of a box."""


@attrs.define
class _Box:
    """A box that has begun."""

    edge: str
    """What stands before and behind each line, and between cells; empty if nothing does."""
    sets: Sequence[str]
    """The numbers of the sets that were evaluated; none if it is a report."""
    time: int | None
    rules: int = 0
    """Lines that were drawn below the title."""
    rows: list[list[str]] = attrs.field(factory=list[list[str]])


class Boxes:
    """Takes the texts of a log in turn.

    >>> boxes = Boxes()
    >>> texts = ("│ Training result │", "├─────┤", "│ loss        0.5 │", "│ step   3 │", "╰─────╯")
    >>> [one.values for text in texts for one in boxes.read(text)]
    [{'loss': 0.5, 'step': 3.0}]
    """

    def __init__(self) -> None:
        self._box: _Box | None = None

    @property
    def idle(self) -> bool:
        """Whether none has begun."""
        return self._box is None

    def forget(self) -> None:
        """Give up what has begun."""
        self._box = None

    def read(self, text: str) -> Iterator[OverLines]:
        """Take the next text, and yield the box that ends with it."""
        box = self._box
        if box is None and not any(title in text for title in TITLES):
            return
        said = text.rstrip() if len(text) <= _LONGEST else ""
        if (begun := _begun(said)) is not None:
            self._box = begun
        elif box is not None and _RULE.search(said) is not None:
            box.rules += 1
            if box.rules > 1:
                self._box = None
                yield from _told(box)
        elif box is not None and not (box.rules and len(box.rows) < _MOST and _take(said, box)):
            self._box = None


def _begun(said: str) -> _Box | None:
    """Return the box that a line is the title of."""
    title = _EVALUATION.search(said) or _EVALUATION.match(said[message_at(said) :])
    if title is not None:
        edge = (title["edge"] or "").replace("┃", "│")
        return _Box(edge, _SET.findall(title["sets"]), time_in(said))
    if (title := _REPORT.search(said)) is not None:
        return _Box(title["edge"], (), time_in(said))
    return None


def _take(said: str, box: _Box) -> bool:
    """Take one more row; return whether it is one."""
    if not box.edge:
        cells = _COLUMNS.split(said[message_at(said) :])
    elif (at := said.find(box.edge)) == len(said) - 1 or at < 0 or not said.endswith(box.edge):
        return False
    elif box.sets:
        cells = [cell.strip() for cell in said[at + 1 : -1].split(box.edge)]
    else:
        cells = _COLUMNS.split(said[at + 1 : -1].strip())
    if box.sets and len(cells) > len(box.sets) + 1:
        return False
    if box.sets and box.rows and not any(cells[1:]):
        if _REST.fullmatch(cells[0]) is None:
            return False
        box.rows[-1][0] = ""  # that was only the first part of a name
    else:
        box.rows.append(cells)
    return True


def _told(box: _Box) -> Iterator[OverLines]:
    values: dict[str, float | str] = {}
    for name, *cells in box.rows:
        if _NAME.fullmatch(name) is None or len(cells) != (len(box.sets) or 1):
            continue  # without edges, nobody knows whose cell is empty
        for number, cell in zip(box.sets or ("",), cells, strict=True):
            if _NUMBER.fullmatch(cell) is None:
                continue
            value = float(cell)
            if box.sets or "." not in cell or not abs(value) < _ROUNDED:
                values[f"{name}/dataloader_idx_{number}" if len(box.sets) > 1 else name] = value
    if any(map(is_loss_or_reward, values)):
        kind: Literal["eval"] | None = "eval" if box.sets else None
        yield OverLines(values, box.time, kind=kind, again="summary")
