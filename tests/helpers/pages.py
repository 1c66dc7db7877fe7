"""Does what a page of the documentation shows, in order, and compares what it says comes out of it.

- A `python` block with a caption is a file of that name.
- A `console` block is a shell session: commands after `$` (`>` continues one), each followed by what it
  prints. All of a page's run in one shell. A command must succeed. One that ends in `&` is waited for
  until it has printed what it should.
- A `python` block without a caption is a notebook's cell; a `text` block behind it is what it prints.

In what is printed, `...` stands for anything within a line, and alone on a line for any lines.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

_FENCE = re.compile(
    r"^```(?:\{code-block\} )?(?P<language>python|console|text)\n(?::caption: (?P<caption>[^\n]+)\n\n?)?"
    r"(?P<content>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = "\x1e"


@attrs.frozen
class Block:
    """A fenced block of a page."""

    language: str
    caption: str | None
    content: str
    line: int


@attrs.frozen
class Command:
    """A command of a shell session, and what it prints."""

    text: str
    printed: str


def blocks(page: str) -> list[Block]:
    """Return a page's blocks of the kinds that are executed."""
    return [
        Block(
            found["language"], found["caption"], found["content"], page.count("\n", 0, found.start()) + 1
        )
        for found in _FENCE.finditer(page)
    ]


def commands(session: str) -> list[Command]:
    """Return what a console block holds."""
    begun: list[tuple[list[str], list[str]]] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            begun.append(([line[2:]], []))
        elif line.startswith("> ") and not begun[-1][1]:
            begun[-1][0].append(line[2:])
        else:
            begun[-1][1].append(line)
    return [Command("\n".join(text), "\n".join(printed)) for text, printed in begun]


def matches(expected: str, printed: str) -> bool:
    """Whether that is what was printed."""
    lines = []
    for line in expected.strip("\n").splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            lines.append(".*?".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n")
    # Blank lines around it are the terminal's business; `.` is no line's end.
    return re.fullmatch("".join(lines), f"{printed.strip(chr(10))}\n".lstrip("\n")) is not None


class Shell:
    """A bash that is given one command after the other."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )

    def run(self, command: Command) -> tuple[int, str]:
        """Return the command's exit code, and what it printed."""
        assert self._bash.stdin is not None
        # In braces, so that it can't read the commands after it.
        lines = f"{{\n{command.text}\n}} </dev/null\nprintf '{_MARK}%s{_MARK}' $?\n"
        self._bash.stdin.write(lines.encode())
        printed, code, rest = self._until_marked()
        while command.text.endswith("&") and not matches(command.printed, printed + rest):
            rest += self._more()
        return code, (printed + rest).replace("\r\n", "\n")

    def _until_marked(self) -> tuple[str, int, str]:
        seen = ""
        while seen.count(_MARK) < 2:
            seen += self._more()
        printed, code, rest = seen.split(_MARK)
        return printed, int(code), rest

    def _more(self) -> str:
        assert self._bash.stdout is not None
        more = os.read(self._bash.stdout.fileno(), 65536)
        assert more, "the shell has ended"
        return more.decode()

    def close(self) -> None:
        """End it with all that it has started."""
        os.killpg(self._bash.pid, signal.SIGTERM)
        self._bash.communicate()


@contextmanager
def shell(folder: Path, environ: Mapping[str, str]) -> Generator[Shell, None, None]:
    """Give a shell in that folder in which `ftlogs` and `python` are those under test."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    one = Shell(folder, {**environ, "PATH": path, "COLUMNS": "80", "LINES": "24", "TERM": "dumb"})
    try:
        yield one
    finally:
        one.close()


def run_page(page: str, folder: Path, environ: Mapping[str, str]) -> int:
    """Execute a page; return how many blocks of it were."""
    found = blocks(page)
    with shell(folder, environ) as bash:
        for block in found:
            if block.caption is not None:
                (folder / block.caption).write_text(block.content, "utf-8")
            elif block.language == "console":
                for command in commands(block.content):
                    code, printed = bash.run(command)
                    where = f"line {block.line}: {command.text}"
                    assert matches(command.printed, printed), f"{where}\n{printed}"
                    assert code == 0, f"{where}\nended with {code}"
    cells = [block for block in found if block.language == "python" and block.caption is None]
    for cell, printed in zip(cells, run_cells(cells, folder, environ), strict=True):
        following = found[found.index(cell) + 1 :][:1]
        expected = following[0].content if following and following[0].language == "text" else ""
        assert matches(expected, printed), f"line {cell.line}:\n{printed}"
    return len(found)


_NOTEBOOK = """\
import ast, asyncio, contextlib, inspect, io, json, sys

async def run(cells):
    names = {"__name__": "__main__"}
    for cell in cells:
        tree = ast.parse(cell)
        if isinstance(tree.body[-1], ast.Expr):
            tree.body[-1] = ast.Assign([ast.Name("_", ast.Store())], tree.body[-1].value)
        names.pop("_", None)
        code = compile(ast.fix_missing_locations(tree), "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            done = eval(code, names)
            if inspect.iscoroutine(done):
                await done
            if names.get("_") is not None:
                print(repr(names["_"]))
        yield out.getvalue()

async def main():
    return [printed async for printed in run(json.load(sys.stdin))]

json.dump(asyncio.run(main()), sys.stdout)
"""


def run_cells(cells: list[Block], folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Return what each cell prints, its last expression's value included, as a notebook has it."""
    if not cells:
        return []
    done = subprocess.run(
        [sys.executable, "-c", _NOTEBOOK],
        input=json.dumps([cell.content for cell in cells]),
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed: list[str] = json.loads(done.stdout)
    return printed
