"""What answers say of the way to the service and of the key."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import Job
from dashscope_ftlogs.cli.doctor import verdicts
from dashscope_ftlogs.cli.doctor.findings import RawAnswer, State

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)
LIST = {"output": {"jobs": [], "total": 0}}
HTML = RawAnswer(200, {"content-type": "text/html; charset=utf-8"}, b"<html>Log in")


def answer(status: int, body: Any) -> RawAnswer:
    return RawAnswer(status, {}, json.dumps(body).encode())


def test_settings_are_told_by_where_they_are_and_no_workspace_by_its_name() -> None:
    places = {"api_key": "api_key", "base_url": "DASHSCOPE_BASE_URL", "workspace": "DASHSCOPE_WORKSPACE"}
    gateway = "cn-beijing.maas.aliyuncs.com/api/v1"
    url = f"https://llm-1234.{gateway}"
    told = {one.name: one.told for one in verdicts.settings(places, url, "")}
    assert told == {
        "key setting": "from --api-key-file",
        "endpoint setting": f"https://WORKSPACE.{gateway}, from DASHSCOPE_BASE_URL",
        "workspace setting": "from DASHSCOPE_WORKSPACE",
        "proxy setting": "none",
    }
    assert len(list(verdicts.settings({}, "https://a.example", "http://p:1 (ALL_PROXY)"))) == 1


@pytest.mark.parametrize(
    ("date", "state", "words"),
    [
        ("Fri, 27 Nov 2026 12:00:10 GMT", State.OK, "within 30 s"),
        ("Fri, 27 Nov 2026 11:00:00 GMT", State.ODD, "3,600 s ahead of"),
        ("Fri, 27 Nov 2026 12:02:00 -0000", State.ODD, "120 s behind"),
        ("yesterday", State.UNKNOWN, "names no time"),
        ("", State.UNKNOWN, "names no time"),
    ],
)
def test_the_clock_is_compared_with_the_answer_s(date: str, state: State, words: str) -> None:
    found = verdicts.clock(RawAnswer(200, {"date": date}, b""), NOW)
    assert (found.state, found.code) == (state, 0)
    assert words in found.told


@given(st.text())
def test_any_date_is_a_time_or_none(date: str) -> None:
    assert verdicts.clock(RawAnswer(200, {"date": date}, b""), NOW + timedelta(days=1)).told


@pytest.mark.parametrize(
    ("given", "state", "advice"),
    [
        (answer(401, {"code": "InvalidApiKey"}), State.OK, ""),
        (answer(401, {"error": {"type": "invalid_api_key"}}), State.OK, ""),
        (answer(200, LIST), State.ODD, "Is that a Model Studio"),
        (answer(200, {"code": "InvalidApiKey"}), State.OK, ""),
        (answer(404, {}), State.WRONG, "ends with /api/v1"),
        (answer(500, []), State.WRONG, "Something in between"),
        (HTML, State.WRONG, "Something in between"),
        (RawAnswer(200, {}, b"[" * 10**5), State.WRONG, "Something in between"),
    ],
)
def test_without_a_key_the_service_refuses_in_its_own_words(
    given: RawAnswer, state: State, advice: str
) -> None:
    found = verdicts.gateway("gateway", given, 0.25)
    assert (found.state, found.code) == (state, 5 if state is State.WRONG else 0)
    assert advice in found.advice


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (answer(200, {"code": "Success", **LIST}), 0, "accepted"),
        (answer(401, {"code": "InvalidApiKey"}), 3, "for one region"),
        (answer(403, {"code": "AccessDenied"}), 3, "--workspace"),
        (answer(400, {"code": "Arrearage"}), 3, "in arrears"),
        (answer(200, {"code": "AccessDenied.Unpurchased"}), 3, "--workspace"),
        (answer(404, {"code": "NotFound"}), 4, "/api/v1"),
        (answer(429, {"code": "Throttling"}), 5, "--max-rate"),
        (answer(500, {"code": "InternalError"}), 5, "ticket"),
        (answer(200, {}), 5, "ticket"),
        (HTML, 5, "in between"),
    ],
)
def test_the_key_is_accepted_or_it_is_told_what_to_do(given: RawAnswer, code: int, words: str) -> None:
    found = verdicts.key(given)
    assert found.code == code
    assert (found.state is State.OK) == (code == 0)
    assert words in found.told + found.advice


@pytest.mark.parametrize(
    ("output", "state", "words"),
    [
        ({"jobs": [{}], "total": 1}, State.OK, "1"),
        ({"jobs": [{}] * 10, "total": 1234}, State.OK, "1,234"),
        ({"jobs": [], "total": 0}, State.ODD, "none"),
        ({"jobs": [{}], "total": 7}, State.ODD, "1 given, of a total of 7"),
        ({"jobs": [{}], "total": "7"}, State.WRONG, "without jobs or a total"),
        ({"total": 7}, State.WRONG, "without jobs or a total"),
        ([], State.WRONG, "without jobs or a total"),
    ],
)
def test_a_list_of_jobs_is_one_or_not(output: Any, state: State, words: str) -> None:
    found = verdicts.listing(answer(200, {"output": output}))
    assert (found.state, found.code) == (state, 5 if state is State.WRONG else 0)
    assert words in found.told


def test_a_certificate_is_told_by_its_names() -> None:
    assert verdicts.certificate("certificate", "CN=a", "O=b").told == "for CN=a, issued by O=b"
    assert verdicts.certificate("certificate", "", "O=b\x1b").told == "issued by O=b\\x1b"
    assert verdicts.certificate("certificate", "", "").state is State.UNKNOWN


def test_a_job_and_its_log_are_as_documented_or_not() -> None:
    assert verdicts.job(Job("ft-1", "RUNNING")).state is State.OK
    assert verdicts.job(Job("ft-1", "DREAMING")).state is State.ODD
    assert verdicts.log(answer(200, {"output": {"total": 7, "logs": []}})).told == "7 lines"
    assert verdicts.log(answer(404, {"code": "NotFound"})).code == 4
    assert verdicts.log(answer(200, {"output": {"total": True, "logs": []}})).code == 5
    assert verdicts.log(HTML).told == "HTTP 200 with text/html, not the service's JSON in place of lines"


@given(st.integers(100, 599), st.binary())
def test_any_answer_has_a_verdict(status: int, body: bytes) -> None:
    given = RawAnswer(status, {}, body)
    assert verdicts.gateway("gateway", given, 1.0).told.isprintable()
    for judge in (verdicts.key, verdicts.listing, verdicts.log):
        assert judge(given).told.isprintable()
