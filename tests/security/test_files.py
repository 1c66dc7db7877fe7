"""Files: who may read them, and where they can be led.

Links, pipes and devices inside an archive: tests/archive/test_directory.py and
tests/archive/test_local_log_reader.py.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs.archive.directory import is_laid_by_another
from dashscope_ftlogs.cli.terminal.output_file import put
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = pytest.mark.slow

POINT = "{'loss': 1.5, 'epoch': 0.1}"


@pytest.fixture(params=[0o027], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.posix
async def test_files_are_as_private_as_the_umask_says_and_never_executable(
    umask: int, ftlogs: Any, tmp_path: Path
) -> None:
    out, folder = tmp_path / "out", tmp_path / "archive"
    out.mkdir()
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        for words in (
            ("download", "ft-1", "--out", str(folder), "--compress", "gzip"),
            ("metrics", "ft-1", "-o", str(out / "metrics.csv")),
            ("report", "ft-1", "-o", str(out / "report.html")),
        ):
            assert (await ftlogs(*words, emulator=emulator)).code == 0
    files = [*folder.iterdir(), *out.iterdir()]
    assert len(files) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o666 & ~umask}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask


@pytest.mark.parametrize("command", ["metrics", "report"])
async def test_a_link_that_waits_where_output_goes_leads_nothing_elsewhere(
    command: str, ftlogs: Any, tmp_path: Path
) -> None:
    out = tmp_path / ("out.csv" if command == "metrics" else "out.html")
    (tmp_path / "victim").write_text("untouched")
    out.with_name(f"{out.name}.new").symlink_to(tmp_path / "victim")
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs(command, "ft-1", "-o", str(out), emulator=emulator)
    assert (ended.code, (tmp_path / "victim").read_text()) == (0, "untouched")


def test_a_link_under_the_name_itself_is_followed_unless_another_may_have_laid_it_as_a_trap(
    tmp_path: Path,
) -> None:
    """The name was typed, and what it stands for is meant; but in /tmp, anyone can lay a link first."""
    victim, link = tmp_path / "victim", tmp_path / "out"
    victim.write_text("old")
    link.symlink_to(victim)
    (mine, of_all), shared = (link.lstat(), tmp_path.stat()), stat.S_ISVTX | stat.S_IRWXU | stat.S_IRWXO
    for mode, owner, user, trap in (
        (shared, 7, 8, True),
        (shared, 7, 7, False),
        (shared, of_all.st_uid, 8, False),
        (shared & ~stat.S_ISVTX, 7, 8, False),
        (shared & ~stat.S_IWOTH, 7, 8, False),
    ):
        folder = os.stat_result([mode, *of_all[1:]])
        laid = os.stat_result([*mine[:4], owner, *mine[5:]])
        assert is_laid_by_another(laid, folder, user) == trap
    put(link, b"new")
    assert (link.is_symlink(), victim.read_text()) == (True, "new")


def lay(link: Path, leads_to: Path) -> bool:
    """Lay a link where everyone may; return whether it is another user's."""
    link.symlink_to(leads_to)
    link.parent.chmod(0o1777)
    if another := os.geteuid() == 0:  # nobody else can lay a link in another's name
        os.lchown(link, 65534, 65534)
    return another


@pytest.mark.posix
def test_such_a_trap_is_replaced(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "out"
    victim.write_text("untouched")
    trap = lay(link, victim)
    put(link, b"new")
    assert link.read_bytes() == b"new"
    assert (link.is_symlink(), victim.read_text()) == ((False, "untouched") if trap else (True, "new"))


@pytest.mark.posix
@pytest.mark.extras
@pytest.mark.parametrize(
    "words",
    [
        ("download", "ft-1", "--out", "logs"),
        ("download", "ft-1", "--out", "logs/below"),
        ("metrics", "ft-1", "-o", "logs/m.csv"),
        ("report", "ft-1", "-o", "logs/m.html"),
        ("metrics", "ft-1", "--tensorboard", "logs"),
        ("metrics", "ft-1", "--tensorboard", "logs/below"),
    ],
    ids=" ".join,
)
async def test_nothing_is_written_behind_a_trap_that_a_path_leads_over(
    ftlogs: Any, tmp_path: Path, words: tuple[str, ...]
) -> None:
    elsewhere, shared = tmp_path / "elsewhere", tmp_path / "shared"
    elsewhere.mkdir()
    shared.mkdir()
    trap = lay(shared / "logs", elsewhere)
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs(*words[:-1], str(shared / words[-1]), emulator=emulator)
    assert ended.code == (2 if trap else 0)
    assert ("a link that another user laid" in ended.err) == trap
    assert list(elsewhere.iterdir()) == [] or not trap


@pytest.mark.posix
async def test_an_archive_is_not_led_elsewhere_by_such_a_trap(ftlogs: Any, tmp_path: Path) -> None:
    elsewhere, shared = tmp_path / "elsewhere", tmp_path / "shared"
    elsewhere.mkdir()
    shared.mkdir()
    trap = lay(shared / "logs", elsewhere)
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs("download", "ft-1", "--out", str(shared / "logs"), emulator=emulator)
    assert (ended.code, (elsewhere / "ft-1.log").exists()) == ((2, False) if trap else (0, True))
    assert ("a link that another user laid" in ended.err) == trap
