"""The grammar of faults on the command line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import (
    BadJson,
    Bomb,
    Close,
    CutBody,
    Drip,
    EmptyPage,
    Endless,
    Fault,
    Html,
    OkWithCode,
    Redirect,
    Refuse,
    Reply,
    ReportTotal,
    Reset,
    ShortPage,
    Stall,
    parse_fault,
)

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("429", Refuse(429)),
        ("500", Refuse(500)),
        ("429=Throttling.RateQuota", Refuse(429, "Throttling.RateQuota")),
        ("reset", Reset()),
        ("close", Close()),
        ("cut", CutBody()),
        ("cut=0.9", CutBody(0.9)),
        ("badjson", BadJson()),
        ("empty", EmptyPage()),
        ("endless", Endless()),
        ("short=10", ShortPage(10)),
        ("html", Html()),
        ("html=503", Html(503)),
        ("ok", OkWithCode()),
        ("ok=Throttling", OkWithCode("Throttling")),
        ("stall=5", Stall(5)),
        ("drip=100", Drip(100)),
        ("total=-5", ReportTotal(-5)),
        ("total=+5", ReportTotal(5)),
        ("bomb=64", Bomb(64)),
        ("redirect=https://x/", Redirect("https://x/")),
        ("redirect=https://x:8080/a?b=c,d=e&f=g:h", Redirect("https://x:8080/a?b=c,d=e&f=g:h")),
    ],
)
def test_each_reply_has_its_words(text: str, reply: Reply) -> None:
    assert parse_fault(text) == Fault(reply)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429:p=0.1", Fault(Refuse(429), probability=0.1)),
        ("429:p=0.1,retry-after=2", Fault(Refuse(429, retry_after="2"), probability=0.1)),
        ("429:retry-after-ms=20", Fault(Refuse(429, retry_after_ms="20"))),
        (f"503:retry-after={DATE},times=1", Fault(Refuse(503, retry_after=DATE), times=1)),
        ("500:on=3+7", Fault(Refuse(500), on=[3, 7])),
        ("empty:times=2", Fault(EmptyPage(), times=2)),
        ("reset:job=ft-1", Fault(Reset(), job_id="ft-1")),
        ("close:endpoint=list", Fault(Close(), endpoint="list")),
        ("redirect=https://x:80/y:p=1", Fault(Redirect("https://x:80/y"), probability=1)),
    ],
)
def test_options_say_which_requests(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no reply ''"),
        ("rest", "no reply 'rest': there are HTTP statuses, badjson"),
        ("RESET", "no reply 'RESET'"),
        ("99", "no reply '99'"),
        ("429:0.1", "no reply '429:0.1'"),
        ("reset=1", "'reset' takes no value"),
        ("short", "'short' needs a value, as in short=..."),
        ("short=", "'short' has nothing behind its ="),
        ("short=x", "'x' is not a whole number"),
        ("short=1_0", "'1_0' is not a whole number"),
        ("stall=soon", "'soon' is not a number"),
        ("stall=nan", "'nan' is not a number"),
        ("stall=1e999", "seconds must be 0 or more and finite, not inf"),
        ("stall=1_0", "'1_0' is not a number"),
        ("reset:p=\N{FULLWIDTH DIGIT ONE}", "is not a number"),
        ("cut=1", "share must be from 0 to below 1, not 1.0"),
        ("199", "status must be an HTTP status from 200 to 599, not 199"),
        ("reset:probability=1", "no option 'probability': there are p, on, times, endpoint, job"),
        ("reset:p=", "p has no value"),
        ("reset:p=2", "probability must be from 0 to 1, not 2.0"),
        ("reset:p=0.1,", "'0.1,' is not a number"),
        ("reset:p=0.1,p=0.2", "p is given twice"),
        ("reset:p=0.1,on=2", "give probability or on, not both"),
        ("reset:on=3+x", "'x' is not a whole number"),
        ("reset:endpoint=log", "endpoint must be one of"),
        ("reset:retry-after=1", "'reset' can't have a retry-after: only a status can"),
    ],
)
def test_what_can_not_be_read_is_named_with_what_is_allowed(text: str, why: str) -> None:
    with pytest.raises(ValueError, match="can't read the fault") as caught:
        parse_fault(text)
    assert repr(text) in str(caught.value)
    assert why in str(caught.value)


WORDS = [
    "429",
    "reset",
    "short",
    "redirect",
    "stall",
    "p",
    "on",
    "job",
    ":",
    "=",
    ",",
    "+",
    "1",
    "-2",
    "x",
]


@pytest.mark.unmeasured
@given(st.text(max_size=10) | st.lists(st.sampled_from(WORDS), max_size=9).map("".join))
def test_any_text_is_a_fault_or_a_value_error(text: str) -> None:
    try:
        found: Any = parse_fault(text)
    except ValueError as error:
        assert repr(text) in str(error)
    else:
        assert isinstance(found, Fault)
