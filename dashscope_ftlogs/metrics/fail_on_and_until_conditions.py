"""The language of `--fail-on` and `--until`: a handful of forms, read by hand and never evaluated.

::

    condition  = nan | metric | silence
    nan        = "nan" ["except" NAME {"," NAME}] ["for" COUNT]
    metric     = NAME "=" "nan" ["for" COUNT]             NAME may be `any`: all metrics there are
               | NAME comparison limit ["for" COUNT]
    comparison = "<" | "<=" | ">" | ">="
    limit      = NUMBER | "best" [("*" | "+" | "-") NUMBER]
    silence    = "stall" "=" DURATION

A name is written as the log has it, and may hold blanks and parentheses: `lm loss>3`, `memory(GiB)>80`.
In quotes, 'so' or "so", it may hold whatever means something here. `step` and `epoch` are those of the
point, whatever its log calls them.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import pairwise
from typing import Final, cast

from dashscope_ftlogs import checks
from dashscope_ftlogs.errors import InvalidArgumentError
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm, Beyond, Comparison, NotFinite
from dashscope_ftlogs.text import excerpt, shown

FORMS: Final = (
    "nan, stall=DURATION such as stall=10m, METRIC=nan, any=nan, nan except METRIC, or a metric with a "
    "bound such as loss<0.5, step>=1000, 'loss>1.5 for 10' or eval_loss>best*1.2"
)
"""What a condition can be, as errors say it."""

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_PLAIN_NAME: Final = re.compile("[^'\",<>=!]*")
_OPERATOR: Final = re.compile(r"[<>=!]+")
_COMPARISONS: Final = ("<", "<=", ">", ">=")
_OVER_BEST: Final = re.compile(r"best(?: ?([*+-]) ?([^ *]+))?")
_NOT_FINITE: Final = ("nan", "inf", "infinity")
_COUNT: Final = re.compile(r"[1-9][0-9]{0,8}")


def parse_alarm(text: str) -> Alarm:
    """Read a condition.

    >>> parse_alarm("loss < 0.5").met_by({"loss": 0.4})
    True
    >>> parse_alarm("nan").met_by({"loss": float("inf")})
    True
    >>> parse_alarm("stall=1h30m").stall
    5400.0
    >>> parse_alarm("'lm loss' > best*1.2 for 3").in_a_row
    3

    Raises:
        InvalidArgumentError: it is none; the message says what one can be, and the nearest word.
    """
    checks.kind_of("condition", text, str)
    try:
        return _condition(text, text.strip())
    except _NoConditionError as error:
        reason = str(error)
        if reason:
            reason += " It " if reason.endswith("?") else "; it "
        raise InvalidArgumentError(f"condition {shown(text)}: {reason}must be {FORMS}") from None


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return which of some words is most like another one, if one is.

    >>> nearest("Los", ["loss", "epoch"]), nearest("loss", [])
    ('loss', None)
    """
    by_small = {one[:60].lower(): one for one in words}
    found = get_close_matches(word[:60].lower(), by_small, n=1)
    return by_small[found[0]] if found else None


class _NoConditionError(Exception):
    """Why a text is no condition."""


def _condition(text: str, condition: str) -> Alarm:
    # Where something stands is looked up in a text without what is quoted, which may hold anything.
    bare = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), condition)
    operator = _OPERATOR.search(bare)
    if operator is None:
        return _nan(text, condition, bare)
    left, right = condition[: operator.start()].strip(), condition[operator.end() :]
    if operator[0] == "=":
        return _silence(text, right.strip()) if left == "stall" else _metric_nan(text, left, right)
    if bare.split()[:2] == ["nan", "except"]:
        raise _NoConditionError(f"a name with {operator[0]} in it needs quotes")
    if operator[0] not in _COMPARISONS:
        meant = f": did you mean {turned}?" if (turned := operator[0][::-1]) in _COMPARISONS else ""
        raise _NoConditionError(f"{operator[0]} is none of < <= > >=, nor = as in METRIC=nan{meant}")
    if left == "any":
        raise _NoConditionError("any goes with =nan; a metric of that name needs quotes")
    limit, in_a_row = _count(right)
    return Alarm(text, _beyond(_name(left), cast("Comparison", operator[0]), limit), in_a_row)


