"""The rooms of the package: each says what it may import, and whatever else one imports is noticed."""

import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "dashscope_ftlogs"


def extension() -> ModuleType:
    """What draws the picture of the rooms for the documentation."""
    spec = spec_from_file_location("drawn_rooms", ROOT / "docs/extensions/rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DRAWN = extension()
MAY_IMPORT: dict[str, list[str]] = DRAWN.may_import()
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
CONTRACTS: dict[str, Any] = {one["id"]: one for one in DRAWN._contracts()}


def test_the_picture_has_every_room_and_every_file() -> None:
    picture = DRAWN.picture()
    beside = [path.name for path in PACKAGE.glob("[!_]*.py")]
    inside = [path.name for room in ROOMS for path in (PACKAGE / room).glob("[!_]*.py")]
    for name in (*beside, *inside, *(f"{room}/" for room in ROOMS)):
        assert re.search(rf"(?<!\w){re.escape(name)} ", picture), name
    assert {name.removesuffix(".py") for name in beside} | set(ROOMS) == set(MAY_IMPORT)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_may_import(room: str) -> None:
    text = " ".join(DRAWN.about(room).split())
    said = re.search(r"May import(?:: ([^.]+)| nothing else of this package)\.", text)
    assert said is not None
    assert re.findall(r"`(\w+)`", said[1] or "") == MAY_IMPORT[room]


@pytest.mark.parametrize(
    "room",
    [
        *ROOMS,
        "cli/commands",
        "cli/doctor",
        "cli/tail",
        "cli/terminal",
        "archive/local",
        "archive/object_store",
        "client/answers",
        "client/callers_side",
        "client/exchange",
        "client/network",
        "client/settings",
        "metrics/live",
        "metrics/whole_log",
    ],
)
def test_a_room_says_where_to_begin(room: str) -> None:
    begin = re.search(r"Begin\swith\s`(\w+)`", DRAWN.about(room))
    assert begin is not None
    assert (PACKAGE / room / f"{begin[1]}.py").exists()


def test_no_room_is_crowded_and_no_file_is_long() -> None:
    apart = {PACKAGE / "emulator", PACKAGE / "cli/commands"}
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - apart:
        assert len(list(folder.glob("[!_]*.py"))) <= 14, folder
    long = [path for path in PACKAGE.rglob("*.*") if path.suffix in {".py", ".js", ".css", ".html"}]
    lengths = {path: path.read_text("utf-8").count("\n") for path in long if "vendor" not in path.parts}
    assert [path for path, length in lengths.items() if length > 400] == []


def lint(folder: Path, *wrong: tuple[str, str]) -> tuple[int, str]:
    """What the linter says of the package if these modules imported these others too."""
    shutil.copytree(PACKAGE, folder / "dashscope_ftlogs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for importer, imported in wrong:
        with source(folder, importer).open("a", encoding="utf-8") as file:
            file.write(f"import {imported}\n")
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "--no-cache", "--no-logo"],
        cwd=folder,
        env={"COLUMNS": "200", "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def source(folder: Path, module: str) -> Path:
    path = folder / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def within(room: str) -> str:
    """A module of a room."""
    folder = PACKAGE / room
    if not folder.is_dir():
        return f"dashscope_ftlogs.{room}"
    begin = re.search(r"Begin\swith\s`(\w+)`", DRAWN.about(room))
    assert begin is not None
    return f"dashscope_ftlogs.{room}.{begin[1]}"


def told(out: str, importer: str, imported: str) -> bool:
    return re.search(rf"{re.escape(importer)} -> {re.escape(imported)} \(l\.", out) is not None


@pytest.mark.long
def test_as_it_is_nothing_is_wrong(tmp_path: Path) -> None:
    code, out = lint(tmp_path)
    assert code == 0, out


@pytest.mark.long
@pytest.mark.parametrize("room", MAY_IMPORT)
def test_whatever_else_a_room_imports_is_noticed(room: str, tmp_path: Path) -> None:
    wrong = [within(other) for other in MAY_IMPORT if other not in (room, *MAY_IMPORT[room])]
    assert wrong
    code, out = lint(tmp_path, *((within(room), other) for other in wrong))
    assert code == 1
    assert [other for other in wrong if not told(out, within(room), other)] == []


@pytest.mark.long
def test_a_circle_inside_a_room_is_noticed(tmp_path: Path) -> None:
    backwards = []
    for room in ROOMS:
        for path in sorted((PACKAGE / room).glob("[!_]*.py")):
            name = f"dashscope_ftlogs.{room}.{path.stem}"
            # Only what one imports from a file beside it.
            if found := re.search(
                rf"^from (dashscope_ftlogs\.{room}\.\w+) import", path.read_text("utf-8"), re.MULTILINE
            ):
                backwards.append((found[1], name))
                break
    assert len(backwards) == len(ROOMS)
    code, out = lint(tmp_path, *backwards)
    assert code == 1
    assert [room for room in ROOMS if f"cycles are allowed in dashscope_ftlogs.{room}." not in out] == []


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, one in CONTRACTS.items() if one["type"] == "forbidden"])
def test_what_is_forbidden_is_noticed(name: str, tmp_path: Path) -> None:
    forbidden = CONTRACTS[name]["forbidden_modules"]
    modules = [
        within(one.partition(".")[2]) if one.count(".") == 1 else one
        for one in CONTRACTS[name]["source_modules"]
    ]
    wrong = [(module, imported) for module in modules for imported in forbidden]
    code, out = lint(tmp_path, *wrong)
    assert code == 1
    assert [pair for pair in wrong if not told(out, *pair)] == []


@pytest.mark.long
def test_no_other_module_speaks_http_or_retries(tmp_path: Path) -> None:
    others = [within(room) for room in MAY_IMPORT if room != "emulator"]
    wrong = [
        (module, imported) for module in others for imported in CONTRACTS["http"]["protected_modules"]
    ]
    allowed = [tuple(one.split(" -> ")) for one in CONTRACTS["http"]["ignore_imports"]]
    code, out = lint(tmp_path, *wrong)
    assert code == 1
    assert [pair for pair in wrong if not told(out, *pair)] == allowed


@pytest.mark.long
def test_no_room_below_the_session_comes_in_through_the_face(tmp_path: Path) -> None:
    below = [room for row in DRAWN.rows()[1:] for room in row]
    wrong = [(within(room), "dashscope_ftlogs") for room in below]
    code, out = lint(tmp_path, *wrong)
    assert code == 1
    assert [pair for pair in wrong if not told(out, *pair)] == []
