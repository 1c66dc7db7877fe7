"""`ftlogs cat` as a process of its own: exact bytes, quiet ends, codes that scripts can rely on."""

import asyncio
import json
import shlex
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs.emulator import (
    BadJson,
    EmptyPage,
    EmulatedJob,
    Emulator,
    Fault,
    Html,
    Refuse,
    Reply,
    Reset,
    Stall,
    generate_job,
    ten_ways_to_fail,
)

JOB = "ft-202410291653-1c7f"
NASTY = [
    "plain",
    "",
    "  spaces kept  ",
    "[trainer] :100: [/tmp/x] [bold]no markup[/bold]",
    "10%\r20%\r100%",
    "\x1b[2J\x1b]0;title\x07 repaint",
    "two\nlines",
    "nul\x00 c1\x9b bell\x07",
    "\u2028 \u0085 \u202e",
    "训练完成 🎉",
    "half a pair \ud83d",
    "x" * 100_000,
]


@asynccontextmanager
async def serving(*lines: str, **options: Any) -> AsyncIterator[Emulator]:
    async with Emulator([EmulatedJob(JOB, lines)], **options) as emulator:
        yield emulator


async def test_text_is_each_line_and_a_newline_with_nothing_changed(ftlogs: Any) -> None:
    async with serving(*NASTY) as emulator:
        ended = await ftlogs("cat", JOB, emulator=emulator)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "".join(f"{line}\n" for line in NASTY).encode("utf-8", "backslashreplace")


async def test_jsonl_is_lossless_and_numbered(ftlogs: Any) -> None:
    async with serving(*NASTY) as emulator:
        ended = await ftlogs("cat", JOB, "--format", "jsonl", "--offset", "2", emulator=emulator)
    rows = [json.loads(row) for row in ended.out.split(b"\n")[:-1]]
    assert rows == [{"offset": n, "line": line} for n, line in enumerate(NASTY)][2:]


async def test_offset_limit_and_page_size_choose_the_lines(ftlogs: Any) -> None:
    async with serving(*(f"line {n}" for n in range(100))) as emulator:
        words = ("--offset", "10", "--limit", "25", "--page-size", "7", "--concurrency", "2")
        ended = await ftlogs("cat", JOB, *words, emulator=emulator)
        assert ended.out.decode().splitlines() == [f"line {n}" for n in range(10, 35)]
        assert {exchange.line for exchange in emulator.journal} == {7, 4}


@pytest.mark.unmeasured
async def test_a_log_is_printed_exactly_while_one_request_in_four_fails_in_ten_ways(ftlogs: Any) -> None:
    job = generate_job("sft", lines=20_000, seed=3)
    async with Emulator([job], faults=ten_ways_to_fail(0.25)) as emulator:
        ended = await ftlogs("cat", job.job_id, "--page-size", "500", emulator=emulator)
        assert sum(exchange.fault is not None for exchange in emulator.journal) >= 5
    assert ended.code == 0
    assert ended.out == "".join(f"{line}\n" for line in job.lines).encode()
    assert "next try in" in ended.err
    assert emulator.api_key not in ended.err


@pytest.fixture
def show(start_ftlogs: Any, terminal: Any) -> Any:
    """Run a command on a terminal; return what is shown there."""

    async def run(emulator: Emulator | None, *words: str) -> str:
        async with terminal() as screen:
            process = await start_ftlogs(words, emulator, stdout=screen.end)
            assert await process.wait() == 0
        return str(screen.shown.replace("\r\n", "\n"))

    return run


