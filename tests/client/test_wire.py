"""The protocol: what is asked for, and what any answer means."""

import json
import math
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import (
    Checkpoint,
    FTLogsError,
    IncompleteLogError,
    Job,
    LogPage,
    MalformedResponseError,
    errors,
)
from dashscope_ftlogs.client.wire import CheckpointsRequest, JobRequest, JobsRequest, LogsRequest
from dashscope_ftlogs.text import escaped

LOGS = LogsRequest("ft-1", 5, 3)
REQUESTS = [LOGS, JobRequest("ft-1"), JobsRequest(1, 100), CheckpointsRequest("ft-1")]
ANY_TEXT = st.text(alphabet=st.characters())
PLAIN = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
)


def body(output: object, **fields: object) -> bytes:
    return json.dumps({"request_id": "req-1", "output": output, **fields}).encode()


def page(lines: list[str], total: int = 99) -> bytes:
    return body({"total": total, "logs": lines})


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (LOGS, "fine-tunes/ft-1/logs?offset=5&line=3"),
        (JobRequest("ft-1"), "fine-tunes/ft-1"),
        (CheckpointsRequest("ft-1"), "fine-tunes/ft-1/checkpoints"),
        (JobsRequest(2, 100), "fine-tunes?page_no=2&page_size=100"),
    ],
)
def test_requests_ask_for_what_the_vendors_page_describes(request_: Any, path: str) -> None:
    assert request_.path == path


@given(st.lists(PLAIN, max_size=3), st.integers(0, 2**53))
def test_a_page_holds_the_very_lines(lines: list[str], total: int) -> None:
    data = json.dumps({"output": {"total": total, "logs": lines}}, ensure_ascii=False).encode()
    exist = max(total, 5 + len(lines)) if lines else total
    assert LOGS.read(200, {}, data) == LogPage("ft-1", 5, tuple(lines), exist)


@given(lines=st.lists(ANY_TEXT, max_size=3), ascii_only=st.booleans())
def test_lone_surrogates_are_kept_and_both_decoders_agree(lines: list[str], *, ascii_only: bool) -> None:
    text = json.dumps({"output": {"total": 9, "logs": lines}}, ensure_ascii=ascii_only)
    got = LOGS.read(200, {}, text.encode("utf-8", "surrogatepass")).lines
    # Two halves in a row, escaped, are one character by JSON's own rules.
    assert list(got) == (json.loads(text)["output"]["logs"] if ascii_only else lines)
    # One lone surrogate more sends the same page through the other decoder.
    other = json.dumps({"output": {"total": 9, "logs": lines}, "x": "\ud800"}, ensure_ascii=ascii_only)
    assert LOGS.read(200, {}, other.encode("utf-8", "surrogatepass")).lines == got


@pytest.mark.unmeasured
@given(JSON, JSON)
def test_what_one_decoder_refuses_the_other_refuses(total: object, logs: object) -> None:
    def outcome(extra: str) -> object:
        plain = {"request_id": "r", "output": {"total": total, "logs": logs}, "x": extra}
        try:
            return LOGS.read(200, {}, json.dumps(plain).encode())
        except MalformedResponseError:
            return "refused"

    assert outcome("plain") == outcome("\ud800")


