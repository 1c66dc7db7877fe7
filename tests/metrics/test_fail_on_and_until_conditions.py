"""Conditions on a followed log are a small language of their own, never code."""

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.checks import duration
from dashscope_ftlogs.metrics.fail_on_and_until_conditions import nearest, parse_alarm
from dashscope_ftlogs.metrics.live.what_meets_a_condition import Alarm, Beyond, NotFinite

WORDS = [*"'\"<>=!*+-, ", "nan", "any", "except", "for", "best", "stall", "loss", "1.5", "10", "10m"]
NAMES = st.one_of(
    st.text(min_size=1).filter(lambda name: not {"'", '"'} <= set(name)),
    st.sampled_from(
        ["lm loss", "memory(GiB)", "val-core/a/mean@1", "any", "nan", "stall", "a,b", "x for 3"]
    ),
)
LIMITS = st.floats(allow_nan=False, allow_infinity=False)
AMOUNTS = st.floats(0, allow_infinity=False)
COUNTS = st.integers(1, 999_999_999)


def quoted(name: str) -> str:
    return f'"{name}"' if "'" in name else f"'{name}'"


@st.composite
def written(draw: Callable[[Any], Any]) -> tuple[str, NotFinite | Beyond, int]:
    """A condition as somebody may write it, and what it means."""
    metric, in_a_row = draw(NAMES), draw(COUNTS)
    blank = draw(st.sampled_from(["", " ", "\t ", "\n"]))
    bare = metric in {"lm loss", "memory(GiB)", "val-core/a/mean@1"} and draw(st.booleans())
    name = metric if bare else quoted(metric)
    sign = draw(st.sampled_from(["<", "<=", ">", ">="]))
    amount = draw(AMOUNTS)
    others = draw(st.lists(NAMES, min_size=1, max_size=4))
    limit = draw(LIMITS)
    text, test = draw(
        st.sampled_from(
            [
                ("nan", NotFinite()),
                (f"any{blank}={blank}nan", NotFinite(any_metric=True)),
                (f"{name}{blank}={blank}nan", NotFinite(metric)),
                (
                    f"nan except{blank or ' '}" + f"{blank},{blank}".join(map(quoted, others)),
                    NotFinite(any_metric=True, allowed=frozenset(others)),
                ),
                (f"{name}{blank}{sign}{blank}{limit!r}", Beyond(metric, sign, limit)),
                (f"{name}{blank}{sign}{blank}best", Beyond(metric, sign, 0.0, "+")),
                (f"{name}{sign}best{blank}*{blank}{amount!r}", Beyond(metric, sign, amount, "*")),
                (f"{name}{sign}best{blank}+{blank}{amount!r}", Beyond(metric, sign, amount, "+")),
                (f"{name}{sign}best{blank}-{blank}{amount!r}", Beyond(metric, sign, -amount, "+")),
            ]
        )
    )
    if in_a_row == 1 and draw(st.booleans()):
        return text, test, 1
    return f"{blank}{text} for{blank or ' '}{in_a_row}{blank}", test, in_a_row


@pytest.mark.parametrize(
    ("condition", "values", "met"),
    [
        ("nan", {"loss": math.nan}, True),
        ("nan", {"grad_norm": math.inf}, True),
        ("nan", {"loss": 1.0, "progress": "nan"}, False),
        ("loss<0.5", {"loss": 0.4}, True),
        ("loss<0.5", {"loss": 0.5}, False),
        ("loss<=0.5", {"loss": 0.5}, True),
        ("grad_norm>1e3", {"grad_norm": 1e4}, True),
        ("grad_norm >= 100", {"grad_norm": 100.0}, True),
        ("rewards/chosen>0", {"rewards/chosen": 0.1}, True),
        ("loss<0.5", {"eval_loss": 0.1}, False),
        ("loss<0.5", {"loss": "0.1 or so"}, False),
        ("loss<0.5", {"loss": math.nan}, False),
        ("stall=1s", {"loss": math.nan}, False),
        ("nan", {"loss": 1.0, "rewards/optional/mean": math.nan, "val/ratio_var": math.nan}, False),
        ("nan", {"lm loss": 1.0, "grad norm": math.nan}, True),
        ("nan", {"actor/pg_loss": math.nan}, True),
        ("nan", {"eval_loss": math.nan}, True),
        ("nan", {"learning rate": math.nan}, True),
        ("nan", {"rewards/loss_like/mean": math.nan, "loss scale": math.inf}, False),
        ("any=nan", {"loss": 1.0, "rewards/optional/mean": math.nan}, True),
        ("any=nan", {"loss": 1.0, "elapsed": "nan"}, False),
        ("nan except rewards/optional/mean", {"rewards/optional/mean": math.nan}, False),
        ("nan except rewards/optional/mean", {"rewards/optional/mean": 1.0, "kl": math.nan}, True),
        ("nan except 'a', b c", {"a": math.nan, "b c": math.inf}, False),
        ("loss=nan", {"loss": math.nan}, True),
        ("loss = nan", {"loss": -math.inf}, True),
        ("loss=nan", {"loss": 1.0, "grad_norm": math.nan}, False),
        ("'any'=nan", {"loss": math.nan, "any": 1.0}, False),
        ("lm loss>3", {"lm loss": 3.5}, True),
        ("memory(GiB) > 80", {"memory(GiB)": 81.0}, True),
        ("'loss'>1 for 1", {"loss": 2.0}, True),
        ("loss>1 for 2", {"loss": 2.0}, False),
        ("loss>best", {"loss": 2.0}, False),
        ("epoch>=2", {"epoch": 2.0}, True),
    ],
)
def test_a_point_meets_a_condition_or_not(condition: str, values: Any, met: bool) -> None:
    assert parse_alarm(condition).met_by(values) is met


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "loss",
        "loss<",
        "<0.5",
        "loss<nan",
        "loss=0.5",
        "loss<0.5<1",
        "stall=",
        "stall=0s",
        "stall=ever",
    ],
)
def test_what_is_no_condition_is_refused_with_examples_of_some(condition: str) -> None:
    with pytest.raises(InvalidArgumentError, match="stall=10m"):
        parse_alarm(condition)


