"""`cat` and `tail` of files and pipes: the same bytes come out, and as soon as they come."""

import asyncio
import gzip
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import LogPage
from dashscope_ftlogs.cli.terminal.stdout import FilePage, Format, encoder, part
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

CONTENTS = (
    *(b"", b"\n", b"a", b"a\n", b"a\n\n", b"\n\na"),
    *(b"caf\xe9\n\xff\xfe\n", b"cut \xe4\xb8", b"\xe4\xb8\n\xad\n", b"\xed\xa0\x80\n"),
    *(b"crlf\r\nx\r", b"nul\0\n\x1b[2J\n", b"\xef\xbb\xbfbom\n", "\u2028\u0085\n训练".encode()),
)


@pytest.mark.unmeasured
@pytest.mark.parametrize("data", CONTENTS)
async def test_a_file_or_a_pipe_is_handed_on_byte_by_byte(
    data: bytes, ftlogs: Any, start_ftlogs: Any, tmp_path: Path
) -> None:
    path, packed = tmp_path / "x.log", tmp_path / "x.log.gz"
    path.write_bytes(data)
    packed.write_bytes(gzip.compress(data))
    for words in (("cat",), ("tail",), ("tail", "-n", "all")):
        piped = await start_ftlogs((*words, "-"), None, stdin=asyncio.subprocess.PIPE)
        out, err = await piped.communicate(data)
        assert (piped.returncode, out, err) == (0, data, b"")
    for source in (str(path), str(packed)):
        assert (await ftlogs("cat", source)).out == data
        assert (await ftlogs("tail", source)).out == data


@pytest.mark.parametrize("data", [one for one in CONTENTS if one.count(b"\n") > 1 or b"\ncut" in one])
async def test_so_is_a_part_of_it(data: bytes, ftlogs: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(data)
    every = [line + b"\n" for line in data.split(b"\n")]
    every = every[:-1] if data.endswith(b"\n") else [*every[:-1], every[-1][:-1]]
    for number in range(len(every) + 1):
        assert (await ftlogs("cat", f"{path}", "--offset", f"{number}")).out == b"".join(every[number:])
        assert (await ftlogs("cat", f"{path}", "--limit", f"{number}")).out == b"".join(every[:number])
        assert (await ftlogs("tail", f"{path}:{number}")).out == b"".join(every[number:])
        last = b"".join(every[len(every) - number :])
        assert (await ftlogs("tail", f"{path}", "-n", f"{number}")).out == last


@pytest.mark.covered
@given(st.lists(st.binary().filter(lambda line: b"\n" not in line), min_size=1), st.booleans())
def test_any_part_of_a_page_is_its_bytes(some: list[bytes], ended: bool) -> None:
    texts = tuple(line.decode("utf-8", "surrogateescape") for line in some)
    page = FilePage("x", 5, texts, 5 + len(texts), ended=ended)
    encode = encoder(Format.TEXT, for_terminal=False)
    for cut in range(len(texts) + 1):
        first, rest = part(page, 0, cut), part(page, cut, len(texts))
        assert (first.offset, rest.offset) == (5, 5 + cut)
        assert encode(first) + encode(rest) == b"\n".join(some) + b"\n" * ended


@pytest.mark.covered
async def test_a_log_of_the_service_is_the_same_text_from_wherever_it_comes(
    ftlogs: Any, tmp_path: Path
) -> None:
    """Though a surrogate in it may be one that would stand for a byte of a file."""
    odd = ["a\udcff", "\ud800", "two\nlines", "", "\r"]
    said = b"a\\udcff\n\\ud800\ntwo\nlines\n\n\r\n"
    async with Emulator([EmulatedJob("ft-1", odd)]) as emulator:
        for form in ("text", "jsonl"):
            out = str(tmp_path / form)
            await ftlogs("download", "ft-1", "--out", out, "--format", form, emulator=emulator)
            for words in (("cat",), ("tail",)):
                assert (await ftlogs(*words, out)).out == said
                assert (await ftlogs(*words, "ft-1", emulator=emulator)).out == said


async def test_lines_that_are_changed_or_followed_by_others_end_with_a_newline(
    ftlogs: Any, tmp_path: Path
) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"a\n\xff")
    other = tmp_path / "y.log"
    other.write_bytes(b"b\n\xfe")
    several = await ftlogs("tail", str(path), str(other), "--prefix", "never")
    named = await ftlogs("tail", str(path), "--prefix", "always")
    chosen = await ftlogs("tail", str(path), "--grep", "a")
    rows = await ftlogs("cat", str(path), "--format", "jsonl")
    assert several.out == b"a\n\xff\nb\n\xfe\n"
    assert named.out == b"[x.log] a\n[x.log] \xff\n"
    assert chosen.out == b"a\n"
    assert rows.out == b'{"offset": 0, "line": "a"}\n{"offset": 1, "line": "\\udcff"}\n'
    more = b'{"offset": 2, "line": "\\ud800 \\udcff"}'
    (tmp_path / "rows.jsonl").write_bytes(rows.out + more)
    assert (await ftlogs("cat", str(tmp_path / "rows.jsonl"))).out == b"a\n\xff\n\\ud800 \xff\n"


