"""The tree of errors: documented, picklable, safe to print."""

import copy
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import errors
from dashscope_ftlogs.errors import FTLogsError
from dashscope_ftlogs.text import escaped


def all_below(kind: type[FTLogsError]) -> list[type[FTLogsError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in all_below(child))]


KINDS = [kind for kind in all_below(FTLogsError) if kind.__module__ == errors.__name__]
EXAMPLES: dict[type[FTLogsError], tuple[Any, ...]] = {
    errors.APIError: (418, "Teapot", "short and stout", "req-1", 3.5),
    errors.TransportError: ("reset", False),
    errors.MalformedResponseError: ("the body is empty", 200, "req-1", "<html>", True),
    errors.IncompleteLogError: (3, 9, "req-1"),
    errors.LogRewrittenError: (9, 3),
}


def example(kind: type[FTLogsError]) -> FTLogsError:
    fields = next((EXAMPLES[base] for base in kind.__mro__ if base in EXAMPLES), ("what happened",))
    error = kind(*fields)
    error.job_id, error.offset, error.attempts, error.gave_up = "ft-1", 7, 3, "Enough."
    error.outlasted = True
    return error


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = ["FTLogsError"]
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^    ([│ ]*)[├└]── (\w+)", line):
            depth = len(found[1]) // 4 + 1
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1]
    assert drawn == {
        kind.__name__: kind.__mro__[1].__name__ for kind in KINDS if kind is not FTLogsError
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_pickling_and_copying_with_all_it_knows(kind: type[FTLogsError]) -> None:
    error = example(kind)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_message_says_where_it_happened_and_why_no_more_was_tried(kind: type[FTLogsError]) -> None:
    text = str(example(kind))
    assert ", job ft-1 at offset 7, after 3 tries. Enough." in text
    assert text.endswith(kind.advice)


def test_without_an_offset_the_message_names_the_job_alone() -> None:
    error = errors.NotFoundError(404, "NotFound", "Not found!")
    error.job_id = "ft-1"
    assert str(error).startswith("HTTP 404 NotFound: Not found!, job ft-1. Check")


@given(st.text(), st.text(), st.text())
def test_no_message_holds_what_acts_on_a_terminal(code: str, message: str, request_id: str) -> None:
    for error in (
        errors.APIError(400, code, message, request_id),
        errors.TransportError(message),
        errors.MalformedResponseError("x", 200, request_id),
    ):
        assert escaped(str(error)) == str(error)
