"""What the package shows to the world."""

import ast
import doctest
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar, get_args

import attrs
import pytest

import dashscope_ftlogs
from dashscope_ftlogs import (
    Beside,
    Checkpoint,
    Downloaded,
    EventKind,
    FollowEvent,
    Job,
    JobLog,
    LogLine,
    LogPage,
    Message,
    Metrics,
    Point,
    ProgressBar,
    RequestEvent,
    RetryDecision,
    RetryPolicy,
    Text,
    Tokens,
    Traceback,
    Verdict,
)

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(dashscope_ftlogs.__path__, "dashscope_ftlogs.")
    if not module.name.endswith("__main__")
)


def test_the_names_are_sorted_and_all_there() -> None:
    names = dashscope_ftlogs.__all__
    # As ruff sorts them: constants, classes, functions.
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    for name in names:
        assert getattr(dashscope_ftlogs, name) is not None
    assert dir(dashscope_ftlogs) == sorted(names)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = dashscope_ftlogs.Nothing  # type: ignore[attr-defined]  # which is the point


def printed(code: str) -> str:
    """Return what a Python of its own prints, in which nothing was imported before."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_the_package_loads_no_http_client() -> None:
    code = (
        "import sys, dashscope_ftlogs, dashscope_ftlogs.models, dashscope_ftlogs.errors\n"
        "print({'aiohttp', 'backoff', 'asyncio', 'typer', 'rich'} & set(sys.modules))"
    )
    assert printed(code) == "set()\n"


MADE_BY_US = {"LogFollower", "LogPaginator", "Stream", "Unfolded"}
"""Users meet these, but make none."""
MEANS_LOG_SESSION = {"Self", "Service"}
"""What is built on the service asks for no more; what users have of it is the session."""


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(import_module(module)))


def signatures(of: Any) -> Iterator[tuple[str, ast.AST]]:
    """What is annotated of a public function, or of the public part of a class, with its module."""
    if inspect.isfunction(of):
        yield of.__module__, definition(of)
    elif inspect.isclass(of):
        for one in of.__mro__:
            if one.__module__.startswith("dashscope_ftlogs."):
                for part in definition(one).body:
                    if is_public(of, part):
                        yield one.__module__, part


def definition(of: Any) -> Any:
    (node,) = (one for one in tree_of(of.__module__).body if getattr(one, "name", "") == of.__name__)
    return node


def is_public(of: type, part: ast.stmt) -> bool:
    match part:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            called = {"__aenter__", "__aiter__", "__anext__", "__getitem__"}
            return (
                not name.startswith("_")
                or name in called
                or (name == "__init__" and of.__name__ not in MADE_BY_US)
            )
        case ast.AnnAssign(target=ast.Name(id=name)):
            return not name.startswith("_")
        case _:
            return False


def annotations(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            yield from (
                one.annotation for one in every if one is not None and one.annotation is not None
            )
            if node.returns is not None:
                yield node.returns
        case ast.AnnAssign(annotation=annotation):
            yield annotation
        case _:
            raise AssertionError(node)


def names_in(annotation: ast.expr) -> Iterator[str]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier()
        ):
            yield node.value
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                yield from names_in(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                assert "Literal" in ast.unparse(annotation)


def ours(module: str, name: str) -> object | None:
    """What a module means by a name, if that is a type of this package."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and name in {one.asname or one.name for one in node.names}:
            if not (node.module or "").startswith("dashscope_ftlogs"):
                return None
            return ours(str(node.module), name)
    found = vars(import_module(module)).get(name)
    return None if isinstance(found, TypeVar | ModuleType) else found


PUBLIC = {name: getattr(dashscope_ftlogs, name) for name in dashscope_ftlogs.__all__}


@pytest.mark.covered
@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if callable(value)])
def test_every_type_that_a_public_signature_names_is_public(name: str) -> None:
    missing = set()
    for module, node in signatures(PUBLIC[name]):
        for annotation in annotations(node):
            for one in set(names_in(annotation)) - MEANS_LOG_SESSION:
                found = ours(module, one)
                if found is not None and PUBLIC.get(one) is not found:
                    missing.add(f"{one} of {module}")
    assert missing == set()


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if get_args(value)])
def test_every_member_of_a_public_union_is_public(name: str) -> None:
    for one in get_args(PUBLIC[name]):
        if getattr(one, "__module__", "").startswith("dashscope_ftlogs"):
            assert PUBLIC.get(one.__name__) is one


def test_the_errors_are_there_after_a_bare_import() -> None:
    code = (
        "import dashscope_ftlogs\n"
        "print(issubclass(dashscope_ftlogs.errors.NotFoundError, dashscope_ftlogs.FTLogsError))"
    )
    assert printed(code) == "True\n"


POINT = {"offset": 0, "segment": 0, "kind": "train", "step": 1, "total_steps": 9, "epoch": 0.5}
VALUES = [
    Beside(step=3, kind="eval"),
    Checkpoint("checkpoint-00040004", "SUCCEEDED", step=40004),
    Downloaded(job_id="ft-1", state="complete", lines=9, set_aside=("ft-1.1.log",)),
    FollowEvent("ft-1", EventKind.GREW, "it grew", position={"offset": 1, "last": ["0" * 64]}),
    Job("ft-1", "RUNNING", training_file_ids=("file-1",), hyper_parameters={"n_epochs": [1]}),
    JobLog("ft-1", ("a line",)),
    LogLine("ft-1", 0, "a line"),
    LogPage("ft-1", 0, ("a line",), 1),
    Message("hello", "INFO"),
    Metrics({"loss": 1.5}, "{'loss': 1.5}", ProgressBar(50)),
    Point(**POINT, time=None, tokens=None, values={"loss": 1.5}),  # type: ignore[arg-type]
    ProgressBar(50),
    RequestEvent(what="job", job_id="ft-1", offset=None, attempt=1, seconds=0.5, status=200),
    RetryDecision(0.5),
    RetryPolicy(max_tries=3),
    Text("a line"),
    Tokens(5),
    Traceback("OSError", "OSError"),
    Verdict(job_id="ft-1", file="ft-1.log", state="ok"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_can_be_in_a_set_whatever_it_holds(value: Any) -> None:
    assert {value, deepcopy(value)} == {value}


@pytest.mark.parametrize("kind", [Downloaded, RequestEvent, RetryPolicy, Verdict])
def test_what_has_many_fields_takes_them_by_name_alone(kind: type) -> None:
    taken = inspect.signature(kind).parameters.values()
    assert {parameter.kind for parameter in taken} == {inspect.Parameter.KEYWORD_ONLY}


def test_these_are_all_the_values_there_are() -> None:
    classes = [value for value in PUBLIC.values() if isinstance(value, type) and attrs.has(value)]
    frozen = {one for one in classes if one.__setattr__ is not object.__setattr__}
    assert {type(value) for value in VALUES} == {one for one in frozen if not issubclass(one, Exception)}


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_does_what_it_says(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_there_are_examples() -> None:
    find = doctest.DocTestFinder().find
    assert sum(len(one.examples) for name in MODULES for one in find(import_module(name))) >= 8


@pytest.mark.parametrize("told", [EventKind, FollowEvent, dashscope_ftlogs.Followed])
def test_help_says_what_is_told_of_jobs_that_are_followed(told: type[Any]) -> None:
    names = list(told.__members__) if told is EventKind else [one.name for one in attrs.fields(told)]
    lacking = [name for name in names if f"    {name}: " not in (told.__doc__ or "")]
    assert [name for name in lacking if not name.startswith("_")] == []