@pytest.mark.unmeasured
@given(
    st.sampled_from(REQUESTS),
    st.integers(100, 599),
    st.dictionaries(st.sampled_from(["retry-after", "date", "x-request-id", "location"]), st.text()),
    st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_a_value_or_an_error_that_is_safe_to_print(
    request_: Any, status: int, headers: dict[str, str], data: bytes
) -> None:
    try:
        request_.read(status, headers, data)
    except FTLogsError as error:
        assert escaped(str(error)) == str(error)
        assert len(str(error)) < 4_000
    else:
        assert status == 200


@pytest.mark.covered
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidParameter", errors.InvalidParameterError),
        (400, "UnsupportedOperation", errors.UnsupportedOperationError),
        (404, "NotFound", errors.NotFoundError),
        (409, "Conflict", errors.ConflictError),
        (429, "Throttling", errors.ThrottlingError),
        (500, "InternalError", errors.InternalServerError),
        (401, "InvalidApiKey", errors.AuthenticationError),
        (403, "AccessDenied", errors.PermissionDeniedError),
        (403, "AccessDenied.Unpurchased", errors.PermissionDeniedError),
        (400, "Arrearage", errors.PermissionDeniedError),
        (429, "Throttling.RateQuota", errors.ThrottlingError),
        (429, "Throttling.AllocationQuota", errors.ThrottlingError),
        (500, "InternalError.Algo", errors.InternalServerError),
        (503, "ServiceUnavailable", errors.InternalServerError),
        (504, "GatewayTimeout", errors.InternalServerError),
        (400, "SomethingNew", errors.InvalidParameterError),
        (401, "", errors.AuthenticationError),
        (403, "", errors.PermissionDeniedError),
        (404, "", errors.NotFoundError),
        (409, "", errors.ConflictError),
        (429, "", errors.ThrottlingError),
        (502, "", errors.InternalServerError),
        (599, "SomethingNew", errors.InternalServerError),
        (418, "SomethingNew", errors.APIError),
        (200, "Throttling", errors.ThrottlingError),
        (200, "SomethingNew", errors.APIError),
        (200, "RequestTimeOut", errors.InternalServerError),
        (200, "internal_error", errors.InternalServerError),
        (400, "internal_error", errors.InvalidParameterError),
        (418, "server_error", errors.APIError),
        (520, "", errors.InternalServerError),
    ],
)
@pytest.mark.parametrize("wrapped", ["plain", "code", "type"])
def test_every_code_is_its_class_and_unknown_ones_go_by_status(
    status: int, code: str, kind: type, wrapped: str
) -> None:
    fault = {("type" if wrapped == "type" else "code"): code, "message": "why"}
    plain = fault if wrapped == "plain" else {"error": fault}
    with pytest.raises(errors.APIError) as caught:
        LOGS.read(status, {"retry-after": "7"}, json.dumps({**plain, "request_id": "req-9"}).encode())
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, code, "why")
    assert (error.request_id, error.retry_after) == ("req-9", 7.0)


def test_an_error_of_which_only_the_message_is_nested_keeps_its_code() -> None:
    data = json.dumps({"code": "Throttling", "error": {"message": "slow down"}}).encode()
    with pytest.raises(errors.ThrottlingError) as caught:
        LOGS.read(200, {}, data)
    assert caught.value.message == "slow down"


def test_a_code_beside_an_output_is_the_error_that_it_names() -> None:
    data = body({"total": 0, "logs": []}, code="NotFound", message="Not found!")
    with pytest.raises(errors.NotFoundError):
        LOGS.read(200, {}, data)
    assert LOGS.read(200, {}, body({"total": 0, "logs": []}, code="")).total == 0


