"""Which failures are retried, after how long, and how long a server may ask to wait."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError, RetryPolicy, errors
from dashscope_ftlogs.client.retry_on_429_and_5xx import RetryDecision, retry_after, worth_a_retry

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


PASSING = [
    *("InternalError", "InternalError.Algo", "InternalServerError", "InternalServerError.Timeout"),
    *("InternalFailure", "SystemError", "SystemBusy", "ServerError", "ServerOverloaded", "Timeout"),
    *("RequestTimeOut", "RequestTimedOut", "GatewayTimeout", "ServiceUnavailable", "Overloaded"),
    *("internal_error", "server_error", "internal-server-error", "overloaded_error", "INTERNAL_ERROR"),
]
"""Codes that say nothing but that the service failed."""
STAYING = [
    *("DataCorrupted", "ModelNotFound", "InvalidParameter.Server", "Internal", "InternalUserForbidden"),
    *("System", "error", "ServiceNotActivated", "QuotaExhausted", "\u5185\u90e8", "5"),
]
"""Codes that say what is really wrong, or nothing that is known."""


def http_date(**later: float) -> str:
    return format_datetime(NOW + timedelta(**later), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("2", 2.0),
        ("2.5", 2.5),
        ("2.", 2.0),
        (" 7 ", 7.0),
        ("86400", 86400.0),
        ("0.001", 0.001),
        ("007", 7.0),
        ("-1", None),
        ("+1", 1.0),
        ("inf", None),
        ("-inf", None),
        ("nan", None),
        ("1e9", None),
        ("0x10", None),
        ("1_000", None),
        ("9" * 16, 1e12),
        (str(2**64 - 1), 1e12),
        ("9" * 400, 1e12),
        ("\u0663", None),
        ("", None),
        ("soon", None),
        ("2, 3", 3.0),
        ("30, 1s", 30.0),
        ("1,000", None),
        ("2, soon", None),
        ("2 s", 2.0),
        ("30s", 30.0),
        ("30 Seconds", 30.0),
        ("500ms", 0.5),
        ("2 min", 120.0),
        ("1h", 3600.0),
        ("2 fortnights", None),
        ("2\x1e", None),
        ("\u20032", None),
        (http_date(seconds=30), 30.0),
        (http_date(seconds=-30), 0.0),
        (http_date(days=36500), 36500 * 86400.0),
        (http_date(seconds=90).replace("GMT", "-0000"), 90.0),
        (http_date(seconds=90).replace("GMT", "+0000"), 90.0),
        ("Wed, 99 Nov 2026 08:30:00 GMT", None),
        ("Tue, 24 Nov 0000 08:30:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("2026-11-24T08:31:00Z", 60.0),
        ("2026-11-24T08:31:00", 60.0),
    ],
)
def test_retry_after_in_every_form(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value, "date": http_date()}) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "1"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "0", "retry-after": "30"}, 30.0),
        ({"retry-after-ms": "2s", "retry-after": "soon"}, 2.0),
        ({"retry-after-ms": "-1", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
        ({"retry-after": http_date(seconds=5), "retry-after-ms": "1"}, 5.0),
        ({"retry-after": http_date(seconds=5)}, 5.0),
        ({"retry-after": http_date(seconds=5), "date": "rubbish"}, 5.0),
        ({"retry-after": http_date(days=1)}, 86400.0),
        ({"retry-after": http_date(seconds=-5)}, 0.0),
    ],
)
def test_the_longer_wait_counts_and_a_date_without_the_servers_own_goes_by_our_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, now=lambda: NOW) == seconds


def test_our_clock_is_this_machines() -> None:
    assert 1e9 < (retry_after({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}) or 0) < 1e12


@given(st.text(), st.text(), st.text())
def test_no_header_makes_it_fail_or_wait_for_ever(first: str, second: str, date: str) -> None:
    wait = retry_after({"retry-after": first, "retry-after-ms": second, "date": date})
    assert wait is None or 0 <= wait <= 1e12


def api(kind: type[errors.APIError], status: int, code: str = "", after: float | None = None) -> Any:
    return kind(status, code, "message", None, after)


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (api(errors.ThrottlingError, 429, "Throttling.RateQuota"), True),
        (api(errors.ThrottlingError, 200, "Throttling"), True),
        (api(errors.InternalServerError, 500, "InternalError"), True),
        (api(errors.InternalServerError, 500, "InternalError.Algo"), True),
        (api(errors.InternalServerError, 500), True),
        (api(errors.InternalServerError, 500, "DataCorrupted"), False),
        (api(errors.InternalServerError, 501), True),
        *((api(errors.InternalServerError, status), True) for status in (502, 503, 504)),
        *((api(errors.InternalServerError, status, "New"), True) for status in (502, 503, 504)),
        *((api(errors.InternalServerError, status, "New"), True) for status in (520, 522, 524, 529)),
        *((api(errors.InternalServerError, status, "New"), False) for status in (500, 501, 505)),
        *((api(errors.InternalServerError, 500, code), True) for code in PASSING),
        *((api(errors.InternalServerError, 200, code), True) for code in PASSING),
        *((api(errors.InternalServerError, 500, code), False) for code in STAYING),
        *((api(errors.APIError, status, "New"), True) for status in (408, 421, 425)),
        (api(errors.APIError, 418), False),
        (api(errors.InvalidParameterError, 400, "InvalidParameter"), False),
        (api(errors.AuthenticationError, 401, "InvalidApiKey"), False),
        (api(errors.PermissionDeniedError, 403, "AccessDenied"), False),
        (api(errors.NotFoundError, 404, "NotFound"), False),
        (api(errors.ConflictError, 409, "Conflict"), False),
        (errors.TransportError("reset"), True),
        (errors.TransportError("certificate", passing=False), False),
        (errors.MalformedResponseError("html", 200, damaged=True), True),
        (errors.MalformedResponseError("shape", 200), False),
        (errors.IncompleteLogError(0, 9), True),
        (errors.LogRewrittenError(9, 0), False),
        (errors.ConfigError("x"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: errors.FTLogsError, *, worth: bool) -> None:
    assert worth_a_retry(error) is worth
    decision = RetryPolicy().decide(error, tries=1, lasted=0, draw=0.5)
    assert (decision.delay is not None) is worth


DRAWS = st.floats(0, 1)


@given(st.integers(1, 10_000), DRAWS, st.floats(0.001, 50), st.floats(1, 100))
def test_a_wait_is_within_its_jitter(tries: int, draw: float, base: float, factor: float) -> None:
    policy = RetryPolicy(max_tries=10_001, base_delay=base, max_delay=base * factor, deadline=1e9)
    decision = policy.decide(errors.TransportError("reset"), tries=tries, lasted=0, draw=draw)
    assert decision.delay is not None
    assert 0 <= decision.delay <= policy.max_delay
    if tries == 1:
        assert decision.delay <= base


@given(st.floats(0.001, 50), st.floats(1, 1e6), DRAWS, st.integers(1, 30))
def test_the_most_that_is_waited_doubles_from_try_to_try(
    base: float, factor: float, draw: float, tries: int
) -> None:
    policy = RetryPolicy(max_tries=31, base_delay=base, max_delay=base * factor, deadline=1e12)
    ceiling = base
    for _ in range(tries - 1):
        ceiling += ceiling
    decision = policy.decide(errors.TransportError("reset"), tries=tries, lasted=0, draw=draw)
    assert decision.delay == draw * min(ceiling, policy.max_delay)


def test_what_is_just_within_a_bound_is_within_it() -> None:
    policy = RetryPolicy(max_tries=2, max_retry_after=9, deadline=10)
    error = api(errors.ThrottlingError, 429, after=9)
    assert policy.decide(error, tries=1, lasted=1, draw=0) == RetryDecision(9)
    assert RetryPolicy(max_tries=1).decide(error, tries=1, lasted=0, draw=0) == RetryDecision(None)


def test_the_defaults_are_those_that_the_documentation_names() -> None:
    page = Path(__file__).parents[2] / "docs/howto/retries-and-pacing.md"
    named = re.findall(r"`RetryPolicy\((.+?)\)`", page.read_text("utf-8"))
    assert named
    for text in named:
        assert text.split(", ") == [f"{name}={x:g}" for name, x in attrs.asdict(RetryPolicy()).items()]


@given(st.integers(1, 7), DRAWS, st.floats(0, 120))
def test_retry_after_is_never_undercut(tries: int, draw: float, asked: float) -> None:
    error = api(errors.ThrottlingError, 429, after=asked)
    decision = RetryPolicy().decide(error, tries=tries, lasted=0, draw=draw)
    assert decision.delay is not None
    assert decision.delay >= asked


def test_a_longer_wait_than_allowed_is_refused_even_on_the_last_try() -> None:
    error = api(errors.ThrottlingError, 429, after=86400)
    for tries in (1, 8):
        decision = RetryPolicy().decide(error, tries=tries, lasted=0, draw=0)
        assert decision == RetryDecision(
            None, "The server asked for a wait of 86400 s; the policy waits at most 120 s."
        )


def test_the_last_try_is_the_last() -> None:
    decide = RetryPolicy(max_tries=3).decide
    waits = [decide(errors.TransportError("x"), tries=n, lasted=0, draw=0).delay for n in (1, 2, 3)]
    assert waits == [0, 0, None]


@pytest.mark.parametrize(("after", "wish"), [(None, ""), (9.0, " The server asked for a wait of 9 s.")])
def test_a_wait_past_the_deadline_is_not_begun(after: float | None, wish: str) -> None:
    error = api(errors.ThrottlingError, 429, after=after)
    decision = RetryPolicy(deadline=10).decide(error, tries=1, lasted=9.9, draw=1)
    assert decision == RetryDecision(None, f"The policy's deadline is 10 s.{wish}")


@pytest.mark.parametrize(
    "options",
    [
        {"max_tries": 0},
        {"max_tries": 1.5},
        {"base_delay": 0},
        {"max_delay": float("inf")},
        {"max_retry_after": -1},
        {"deadline": float("nan")},
        {"base_delay": 2, "max_delay": 1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(reversed(options))):
        RetryPolicy(**options)