async def test_a_terminal_gets_no_byte_that_is_none_of_a_letter(
    start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"\x9b2J \xff\x1b[2J")
    for words in (("cat", str(path)), ("tail", str(path))):
        async with terminal() as screen:
            process = await start_ftlogs(words, None, stdout=screen.end)
            assert await process.wait() == 0
        assert screen.shown == "\\udc9b2J \\udcff\\x1b[2J\r\n"


@pytest.mark.posix
@pytest.mark.parametrize(("option", "code"), [("--fail-on", 9), ("--until", 0)])
async def test_a_condition_is_met_when_its_line_comes_however_long_the_pipe_stays_open(
    option: str, code: int, start_ftlogs: Any, tmp_path: Path
) -> None:
    named = tmp_path / "pipe"
    os.mkfifo(named)
    kept = os.open(named, os.O_RDWR)  # so that nobody waits for the other end
    reading, writing = os.pipe()
    for source, end in (("-", writing), (str(named), kept)):
        words = ("tail", source, option, "loss<1")
        process = await start_ftlogs(words, None, stdin=reading)
        os.write(end, b"{'loss': 2.0}\n")
        assert await process.stdout.readline() == b"{'loss': 2.0}\n"
        os.write(end, b"{'loss': 0.5}\n{'loss': 0.25}\n")
        out, _ = await process.communicate()
        assert (process.returncode, out) == (code, b"{'loss': 0.5}\n")
    os.close(kept)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"more\n")
    os.close(writing)


@pytest.mark.posix
async def test_a_line_waits_for_no_other_one(start_ftlogs: Any) -> None:
    for command in ("cat", "tail"):
        process = await start_ftlogs((command, "-"), None, stdin=asyncio.subprocess.PIPE)
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            assert await process.stdout.readline() == line
        out, _ = await process.communicate(b"three")
        assert (process.returncode, out) == (0, b"three")


@pytest.mark.linux
async def test_a_file_that_grows_is_followed_as_the_refusal_of_f_advises(
    ftlogs: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a b.log"
    path.write_text("".join(f"{{'loss': {n}}}\n" for n in range(30)))
    refused = await ftlogs("tail", "-f", str(path))
    advice = refused.err.partition("`")[2].partition("`")[0].replace("FILE", "'a b.log'")
    ours = f"'{sys.executable}' -m dashscope_ftlogs tail"
    process = await asyncio.create_subprocess_shell(
        f"{advice.replace('ftlogs tail', ours)} --until 'loss>30'",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    for n in range(30):
        assert await process.stdout.readline() == b"{'loss': %d}\n" % n
    with path.open("a") as file:
        file.write("{'loss': 31}\n")
    assert await process.stdout.readline() == b"{'loss': 31}\n"
    with path.open("a") as file:  # by which `tail` notices that nobody reads any more
        file.write("more\n")
    assert await process.stdout.read() == b""
    assert await process.wait() == 0


async def test_of_a_pipe_as_well_as_a_file_n_means_the_last(start_ftlogs: Any, tmp_path: Path) -> None:
    lines = b"".join(b"%d\n" % n for n in range(30))
    (tmp_path / "x.log").write_bytes(lines)
    process = await start_ftlogs(("tail", "-", "-n", "3"), None, stdin=asyncio.subprocess.PIPE)
    assert (await process.communicate(lines))[0] == b"27\n28\n29\n"
    with (tmp_path / "x.log").open("rb") as file:
        redirected = await start_ftlogs(("tail", "-"), None, stdin=file)
        out, _ = await redirected.communicate()
    assert out == lines[-30:]


@pytest.mark.posix
@pytest.mark.parametrize("words", [("cat", "-"), ("tail", "-"), ("metrics", "-")])
async def test_a_stdin_that_can_not_be_read_is_one_clear_message(
    words: tuple[str, ...], start_ftlogs: Any, tmp_path: Path
) -> None:
    closed = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    process = await start_ftlogs(words, None, stdin=closed)
    os.close(closed)
    _, err = await process.communicate()
    assert process.returncode == 2
    assert err == b"ftlogs: cannot read stdin: it is closed. Pipe a log into it, or name a file.\n"
    broken = await start_ftlogs(words, None, stdin=asyncio.subprocess.PIPE)
    _, err = await broken.communicate(gzip.compress(b"x")[:-4])
    assert broken.returncode == 6
    assert err.startswith(b"ftlogs: cannot read stdin: its compressed data is broken")


@pytest.mark.unmeasured
@pytest.mark.posix
@pytest.mark.parametrize("command", ["cat", "tail", "show", "metrics", "plot", "report -o page.html"])
async def test_a_stdin_that_is_closed_is_no_empty_log(command: str, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$0" -m dashscope_ftlogs {command} - <&-', sys.executable),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err == b"ftlogs: cannot read stdin: it is closed. Pipe a log into it, or name a file.\n"
    assert not (tmp_path / "page.html").exists()


@pytest.mark.covered
@pytest.mark.posix
async def test_nor_is_it_an_empty_list_of_jobs(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'exec "$0" -m dashscope_ftlogs download --from-file - <&-', sys.executable),
        cwd=tmp_path,
        env={**os.environ, "DASHSCOPE_API_KEY": "sk-1234567890abcdef"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert (process.returncode, err) == (2, b"ftlogs: --from-file -: it is closed.\n")


def test_a_page_of_the_service_is_cut_like_any_other() -> None:
    assert part(LogPage("ft-1", 3, ("a", "b"), 9), 1, 2) == LogPage("ft-1", 4, ("b",), 9)
