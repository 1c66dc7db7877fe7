"""Metric dicts as trainers print them: Python's repr or JSON, never evaluated.

Numbers come bare, quoted, as `nan`, or wrapped as in `np.float64(0.5)`. What is nested in one
that has a loss, or stands in a list in one, is passed over, but for evaluations, whose entries are named
after them, for a trainer's history, and for what is only there to hold numbers (`metrics`), which are
read as if they stood beside it. Passed over is, too, what repeats or sets something (`best`, `config`),
and what is quoted: in a string of another dict, behind a quotation mark, behind Python's prompt, among
the numbered lines of code in a box, or as an entry that was dropped.
Every function here takes time linear in the length of its text.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from dashscope_ftlogs.reading.forms.entries import (
    OF_SAMPLES,
    OF_TOKENS,
    evaluation_said,
    is_point,
    path_to,
    place_of,
    within_evaluation,
)
from dashscope_ftlogs.reading.forms.flat_dicts import as_number, flat
from dashscope_ftlogs.reading.forms.names import (
    HISTORY,
    is_container,
    is_of_evaluation,
    is_of_no_point,
    mentioned,
    only_of_evaluation,
    shares_place,
)
from dashscope_ftlogs.reading.forms.plain_words import LOSS, keys_in_english
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

_STRING: Final = r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\""""
_KEY: Final = re.compile(rf"\s*+({_STRING}|-?\d{{1,18}})\s*+:\s*+", re.DOTALL)
_VALUE: Final = re.compile(
    rf"(?P<text>{_STRING})|(?P<bare>[^\s,'\"{{}}\[\]()]++(?:\([^(){{}}]*+\))?)", re.DOTALL
)
_NEXT: Final = re.compile(r"\s*+(?:(,)\s*+(\})?|(\}))")
_NESTED: Final = re.compile(rf"[^\[\](){{}}'\"\\]++|[\[({{\])}}]|{_STRING}", re.DOTALL)
_WRAPPED: Final = re.compile(r"(?:(?:np|numpy|jnp)\.\w+|tensor|array|Array)\(\[*\s*([^\s,()\]]+)")
_DEEPEST: Final = 8
"""Dicts around another; what stands deeper is passed over."""
_HEX: Final = "[0-9a-fA-F]"
_ESCAPE: Final = re.compile(
    rf"\\(?:u([dD][89abAB]{_HEX}{{2}})\\u([dD][c-fC-F]{_HEX}{{2}})"
    rf"|u({_HEX}{{4}})|x({_HEX}{{2}})|U({_HEX}{{8}})|(.))",
    re.DOTALL,
)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
# A call's argument is code; what is quoted is text that somebody speaks of.
_QUOTED: Final = re.compile(r"(?:\w\(|['\"]|Dropping entry: )$")
_CODE: Final = re.compile(r"\s{0,40}+>>> |.{0,200}?\u2502 (?:\u2771 ?| ) {0,8}\d{1,6} ")
_REPEATED: Final = re.compile(
    r"(?<![\w-])(?:best|loaded|restored|resumed|previous)(?: [A-Za-z_]{1,20}){0,4}(?: \d{1,18})?"
    r"[\s:=]{0,4}$",
    re.IGNORECASE,
)
"""What says before a dict that it was told before."""
EPOCH_BEFORE: Final = re.compile(
    r"(?<![A-Za-z])epoch[\s\]:=#\[(]{0,4}(\d{1,9})(?: ?/ ?\d{1,9})?(?![\d.])[\s\]):,|>-]{0,6}"
    r"(?:[A-Za-z_]{1,20} ?){0,2}[\s:=]{0,3}$",
    re.IGNORECASE,
)
"""The epoch, as the last that is said before a dict."""
STEP_BEFORE: Final = re.compile(
    r"(?<![A-Za-z])(?:steps?|iter|iteration|global_step|rollout)[\s\]:=#\[(]{0,4}(\d{1,18})"
    r"(?: ?/ ?(\d{1,18}))?"
    r"[\s\]):,|>-]{0,6}(?:[A-Za-z_]{1,20} ?){0,2}[\s:=]{0,3}$",
    re.IGNORECASE,
)
"""The step, as the last that is said before a dict."""
NEAR: Final = 80
"""Characters before a dict in which that may be said."""
_FAR: Final = 400
"""Characters before a dict in which a table's cell may begin."""
_NAMED: Final = re.compile(r"""['"]([^'"\\{}]{1,80})['"]\s{0,9}:\s{0,9}$""")
"""What a dict is called that stands in another."""
_BRACE_OR_STRING: Final = re.compile(rf"\{{|{_STRING}", re.DOTALL)


def may_hold_metrics(text: str) -> bool:
    """Whether there may be a metric dict, judged by a glance."""
    return mentioned(text) or "_runtime" in text or LOSS in text


