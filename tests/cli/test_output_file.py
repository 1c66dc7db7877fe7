"""`-o`: what can't be written is told before anything is asked, and what a link stands for is meant."""

import os
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from modest_root import modes_count

from dashscope_ftlogs import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.cli.terminal.output_file import check_folder, check_output, put
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

POINT = "{'loss': 1.5, 'epoch': 0.1}"
ROOM = "Make room, or see to the disk or the limit (ulimit -f), then run the same again."
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


@pytest.mark.covered
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


@pytest.mark.parametrize(("command", "ending"), WRITERS)
async def test_so_is_a_name_that_no_disk_takes(
    command: str, ending: str, ftlogs: Any, tmp_path: Path
) -> None:
    out = str(tmp_path / f"{'x' * 300}{ending}")
    err = await refusal(ftlogs, command, "-o", out)
    assert err == f"ftlogs: -o {out!r}: can't be written: File name too long.\n"


@pytest.mark.posix
def test_so_is_a_folder_that_is_closed_to_us_and_what_is_no_folder(tmp_path: Path) -> None:
    closed, file = tmp_path / "closed", tmp_path / "file"
    file.touch()
    closed.mkdir()
    (closed / "there.csv").touch()
    with modes_count():
        for mode in (0o500, 0o600, 0o000):
            closed.chmod(mode)
            for name in ("new.csv", "there.csv"):
                with pytest.raises(InvalidArgumentError, match=f"{name}': (can't|you may not)"):
                    check_output(closed / name)
            for folder in (closed, closed / "data", file, file / "data"):
                with pytest.raises(InvalidArgumentError, match=r"^--to x: .*(can't|may not|no dir)"):
                    check_folder("--to x", folder)
        closed.chmod(0o700)
        check_output(closed / "there.csv")
        check_folder("--to x", closed / "data" / "more")
    assert names(closed) == ["there.csv"]


@pytest.mark.covered
@pytest.mark.linux
@pytest.mark.parametrize(("command", "ending"), WRITERS)
async def test_what_turns_out_only_then_is_told_by_the_users_own_name(
    command: str, ending: str, ftlogs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"full{ending}").symlink_to("/dev/full")
    (tmp_path / f"nowhere{ending}").symlink_to(f"/proc/x{ending}")
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        full = await ftlogs(command, "ft-1", "-o", f"full{ending}", emulator=emulator)
        nowhere = await ftlogs(command, "ft-1", "-o", f"nowhere{ending}", emulator=emulator)
    told = f"ftlogs: -o 'full{ending}': can't be written: No space left on device. {ROOM}\n"
    assert (full.code, full.err) == (6, told)
    assert nowhere.code == 2
    assert nowhere.err.startswith(f"ftlogs: -o 'nowhere{ending}': ")
    assert ".ftlogs-" not in nowhere.err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.covered
