"""`-o`: what can't be written is told before anything is asked, and what a link stands for is meant."""

from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

POINT = "{'loss': 1.5, 'epoch': 0.1}"
WRITERS = [
    ("metrics", ".csv"),
    ("metrics", ".jsonl"),
    ("report", ".html"),
    pytest.param("metrics", ".parquet", marks=pytest.mark.extras),
    pytest.param("plot", ".png", marks=pytest.mark.extras),
]


async def refusal(ftlogs: Any, command: str, *option: str) -> str:
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs(command, "ft-1", *option, emulator=emulator)
        assert emulator.journal == []
    assert (ended.code, ended.out) == (2, b"")
    return str(ended.err)


@pytest.mark.parametrize(("command", "ending"), WRITERS)
async def test_a_folder_that_is_not_there_is_told_before_anything_is_asked(
    command: str, ending: str, ftlogs: Any, tmp_path: Path
) -> None:
    out = tmp_path / "nodir" / f"x{ending}"
    err = await refusal(ftlogs, command, "-o", str(out))
    assert err == f"ftlogs: -o {str(out)!r}: there is no directory {str(out.parent)!r}.\n"
    link = tmp_path / f"link{ending}"
    link.symlink_to(out)
    err = await refusal(ftlogs, command, "-o", str(link))
    assert f"there is no directory {str(out.parent)!r}" in err


@pytest.mark.parametrize(("command", "ending"), WRITERS)
async def test_so_is_a_directory_in_the_way(
    command: str, ending: str, ftlogs: Any, tmp_path: Path
) -> None:
    (tmp_path / f"x{ending}").mkdir()
    err = await refusal(ftlogs, command, "-o", str(tmp_path / f"x{ending}"))
    assert "that is a directory; name a file" in err


@pytest.mark.extras
async def test_so_is_a_file_where_event_files_should_go(ftlogs: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file")
    for out in (tmp_path / "x", tmp_path / "x" / "runs"):
        err = await refusal(ftlogs, "metrics", "--tensorboard", str(out))
        assert err.endswith(f"{str(tmp_path / 'x')!r} is no directory.\n")


@pytest.mark.posix
@pytest.mark.parametrize(("command", "ending"), WRITERS)
@pytest.mark.parametrize("there", [True, False])
async def test_what_a_link_stands_for_is_written_and_the_link_stays(
    there: bool, command: str, ending: str, ftlogs: Any, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / f"x{ending}"
    if there:
        target.write_text("old")
    (tmp_path / "between").symlink_to(target)
    link.symlink_to("between")
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs(command, "ft-1", "-o", str(link), emulator=emulator)
    assert ended.code == 0, ended.err
    assert link.readlink() == Path("between")
    assert not target.is_symlink()
    assert len(target.read_bytes()) > 20
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.posix
async def test_links_in_a_circle_lead_nowhere_and_are_replaced(ftlogs: Any, tmp_path: Path) -> None:
    link = tmp_path / "x.csv"
    link.symlink_to(link)
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs("metrics", "ft-1", "-o", str(link), emulator=emulator)
    assert (ended.code, link.is_symlink()) == (0, False)


@pytest.mark.linux
@pytest.mark.slow
async def test_a_link_to_a_device_leads_to_the_device(ftlogs: Any, tmp_path: Path) -> None:
    for name, device in (("x.csv", "/dev/null"), ("y.csv", "/dev/stdout")):
        (tmp_path / name).symlink_to(device)
        async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
            ended = await ftlogs("metrics", "ft-1", "-o", str(tmp_path / name), emulator=emulator)
        assert (ended.code, (tmp_path / name).is_symlink()) == (0, True)
    assert b"1.5" in ended.out