@given(
    st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=3))).map("".join))
)
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        parse_alarm(text).met_by({"loss": 0.5})
    except InvalidArgumentError:
        pass


@pytest.mark.covered
@given(written())
def test_what_is_written_is_what_is_read_however_it_is_spaced_and_quoted(
    condition: tuple[str, NotFinite | Beyond, int],
) -> None:
    text, test, in_a_row = condition
    assert parse_alarm(text) == Alarm(text, test, in_a_row)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("nann", "did you mean nan? It must be nan, stall="),
        ("stal=10m", "did you mean stall?"),
        ("loss=nam", "did you mean nan?"),
        ("nan exept a", "'exept' is not expected there: did you mean except?"),
        ("loss>bst*1.2", "'bst*1.2' is no number: did you mean best?"),
        ("loss>1.5 fr 10", "'fr' is not expected there: did you mean for?"),
        ("loss>1 or nan", "'or' is not expected there: give the option again for another condition"),
        ("step=>100", "=> is none of < <= > >=, nor = as in METRIC=nan: did you mean >=?"),
        ("loss==3", "== is none of < <= > >="),
        ("loss=3", "= goes with nan and stall; a number is compared by < <= > or >="),
        ("loss=", "= goes with nan and stall"),
        ("loss>nan", "nan is no bound: did you mean loss=nan?"),
        ("loss>", "nothing stands behind >"),
        ("loss>big", "'big' is no number; it must be"),
        ("loss>best*nan", "'nan' is no number; it must be"),
        ("loss<inf", "inf is no bound: did you mean loss=nan?"),
        ("loss>-Infinity", "-Infinity is no bound: did you mean loss=nan?"),
        ("loss<1_0", "'1_0' is no number; it must be"),
        ("loss<0x1", "'0x1' is no number; it must be"),
        ("loss<1e999", "'1e999' is no number; it must be"),
        ("loss<\N{FULLWIDTH DIGIT ONE}", "is no number; it must be"),
        ("loss>best*1_0", "'1_0' is no number; it must be"),
        ("loss>best*-1", "best*-1: must be a number, 0 or more"),
        ("loss>best+inf", "'inf' is no number; it must be"),
        ("loss>best/2", "best is followed by nothing, or by * + or - and a number, as in best*1.2"),
        ("any>3", "any goes with =nan; a metric of that name needs quotes"),
        ("nan,loss>3", "'nan,loss': a name with quotes, a comma or one of <>=! in it needs quotes"),
        ("lm 'loss'>3", "needs quotes around it"),
        ("'loss>3", "needs quotes around it"),
        ("nan except a<b", "a name with < in it needs quotes"),
        ("nan except", "the name of a metric is missing"),
        ("nan except a,", "the name of a metric is missing"),
        (">3", "the name of a metric is missing"),
        ("loss>1 for", "how many points in a row is missing behind for"),
        ("nan except a for", "how many points in a row is missing behind for"),
        ("loss>1 for 10m", "for 10m: must be how many points in a row, such as 10"),
        ("loss>1 for 0", "for 0: must be how many points in a row"),
        ("nan for ten", "for ten: must be how many points in a row"),
        ("stall=soon", "'soon' is no duration, such as 90s, 10m or 1h30m"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_reason_and_the_nearest_word(
    condition: str, said: str
) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        parse_alarm(condition)
    assert said in str(refused.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="condition=5: must be a str"):
        parse_alarm(5)  # type: ignore[arg-type]


@given(st.text(), st.lists(st.text()))
def test_the_nearest_word_is_one_of_them_or_none(word: str, words: list[str]) -> None:
    assert nearest(word, words) in {None, *words}
    assert nearest("Lern_rate", [*words, "learn_rate"]) is not None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("1.5m", 90),
        ("1h30m", 5400),
        ("1d", 86400),
        ("10", None),
        ("m", None),
        ("1m x", None),
    ],
)
def test_durations_have_units(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("end", ["", "x", ".", "s x"])
def test_what_is_no_duration_takes_time_in_proportion_to_its_length(end: str) -> None:
    begun = time.process_time()
    assert duration("9" * 200_000 + end) is None
    assert time.process_time() - begun < 10