async def test_a_disk_that_fills_up_leaves_what_was_there(start_ftlogs: Any, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log, out = tmp_path / "some.log", tmp_path / "x.csv"
    log.write_text("".join(f"{{'loss': {number / 7}, 'epoch': 1}}\n" for number in range(40_000)))
    out.write_text("before")
    # Room enough for what measures the coverage of the process.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_050, limits[1]))
    try:
        process = await start_ftlogs(("metrics", str(log), "-o", str(out)), None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    _, err = await process.communicate()
    assert (process.returncode, out.read_text()) == (6, "before")
    assert err.decode() == f"ftlogs: -o {str(out)!r}: can't be written: File too large. {ROOM}\n"
    assert names(tmp_path) == ["home", "some.log", "x.csv"]


@pytest.mark.linux
@pytest.mark.extras
async def test_event_files_that_can_t_be_written_are_told_by_the_option(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs("metrics", "ft-1", "--tensorboard", "/proc/x", emulator=emulator)
    assert ended.code == 2
    assert ended.err.startswith("ftlogs: --tensorboard '/proc/x': ")


@pytest.mark.extras
async def test_so_is_a_file_where_event_files_should_go(ftlogs: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file")
    for out in (tmp_path / "x", tmp_path / "x" / "runs"):
        err = await refusal(ftlogs, "metrics", "--tensorboard", str(out))
        assert err.endswith(f"{str(tmp_path / 'x')!r} is no directory.\n")


@pytest.mark.covered
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
@pytest.mark.parametrize(("command", "ending"), WRITERS)
async def test_links_in_a_circle_lead_nowhere_and_stay(
    command: str, ending: str, ftlogs: Any, tmp_path: Path
) -> None:
    link, other = tmp_path / f"x{ending}", tmp_path / f"y{ending}"
    link.symlink_to(other)
    other.symlink_to(link)
    err = await refusal(ftlogs, command, "-o", str(link))
    assert err == f"ftlogs: -o {str(link)!r}: can't be written: Too many levels of symbolic links.\n"
    with pytest.raises(InvalidArgumentError, match="Too many levels"):
        put(link, b"data")
    assert (link.readlink(), other.readlink()) == (other, link)


@pytest.mark.linux
@pytest.mark.slow
async def test_a_link_to_a_device_leads_to_the_device(ftlogs: Any, tmp_path: Path) -> None:
    for name, device in (("x.csv", "/dev/null"), ("y.csv", "/dev/stdout")):
        (tmp_path / name).symlink_to(device)
        async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
            ended = await ftlogs("metrics", "ft-1", "-o", str(tmp_path / name), emulator=emulator)
        assert (ended.code, (tmp_path / name).is_symlink()) == (0, True)
    assert b"1.5" in ended.out


@pytest.mark.parametrize(("command", "ending"), [WRITERS[2], WRITERS[4]])
async def test_a_name_with_a_slash_at_its_end_is_a_directorys(
    command: str, ending: str, ftlogs: Any, tmp_path: Path
) -> None:
    err = await refusal(ftlogs, command, "-o", f"{tmp_path / 'x'}{ending}/")
    assert "is a directory's name; name a file" in err
    assert not (tmp_path / f"x{ending}").exists()


OWN = (".ftlogs-lock", "ft-1.log", "ft-1.manifest.json", "ft-2.log", "ft-2.manifest.json")


async def test_what_an_archive_vouches_for_and_what_is_read_is_never_replaced(
    ftlogs: Any, tmp_path: Path
) -> None:
    logs, loose, link = tmp_path / "logs", tmp_path / "loose.log", tmp_path / "link"
    loose.write_text(POINT)
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        await ftlogs("download", "ft-1", "--out", str(logs), emulator=emulator)
    link.symlink_to(logs / "ft-1.log")
    (logs / "ft-2.log").write_text("of a manifest that can't be read")
    (logs / "ft-2.manifest.json").write_text("{}")
    for output, why in (
        *((logs / name, "a file of the archive") for name in OWN),
        (link, "a file of the archive"),
        (loose, "that is what is read"),
    ):
        before = output.read_bytes()
        ended = await ftlogs("report", str(logs / "ft-1.log"), str(loose), "-o", str(output))
        assert (ended.code, why in ended.err) == (2, True)
        assert output.read_bytes() == before
    for name in ("ft-1.jsonl", "ft-9.log", "ft-9.manifest.json", "report.html"):
        assert (await ftlogs("report", str(loose), "-o", str(logs / name))).code == 0


def test_what_has_a_name_like_ours_stays_and_the_mode_of_what_is_replaced_too(tmp_path: Path) -> None:
    out = tmp_path / "x.html"
    (tmp_path / "x.html.new").write_text("the user's own")
    put(out, b"1")
    out.chmod(0o640)
    put(out, b"2")
    assert (out.read_bytes(), stat.S_IMODE(out.stat().st_mode)) == (b"2", 0o640)
    assert (tmp_path / "x.html.new").read_text() == "the user's own"


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "out" / "x").mkdir(parents=True)
    with pytest.raises(InvalidArgumentError, match="/x': can't be written: Is a directory"):
        put(tmp_path / "out" / "x", b"data")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x"]


@pytest.mark.covered
@pytest.mark.posix
def test_two_writers_of_one_name_never_show_half_a_file(tmp_path: Path) -> None:
    out, size = tmp_path / "out" / "x", 4_000_000
    out.parent.mkdir()
    put(out, b"a" * size)

    def write(letter: bytes) -> None:
        for _ in range(20):
            put(out, letter * size)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert set(out.read_bytes()) in ({97}, {98})
        assert out.stat().st_size == size
    assert [path.name for path in out.parent.iterdir()] == ["x"]


@pytest.mark.linux
def test_what_is_written_in_place_is_told_by_its_kind(tmp_path: Path) -> None:
    with pytest.raises(FTLogsError, match="-o '/dev/full': can't be written: No space left"):
        put(Path("/dev/full"), b"data")
    file = os.open(tmp_path / "opened", os.O_RDWR | os.O_CREAT)
    try:
        before = (tmp_path / "opened").stat().st_ino
        for folder in ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"):
            put(Path(folder) / str(file), folder.encode())
            assert (tmp_path / "opened").read_text() == folder
            assert (tmp_path / "opened").stat().st_ino == before
    finally:
        os.close(file)
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        put(tmp_path / "pipe", b"data")
        assert os.read(end, 9) == b"data"
    finally:
        os.close(end)
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(tmp_path / "s"))
        with pytest.raises(InvalidArgumentError, match="No such device"):
            put(tmp_path / "s", b"data")
    assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)


@pytest.mark.linux
def test_a_reader_that_has_seen_enough_is_no_failure_of_the_output() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(BrokenPipeError):
            put(Path(f"/dev/fd/{writing}"), b"data")
    finally:
        os.close(writing)


@pytest.mark.linux
def test_a_file_below_dev_is_a_file(tmp_path: Path) -> None:
    out = Path(f"/dev/shm/{tmp_path.parent.name}-{os.getpid()}")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    try:
        put(out, b"1")
        first = out.stat().st_ino
        with out.open() as opened:
            put(out, b"2")
            assert (opened.read(), out.read_bytes(), out.stat().st_ino != first) == ("1", b"2", True)
        if os.geteuid() == 0:  # nobody else can lay a link in another's name
            out.unlink()
            out.symlink_to(victim)
            os.lchown(out, 65534, 65534)
            put(out, b"3")
            assert (out.is_symlink(), out.read_bytes(), victim.read_text()) == (False, b"3", "untouched")
    finally:
        out.unlink(missing_ok=True)
