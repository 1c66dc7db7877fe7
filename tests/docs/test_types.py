"""Every Python block of README and pages passes two type checkers, as strict as they can be.

So whoever copies one has nothing to mend. Each page's cells of a notebook are one function, since only
notebooks may await outside of one; the README's fragment stands in one that has what it speaks of.

What is wrong lies among them, to see that it is noticed.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest
from pages import blocks

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": ROOT / "README.md"} | {
    path.relative_to(ROOT / "docs").as_posix(): path for path in sorted(ROOT.glob("docs/**/*.md"))
}
CELLS = """\
# pyright: reportUnusedExpression=false
async def cells() -> None:
"""
FRAGMENT = """\
from dashscope_ftlogs import LogSession, Position


def keep(line: str) -> None: ...


async def example(session: LogSession, job_id: str, saved_position: Position | None) -> None:
"""

WRONG = {
    "of_another_type.py": "from dashscope_ftlogs import Job\n\nname: int = Job('1', 'RUNNING').job_id\n",
    "unannotated.py": "def unannotated(line):\n    return line\n",
    "of_a_wrong_call.py": (
        "import asyncio\n\nfrom dashscope_ftlogs import LogSession\n\n"
        "asyncio.run(LogSession().page(5))\n"
    ),
    "cells.py": f"{CELLS}    await 5\n",
}


def files_of(name: str, page: str) -> dict[str, str]:
    """The blocks of a page as files."""
    stem = name.removesuffix(".md").replace("/", "_").replace("-", "_").lower()
    found = [block for block in blocks(page) if block.language == "python"]
    files = {block.caption: block.content for block in found if block.caption is not None}
    cells = [block.content for block in found if block.caption is None]
    if name == "README.md":
        whole, fragment = cells
        return {"readme.py": whole, "readme_fragment.py": FRAGMENT + indent(fragment, "    ")}
    if cells:
        files[f"{stem}_cells.py"] = CELLS + indent("\n".join(cells), "    ")
    return files


def checked(folder: Path, checker: str) -> tuple[int, str]:
    """What a checker says of a folder of files."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    words = {
        "mypy": ["mypy", "--strict", "--config-file=", "--no-incremental", "."],
        "pyright": ["pyright", "--pythonpath", sys.executable, "--project", "."],
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", *words[checker]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocks")
    for file, content in WRONG.items():
        (folder / file).write_text(content, "utf-8")
    for name, path in PAGES.items():
        page = path.read_text("utf-8")
        shown = page.count("\n```python\n") + page.count("\n```{code-block} python\n")
        assert shown == sum(block.language == "python" for block in blocks(page)), name
        for file, content in files_of(name, page).items():
            assert not (folder / file).exists(), f"{file} is on two pages"
            (folder / file).write_text(content, "utf-8")
    assert len(list(folder.glob("*.py"))) >= 20 + len(WRONG)
    return folder


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_every_block_passes_and_what_is_wrong_beside_them_is_noticed(folder: Path, checker: str) -> None:
    code, said = checked(folder, checker)
    assert code == 1, said
    assert set(re.findall(r"(\w+\.py):[0-9:]+(?: -)? error", said)) == WRONG.keys(), said
