"""Which facts hold is told from answers, whatever they are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import TransportError
from dashscope_ftlogs.cli.doctor.documented_facts import facts, questions
from dashscope_ftlogs.cli.doctor.findings import Finding, RawAnswer, State

LINES = [f"line {n}" for n in range(1500)]
HEADERS = {"x-request-id": "r", "content-encoding": "gzip"}
SKIPS, USUAL, MOST, NO_MORE, TOTAL = (
    *("Offset 0 is the first line", "Without parameters, 100 lines from the first"),
    *("1000 lines at once", "No more than 1000 lines at once", "The total is how many lines there are"),
)
PAST, STRINGS, NOBODY = (
    *("Past the end there are no lines, which is no error", "Each line is a string"),
    "A job that does not exist is 404 NotFound",
)
IDS, COMPRESSED, RETRY = (
    *("Each answer has a request id", "Answers are compressed (not documented)"),
    "A refusal says when to try again (not documented)",
)
CHECKPOINTS = "A job's checkpoints are a list"


def answer(body: Any, status: int = 200, headers: Any = HEADERS) -> RawAnswer:
    return RawAnswer(status, headers, json.dumps({"request_id": "r", **body}).encode())


def page(lines: Any, total: Any) -> RawAnswer:
    return answer({"output": {"total": total, "logs": lines}})


def refusal(status: int, code: str, headers: Any = HEADERS) -> RawAnswer:
    return answer({"code": code, "message": "sk-1"}, status, headers)


def as_documented(lines: list[Any]) -> dict[str, Any]:
    n = len(lines)
    return {
        "first": page(lines[:10], n),
        "second": page(lines[1:10], n),
        "bare": page(lines[:100], n),
        "most": page(lines[:1000], n),
        "more": refusal(400, "InvalidParameter"),
        "last": page(lines[-1:], n),
        "end": page([], n),
        "past": page([], n),
        "nobody": refusal(404, "NotFound"),
        "checkpoints": answer({"output": [{}]}),
    }


def told(
    changes: dict[str, Any], lines: list[Any] = LINES, *, is_final: bool = True
) -> dict[str, Finding]:
    found = list(facts(as_documented(lines) | changes, is_final=is_final))
    assert len(found) == 12
    assert all((one.code == 5) == (one.state is State.WRONG) for one in found)
    return {one.name: one for one in found}


def test_what_is_asked_are_the_names_that_are_judged() -> None:
    assert {"first", *questions("ft-1", 0)} == as_documented(LINES).keys()
    assert questions("ft-1", 7)["last"] == "fine-tunes/ft-1/logs?offset=6&line=1"
    assert questions("ft-1", 0)["last"] == "fine-tunes/ft-1/logs?offset=0&line=1"


def test_where_all_is_as_documented_all_holds_but_what_nobody_saw() -> None:
    states = {name: one.state for name, one in told({}).items()}
    assert states.pop(RETRY) is State.UNKNOWN
    assert set(states.values()) == {State.OK}
    assert told({})[MOST].told == "1,000 lines"


@pytest.mark.parametrize(
    ("changes", "name", "state", "words"),
    [
        ({"second": page(LINES[:9], 1500)}, SKIPS, State.WRONG, "counts from 1"),
        ({"second": page(LINES[5:14], 1500)}, SKIPS, State.WRONG, "not in what offset 0 gives"),
        ({"second": page([], 1500)}, SKIPS, State.WRONG, "no line at offset 1"),
        (
            {"second": refusal(500, "InternalError")},
            SKIPS,
            State.WRONG,
            "HTTP 500 InternalError in place",
        ),
        ({"second": TransportError("reset")}, SKIPS, State.WRONG, "no answer: reset"),
        ({"bare": page(LINES[:10], 1500)}, USUAL, State.ODD, "10 of 1,500"),
        ({"bare": page(LINES[1:101], 1500)}, USUAL, State.ODD, "another line"),
        ({"most": page(LINES[:200], 1500)}, MOST, State.ODD, "200 lines"),
        ({"more": page(LINES[:1001], 1500)}, NO_MORE, State.ODD, "and 1,001 given"),
        ({"more": refusal(500, "InternalError")}, NO_MORE, State.ODD, "HTTP 500"),
        ({"more": TransportError("reset")}, NO_MORE, State.UNKNOWN, "reset"),
        ({"last": page([], 1500)}, TOTAL, State.WRONG, "no line at offset 1,499"),
        ({"end": page(["x"], 1500)}, TOTAL, State.WRONG, "lines from that offset on"),
        ({"end": page([], 1400)}, TOTAL, State.WRONG, "1500, 1500, 1400, 1500"),
        (
            {"end": answer({"output": {"total": "x", "logs": []}})},
            TOTAL,
            State.WRONG,
            "in place of lines",
        ),
        ({"end": answer({"output": []})}, TOTAL, State.WRONG, "in place of lines"),
        ({"past": page(["x"], 1500)}, PAST, State.WRONG, "1 line"),
        ({"past": refusal(400, "InvalidParameter")}, PAST, State.WRONG, "in place of lines"),
        ({"most": page([*LINES[:998], {}, 5], 1500)}, STRINGS, State.ODD, "2 of 1,000"),
        ({"nobody": refusal(400, "InvalidParameter")}, NOBODY, State.ODD, "HTTP 400 InvalidParameter"),
        ({"nobody": answer({"code": "NotFound"})}, NOBODY, State.ODD, "HTTP 200 NotFound"),
        ({"nobody": TransportError("reset")}, NOBODY, State.UNKNOWN, "reset"),
        ({"nobody": refusal(404, "NotFound", {})}, IDS, State.OK, "10 in the body, 9 in a header"),
        ({"nobody": RawAnswer(404, HEADERS, b"")}, IDS, State.ODD, "9 in the body, 10 in a header"),
        (
            {"most": RawAnswer(200, {}, page(LINES[:1000], 1500).body)},
            COMPRESSED,
            State.ODD,
            "not this one",
        ),
        ({"most": RawAnswer(200, {}, page(["x"], 1).body)}, COMPRESSED, State.UNKNOWN, "not this one"),
        ({"most": TransportError("reset")}, COMPRESSED, State.UNKNOWN, "reset"),
        ({"more": refusal(429, "Throttling")}, RETRY, State.ODD, "0 of 1"),
        ({"more": refusal(429, "Throttling", {"retry-after": "1"})}, RETRY, State.OK, "1 of 1"),
        ({"checkpoints": refusal(400, "UnsupportedOperation")}, CHECKPOINTS, State.UNKNOWN, "HTTP 400"),
        ({"checkpoints": TransportError("reset")}, CHECKPOINTS, State.UNKNOWN, "reset"),
    ],
)
def test_each_that_does_not_hold_is_told(changes: Any, name: str, state: State, words: str) -> None:
    found = told(changes)[name]
    assert found.state is state
    assert words in found.told
    assert "sk-1" not in found.told


@pytest.mark.parametrize(
    ("lines", "name"), [(["x"] * 12, SKIPS), (["x"], SKIPS), ([], SKIPS), (LINES[:999], MOST)]
)
def test_a_log_that_can_not_tell_tells_nothing(lines: list[str], name: str) -> None:
    found = told({}, lines)
    assert found[name].state is State.UNKNOWN
    assert found[TOTAL].state is State.OK


def test_a_log_that_grows_meanwhile_is_no_lie() -> None:
    grown = {
        "first": page(LINES[:2], 2),
        "second": page(LINES[1:4], 4),
        "bare": page(LINES[:5], 5),
        "last": page(LINES[1:2], 6),
        "end": page(LINES[2:7], 7),
        "past": page(LINES[:1], 1100),
    }
    found = told(grown, is_final=False)
    assert {found[name].state for name in (SKIPS, USUAL, TOTAL)} == {State.OK}
    assert found[PAST].state is State.UNKNOWN
    assert told(grown)[TOTAL].state is State.WRONG, "a job that has ended writes no more"


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["output", "logs", "total"]), inner),
)


@given(st.data(), st.booleans())
def test_any_answers_are_judged(data: st.DataObject, is_final: bool) -> None:
    bodies = st.binary() | JSON.map(lambda one: json.dumps(one).encode())
    answers: Any = {
        name: data.draw(
            st.builds(RawAnswer, st.integers(100, 599), st.just({}), bodies)
            | st.just(TransportError("reset"))
        )
        for name in as_documented(LINES)
    }
    assert len(list(facts(answers, is_final=is_final))) == 12