@pytest.mark.parametrize(
    ("data", "reason", "damaged"),
    [
        (b"", "the body is empty", True),
        (b"<html><h1>Bad\x1b[2J</h1>", "the body is not a JSON object", True),
        (b"[]", "the body is not a JSON object", True),
        (b'{"output": {"total": 1, "logs": ["a"', "the body is not a JSON object", True),
        (b"[" * 100_000, "the body is not a JSON object", True),
        (b"{}", "missing required field `output`", False),
        (body({"total": -1, "logs": []}), ">= 0", False),
        (body({"total": "nine", "logs": []}), "Expected `int`", False),
        (body({"total": "9" * 16, "logs": []}), "Expected `int`", False),
        (body({"total": None, "logs": []}), "Expected `int`", False),
        (body({"total": 9}), "missing required field `logs`", False),
        (body({"total": 9, "logs": "a"}), "Expected `array`", False),
        (body({"total": 9, "logs": {"a": 1}}), "Expected `array`", False),
        (body({"total": 20.5, "logs": []}), "Expected `int`", False),
        (body({"total": True, "logs": []}), "Expected `int`", False),
        (body({"total": 9, "logs": []}, code={}), "Expected `str | null`", False),
        (body({"total": 9, "logs": []}, code=True), "Expected `str | null`", False),
        (body({"total": 9, "logs": []}, request_id=[]), "Expected `str | null`", False),
        (b'{"code": "Success"}', "missing required field `output`", False),
        (b'{"output": {"total": %s, "logs": []}}' % (b"1" * 5000), "out of range", False),
        (body({"total": 9, "logs": None}), "Expected `array`", False),
        (b'{"output": {"total": NaN, "logs": ["\\ud800"]}}', "Expected `int`", False),
        (b'{"output": {"total": 1e999, "logs": []}}', "out of range", False),
    ],
)
def test_an_answer_of_another_shape_says_what_is_wrong(
    data: bytes, reason: str, *, damaged: bool
) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        LOGS.read(200, {"x-request-id": "req-7"}, data)
    error = caught.value
    assert reason in error.reason
    assert error.damaged is damaged
    assert error.request_id in {"req-7", "req-1"}
    assert len(error.excerpt) <= 130
    assert error.excerpt.isprintable()


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"a": [1, 2.5, "é"], "b": None}, '{"a":[1,2.5,"é"],"b":null}'),
        ({}, "{}"),
        ([], "[]"),
        (7, "7"),
        (None, "null"),
        (False, "false"),
        ({"a": "\ud800"}, '{"a":"\ud800"}'),
        ({"a": '"\\', "b": "x  y"}, '{"a":"\\"\\\\","b":"x  y"}'),
        ([[[" "]]], '[[[" "]]]'),
    ],
    ids=ascii,
)
def test_an_entry_that_is_no_string_is_its_json_text(entry: object, line: str) -> None:
    data = body({"total": 9, "logs": ["a", entry, "b"]})
    assert LOGS.read(200, {}, data).lines == ("a", line, "b")


@pytest.mark.unmeasured
@given(JSON, st.lists(JSON.filter(lambda entry: not isinstance(entry, str)), max_size=3))
def test_whatever_python_writes_stands_beside_what_is_needed_and_stops_nothing(
    odd: object, entries: list[object]
) -> None:
    given_ = {"x": odd}
    job = {"job_id": "ft-1", "status": "X", "hyper_parameters": given_, "usage": odd, "new": odd}
    # The text tells NaN, which equals nothing, from what equals it.
    read = JobRequest("ft-1").read(200, {}, body(job, new=odd))
    assert json.dumps(read.hyper_parameters) == json.dumps(json.loads(json.dumps(given_)))
    (listed,) = JobsRequest(1, 10).read(200, {}, body({"total": 1, "jobs": [job], "new": odd})).jobs
    assert repr(listed) == repr(read)
    saved = {"checkpoint": "c-1", "status": "X", "step": odd, "model_name": odd, "new": odd}
    assert CheckpointsRequest("ft-1").read(200, {}, body([saved], new=odd))[0].checkpoint == "c-1"
    page = LOGS.read(200, {}, body({"total": 9, "logs": entries, "new": odd}, new=odd))
    assert [json.dumps(json.loads(line)) for line in page.lines] == [
        json.dumps(json.loads(json.dumps(entry))) for entry in entries
    ]


@pytest.mark.parametrize(
    ("told", "want"),
    [
        (b"NaN", math.nan),
        (b"-Infinity", -math.inf),
        (b"1e999", math.inf),
        (b"1" * 5000, math.inf),
        (b'"{\\"x\\": NaN}"', math.nan),
        (b'"{\\"x\\": 1e999}"', math.inf),
    ],
    ids=lambda one: ascii(one)[:20],
)
def test_a_hyper_parameter_may_be_a_number_that_json_has_no_word_for(told: bytes, want: float) -> None:
    parameters = told if told.startswith(b'"') else b'{"x": %b}' % told
    one = b'{"job_id": "ft-1", "status": "X", "hyper_parameters": %b}' % parameters
    read = JobRequest("ft-1").read(200, {}, b'{"output": %b}' % one)
    listed = JobsRequest(1, 10).read(200, {}, b'{"output": {"total": 1, "jobs": [%b]}}' % one)
    for job in (read, *listed.jobs):
        assert repr(job.hyper_parameters) == repr({"x": want})


