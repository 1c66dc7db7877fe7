"""The command around its subcommands: help, version, listing, the demo."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

import pytest
from following import in_virtual_time

from dashscope_ftlogs import LogSession, __version__
from dashscope_ftlogs.cli import main
from dashscope_ftlogs.cli.app import COMMANDS
from dashscope_ftlogs.cli.commands.demo_scenes import _Stage, _train
from dashscope_ftlogs.emulator import EmulatedJob, Emulator


async def test_no_command_s_summary_is_cut_on_a_terminal_of_80_columns(ftlogs: Any) -> None:
    ended = await ftlogs("--help", environ={"COLUMNS": "80"})
    _, commands = ended.out.decode().split("Commands:\n")
    listed = commands.partition("\n\n")[0].splitlines()
    assert len(listed) == len(COMMANDS)
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize("words", [("--version",), ("cat", "--help"), ("-h",), ()])
async def test_what_needs_no_service_works_without_a_key(ftlogs: Any, words: tuple[str, ...]) -> None:
    ended = await ftlogs(*words)
    assert ended.code in {0, 2}  # without a word, the help is shown as a wrong usage
    assert "Traceback" not in ended.err
    assert (ended.out == f"ftlogs {__version__}\n".encode()) == (words == ("--version",))


async def test_version_is_told_after_other_words_too(ftlogs: Any) -> None:
    ended = await ftlogs("--version", "cat")
    assert ended.out == f"ftlogs {__version__}\n".encode()


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_extra_the_command_says_how_to_install_it(missing: str) -> None:
    code = (
        f"import sys; sys.modules['{missing}'] = None; sys.argv = ['ftlogs', 'cat', 'ft-1']\n"
        "from dashscope_ftlogs.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ}
    )
    if missing == "typer":
        assert ended.returncode == 1
        assert ended.stderr == (
            "ftlogs: the command needs more packages: pip install 'dashscope-ftlogs[cli]'\n"
        )
    else:  # rich is only imported where something is drawn
        assert ended.returncode == 2
        assert "no API key" in ended.stderr


def test_a_mistake_of_ours_is_not_mistaken_for_a_missing_extra() -> None:
    code = (
        "import sys; sys.modules['dashscope_ftlogs.cli.commands.cat'] = None\n"
        "sys.argv = ['ftlogs', 'cat']\n"
        "from dashscope_ftlogs.cli import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in ended.stderr


JOBS = [
    EmulatedJob("ft-1", status="RUNNING", model="qwen3-8b", create_time="2024-10-29 16:53:53"),
    EmulatedJob("ft-22", status="SUCCEEDED", model="qwen3-14b"),
    EmulatedJob("ft-3", status="FAILED\x1b[2J", model="m\ttab"),
]


async def test_jobs_are_listed_as_a_table(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("jobs", emulator=emulator)
    assert ended.code == 0
    rows = [line.split() for line in ended.out.decode().splitlines()]
    assert rows[0] == ["JOB", "ID", "STATUS", "MODEL", "CREATED", "ENDED", "TOKENS", "TYPE", "NAME"]
    assert rows[1] == ["ft-1", "RUNNING", "qwen3-8b", "2024-10-29", "16:53:53", "-", "-", "sft", "-"]
    assert rows[2][:3] == ["ft-22", "SUCCEEDED", "qwen3-14b"]
    assert rows[3][:2] == ["ft-3", "FAILED\\x1b[2J"]


async def test_jobs_are_listed_as_json_with_every_fact_that_is_known(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("jobs", "--format", "jsonl", "--model", "qwen3-8b", emulator=emulator)
    (job,) = map(json.loads, ended.out.splitlines())
    assert job["job_id"] == "ft-1"
    assert job["hyper_parameters"]["n_epochs"] == 3
    assert "end_time" not in job


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--status", "PENDING"), "ftlogs: no job matches\n"),
        (("--match", "x", "--format", "jsonl"), "ftlogs: no job matches\n"),
        (("--limit", "0"), ""),
    ],
)
async def test_no_jobs_are_no_output_and_no_error_but_told(
    ftlogs: Any, words: tuple[str, ...], told: str
) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("jobs", *words, emulator=emulator)
    assert (ended.code, ended.out, ended.err) == (0, b"", told)


async def test_a_workspace_without_jobs_is_told_as_such(ftlogs: Any) -> None:
    async with Emulator() as emulator:
        ended = await ftlogs("jobs", emulator=emulator)
    assert (ended.code, ended.out, ended.err) == (0, b"", "ftlogs: no jobs\n")


async def test_the_command_runs_without_the_extra_fast() -> None:
    code = (
        "import sys; sys.modules['uvloop'] = None; sys.argv = ['ftlogs', 'cat', 'ft-1']\n"
        "from dashscope_ftlogs.cli import main; main()"
    )
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code),
            env={**os.environ, **emulator.environ},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    assert (process.returncode, out) == (0, b"x\n")


def test_the_job_of_the_demo_begins_only_when_it_is_watched() -> None:
    async def main() -> None:
        job = EmulatedJob("ft-1", status="RUNNING")
        async with Emulator([job], compress=False) as emulator:
            training = asyncio.create_task(_train(job, ["a", "b"], emulator))
            async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
                await session.job("ft-1")
                await asyncio.sleep(10)  # far longer than from one line to the next
                assert len(job.lines) == 0
                follower = session.follow("ft-1", settle=0)
                assert [followed.text async for followed in follower] == ["a", "b"]
            await training

    in_virtual_time(main())


@pytest.mark.posix
async def test_an_interrupted_demo_takes_its_commands_with_it(start_ftlogs: Any) -> None:
    process = await start_ftlogs(("demo",), None, {"PYTHONUNBUFFERED": "1"})
    for sign in (b"$ ftlogs tail", b"eval_loss"):  # one of its commands is in the middle of its work
        while sign not in (line := await process.stdout.readline()):
            assert line
    process.send_signal(signal.SIGINT)
    # Both ends are read to their end, which comes only when no process holds them any more.
    _, err = await process.communicate()
    assert process.returncode == 130
    assert err.decode().endswith("ftlogs: interrupted\n")


def number(said: str) -> int:
    return int(said.replace(",", ""))


@pytest.mark.slow
async def test_the_demo_shows_real_commands_at_work_without_key_or_network(ftlogs: Any) -> None:
    ended = await ftlogs("demo", environ={"DASHSCOPE_REGION": "a broken setting"})
    shown = ended.out.decode()
    assert ended.code == 0
    assert "$ ftlogs jobs" in shown
    assert "8,000 lines, equal to the byte" in shown
    kept, total, job = re.search(r"# ([\d,]+) of ([\d,]+) lines of (\S+) are committed", shown).groups()
    assert 0 < number(kept) < number(total) == 8_000
    (row,) = re.findall(rf"^{job} +complete +([\d,]+) +([\d,]+)$", shown, re.MULTILINE)
    assert [number(one) for one in row] == [8_000, 8_000 - number(kept)], "the rest is fetched, no more"
    listed = re.findall(r"^ft-(\d{12})-\S+ +[A-Z]+ +\S+ +(\S+ \d\d:\d\d):", shown, re.MULTILINE)
    assert len(listed) == 4
    for stamp, created in listed:
        assert stamp == re.sub(r"\D", "", created)
    assert "8 pages in" in shown
    assert "one after the other they take 4.0 s" in shown
    assert "A key belongs to one region" in ended.err
    assert shown.rstrip().endswith("`ftlogs download --all --out logs`.")
    assert "\x1b" not in shown


async def test_leaving_the_demo_early_ends_the_command_that_it_runs() -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"], status="RUNNING")]) as emulator:
        running = asyncio.create_task(_Stage(emulator).read("tail", "-f", "ft-1", "--settle", "0"))
        while not emulator.journal:
            await asyncio.sleep(0.01)
        running.cancel()
        # It waits for the command's end, which would not come by itself.
        with pytest.raises(asyncio.CancelledError):
            await running


def test_ctrl_c_before_all_else_ends_it_without_a_traceback() -> None:
    def interrupt(frame: FrameType, event: str, _: object) -> None:
        if (event, frame.f_code.co_name) == ("call", "_let_ctrl_c_end_it"):
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        with pytest.raises(SystemExit) as caught:
            main()
    finally:
        sys.setprofile(None)
    assert caught.value.code == 130
