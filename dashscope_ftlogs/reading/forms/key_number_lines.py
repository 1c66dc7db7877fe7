"""Lines of names and numbers, such as `step 10 | loss: 2.5 | lr 1e-5`, whoever prints them and however.

A line is one if, after all that loggers and launchers put before it, it *begins* with the step (or a
name with its number), goes on with names and numbers only, apart from a few words, tells the step (or
the epoch), and has a loss or a reward among them. Prose, code, options and configurations are not: they
begin with another word, hold quotes or braces, or tell no step. A Chinese word, `progress` or
`completed` may stand before a name. Megatron's evaluation at the end of training tells no step, nor does
one that counts its own, or that PyTorch's example prints of a test set.

A number counts as a whole or not at all: behind it and its unit comes a blank, a bracket, a `±`, or the
end of what is said. `2.31/2.5`, `1.234,5`, `0x1f`, `12.5.1` and `2.31e` are none. Full-width punctuation
is what it stands for. Of two numbers of one name the second is named after its phase, or left out.

Time is linear in a line's length: it is cut at its separators, and of each piece a bounded beginning is
read.
"""

import re
from typing import Final

import attrs

from dashscope_ftlogs.reading.forms.entries import OF_PHASES, named_after, phase_of, within_evaluation
from dashscope_ftlogs.reading.forms.names import (
    NOT_DENIED,
    is_loss_or_reward,
    is_of_evaluation,
    is_of_no_point,
    is_one_name,
    only_of_evaluation,
)
from dashscope_ftlogs.reading.forms.numbers import (
    COUNT,
    END,
    MAY_LAST,
    NUMBER,
    PAIR,
    PLAIN,
    SIGNED,
    TIMED,
    WORDS,
    number,
)
from dashscope_ftlogs.reading.forms.plain_words import FOREIGN, ROOM, in_english, without_quotes
from dashscope_ftlogs.reading.forms.stamps import FILE, message_at
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