def test_a_text_too_deep_to_read_is_no_hyper_parameters() -> None:
    odd = {"job_id": "ft-1", "status": "X", "hyper_parameters": "[" * 100_000}
    assert JobRequest("ft-1").read(200, {}, body(odd)) == Job("ft-1", "X")


@pytest.mark.parametrize(
    ("entry", "line"),
    [(b"NaN", "NaN"), (b'{"loss": -Infinity}', '{"loss":-Infinity}'), (b"[1e999]", "[1e999]")],
)
def test_an_entry_that_holds_such_a_number_keeps_it(entry: bytes, line: str) -> None:
    assert LOGS.read(200, {}, b'{"output": {"total": 9, "logs": [%b]}}' % entry).lines == (line,)


def test_of_more_entries_than_can_be_asked_for_no_more_are_looked_at() -> None:
    data = body({"total": 5_000, "logs": [{}] * 5_000})
    assert LogsRequest("ft-1", 0, 1000).read(200, {}, data).lines == ("{}",) * 1000


def test_a_number_longer_than_python_reads_is_a_line_too() -> None:
    data = b'{"output": {"total": 1, "logs": [%s]}}' % (b"1" * 5000)
    assert LOGS.read(200, {}, data).lines == ("1" * 5000,)


def test_an_entry_is_nested_as_deep_as_python_reads_it_or_an_error() -> None:
    deep = "[" * 99_999 + "]" * 99_999
    try:
        lines = LOGS.read(200, {}, b'{"output": {"total": 2, "logs": [{}, %b]}}' % deep.encode()).lines
    except MalformedResponseError:  # up to 3.13, at a fixed depth; since then as far as the stack goes
        return
    assert lines == ("{}", deep)