def _nan(text: str, condition: str, bare: str) -> Alarm:
    """Read `nan`, with those that may be."""
    words = bare.split()
    if words[:1] != ["nan"]:
        raise _NoConditionError(_meant(words[0], ("nan", "stall", "any")) if words else "")
    if words[1:2] != ["except"]:
        rest, in_a_row = _count(condition[3:])
        if rest:
            raise _NoConditionError(_unexpected(rest[0], ("except", "for")))
        return Alarm(text, NotFinite(), in_a_row)
    begin = bare.index("except") + len("except")
    names, in_a_row = _names(condition[begin:], bare[begin:])
    return Alarm(text, NotFinite(any_metric=True, allowed=names), in_a_row)


def _names(text: str, bare: str) -> tuple[frozenset[str], int]:
    """Read names with commas between, and how many in a row follow them."""
    words, in_a_row = _count(bare)
    end = len(bare) if words == bare.split() else bare.rindex("for")
    commas = [at for at, character in enumerate(bare[:end]) if character == ","]
    names = [_name(text[begin + 1 : at].strip()) for begin, at in pairwise([-1, *commas, end])]
    return frozenset(names), in_a_row


def _silence(text: str, lasting: str) -> Alarm:
    seconds = checks.duration(lasting)
    if not seconds:
        raise _NoConditionError(f"{shown(lasting)} is no duration, such as 90s, 10m or 1h30m")
    return Alarm(text, stall=seconds)


def _metric_nan(text: str, left: str, right: str) -> Alarm:
    limit, in_a_row = _count(right)
    if limit != ["nan"]:
        meant = _meant(left, ("stall",)) or _meant("".join(limit), ("nan",))
        raise _NoConditionError(
            meant or "= goes with nan and stall; a number is compared by < <= > or >="
        )
    test = NotFinite(any_metric=True) if left == "any" else NotFinite(_name(left))
    return Alarm(text, test, in_a_row)


def _beyond(metric: str, comparison: Comparison, limit: list[str]) -> Beyond:
    if over_best := _OVER_BEST.fullmatch(" ".join(limit)):
        sign, text = over_best.groups(default="")
        amount = _number(text, ()) if sign else 0.0
        if amount < 0:
            raise _NoConditionError(f"best{sign}{excerpt(text, 60)}: must be a number, 0 or more")
        return Beyond(
            metric, comparison, -amount if sign == "-" else amount, "*" if sign == "*" else "+"
        )
    if not limit:
        raise _NoConditionError(f"nothing stands behind {comparison}")
    if limit[0].lower().lstrip("+-") in _NOT_FINITE:
        raise _NoConditionError(f"{limit[0]} is no bound: did you mean {excerpt(metric, 60)}=nan?")
    if limit[0].startswith("best"):
        raise _NoConditionError(
            "best is followed by nothing, or by * + or - and a number, as in best*1.2"
        )
    bound = _number(limit[0], ("best", "nan"))
    if limit[1:]:
        raise _NoConditionError(_unexpected(limit[1], ("for",)))
    return Beyond(metric, comparison, bound)


def _number(text: str, words: tuple[str, ...]) -> float:
    """Read a number, in whose place one of some words could have been meant."""
    number = checks.number(text)
    if number is None:
        meant = _meant(text.partition("*")[0], words)
        raise _NoConditionError(f"{shown(text)} is no number" + (meant and f": {meant}"))
    return number


def _name(text: str) -> str:
    """Read the name of a metric, as it is or in quotes."""
    if _QUOTED.fullmatch(text):
        text = text[1:-1]
    elif not _PLAIN_NAME.fullmatch(text):
        raise _NoConditionError(
            f"{shown(text)}: a name with quotes, a comma or one of <>=! in it needs quotes around it"
        )
    if not text:
        raise _NoConditionError("the name of a metric is missing")
    return text


def _count(text: str) -> tuple[list[str], int]:
    """Return the words before `for COUNT`, if that is how they end, and how many that is."""
    words = text.split()
    if words[-1:] == ["for"]:
        raise _NoConditionError("how many points in a row is missing behind for")
    if words[-2:-1] != ["for"]:
        return words, 1
    if not _COUNT.fullmatch(words[-1]):
        raise _NoConditionError(
            f"for {excerpt(words[-1], 60)}: must be how many points in a row, such as 10"
        )
    return words[:-2], int(words[-1])


def _unexpected(word: str, expected: tuple[str, ...]) -> str:
    meant = _meant(word, expected)
    if word in {"and", "or", "&&", "||"}:
        meant = "give the option again for another condition"
    return f"{shown(word)} is not expected there" + (meant and f": {meant}")


def _meant(word: str, words: tuple[str, ...]) -> str:
    near = nearest(word, words)
    return f"did you mean {near}?" if near else ""
