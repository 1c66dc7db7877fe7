"""The documentation is true: what it names exists, and what executes it would notice a lie."""

import ast
import os
import re
import tomllib
from pathlib import Path

import pytest
from pages import run_page

import dashscope_ftlogs
from dashscope_ftlogs import emulator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in DOCS.glob("**/*.md")}
PROSE = {path.name: path.read_text("utf-8") for path in ROOT.glob("*.md")} | PAGES


@pytest.mark.covered
@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ echo one\n```",
        "```console\n$ true\none\n```",
        "```console\n$ false\n```",
        "```console\n$ echo one\n...\ntwo\n```",
        "```{code-block} python\n:caption: say.py\n\nprint(1)\n```\n```console\n$ python say.py\n2\n```",
        "```python\n1 + 1\n```\n\n```text\n3\n```",
        "```python\nraise ValueError\n```",
    ],
)
def test_a_page_that_shows_what_does_not_happen_is_refused(page: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_page(f"{page}\n", tmp_path, os.environ)


def test_a_page_is_executed_in_order_in_one_shell_and_one_notebook(tmp_path: Path) -> None:
    page = """
```console
$ NAME=one; echo "$NAME
> two"
one
two
$ (echo ready; sleep 0) &
ready
$ cat
$ echo "1 of $((1 + 2)), $NAME" >&2
1 of ..., one
```

```python
import asyncio
number = await asyncio.sleep(0, 41)
```

```python
number + 1
```

```text
42
```
"""
    assert run_page(page, tmp_path, os.environ) == 4


NAMED = sorted(
    {(name, test) for name, page in PROSE.items() for test in re.findall(r"tests/[\w/]+\.py::\w+", page)}
)


@pytest.mark.covered
@pytest.mark.parametrize(("page", "test"), NAMED)
def test_every_test_that_is_named_exists(page: str, test: str) -> None:
    path, _, function = test.partition("::")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in names, page


def test_every_promise_names_its_tests() -> None:
    promises = re.split(r"^## ", PAGES["guarantees.md"], flags=re.MULTILINE)[2:-1]
    assert len(promises) >= 10
    for promise in promises:
        assert len(re.findall(r"^- `tests/.+::test_.+`$", promise, re.MULTILINE)) >= 3, promise


LINKS = sorted(
    {
        (name, link)
        for name, page in PROSE.items()
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page)
    }
)


@pytest.mark.covered
@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_somewhere(page: str, link: str) -> None:
    home = DOCS / page if page in PAGES else ROOT / page
    assert (home.parent / link).exists()


def test_every_public_name_is_in_the_reference() -> None:
    for page, names in (("library", dashscope_ftlogs.__all__), ("emulator", emulator.__all__)):
        described = re.findall(
            r"^\.\. auto\w+:: (?:[\w.]+\.)?(\w+)", PAGES[f"reference/{page}.md"], re.MULTILINE
        )
        assert set(names) - set(described) - {"__version__"} == set()


def test_the_exit_codes_are_the_readmes() -> None:
    def rows(page: str) -> list[str]:
        return re.findall(r"^\| [\d, ]+ \|.*\|$", page, re.MULTILINE)

    assert rows(PAGES["reference/exit-codes.md"]) == rows(PROSE["README.md"]) != []


def test_what_a_shell_block_says_to_install_is_what_is_tested() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        requirements = tomllib.load(file)["dependency-groups"]["docs"]
    tested = {re.split(r"[=<>~]", one)[0] for one in requirements}
    ci = (ROOT / ".ci/run").read_text("utf-8")
    shown = re.findall(r"^```sh\n(.*?)^```", "".join(PAGES.values()), re.MULTILINE | re.DOTALL)
    assert shown
    for block in shown:
        packages = block.removeprefix("pip install ").split()
        assert f'"{block.strip()}"' in ci or set(packages) <= tested, block