@pytest.mark.parametrize("entry", [b'{"a": 1', b'"\xff\\"'])
def test_an_entry_that_cannot_be_read_is_an_error(entry: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        LOGS.read(200, {}, b'{"output": {"total": 2, "logs": [{}, %b]}}' % entry)


@pytest.mark.parametrize(
    "nothing", [{"logs": None}, {"jobs": None}, {}, {"logs": [], "jobs": []}], ids=repr
)
@pytest.mark.parametrize("total", [0, "0", 0.0])
def test_where_there_is_nothing_it_may_be_left_out(nothing: dict[str, object], total: object) -> None:
    data = body({"total": total, **nothing})
    assert LOGS.read(200, {}, data).lines == JobsRequest(1, 10).read(200, {}, data).jobs == ()


ODD_FIELDS = [
    ("user_identity", 1654290265984853, "1654290265984853"),
    ("creator", 1.5, "1.5"),
    ("job_name", True, "true"),
    ("message", {"why": ["é"]}, '{"why":["é"]}'),
    ("code", 5, "5"),
    ("create_time", 1733480000000, "1733480000000"),
    ("end_time", [], "[]"),
    ("usage", "123", 123),
    ("usage", 12.0, 12),
    ("usage", 1.5, None),
    ("usage", {"total": 5}, None),
    ("usage", True, None),
    ("training_file_ids", "a", None),
    ("training_file_ids", ["a", None, {"id": 1}], ("a", "null", '{"id":1}')),
    ("hyper_parameters", '{"n_epochs": 3}', {"n_epochs": 3}),
    ("hyper_parameters", "{", None),
    ("hyper_parameters", "[]", None),
    ("hyper_parameters", [], None),
    ("http_date", "x", None),
]


@pytest.mark.parametrize(("name", "told", "want"), ODD_FIELDS, ids=lambda one: ascii(one)[:30])
def test_a_field_of_a_job_that_nobody_needs_stops_nothing(name: str, told: object, want: object) -> None:
    odd = {"job_id": "ft-1", "status": "RUNNING", "model": None, "new": 1, name: told}
    job = JobRequest("ft-1").read(200, {}, body(odd))
    assert job == attrs.evolve(Job("ft-1", "RUNNING"), **{name: want})
    listed = {"total": 2, "jobs": [{"job_id": "ft-0", "status": "FAILED"}, odd]}
    assert JobsRequest(1, 10).read(200, {}, body(listed)).jobs == (Job("ft-0", "FAILED"), job)


def test_so_does_none_of_a_checkpoint() -> None:
    odd = {"checkpoint": "c-1", "status": "SUCCEEDED", "step": "4", "model_name": 5}
    read = CheckpointsRequest("ft-1").read(200, {}, body([odd]))
    assert read == (Checkpoint("c-1", "SUCCEEDED", step=4, model_name="5"),)


@pytest.mark.parametrize(
    "odd", [{"job_id": 5}, {"status": None}, {"status": 5}, {"job_id": None}], ids=repr
)
def test_a_job_without_an_id_or_a_status_is_an_error(odd: dict[str, object]) -> None:
    job = {"job_id": "ft-1", "status": "RUNNING", **odd}
    for listed in ([job], [{"job_id": "ft-1", "status": "X", "usage": []}, job], [None], ["x"]):
        with pytest.raises(MalformedResponseError, match="Expected"):
            JobsRequest(1, 10).read(200, {}, body({"total": 1, "jobs": listed}))


@pytest.mark.parametrize("code", ["Success", "success", "SUCCESS", "200", 200, 0, "0", "", "OK", None])
def test_a_code_that_means_success_is_none(code: object) -> None:
    job = {"job_id": "ft-1", "status": "RUNNING"}
    assert LOGS.read(200, {}, body({"total": 9, "logs": ["a"]}, code=code)).lines == ("a",)
    assert JobRequest("ft-1").read(200, {}, body(job, code=code)).status == "RUNNING"


@pytest.mark.parametrize("code", [7, "7", "Failed", "404"])
def test_any_other_code_is_an_error_whatever_stands_beside_it(code: object) -> None:
    for envelope in ("output", "data"):
        data = json.dumps({envelope: {"total": 9, "logs": [{}]}, "code": code}).encode()
        with pytest.raises(errors.APIError) as caught:
            LOGS.read(200, {}, data)
        assert (type(caught.value), caught.value.code) == (errors.APIError, str(code))


def test_what_can_be_understood_in_one_way_only_is_read() -> None:
    output = {"total": 9, "logs": ["a"]}
    want = LogPage("ft-1", 5, ("a",), 9, "7")
    for plain in (
        {"request_id": 7, "output": output},
        {"request_id": "7", "output": None, "data": output},
        {"request_id": "7", "output": {**output, "total": 9.0}},
        {"request_id": "7", "output": {**output, "total": "9"}},
        {"request_id": 7, "code": "Success", "data": {**output, "total": 9.0}, "message": ""},
    ):
        data = json.dumps(plain).encode()
        assert LOGS.read(200, {}, data) == LOGS.read(200, {}, b"\xef\xbb\xbf" + data) == want
    jobs = {"data": {"total": 1.0, "jobs": [{"job_id": "ft-1", "status": "X"}]}}
    assert JobsRequest(1, 10).read(200, {}, json.dumps(jobs).encode()).total == 1
    with pytest.raises(errors.ThrottlingError, match="slow down"):
        LOGS.read(429, {}, b'\xef\xbb\xbf{"code": "Throttling", "message": "slow down"}')


@pytest.mark.parametrize(
    ("entry", "damaged"), [(b"{}", False), (b'"\\ud800"', False), (b'"\\uD800"', False), (b'"a', True)]
)
def test_what_is_odd_and_large_is_refused_by_its_size(entry: bytes, *, damaged: bool) -> None:
    data = b'{"output": {"total": 9, "logs": [' + b",".join([entry] * (2 * 2**20)) + b"]}}"
    with pytest.raises(
        errors.ResponseTooLargeError, match="not as the service's page describes"
    ) as caught:
        LOGS.read(200, {"x-request-id": "r"}, data)
    assert (caught.value.damaged, caught.value.request_id) == (damaged, "r")


def test_a_gateways_page_is_quoted_short_and_on_one_line() -> None:
    with pytest.raises(errors.InternalServerError) as caught:
        LOGS.read(502, {}, b"<html>\r\n<h1>502 Bad Gateway</h1>" + b"\n<!-- x -->" * 9_999)
    assert caught.value.message == "502 Bad Gateway"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<!DOCTYPE html><style>b {x: y}</style><b class='>'>No</b>\n<p>backend", "'>No backend"),
        ("\ufeff <h1>503</h1><!-- a > b -->Try <br/>later<img src=", "503 Try later"),
        ("a < b, c > d", "a < b, c > d"),
        ("<title>503</title><h1>503 Later</h1>", "503 Later"),
        ("<title>503 Later</title>", "<title>503 Later</title>"),
    ],
)
def test_of_a_gateway_s_page_the_words_are_told(body: str, said: str) -> None:
    with pytest.raises(errors.InternalServerError) as caught:
        LOGS.read(503, {}, body.encode())
    assert caught.value.message == said