_LONGEST: Final = 64 * 1024
"""Characters of a line that are looked at. One of names and numbers is hardly ever longer."""
_OF_OTHERS: Final = r"(?:eval(?:uat(?:ion|ing|e))?|val(?:id(?:at(?:e|ing|ion))?)?|test(?:ing)?)"
_PHASE: Final = (
    rf"(?:(?P<phase>train(?:ing)?|{_OF_OTHERS})\b"
    r"[ :_-]*(?:loss |results? |metrics )?(?:at |on |for |after )?)?"
)
_STEP: Final = re.compile(
    rf"{_PHASE}(?P<key>(?:(?:global|current|optimizer|update|training)[ _])?"
    r"(?:(?:mini)?steps?|iter(?:ation)?s?|it|batch(?:es)?|num_updates|updates?))"
    r"(?:\((?P<of>train|val|test)\))?(?P<named>\s?[:=#]?)\s?[\[(]?\s?"
    rf"(?:{COUNT}(?![\w.%,/]\d|\w|\.\d)|(?P<rounded>{PLAIN}(?-i:[KMB])\b))",
    re.IGNORECASE,
)
_EPOCH: Final = re.compile(
    rf"{_PHASE}(?:(?:(?:num_|progress_or_)?epochs?|epch)(?:\((?P<of>train|val|test)\))?\s?[:=#]?\s?"
    rf"(?![\[(]\s?\d+,\d)[\[(]?\s?|(?<=train: )(?=\d+ \[\s?\d+/))(?P<epoch>{SIGNED})"
    r"(?:\s?(?:/|of)\s?\d+(?:\.\d+)?)?(?!\w|[.,:]\d)"
    rf"(?P<within>[\])]?\s?[:,-]?\s?[\[(]\s?{COUNT}(?:\s?\(\s?\d+%\))?\s?[\])])?",
    re.IGNORECASE,
)
_PLACED: Final = re.compile(
    rf"{_PHASE}\[\s*(?P<epoch>\d+)\s*/\s*\d+\s*\]\s*\[\s*{COUNT}\s*\]", re.IGNORECASE
)
_BRACKETED: Final = re.compile(
    rf"\[\s*(?:(?P<epoch>\d{{1,9}}),\s+|(?=[\d,]+\s?/)){COUNT}\s*\](?!\s*\[)[\s:,-]*"
)
"""What counts without a word: steps, unless the line tells its place in others."""
_DRAWN: Final = re.compile(
    rf"{COUNT}(?:\s+(?P<bar>\u2501+)|(?=\s+-\s+(?:\d+:)*\d+m?s(?:\s|$)))(?:[\s-]*[\d:]+m?s(?:/\w+)?)*"
)
"""The bar of Keras, or what it prints without one."""
_OF_BOTH: Final = re.compile(rf"{COUNT}(?:\s(?:batches|steps|iters|it))?{END}", re.IGNORECASE)
_OF_PLACE: Final = re.compile(
    r"(?:(?:at|after|in|of|during) (?:the )?)?(?:(?:end|start|beginning) of )?"
    r"(?=(?:epoch|step|iter(?:ation)?)s?\s?[:=#]?\s?[\[(]?\d)",
    re.IGNORECASE,
)
"""What leads to the place of what was told before it."""
_OF_CODE: Final = re.compile(FILE)
_SEPARATOR: Final = re.compile(
    r"\s*\|\s*|\s+[-\u2013\u2014]\s+(?!\d)|,(?!\d)\s*|\t+|\s{2,}"
    r"|\((?=[a-z_ ]{1,40}[:=] ?[-\d])",
    re.IGNORECASE,
)
_AHEAD: Final = re.compile(
    r"[\s\[\](]*(?:[\u3400-\u9fff]{1,12}[\s:]+(?=[a-z])"
    r"|(?:(?:training )?progress: ?|completed |end of |\w{1,40}_callback: |\d+\s*/\s*\d+\]\s*)"
    r"(?=step|iter|epoch))",
    re.IGNORECASE,
)
_AT_THE_END: Final = re.compile(
    r"(?:validation|test) loss at the end of training for (?:val|validation|test) (?:data|set) *\|"
)
_ON_A_TEST_SET: Final = re.compile(r"validation loss at .{1,80} (?:on|for) test (?:set|data) *\|")
"""Megatron's: it calls both a validation."""
_OF_A_SET: Final = re.compile(
    rf"(?P<set>{_OF_OTHERS}) set: (?=(?:average |avg\.? |mean )?loss ?[:=])", re.IGNORECASE
)
"""PyTorch's example: what it tells is from where training has come to."""
_AT_STEP: Final = re.compile(
    rf"(?P<key>(?:[a-z]{{1,20}} ){{0,2}}loss(?: \([a-z ]{{1,40}}\))?) (?:at|after|@) "
    rf"(?:step|iteration|iter) {COUNT}\s?[:=]\s?{NUMBER}$",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(
    rf"(?:(?P<other>{_OF_OTHERS})|train(?:ing)?)(?: on [\w-]{{1,40}} (?:sub|data)?set)?",
    re.IGNORECASE,
)
"""A piece that says of which phase a line is, and nothing else."""
_SECTION: Final = re.compile(rf"(train(?:ing)?|{_OF_OTHERS})\s?:\s(?=[a-z_])", re.IGNORECASE)
"""What says of which phase the numbers behind it are."""
_OF_WHICH: Final = re.compile(
    rf"(?P<key>{'|'.join(sorted({name.lower() for name in OF_PHASES}))})"
    r"\s?[:=]\s?(?P<said>[a-z][\w-]{0,40})(?=[\s\])]|$)",
    re.IGNORECASE,
)
"""What may say of which phase all numbers of its line are."""
_OTHER: Final = re.compile(_OF_OTHERS, re.IGNORECASE)
_SAID_BEFORE: Final = re.compile(
    rf"(?:^|[\s\[(|:]){NOT_DENIED}({_OF_OTHERS})[\])]?\s*[|:-]*\s*$", re.IGNORECASE
)
_BETWEEN: Final = re.compile(
    r"(?:[\s\[\](),:]|\.(?=\s)|(?:done|finished|completed?|ended)[.:!]?\s+(?!in )(?=[a-z]))*",
    re.IGNORECASE,
)
_TOLD: Final = re.compile(
    r"step|it|batch|update|epoch|\d\s?(?:/|of)|at the end| set:|\[\s*\d+,\s", re.IGNORECASE
)
"""Where a line is from is told by one of these: most that mention a loss have none."""
_NEAR: Final = 40
"""Characters before what is said in which the phase may stand."""
_PIECE: Final = 400
"""Characters of a piece between two separators that are looked at."""
_OF_TIME: Final = frozenset({"time", "data_time", "memory", "lr"})
"""What an evaluation tells of itself while it goes on."""
_EVALUATION: Final = re.compile("eval|val|test", re.IGNORECASE)


@attrs.frozen
class KeyNumbers:
    """What such a line says."""

    values: MetricValues
    step: int | None
    total_steps: int | None
    epoch: float | None
    of_evaluation: bool
    drawn: bool
    """It is a bar, that may be drawn once more with more numbers."""


@attrs.define
class _Reading:
    """What is known of a line so far."""

    values: dict[str, float | str] = attrs.field(factory=dict[str, float | str])
    step: int | None = None
    total: int | None = None
    epoch: float | None = None
    evaluation: str = ""
    """The word that says that it is of one, if any does."""
    at_the_end: bool = False
    over: bool = False
    """It is of an evaluation that has counted itself to its end."""
    rounded: bool = False
    """It tells a step in so few digits that it is none."""
    bracketed: "re.Match[str] | None" = None
    drawn: bool = False
    section: str = ""
    """Of which phase the next numbers are, if the line tells several."""
    evaluated: str = ""
    """What the line has called an evaluation in a name before: numbers told once more are of that."""
    said: str = ""
    timed: bool = False
    understood: int = 0
    strange: int = 0


def key_numbers(text: str, *, epoch: float | None = None) -> KeyNumbers | None:
    """Return what a line of names and numbers says; None if it is none.

    Where the lines before it tell its epoch, it need not tell a place, but must hold nothing else.

    >>> key_numbers("[INFO] Step 3/9 | train loss: 2.5 | tok/s 1,234").values
    {'train loss': 2.5, 'tok/s': 1234.0}
    >>> key_numbers("loss=0.5, scale=2") is None
    True
    """
    if len(text) > _LONGEST:
        return None
    text = text if text.isascii() else in_english(text)
    if epoch is None and _TOLD.search(text) is None:
        return None
    text = without_quotes(text)
    begin = message_at(text)
    if text[begin : begin + 1] == "{":  # MindSpore's, that may end in the next line
        begin, text = begin + 1, text.removesuffix("}")
    if FOREIGN.search(text, begin) is not None:
        return None
    found = _Reading(epoch=epoch)
    begin = _begun(text, begin, found)
    said = ROOM.sub(" ", text[begin:].strip(" |"))
    found.said, found.timed = said, MAY_LAST.search(said) is not None
    for nth, piece in enumerate(_SEPARATOR.split(said)):
        if not _read(piece, found) and not nth:
            return None
        if found.strange > (found.understood if epoch is None else 0):
            return None
    return _judged(found)


def _begun(text: str, begin: int, found: _Reading) -> int:
    """Take in what is said of the whole line at its beginning, or before; return where that ends."""
    if _ON_A_TEST_SET.match(text, begin) is not None:
        found.section = "test"
    if (ended := _AT_THE_END.match(text, begin) or _OF_A_SET.match(text, begin)) is not None:
        found.evaluation = ended.groupdict().get("set") or ""
        found.at_the_end = True
        return ended.end()
    if (before := _SAID_BEFORE.search(text, max(0, begin - _NEAR), begin)) is not None:
        found.evaluation = before[1]
    if found.epoch is None and (bracketed := _BRACKETED.match(text, begin)) is not None:
        found.bracketed, begin = bracketed, bracketed.end()
    return begin


def _read(piece: str, found: _Reading) -> bool:
    """Take in a piece between two separators; return whether its beginning is understood."""
    if (alone := _ALONE.fullmatch(piece)) is not None:
        if any(map(is_loss_or_reward, found.values)):
            found.section = piece
        else:
            found.evaluation = found.evaluation or alone["other"] or ""
        return True
    first, end = found.understood, min(len(piece), _PIECE)
    at = _placed(piece, end, found) if not first else 0
    if not at and (ahead := _AHEAD.match(piece)) is not None:
        at = ahead.end()
    while True:
        between = _BETWEEN.match(piece, at, end)
        at = at if between is None else between.end()
        if at >= end:
            break
        item = _item(piece, at, end, found)
        if item < 0:
            found.strange += not piece[at].isdigit()
            break
        found.understood += 1
        at = item
    return found.understood > first or not piece.strip()


def _placed(piece: str, end: int, found: _Reading) -> int:
    """Take in where a line is that begins with it, without a name; return where that ends."""
    placed = _PLACED.match(piece, 0, end)
    if placed is not None:
        found.epoch = float(placed["epoch"])
        found.evaluation = found.evaluation or _evaluation_in(placed)
    elif (placed := _AT_STEP.match(piece, 0, end)) is not None:
        value = number(placed["value"], placed["key"], found.said)
        if value is None:
            return 0
        found.values[placed["key"]] = value
    elif (placed := _DRAWN.match(piece, 0, end)) is not None and placed["total"]:
        found.drawn = placed["bar"] is not None
    else:
        return 0
    _count(placed, found)
    found.understood += 1
    return placed.end()


def _where(piece: str, at: int, end: int, found: _Reading) -> int | None:
    """Take in what tells the step, the epoch or the phase; None if something else stands there."""
    if (step := _STEP.match(piece, at, end)) is not None:
        _take_step(step, found)
        return step.end()
    if (epoch := _EPOCH.match(piece, at, end)) is not None:
        found.epoch = number(epoch["epoch"], "epoch", found.said)
        found.evaluation = found.evaluation or _evaluation_in(epoch)
        if epoch["within"] and not _counts_itself(epoch, found):
            _count(epoch, found)
        return -1 if found.epoch is None else epoch.end()
    if found.epoch is not None and found.step is None:
        of_both = _OF_BOTH.match(piece, at, end)
        if of_both is not None and of_both["total"]:
            _count(of_both, found)
            return of_both.end()
    said = _OF_WHICH.match(piece, at, end)
    # Any other word there is one that is not known: a setting, or of a text.
    if said is not None and phase_of(said["key"].lower(), said["said"]) is not None:
        found.values[said["key"].lower()] = said["said"]
        return said.end()
    section = _SECTION.match(piece, at, end)
    if section is None:
        return None
    found.section = section[1]
    return section.end()


def _item(piece: str, at: int, end: int, found: _Reading) -> int:
    """Take in what stands there; return where it ends, or -1 if that is not understood."""
    leading = None if found.step is found.epoch is None else _OF_PLACE.match(piece, at, end)
    if leading is not None and not any(map(is_of_no_point, found.values)):
        at = leading.end()
    behind = _where(piece, at, end, found)
    if behind is not None:
        return behind
    pair = (TIMED.match(piece, at, end) if found.timed else None) or PAIR.match(piece, at, end)
    if pair is None or not is_one_name(pair["key"]):
        pair = WORDS.match(piece, at, end)
        if pair is None or not is_one_name(pair["key"]):
            return -1
    name = pair["key"].strip().removesuffix(" is")
    lasting = pair.groupdict().get("text")
    value = lasting.strip() if lasting else number(pair["value"], name, found.said)
    if value is None:
        return -1
    if "." not in name or _OF_CODE.fullmatch(name) is None:  # a logger's place, such as `train.py:88`
        _keep(name, value, found)
    return pair.end()


def _keep(name: str, value: float | str, found: _Reading) -> None:
    """Keep a number by its name; what has one that was there is of another phase, or left out."""
    if not found.section and is_loss_or_reward(name) and is_of_evaluation(name):
        other = _OTHER.search(name)
        found.evaluated = found.evaluated if other is None else other[0]
    of = found.section or (found.evaluated if name in found.values else "")
    found.values.setdefault(f"{of}/{name}" if of else name, value)


def _take_step(step: "re.Match[str]", found: _Reading) -> None:
    named = step["key"].lower().replace(" ", "_")
    found.evaluation = found.evaluation or _evaluation_in(step)
    if step["rounded"]:
        found.rounded = True
        return
    if named in {"global_step", "num_updates"}:
        found.step = found.total = None
    elif found.step is not None:
        if step["named"].strip():
            found.values[step["key"]] = float(step["done"].replace(",", ""))
        return
    if not _counts_itself(step, found):
        _count(step, found)


def _counts_itself(told: "re.Match[str]", found: _Reading) -> bool:
    """Whether it tells how far an evaluation has come, as `Iter(val) [3/9]` does, and no step."""
    itself = _EVALUATION.match(told["of"] or "") is not None
    found.at_the_end |= itself
    found.over |= itself and told["total"] in {None, told["done"]}
    return itself


def _count(counted: "re.Match[str]", found: _Reading) -> None:
    if found.step is None:
        found.step = _whole(counted["done"])
        found.total = _whole(counted["total"]) if counted["total"] else None


def _evaluation_in(found: "re.Match[str]") -> str:
    said = (found[name] or "" for name in ("phase", "of") if found.re.groupindex.get(name))
    return next((one for one in said if _EVALUATION.search(one) is not None), "")


def _judged(found: _Reading) -> KeyNumbers | None:
    numbers = [name for name, value in found.values.items() if type(value) is float]
    measured = any(is_loss_or_reward(name) and not is_of_no_point(name) for name in numbers)
    # What validates need not call it a loss: but then it says so in every name.
    validated = bool(numbers) and all("/" in name and is_of_evaluation(name) for name in numbers)
    counted = found.over and not _OF_TIME.issuperset(numbers)
    alone = found.step is None and found.epoch is None and not found.strange
    if found.bracketed is not None and alone:
        _count(found.bracketed, found)
        found.epoch = float(found.bracketed["epoch"]) if found.bracketed["epoch"] else None
    if not (measured or validated or counted):
        return None
    placed = found.step is not None or found.at_the_end or (found.rounded and measured)
    if not placed and (found.epoch is None or not measured):
        return None
    values = within_evaluation((found.evaluation,) if counted and not measured else (), found.values)
    if found.evaluation:
        values = named_after(found.evaluation, values)
    of_evaluation = bool(found.evaluation) or found.at_the_end or validated or only_of_evaluation(values)
    return KeyNumbers(values, found.step, found.total, found.epoch, of_evaluation, found.drawn)


def _whole(text: str) -> int | None:
    # Of more digits, none is a step.
    return int(text.replace(",", "")) if len(text) <= 18 else None