async def test_a_log_cannot_repaint_a_terminal(show: Any) -> None:
    async with serving(*NASTY[:-1]) as emulator:
        shown = await show(emulator, "cat", JOB)
        rows = await show(emulator, "cat", JOB, "--format", "jsonl")
    assert not {"\x1b", "\x00", "\x9b", "\x07", "\r", "\u2028", "\u202e"} & set(shown + rows)
    assert "10%\\r20%\\r100%\n\\x1b[2J\\x1b]0;title\\x07 repaint\ntwo\\nlines\n" in shown
    assert "训练完成 🎉\nhalf a pair \\ud83d\n" in shown
    assert [json.loads(row)["line"] for row in rows.splitlines()] == NASTY[:-1]


@pytest.mark.posix
async def test_of_several_logs_a_terminal_shows_where_each_begins_and_no_pipe_is_told(
    ftlogs: Any, show: Any, tmp_path: Path
) -> None:
    jobs = [EmulatedJob("ft-1", ["one", "two"]), EmulatedJob("ft-2", []), EmulatedJob("ft-3", ["three"])]
    async with Emulator(jobs) as emulator:
        await ftlogs("download", "--all", "--out", str(tmp_path), "-q", emulator=emulator)
    marked = "==> ft-1 <==\none\ntwo\n\n==> ft-2 <==\n\n==> ft-3 <==\nthree\n"
    assert await show(None, "cat", str(tmp_path)) == marked
    assert await show(None, "cat", str(tmp_path / "ft-1.log")) == "one\ntwo\n"
    assert await show(None, "cat", str(tmp_path), "--raw") == "one\ntwo\nthree\n"
    assert "==>" not in await show(None, "cat", str(tmp_path), "--format", "jsonl")
    assert (await ftlogs("cat", str(tmp_path))).out == b"one\ntwo\nthree\n"


async def test_a_socket_that_nobody_reads_any_more_is_a_quiet_end(start_ftlogs: Any) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        async with serving(*("x" * 1000 for _ in range(10_000))) as emulator:
            process = await start_ftlogs(("cat", JOB), emulator, stdout=theirs.fileno())
            theirs.close()
            await asyncio.get_running_loop().sock_recv(ours, 10)
            ours.close()
            _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


async def test_raw_sends_a_terminal_what_the_log_holds(show: Any) -> None:
    async with serving("\x1b[31mred\x1b[0m") as emulator:
        shown = await show(emulator, "cat", JOB, "--raw")
    assert shown == "\x1b[31mred\x1b[0m\n"


async def test_progress_is_shown_on_a_terminal_while_the_data_goes_elsewhere(
    start_ftlogs: Any, terminal: Any
) -> None:
    async with serving("one", "two") as emulator:
        async with terminal() as screen:
            process = await start_ftlogs(("cat", JOB), emulator, {"TERM": "xterm"}, stderr=screen.end)
            out, _ = await process.communicate()
    assert out == b"one\ntwo\n"
    assert f"{JOB}: lines" in screen.shown
    assert "2/2" in screen.shown


async def test_a_closed_pipe_ends_quietly(start_ftlogs: Any) -> None:
    async with serving(*("x" * 1000 for _ in range(3000))) as emulator:
        process = await start_ftlogs(("cat", JOB, "--page-size", "50"), emulator)
        await process.stdout.readline()
        process.stdout._transport.close()
        assert await process.stderr.read() == b""
        assert await process.wait() == 0