@pytest.mark.parametrize("status", [100, 199, 201, 204, 206, 299, 300, 404, 500, 599])
def test_what_looks_like_a_page_is_one_only_under_the_status_of_success(status: int) -> None:
    assert LOGS.read(200, {}, page(["a"])).lines == ("a",)
    with pytest.raises(errors.APIError):
        LOGS.read(status, {}, page(["a"]))


def test_a_redirect_is_refused_and_named() -> None:
    for status in (300, 302, 399):
        with pytest.raises(errors.APIError, match=r"redirect to https://evil.example refused"):
            LOGS.read(status, {"location": "https://evil.example"}, b"")
    for status in (299, 400):
        with pytest.raises(errors.APIError) as caught:
            LOGS.read(status, {"location": "https://evil.example"}, b"")
        assert "redirect" not in str(caught.value)
    with pytest.raises(errors.APIError, match="redirect to nowhere refused"):
        LOGS.read(307, {}, b"")


def test_an_empty_page_where_lines_are_due_is_incomplete() -> None:
    due = LogsRequest("ft-1", 5, 3, lines_due=True)
    with pytest.raises(IncompleteLogError) as caught:
        due.read(200, {}, page([], total=9))
    assert (caught.value.next_offset, caught.value.total) == (5, 9)
    for total in (5, 4, 0):
        assert due.read(200, {}, page([], total=total)).lines == ()
    assert LOGS.read(200, {}, page([], total=9)).lines == ()


def test_lines_beyond_those_asked_for_are_left_to_the_next_page() -> None:
    assert LOGS.read(200, {}, page(list("abcdef"))).lines == ("a", "b", "c")


def test_a_job_keeps_what_is_known_and_ignores_what_is_new() -> None:
    data = body({"job_id": "ft-1", "status": "DREAMING", "new": [1], "hyper_parameters": {"x": "1e-5"}})
    job = JobRequest("ft-1").read(200, {}, data)
    assert (job.job_id, job.status, job.ended, job.hyper_parameters) == (
        "ft-1",
        "DREAMING",
        False,
        {"x": "1e-5"},
    )
    listing = JobsRequest(3, 10).read(200, {}, body({"total": 21, "jobs": [json.loads(data)["output"]]}))
    assert (listing.page_no, listing.total, listing.jobs) == (3, 21, (job,))


def test_a_checkpoint_keeps_what_is_known_and_ignores_what_is_new() -> None:
    ask = CheckpointsRequest("ft-1")
    plain = {"checkpoint": "checkpoint-00040004", "status": "DREAMING", "step": 40004, "new": [1]}
    want = (Checkpoint("checkpoint-00040004", "DREAMING", step=40004),)
    assert ask.read(200, {}, body([plain])) == want
    assert ask.read(200, {}, body(None, data=[plain])) == want
    assert ask.read(200, {}, body([])) == ()


@pytest.mark.parametrize(
    "output",
    [
        None,
        {},
        "x",
        {"checkpoints": []},
        [{}],
        [{"checkpoint": "x"}],
        [{"checkpoint": 5, "status": "X"}],
    ],
    ids=str,
)
def test_what_is_no_list_of_checkpoints_is_malformed(output: object) -> None:
    with pytest.raises(MalformedResponseError):
        CheckpointsRequest("ft-1").read(200, {}, body(output))
