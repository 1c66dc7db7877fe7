"""Metric dicts as trainers print them: Python's repr or JSON, never evaluated.

Numbers come bare, quoted, as `nan`, or wrapped as in `np.float64(0.5)`. What is nested in one, or stands
in a list, is passed over, but for an evaluation, whose entries are named after it. So is what repeats or
sets something (`best`, `config`), and what is quoted: in a string of another dict, behind a quotation
mark, behind Python's prompt, among the numbered lines of code in a box, or as an entry that was dropped.
Every function here takes time linear in the length of its text.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
import msgspec

from dashscope_ftlogs.reading.forms.names import (
    OF_TOKENS,
    is_of_evaluation,
    is_of_no_point,
    is_point,
    mentioned,
    place_of,
    within_evaluation,
)
from dashscope_ftlogs.reading.metrics_in_line import MetricValues

_decode = msgspec.json.Decoder(dict[str, float | str]).decode
_decode_all = msgspec.json.Decoder(list[dict[str, float | str]]).decode
_decode_numbers = msgspec.json.Decoder(dict[str, float], strict=False).decode
_ERRORS: Final = (msgspec.DecodeError, UnicodeEncodeError)

_STRING: Final = r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\""""
_KEY: Final = re.compile(rf"\s*+({_STRING})\s*+:\s*+", re.DOTALL)
_VALUE: Final = re.compile(
    rf"(?P<text>{_STRING})|(?P<bare>[^\s,'\"{{}}\[\]()]++(?:\([^(){{}}]*+\))?)", re.DOTALL
)
_EMPTY: Final = re.compile(r"\{\s*+\}")
_NEXT: Final = re.compile(r"\s*+(?:(,)\s*+(\})?|(\}))")
_LISTED: Final = re.compile(rf"[^\[\](){{}}'\"\\]++|[\[(\])]|{_STRING}", re.DOTALL)
_WRAPPED: Final = re.compile(r"(?:(?:np|numpy|jnp)\.\w+|tensor|array|Array)\(\[*\s*([^\s,()\]]+)")
TOGETHER: Final = 16
"""Texts that are decoded in one go: more are no faster, and one that is no dict holds up so many."""
_DEEPEST: Final = 3
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
    return mentioned(text) or "_runtime" in text


@attrs.frozen
class _Around:
    """A dict in which the next one stands."""

    end: int
    place: Mapping[str, float | str]
    name: str
    is_told: bool


def dicts_in(text: str) -> Iterator[tuple[int, int, MetricValues]]:
    """Yield where each metric dict begins and ends, and what it holds.

    One that stands in another is from where that one says it is. It may be within one that was yielded.

    >>> list(dicts_in("{'a': {'loss': 0.5}, 'step': 3} {'loss': 1, 'mem': {'gpu0': 2}}"))
    [(6, 19, {'step': 3.0, 'loss': 0.5}), (32, 63, {'loss': 1.0})]
    >>> [values for _, _, values in dicts_in("{'loss': 1, 'step': 3, 'val': {'loss': 2}}")]
    [{'loss': 1.0, 'step': 3.0}, {'step': 3.0, 'val/loss': 2.0}]
    """
    begin, close = text.find("{"), -1
    around: list[_Around] = []
    while begin >= 0:
        if close < begin and (close := text.find("}", begin)) < 0:
            return
        found = _flat(text, begin, close) or _at(text, begin, 0)
        if found is None:
            begin = text.find("{", begin + 1)
            continue
        values, end = found
        while around and around[-1].end <= begin:
            around.pop()
        name = name_before(text, begin)
        if around:
            values = {**around[-1].place, **values}
        passed_over, of_evaluation = False, False
        path: list[str] = []
        if around or name:  # else it stands in none, as most do
            path = [*(one.name for one in around), name]
            of_evaluation = any(map(is_of_evaluation, path))
            is_repeated = any(one.is_told for one in around) and not of_evaluation
            passed_over = is_repeated or is_of_no_point(name)
        is_told = not passed_over and _is_told(text, begin, values)
        if is_told:
            yield begin, end, within_evaluation(path, values) if of_evaluation else values
        own = None if passed_over or text.find("{", begin + 1, end) < 0 else place_of(values)
        if own is None:
            begin = text.find("{", end)
        else:
            around.append(_Around(end, own, name, is_told))
            begin = _within(text, begin + 1, end)


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


def _within(text: str, begin: int, end: int) -> int:
    """Return where the next dict begins that stands in no string of the one that ends there."""
    while (found := _BRACE_OR_STRING.search(text, begin, end)) is not None:
        if found[0] == "{":
            return found.start()
        begin = found.end()
    return text.find("{", end)


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
    # Whoever reads dicts over lines has put `None` in the place of the one that ended there.
    found = _at(text.removesuffix("None") + "None}", text.find("{"), 0)
    return {} if found is None else found[0]


