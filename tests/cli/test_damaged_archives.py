"""What is damaged, missing or empty among sources: one code in all commands, and the rest is shown."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = [f"{{'loss': {1 + n / 10}}}" for n in range(20)]
READING = ("cat", "tail", "show", "metrics", "plot", "report")
TAKING_SEVERAL = READING[2:]
PAGE = ("-o", "page.html")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()


@pytest.fixture
async def logs(ftlogs: Any, tmp_path: Path) -> Path:
    """Three logs."""
    async with Emulator([EmulatedJob(f"ft-{n}", LINES) for n in range(3)]) as emulator:
        ended = await ftlogs("download", "--all", "--out", "logs", "-q", emulator=emulator)
        assert ended.code == 0
    return tmp_path / "logs"


async def read(ftlogs: Any, command: str, *sources: str) -> tuple[int, str, str]:
    """Run it; return its code, what it showed, and what it said."""
    words = PAGE if command == "report" else ("-n", "all") if command == "tail" else ()
    ended = await ftlogs(command, *sources, *words)
    assert "Traceback" not in ended.err
    return ended.code, ended.out.decode() + page_made(), ended.err


def listed() -> list[str]:
    return [path.name for path in Path("logs").glob("*")]


def page_made() -> str:
    page = Path("page.html")
    return page.read_text("utf-8") if page.exists() else ""


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1.5", b"9.5"))


HARMS: list[Callable[[Path], None]] = [cut, changed, Path.unlink]


@pytest.mark.unmeasured
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("command", READING)
async def test_a_damaged_log_is_told_and_the_others_are_read(
    ftlogs: Any, logs: Path, command: str, harm: Callable[[Path], None]
) -> None:
    harm(logs / "ft-1.log")
    code, shown, said = await read(ftlogs, command, "logs")
    assert code == 6
    assert said.count(f"ftlogs: cannot read {Path('logs/ft-1.log')}: ") == 1
    assert "`ftlogs verify` names all that is damaged" in said
    assert (await ftlogs("verify", "logs")).code == 6
    others = (shown.count("{'loss': 2.9}") == 2) if command in {"cat", "tail"} else "ft-2" in shown
    assert others or (command == "metrics" and "ft-2" in shown)
    if command in TAKING_SEVERAL:
        assert "ft-1" not in shown


@pytest.mark.unmeasured
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("command", READING)
async def test_so_is_one_that_is_named_alone_and_nothing_is_shown(
    ftlogs: Any, logs: Path, command: str, harm: Callable[[Path], None]
) -> None:
    harm(logs / "ft-1.log")
    code, shown, said = await read(ftlogs, command, "logs/ft-1.log")
    assert code == 6
    assert f"cannot read {Path('logs/ft-1.log')}: " in said
    assert not shown or (harm is changed and command in {"cat", "tail"})


@pytest.mark.covered
@pytest.mark.parametrize("command", READING)
async def test_a_damaged_manifest_costs_its_own_log_only(ftlogs: Any, logs: Path, command: str) -> None:
    cut(logs / "ft-1.manifest.json")
    code, shown, said = await read(ftlogs, command, "logs")
    assert code == 6
    assert "ft-1.manifest.json is not a manifest as it was written" in said
    assert shown
    code, shown, said = await read(ftlogs, command, "logs/ft-1.log")
    assert (code, "is not a manifest" in said) == (6, True)


@pytest.mark.unmeasured
@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("source", ["empty", "logs/ft-9.log", "gone.log", "no such/thing"])
async def test_what_was_never_there_ends_with_2_alone_and_after_what_is_there(
    ftlogs: Any, logs: Path, command: str, source: str
) -> None:
    code, shown, said = await read(ftlogs, command, source)
    assert (code, shown) == (2, "")
    assert said.count("ftlogs: ") == 1
    assert source in said.replace("\\\\", "/")
    for words in (("logs/ft-1.log", source), (source, "logs/ft-1.log")):
        if command in TAKING_SEVERAL:
            code, shown, said = await read(ftlogs, command, *words)
            assert code == 2
            assert "ft-1" in shown or (command == "metrics" and "1.5" in shown)
            assert source in said.replace("\\\\", "/")


@pytest.mark.covered
@pytest.mark.parametrize("command", TAKING_SEVERAL)
async def test_several_that_can_t_be_read_are_each_told(ftlogs: Any, logs: Path, command: str) -> None:
    cut(logs / "ft-1.log")
    code, shown, said = await read(ftlogs, command, "logs/ft-1.log", "gone.log", "s3://b@d/x")
    assert (code in {2, 6}, shown) == (True, "")
    for told in ("it has 260 bytes", "there is no file 'gone.log'", "is not the URL of an archive"):
        assert said.count(told) == 1


@pytest.mark.unmeasured
@pytest.mark.parametrize("command", READING)
async def test_a_reader_beside_a_download_is_told_of_no_damage(
    ftlogs: Any, start_ftlogs: Any, command: str
) -> None:
    """And of a log that was announced and has no line yet neither."""
    job = EmulatedJob("ft-1", LINES * 300, status="RUNNING")
    async with Emulator([job], latency=0.02) as emulator:
        words = ("download", "ft-1", "--out", "logs", "-q", "--concurrency", "1", "--settle", "0")
        download = await start_ftlogs(words, emulator)
        while "ft-1.manifest.json" not in listed():
            await asyncio.sleep(0.005)
        for _ in range(4):
            code, _, said = await read(ftlogs, command, "logs")
            assert (code, "cannot read" in said) == (0, False), said
        await download.communicate()
