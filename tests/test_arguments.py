"""Every public function, every parameter: wrong types and values are refused before any request.

Said is the value, and what it may be; and every error is one of ours. A parameter that is not in the
table fails the test, so that none is forgotten.
"""

import inspect
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest

import dashscope_ftlogs
from dashscope_ftlogs import (
    ConfigError,
    InvalidArgumentError,
    Job,
    LogSession,
    MetricsTable,
    RetryPolicy,
    Verdict,
    parse_line,
    parse_lines,
    verify_archive,
    verify_remotely,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import shown

NO_JOB = ["", ".", "..", "../x", "a b", "x" * 129, 5, None, True, b"ft-1", ["ft-1"], object()]
NO_JOBS = [5, None, True, b"ft-1", object(), ["ft-1", 5], ("ft-1", None), [["ft-1"]]]
NO_JOBS += [{"ft-1": 1}, {}, MappingProxyType({"ft-1": 1})]
NO_COUNT = [-1, 1.0, True, "1", math.nan, [1], 10**5000 * -1]
NO_SECONDS = [-1, -0.5, math.nan, math.inf, -math.inf, 1e300, 10**400, True, "1", [1]]
NO_WORD = [5, True, b"x", ["x"]]
NO_FLAG = [0, 1, "yes", None, []]
NO_PATH = ["", "a\0b", 5, None, b"a", ["a"], Path]
NO_TEXTS = ["a line", b"a line", 5, None, {"a": 1}]
NO_FUNCTION = [5, "print", []]
DIGEST = "0" * 64
NO_POSITION = [
    5,
    "0",
    [],
    {"offset": 5},
    {"last": []},
    {"offset": 1, "last": [DIGEST], "more": 1},
    {"offset": -1, "last": []},
    {"offset": True, "last": [5]},
    {"offset": 1, "last": [DIGEST, DIGEST]},
    {"offset": "1", "last": []},
]

JOB_ID = "job id .*: must be 1 to 128 of the characters"
JOBS = "jobs=.*: must be (job ids or Jobs|a job id or a Job)"
FROM_0, FROM_1 = "a whole number, at least 0", "a whole number, at least 1"
SECONDS = "a number of seconds above 0, 1,000,000,000,000 at most"
SECONDS_OR_0 = "a number of seconds 0 or above, 1,000,000,000,000 at most"


@attrs.frozen
class Wrong:
    """What a parameter may not be, and the words that say what it may be."""

    values: list[Any]
    words: str
    names_value: bool = True
    error: type[Exception] = InvalidArgumentError


@attrs.frozen
class Call:
    """A public function, arguments with which all is well, and wrong ones."""

    function: Callable[..., Any]
    good: Mapping[str, Any]
    wrong: Mapping[str, Wrong]


def settings(words: str) -> Wrong:
    """A setting: that it is no string is an error of the configuration, and it may be a secret."""
    return Wrong([5, b"x", ["x"], True], words, names_value=False, error=ConfigError)


SESSION = Call(
    LogSession,
    {"api_key": "sk-1"},
    {
        **{name: settings(f"{name}: must be a string") for name in ("api_key", "workspace", "profile")},
        "base_url": settings("base_url: must be a string"),
        "region": settings("region: must be a string"),
        "proxy": settings("proxy: must be a string"),
        "ca_file": Wrong([one for one in NO_PATH if one is not None], "a path"),
        "retry": Wrong([3, "often", {"max_tries": 3}, RetryPolicy], "a RetryPolicy"),
        "concurrency": Wrong([*NO_COUNT, 0], FROM_1),
        "timeout": Wrong([*NO_SECONDS, 0], SECONDS),
        "max_answer": Wrong([*NO_COUNT, 1023, None], "a whole number, at least 1024"),
        "max_rate": Wrong([*NO_SECONDS, 0], "a number above 0, 1,000,000,000,000 at most"),
        "allow_http": Wrong(NO_FLAG, "True or False"),
        "client_session": Wrong([5, "x", object()], "an aiohttp.ClientSession"),
        "on_request": Wrong(NO_FUNCTION, "a function, or None"),
    },
)
POLICY = Call(
    RetryPolicy,
    {},
    {
        "max_tries": Wrong([*NO_COUNT, 0, None], FROM_1),
        "max_delay": Wrong([*NO_SECONDS, 0, None], SECONDS),
        **{
            name: Wrong([*NO_SECONDS, 0, None], SECONDS)
            for name in ("base_delay", "max_retry_after", "deadline", "lag")
        },
    },
)
NO_PATTERN = Wrong([5, b"x", True, {"x": 1}], "a string, or several")
FOLLOW_PLACES = [{5: 3}, {"../x": 3}, {"ft-1": -1}, {"ft-1": 1.5}, {"ft-1": None}]
METHODS = {
    "page": Call(
        LogSession.page,
        {"job_id": "ft-1"},
        {
            "job_id": Wrong(NO_JOB, JOB_ID),
            "offset": Wrong([*NO_COUNT, None], FROM_0),
            "line": Wrong([*NO_COUNT, 0, 1001, None], "a whole number, 1 to 1000"),
        },
    ),
    "lines": Call(
        LogSession.lines,
        {"job_id": "ft-1"},
        {
            "job_id": Wrong(NO_JOB, JOB_ID),
            "offset": Wrong([*NO_COUNT, None], FROM_0),
            "limit": Wrong(NO_COUNT, FROM_0),
            "page_size": Wrong([*NO_COUNT, 0, 1001, None], "a whole number, 1 to 1000"),
            "concurrency": Wrong([*NO_COUNT, 0], FROM_1),
            "at": Wrong(NO_POSITION, "a position, as a read gives it|a whole number"),
        },
    ),
    "job": Call(LogSession.job, {"job_id": "ft-1"}, {"job_id": Wrong(NO_JOB, JOB_ID)}),
    "checkpoints": Call(LogSession.checkpoints, {"job_id": "ft-1"}, {"job_id": Wrong(NO_JOB, JOB_ID)}),
    "jobs": Call(
        LogSession.jobs,
        {},
        {
            "status": Wrong(
                [5, True, b"x", [], [5], ["RUNNING", None], {"x": 1}], "a string, or several"
            ),
            "model": Wrong(NO_WORD, "a string, or None"),
        },
    ),
    "fetch_many": Call(
        LogSession.fetch_many, {"jobs": ["ft-1"]}, {"jobs": Wrong(NO_JOBS, JOBS, names_value=False)}
    ),
    "with_options": Call(
        LogSession.with_options,
        {},
        {"retry": SESSION.wrong["retry"], "timeout": SESSION.wrong["timeout"]},
    ),
    "metrics": Call(
        LogSession.metrics,
        {"job_id": "ft-1"},
        {
            "job_id": Wrong(NO_JOB, JOB_ID),
            "pattern": NO_PATTERN,
        },
    ),
    "download": Call(
        LogSession.download,
        {"jobs": ["ft-1"], "directory": "unused"},
        {
            "jobs": Wrong(NO_JOBS, JOBS, names_value=False),
            "directory": Wrong(NO_PATH, "a path: a string that is not empty, or a pathlib.Path"),
            "format": Wrong(["xml", "", "TEXT", *NO_WORD], "'text' or 'jsonl', or None"),
            "compression": Wrong(["zip", "", *NO_WORD], "'gzip', or None"),
            "settle": Wrong(NO_SECONDS, SECONDS_OR_0),
            "recheck": Wrong(NO_FLAG, "True or False"),
            "progress": Wrong([5, "x", {}], "a Progress"),
        },
    ),
    "running_jobs": Call(
        LogSession.running_jobs,
        {"until": lambda running: not running},
        {
            "every": Wrong([*NO_SECONDS, 0, None], SECONDS),
            "until": Wrong(NO_FUNCTION, "a function, or None"),
            "give_up_after": Wrong([*NO_SECONDS, 0], SECONDS),
        },
    ),
    "follow": Call(
        LogSession.follow,
        {"jobs": ["ft-1"]},
        {
            "jobs": Wrong([*NO_JOBS, "../x", ["../x"]], f"{JOBS}|{JOB_ID}", names_value=False),
            "more": Wrong([], ""),
            "offset": Wrong([*NO_COUNT, None, *FOLLOW_PLACES], "must be", names_value=False),
            "at": Wrong(
                [*NO_POSITION, {5: {"offset": 0, "last": []}}, {"ft-1": 5}, {"ft-1": None}],
                "must be",
                names_value=False,
            ),
            "tail": Wrong(NO_COUNT, FROM_0),
            "shortest_poll": Wrong([*NO_SECONDS, 0, None], SECONDS),
            "longest_poll": Wrong([*NO_SECONDS, 0, None], SECONDS),
            "give_up_after": Wrong([*NO_SECONDS, 0], SECONDS),
            "settle": Wrong(NO_SECONDS, SECONDS_OR_0),
            "on_event": Wrong(NO_FUNCTION, "a function, or None"),
        },
    ),
}
VERDICT = Verdict(job_id="ft-1", file="ft-1.log", state="ok")
FUNCTIONS = {
    "verify_archive": Call(
        verify_archive, {"directory": "unused"}, {"directory": Wrong(NO_PATH, "a path: a string")}
    ),
    "verify_remotely": Call(
        verify_remotely,
        {"session": None, "verdicts": [VERDICT]},
        {
            "every_job": Wrong(NO_FLAG, "True or False"),
            "session": Wrong([5, "x", object()], "a Service"),
            "verdicts": Wrong([5, None, [5], ["ft-1"], "ft-1"], "must be", names_value=False),
        },
    ),
    "parse_line": Call(
        parse_line,
        {"line": ""},
        {"line": Wrong([5, None, b"x", ["x"]], "line=.*: must be a str"), "pattern": NO_PATTERN},
    ),
    "parse_lines": Call(
        parse_lines,
        {"lines": []},
        {
            "lines": Wrong([*NO_TEXTS, [5], [b"x"], [None]], "must be", names_value=False),
            "offset": Wrong([*NO_COUNT, None], FROM_0),
            "pattern": NO_PATTERN,
        },
    ),
    "MetricsTable": Call(
        MetricsTable,
        {"points": []},
        {"points": Wrong([5, None, [5], "x", [("x", 5)]], "pairs of a name", names_value=False)},
    ),
    "MetricsTable.from_lines": Call(
        MetricsTable.from_lines,
        {"lines": []},
        {
            "lines": Wrong([*NO_TEXTS, [5], [b"x"], [None]], "must be", names_value=False),
            "source": Wrong([5, None, b"x"], "a str"),
            "offset": Wrong([*NO_COUNT, None], FROM_0),
            "pattern": NO_PATTERN,
        },
    ),
    "LogSession": SESSION,
    "RetryPolicy": POLICY,
}
INTERNAL = {"answer", "read_page", "spawn"}
"""Methods that are public for the package's own parts alone."""


def cases(calls: Mapping[str, Call]) -> list[Any]:
    return [
        pytest.param(call, name, value, id=f"{of}-{name}-{number}")
        for of, call in calls.items()
        for name, wrong in call.wrong.items()
        for number, value in enumerate(wrong.values)
    ]


def check(error: BaseException, wrong: Wrong, value: Any) -> None:
    assert type(error) is wrong.error
    assert re.search(wrong.words, str(error))
    if wrong.names_value:
        assert shown(value) in str(error)


async def use(result: Any) -> None:
    """Do with what a function returned what its users do."""
    if inspect.isawaitable(result):
        await result
    elif hasattr(result, "__aiter__"):
        async for _ in result:
            pass
    elif hasattr(result, "__next__"):
        list(result)


@pytest.fixture(scope="module")
def emulator() -> Any:
    with Emulator([EmulatedJob("ft-1", ["a line"], checkpoints=[])]) as running:
        yield running


@pytest.fixture
async def session(emulator: Emulator) -> AsyncIterator[LogSession]:
    async with LogSession(emulator.api_key, base_url=emulator.base_url) as opened:
        yield opened


@pytest.mark.parametrize(("call", "name", "value"), cases(METHODS))
async def test_a_method_refuses_what_it_cannot_take_before_any_request(
    session: LogSession, call: Call, name: str, value: Any, tmp_path: Path
) -> None:
    arguments = {**call.good, name: value}
    if name != "directory" and "directory" in arguments:
        arguments["directory"] = tmp_path / "archive"
    with pytest.raises(Exception) as caught:  # noqa: PT011  (which, is what is tested)
        await use(call.function(session, **arguments))
    check(caught.value, call.wrong[name], value)
    assert session.requests == 0
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize(("call", "name", "value"), cases(FUNCTIONS))
async def test_a_function_refuses_what_it_cannot_take(
    session: LogSession, call: Call, name: str, value: Any
) -> None:
    arguments = {**call.good, name: value}
    if arguments.get("session", 0) is None:
        arguments["session"] = session
    with pytest.raises(Exception) as caught:  # noqa: PT011  (which, is what is tested)
        await use(call.function(**arguments))
    check(caught.value, call.wrong[name], value)
    assert session.requests == 0


def test_the_table_has_every_public_function_and_parameter() -> None:
    methods = {
        name
        for name, value in inspect.getmembers(LogSession, inspect.isfunction)
        if not name.startswith("_") and len(inspect.signature(value).parameters) > 1
    }
    assert methods - INTERNAL == set(METHODS)
    public = {name: getattr(dashscope_ftlogs, name) for name in dashscope_ftlogs.__all__}
    functions = {name for name, value in public.items() if inspect.isfunction(value)}
    assert functions <= set(FUNCTIONS)
    for call in (*METHODS.values(), *FUNCTIONS.values()):
        parameters = set(inspect.signature(call.function).parameters) - {"self"}
        assert parameters == set(call.wrong), call.function


@pytest.mark.parametrize("name", [name for name, call in METHODS.items() if "job_id" in call.wrong])
async def test_a_job_stands_for_its_id(session: LogSession, name: str) -> None:
    await use(METHODS[name].function(session, Job("ft-1", "RUNNING")))
    assert session.requests > 0


PLACE = {"offset": 1, "last": [DIGEST]}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"at": PLACE, "offset": 3}, "offset=3: `at` says where to begin"),
        ({"at": PLACE, "offset": {"ft-1": 3}}, "`at` says where to begin"),
        ({"at": PLACE, "tail": 0}, "tail=0: `at` says where to begin"),
        ({"at": {"ft-1": PLACE}, "offset": {"ft-1": 0}}, "`at` says where to begin with ft-1"),
        ({"offset": 3, "tail": 0}, "offset=3, tail=0: only one of them can say where to begin"),
        ({"at": {"ft-9": PLACE}}, "at: ft-9 is none of the jobs to follow"),
        ({"offset": {"ft-1": 0, "ft-9": 0}}, "offset: ft-9 is none of the jobs to follow"),
        ({"shortest_poll": 20}, "longest_poll=15.0: must be at least shortest_poll, 20"),
    ],
)
async def test_what_would_be_ignored_is_refused(
    session: LogSession, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        session.follow(["ft-1", "ft-2"][: 1 if options.get("at") is PLACE else 2], **options)
    assert words in str(caught.value)
    assert session.requests == 0


@pytest.mark.parametrize(
    "options",
    [
        {"offset": {"ft-1": 1}, "tail": 3},
        {"at": {"ft-1": PLACE}, "tail": 3},
        {"at": {"ft-1": PLACE}, "offset": {"ft-2": 3}},
        {"at": {"ft-1": PLACE}, "offset": 3},
        {"at": {}, "offset": {}, "tail": 0},
    ],
    ids=str,
)
async def test_what_says_where_several_jobs_begin_goes_together(
    session: LogSession, options: dict[str, Any]
) -> None:
    assert session.follow(["ft-1", "ft-2"], **options).jobs == {}


async def test_a_place_for_a_job_that_may_yet_come_is_kept(session: LogSession) -> None:
    async def coming() -> AsyncIterator[str]:
        yield "ft-1"

    assert session.follow(coming(), at={"ft-9": PLACE}, offset={"ft-8": 3}).jobs == {}


@pytest.mark.parametrize("name", ["fetch_many", "download", "follow"])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_what_an_iterator_of_jobs_gives_is_looked_at_when_it_comes(
    session: LogSession, tmp_path: Path, name: str, kind: str
) -> None:
    def some() -> Iterator[Any]:
        yield 5

    async def coming() -> AsyncIterator[Any]:
        yield 5

    arguments = {**METHODS[name].good, "jobs": coming() if kind == "async" else some()}
    if "directory" in arguments:
        arguments["directory"] = tmp_path
    with pytest.raises(InvalidArgumentError, match="jobs=5: must be a job id or a Job"):
        await use(METHODS[name].function(session, **arguments))
    assert session.requests == 0