def _flat(text: str, begin: int, close: int) -> tuple[MetricValues, int] | None:
    """Return the same of a dict in which nothing is nested, as most are."""
    if text.find("{", begin + 1, close) >= 0:
        return None
    values = flat(text[begin : close + 1])
    return None if values is None else (values, close + 1)


def numbers(text: str) -> MetricValues | None:
    """Return what a dict of nothing but numbers holds, in the shortest time; None if it is no such.

    >>> numbers("{'loss': 1.5, 'epoch': '0.3'}"), numbers("{'step': '1/9'}")
    ({'loss': 1.5, 'epoch': 0.3}, None)
    """
    try:
        return _decode_numbers(text.replace("'", '"'))
    except _ERRORS:
        return None


def flat(text: str) -> MetricValues | None:
    """Return what a text holds that is nothing but a dict, in a short time; None if that fails.

    >>> flat("{'loss': 1.5, 'epoch': '0.3', 'step': '1/9'}")
    {'loss': 1.5, 'epoch': 0.3, 'step': '1/9'}
    """
    text = _as_json(text)
    try:
        values = _decode(text)
    except _ERRORS:
        return None
    _take_for_numbers(values)
    return values


def _as_json(text: str) -> str:
    """Return a text with JSON's quotes; nothing, which is no JSON, if that could change its meaning."""
    if "'" in text:
        if '"' in text:
            return ""
        text = text.replace("'", '"')
    return "" if "\\" in text else text


def _take_for_numbers(values: dict[str, float | str]) -> None:
    """Put numbers in the place of those texts that are some."""
    if str in map(type, values.values()):
        for name, value in values.items():
            if type(value) is str:
                values[name] = _as_number(value)


def flat_each(texts: Sequence[str]) -> Iterator[MetricValues | None]:
    """Yield the same of each text, all of which begin with a brace, in an even shorter time.

    >>> list(flat_each(["{'loss': 1.5}", "{'a': 1}, {'b': 2}", "{'loss': '0.5'}"]))
    [{'loss': 1.5}, None, {'loss': 0.5}]
    """
    for begin in range(0, len(texts), TOGETHER):
        some = texts[begin : begin + TOGETHER]
        yield from _flat_together(some) or map(flat, some)


def _flat_together(texts: Sequence[str]) -> Sequence[MetricValues] | None:
    """Return what all of these texts hold; None if one of them is no flat dict, or may be none.

    No string of JSON goes on over lines, and no dict here stands in another: each text begins one.
    """
    text = _as_json(",\n".join(texts))
    try:
        found = _decode_all(f"[{text}]")
    except _ERRORS:
        return None
    if len(found) != len(texts):
        return None
    if text.count('"') != 2 * sum(map(len, found)):
        for values in found:
            _take_for_numbers(values)
    return found


def _as_number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _at(text: str, begin: int, depth: int) -> tuple[MetricValues, int] | None:
    """Return what the dict that begins there holds, and where it ends; None if it is no dict."""
    values: dict[str, float | str] = {}
    if (empty := _EMPTY.match(text, begin)) is not None:
        return values, empty.end()
    at = begin + 1
    while (key := _KEY.match(text, at)) is not None:
        name, at = _unquoted(key[1]), key.end()
        if (opening := text[at : at + 1]) == "{":
            inner = _at(text, at, depth + 1) if depth < _DEEPEST else None
            end = -1 if inner is None else inner[1]
        elif opening in {"[", "("}:
            end = _end_of_list(text, at)
            if name in OF_TOKENS:
                values[name] = "[]"
        elif (value := _VALUE.match(text, at)) is not None:
            end = value.end()
            if (number := _value(value["text"], value["bare"])) is not None:
                values[name] = number
        else:
            end = -1
        following = _NEXT.match(text, end) if end >= 0 else None
        if following is None:
            return None
        at = following.end()
        if following[2] or following[3]:
            return values, at
    return None


def _end_of_list(text: str, begin: int) -> int:
    """Return where the list that begins there ends; -1 if it holds dicts, or never ends."""
    open_, at = 0, begin
    while (found := _LISTED.match(text, at)) is not None:
        at = found.end()
        if (sign := found[0]) in {"[", "("}:
            open_ += 1
        elif sign in {"]", ")"}:
            open_ -= 1
            if not open_:
                return at
    return -1


def _unquoted(text: str) -> str:
    inner = text[1:-1]
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
    number = _as_number(text)
    return bare if type(number) is str and quoted is None else number