@attrs.frozen
class _Dict:
    """A dict, or as much of it as can be read."""

    values: MetricValues
    end: int
    is_whole: bool = True
    nested: Sequence[tuple[str, int]] = ()
    """What of it is called how, and begins where, that is nested in it."""


@attrs.define
class _Around:
    """A dict in which the next one stands."""

    end: int
    place: Mapping[str, float | str]
    path: Sequence[str]
    hides: bool
    """Whether nothing in it is of training."""
    beside: Mapping[str, float | str]
    """The place, and those numbers of it that are of the same point as what it only holds."""
    nested: Sequence[tuple[str, int]]
    _list: int = -1
    _listed: int = 0

    def name_and_number(self, begin: int) -> tuple[str, int | None]:
        """Return what the next dict in it is called, and which of a list it is."""
        name, at = self.nested[bisect_right(self.nested, begin, key=lambda one: one[1]) - 1]
        if at == begin:
            return name, None
        self._list, self._listed = at, self._listed + 1 if at == self._list else 0
        return name, self._listed


def dicts_in(text: str) -> Iterator[tuple[int, int, MetricValues]]:
    """Yield where each metric dict begins and ends, and what it holds.

    One that stands in another is from where that one says it is. It may be within one that was yielded.

    >>> list(dicts_in("{'a': {'loss': 0.5}, 'step': 3} {'loss': 1, 'mem': {'gpu0': 2}}"))
    [(6, 19, {'step': 3.0, 'loss': 0.5}), (32, 63, {'loss': 1.0})]
    >>> [values for _, _, values in dicts_in("{'loss': 1, 'step': 3, 'val': [{'loss': 2}]}")]
    [{'loss': 1.0, 'step': 3.0}, {'step': 3.0, 'val/0/loss': 2.0}]
    """
    begin, close, in_chinese = text.find("{"), -1, LOSS in text
    around: list[_Around] = []
    while begin >= 0:
        if close < begin and (close := text.find("}", begin)) < 0:
            return
        found = _flat(text, begin, close) or _at(text, begin)
        if in_chinese:
            found = attrs.evolve(found, values=keys_in_english(found.values))
        name, values, hides = name_before(text, begin), found.values, False
        path: Sequence[str] = [name]
        passed_over, of_evaluation = is_of_no_point(name), is_of_evaluation(name)
        if around:
            name, number = around[-1].name_and_number(begin)
            path = path_to(around[-1].path, name, number, values)
            of_evaluation, of_history = any(map(is_of_evaluation, path)), HISTORY in path
            is_held = number is None and shares_place(name)
            says_so = only_of_evaluation(values)
            of_evaluation |= shares_place(name) and says_so
            if not of_history:
                values = {**(around[-1].beside if is_held else around[-1].place), **values}
            hidden = around[-1].hides and not (of_evaluation or of_history)
            passed_over = is_of_no_point(name) or (hidden and not is_container(name))
            hides = hidden or (number is not None and not (of_evaluation or of_history or says_so))
        if found.is_whole and not (passed_over or hides) and _is_told(text, begin, values):
            yield begin, found.end, within_evaluation(path, {**values, **_held(text, found), **values})
        own = place_of(values) if found.nested and not passed_over else None
        if own is not None and len(around) < _DEEPEST:
            hides = hides or is_point(values)
            beside = own if hides else place_of(values, with_numbers=True) or own
            around.append(_Around(found.end, own, path, hides, beside, found.nested))
            begin += 1
        else:
            begin = found.end if found.is_whole or found.nested else begin + 1
        begin = _next(text, begin, around)


def _held(text: str, found: _Dict) -> MetricValues:
    """Return the numbers of a point that stand in dicts in it which are only there to hold them."""
    held: dict[str, float | str] = {}
    for name, at in found.nested:
        if text[at] == "{" and shares_place(name):
            held.update(numbers_held(_at(text, at).values))
    return held


def numbers_held(values: MetricValues) -> MetricValues:
    """Return what a dict that only holds numbers tells of the point that it stands in.

    >>> numbers_held({"lr": 0.1}), numbers_held({"eval_loss": 0.5}), numbers_held({"prompt": "a"})
    ({'lr': 0.1}, {}, {})
    """
    if only_of_evaluation(values) or evaluation_said(values):
        return {}  # which is a point of its own
    return place_of(values, with_numbers=True) or {}


def name_before(text: str, begin: int) -> str:
    """Return what the dict is called that begins there, if it is in another one or was told before.

    >>> name_before("{'step': 3, 'eval': {'loss': 0.5}}", 20)
    'eval'
    """
    if not begin:
        return ""
    named = None
    if text.rfind(":", max(0, begin - 10), begin) >= 0:
        named = _NAMED.search(text, max(0, begin - NEAR), begin)
    if named is not None:
        return named[1]
    repeated = _REPEATED.search(text, max(0, begin - NEAR), begin)
    return "" if repeated is None else repeated[0]