@pytest.mark.parametrize("taken", [0, 20])
@pytest.mark.posix
async def test_ctrl_c_ends_with_130_and_names_the_place_to_go_on(start_ftlogs: Any, taken: int) -> None:
    async with serving(*(f"line {n}" for n in range(100))) as emulator:
        emulator.faults = [Fault(Stall(60), on=range(taken // 10 + 1, 100))]
        process = await start_ftlogs(("cat", JOB, "--page-size", "10"), emulator)
        for _ in range(taken):
            await process.stdout.readline()
        while not emulator.in_flight:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    command = f"ftlogs cat {JOB} --offset {taken} --page-size 10"
    assert err.decode() == f"ftlogs: stopped; go on with: {command}\n"


@pytest.mark.posix
async def test_of_several_logs_ctrl_c_names_the_one_and_its_own_place(
    ftlogs: Any, start_ftlogs: Any, tmp_path: Path
) -> None:
    lines = [f"line {n} {'x' * 90}" for n in range(100_000)]
    jobs = [EmulatedJob("ft-1", ["one", "two"]), EmulatedJob("ft-2", lines), EmulatedJob("ft-3", ["x"])]
    logs = str(tmp_path / "all logs")
    async with Emulator(jobs) as emulator:
        assert (await ftlogs("download", "--all", "--out", logs, "-q", emulator=emulator)).code == 0
    process = await start_ftlogs(("cat", logs), None)
    taken = [await process.stdout.readline() for _ in range(5)]
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    said, advice = err.decode().rstrip("\n").split("; go on with it: ftlogs ")
    assert (process.returncode, said) == (130, "ftlogs: stopped in ft-2, log 2 of 3")
    rest = await ftlogs(*shlex.split(advice))
    assert rest.code == 0
    assert b"".join([*taken, out, rest.out]).decode().splitlines() == ["one", "two", *lines]


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (Refuse(400), 2, "HTTP 400 InvalidParameter"),
        (Refuse(401, "InvalidApiKey"), 3, "A key belongs to one region"),
        (Refuse(403, "AccessDenied"), 3, "HTTP 403 AccessDenied"),
        (Refuse(404), 4, "HTTP 404 NotFound: Not found!"),
        (Refuse(409), 2, "HTTP 409 Conflict"),
        (Refuse(418, "Teapot"), 1, "HTTP 418 Teapot"),
        (Refuse(429), 5, "HTTP 429 Throttling"),
        (Refuse(429, retry_after="86400"), 5, "asked for a wait of 86400 s"),
        (Refuse(500), 5, "open a ticket with the request id"),
        (Html(502), 5, "HTTP 502"),
        (Reset(), 5, "no answer"),
        (BadJson(), 5, "unusable answer"),
        (EmptyPage(), 6, "3 lines exist, but gives none from offset 0"),
    ],
    ids=repr,
)
async def test_each_failure_has_its_code_and_one_clear_message(
    ftlogs: Any, reply: Reply, code: int, words: str
) -> None:
    async with serving("a", "b", "c", faults=[Fault(reply)]) as emulator:
        ended = await ftlogs("cat", JOB, "--max-tries", "1", emulator=emulator)
    assert (ended.code, ended.out) == (code, b"")
    assert ended.err.startswith("ftlogs: ")
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
    assert emulator.api_key not in ended.err


@pytest.mark.parametrize("words", [("cat",), ("show",), ("tail",), ("tail", "-f"), ("download",)])
async def test_what_it_advises_is_for_who_uses_the_command(
    ftlogs: Any, tmp_path: Path, words: tuple[str, ...]
) -> None:
    where = ("--out", str(tmp_path)) if words[0] == "download" else ()
    async with serving() as emulator:
        ended = await ftlogs(*words, "ft-nosuch", *where, emulator=emulator)
    assert ended.code == 4
    told = ended.err + ended.out.decode()
    assert "Check the job id (`ftlogs jobs` lists those that are left), that key" in told
    assert "only commands find it" not in told


async def test_nor_does_it_speak_of_python_where_requests_are_refused(ftlogs: Any) -> None:
    async with serving(faults=[Fault(Refuse(429))]) as emulator:
        ended = await ftlogs("cat", JOB, "--max-tries", "1", emulator=emulator)
    assert "allow more tries: --max-tries" in ended.err
    assert "RetryPolicy" not in ended.err


async def test_a_failure_in_mid_log_says_how_to_go_on(ftlogs: Any) -> None:
    async with serving(*(f"line {n}" for n in range(100))) as emulator:
        emulator.faults = [Fault(Refuse(404), on=range(4, 100))]
        words = ("--page-size", "10", "--concurrency", "1")
        ended = await ftlogs("cat", JOB, *words, emulator=emulator)
    assert ended.code == 4
    assert ended.out.count(b"\n") == 30
    assert f"go on with: ftlogs cat {JOB} --offset 30 {' '.join(words)}\n" in ended.err


async def test_an_offset_beyond_the_end_is_refused_and_one_at_the_end_is_not(ftlogs: Any) -> None:
    async with serving("a", "b") as emulator:
        at_end = await ftlogs("cat", JOB, "--offset", "2", emulator=emulator)
        beyond = await ftlogs("cat", JOB, "--offset", "1000", emulator=emulator)
    assert (at_end.code, at_end.out, at_end.err) == (0, b"", "")
    assert (beyond.code, beyond.out) == (2, b"")
    assert beyond.err == f"ftlogs: offset 1,000: the log of {JOB} has only 2 lines.\n"


@pytest.mark.covered
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("..",), "holds no manifest, so it is no archive"),
        (("a/b",), "job id 'a/b'"),
        ((JOB, "--offset", "-1"), "'--offset': '-1': must be a whole number, at least 0"),
        ((JOB, "--limit", "-1"), "'--limit': '-1': must be"),
        ((JOB, "--page-size", "1001"), "'--page-size': '1001': must be a whole number, 1 to 1000"),
        ((JOB, "--concurrency", "0"), "'--concurrency': '0': must be"),
        ((JOB, "--timeout", "0"), "'--timeout': '0': must be"),
        ((JOB, "--max-tries", "0"), "'--max-tries': '0': must be"),
        ((JOB, "--region", "mars"), "region 'mars': must be one of"),
        ((JOB, "--workspace", "a b"), "workspace 'a b'"),
        ((JOB, "--base-url", "http://example.com/api/v1"), "plain http"),
        ((JOB, "--base-url", "ftp://example.com"), "must be https://"),
        ((JOB, "--api-key-file", "/nonexistent"), "--api-key-file /nonexistent"),
        ((JOB, "--format", "xml"), "'xml' is not"),
        ((JOB, "--offset", "ten"), "--offset"),
        ((), "SOURCE"),
    ],
    ids=str,
)
async def test_wrong_usage_is_refused_with_2_before_any_request(
    ftlogs: Any, words: tuple[str, ...], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What lies around the folder of these tests may be an archive.
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    async with serving("x") as emulator:
        ended = await ftlogs("cat", *words, emulator=emulator)
        assert (ended.code, ended.out) == (2, b"")
        assert reason in ended.err
        assert "Traceback" not in ended.err
        assert emulator.journal == []


async def test_without_a_key_every_place_looked_in_is_named(ftlogs: Any) -> None:
    ended = await ftlogs("cat", JOB)
    assert ended.code == 2
    for place in (
        "DASHSCOPE_API_KEY",
        "DASHSCOPE_API_KEY_FILE_PATH",
        "config.toml",
        "~/.dashscope/api_key",
    ):
        assert place in ended.err


async def test_the_key_can_come_from_a_file(ftlogs: Any, tmp_path: Path) -> None:
    key = tmp_path / "key"
    async with serving("x") as emulator:
        key.write_text(f"{emulator.api_key}\n")
        words = ("--api-key-file", str(key), "--base-url", emulator.base_url, "--timeout", "9")
        ended = await ftlogs("cat", JOB, *words)
    assert (ended.code, ended.out) == (0, b"x\n")


@pytest.mark.linux
async def test_a_disk_that_is_full_is_one_clear_message(start_ftlogs: Any) -> None:
    async with serving("x") as emulator:
        with Path("/dev/full").open("wb") as full:
            process = await start_ftlogs(("cat", JOB), emulator, stdout=full)
            _, err = await process.communicate()
    assert process.returncode == 1
    assert "No space left on device" in err.decode()
    assert "Traceback" not in err.decode()