def _is_told(text: str, begin: int, values: MetricValues) -> bool:
    """Whether the dict that begins there is a point, and nobody only speaks of it."""
    if not is_point(values):
        placed = STEP_BEFORE.search(text, max(0, begin - NEAR), begin) is not None
        if not (placed and is_point(values, is_placed=True)):
            return False
    return not _is_quoted(text, begin)


def _next(text: str, at: int, around: list[_Around]) -> int:
    """Return where the next dict begins, in no string of those around; leave those that end before."""
    while around:
        while (found := _BRACE_OR_STRING.search(text, at, around[-1].end)) is not None:
            if found[0] == "{":
                return found.start()
            at = found.end()
        at = max(at, around.pop().end)
    return text.find("{", at)


def _is_quoted(text: str, begin: int) -> bool:
    near = _QUOTED.search(text, max(0, begin - 20), begin) is not None
    if text.count("\u2502", max(0, begin - _FAR), begin) > 1:  # a cell of a table
        return True
    return near or (begin > 0 and _CODE.match(text, 0, begin) is not None)


def metrics_in(text: str) -> MetricValues | None:
    """Return the values if `text`, a pair of braces with what is between, is a metric dict.

    >>> metrics_in("{'loss': nan, 'grad_norm': np.float64(0.5), 'elapsed_time': '1m 9s'}")
    {'loss': nan, 'grad_norm': 0.5, 'elapsed_time': '1m 9s'}
    >>> metrics_in("{'role': 'user'}") is None
    True
    """
    return next((values for begin, _, values in dicts_in(text) if not begin), None)


def cut_short(text: str) -> MetricValues:
    """Return what a dict holds up to where another one begins in it, as far as that can be told.

    >>> cut_short("{'step': 3, 'eval': ")
    {'step': 3.0}
    """
    return _at(text, text.find("{")).values


def _flat(text: str, begin: int, close: int) -> _Dict | None:
    """Return the same of a dict in which nothing is nested, as most are."""
    if text.find("{", begin + 1, close) >= 0:
        return None
    values = flat(text[begin : close + 1])
    return None if values is None else _Dict(values, close + 1)


def _at(text: str, begin: int) -> _Dict:
    """Return the dict that begins there, up to what is none of a dict."""
    values: dict[str, float | str] = {}
    nested: list[tuple[str, int]] = []
    at = begin + 1
    while (key := _KEY.match(text, at)) is not None:
        name, at = _unquoted(key[1]), key.end()
        if (value := _VALUE.match(text, at)) is not None:
            at = value.end()
        if text[at : at + 1] in {"{", "[", "("}:
            nested.append((name, at))
            end = _end_of_nested(text, at)
            if end < 0:
                return _Dict(values, -end, False, nested)
            values.update(_of_sample(name, text[at:end]))
            at = end
        elif value is None:
            break
        elif (number := _value(value["text"], value["bare"])) is not None:
            values[name] = number
        if (following := _NEXT.match(text, at)) is None:
            break
        at = following.end()
        if following[2] or following[3]:
            return _Dict(values, at, True, nested)
    return _Dict(values, at, False, nested)


def _of_sample(name: str, nested: str) -> Mapping[str, str]:
    return {name: "[]"} if name in OF_TOKENS or (name in OF_SAMPLES and "{" in nested) else {}


def _end_of_nested(text: str, begin: int) -> int:
    """Return where the list, dict or call that begins there ends; negative, how far it can be read."""
    open_, at = 0, begin
    while (found := _NESTED.match(text, at)) is not None:
        at = found.end()
        if (sign := found[0]) in {"[", "(", "{"}:
            open_ += 1
        elif sign in {"]", ")", "}"}:
            open_ -= 1
            if not open_:
                return at
    return -at


def _unquoted(text: str) -> str:
    inner = text[1:-1] if text[0] in "'\"" else text
    return _ESCAPE.sub(_unescaped, inner) if "\\" in inner else inner


def _unescaped(found: "re.Match[str]") -> str:
    """Return what an escape of JSON or of Python stands for; half a character stays what it is."""
    high, low, *numbers, other = found.groups()
    if high is not None:
        pair = bytes.fromhex(high + low)
        return pair.decode("utf-16-be", "surrogatepass")
    number = next((int(one, 16) for one in numbers if one is not None), None)
    if number is None:
        return _ESCAPED.get(other, other)
    return chr(number) if number <= sys.maxunicode else found[0]


def _value(quoted: str | None, bare: str | None) -> float | str | None:
    if quoted is not None:
        text = _unquoted(quoted)
    elif bare in {"None", "null"}:
        return None
    else:
        text = str(bare)
        if wrapped := _WRAPPED.match(text):
            text = wrapped[1]
    number = as_number(text)
    return bare if type(number) is str and quoted is None else number
