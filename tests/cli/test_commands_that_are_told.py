"""Commands that a message names can be pasted: they do what was meant, to the file that was meant."""

import asyncio
import os
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from live_jobs import FAST

from dashscope_ftlogs.cli.app import app
from dashscope_ftlogs.cli.options import command_line
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse
from dashscope_ftlogs.text import for_shell

pytestmark = pytest.mark.posix

FTLOGS = f'ftlogs() {{ {shlex.quote(sys.executable)} -m dashscope_ftlogs "$@"; }}; '


async def pasted(command: str, folder: Path) -> tuple[int | None, bytes, str]:
    """Run what somebody types or pastes there, without a key or an address in the environment."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", os.fsencode(FTLOGS + command)),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out, err.decode()


async def pasted_until_a_line(command: str, folder: Path) -> tuple[int | None, bytes, str]:
    """The same, up to Ctrl-C after the first line."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"exec {shlex.quote(sys.executable)} -m dashscope_{command}"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    return process.returncode, out, err.decode()


def connection(emulator: Emulator, folder: Path) -> str:
    """Return options that find an emulator, with a key's file that could be an option."""
    key = folder / "-my key"
    key.write_text(emulator.api_key, "utf-8")
    key.chmod(0o600)
    return f"--base-url {emulator.base_url} --api-key-file './-my key' --max-tries 3 --timeout 90s"


@pytest.mark.unmeasured
async def test_cat_goes_on_as_it_began_up_to_the_same_line(tmp_path: Path) -> None:
    faults = [Fault(Refuse(404), on={3})]
    job = EmulatedJob("ft-1", [f"line {n}" for n in range(100)])
    async with Emulator([job], faults=faults) as emulator:
        same = f"--format jsonl --page-size 10 --concurrency 1 {connection(emulator, tmp_path)}"
        whole = f"ftlogs cat ft-1 --offset 5 --limit 42 {same}"
        code, begin, err = await pasted(whole, tmp_path)
        command = err.rstrip("\n").rpartition("go on with: ")[2]
        assert (code, begin.count(b"\n")) == (4, 20)
        assert "--offset 25 --limit 22 " in command
        code, rest, _ = await pasted(command, tmp_path)
        assert (code, begin + rest) == (0, (await pasted(whole, tmp_path))[1])


@pytest.mark.unmeasured
async def test_cat_names_a_file_that_could_be_an_option_or_two_lines(tmp_path: Path) -> None:
    lines = "".join(f"line {n} {'x' * 90}\n" for n in range(100_000))
    (tmp_path / "-new\nline.log").write_text(lines, "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashscope_ftlogs", "cat", "--", "-new\nline.log"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    taken = await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    command = err.decode().rstrip("\n").partition("go on with: ")[2]
    assert command.startswith(r"ftlogs cat $'./-new\nline.log' --offset ")
    code, rest, _ = await pasted(command, tmp_path)
    assert (code, (taken + out + rest).decode()) == (0, lines)


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", ["-new\nline", "it's \x1b[31mred", "a\u202eb\udcfe"])
async def test_verify_names_commands_that_mend_that_very_archive(tmp_path: Path, name: str) -> None:
    jobs = [EmulatedJob("ft-1", ["a"] * 10), EmulatedJob("ft-2", ["b"] * 20)]
    archive = tmp_path / name
    async with Emulator(jobs) as emulator:
        options = connection(emulator, tmp_path)
        where = shlex.quote(f"./{name}")
        code, _, _ = await pasted(f"ftlogs download ft-1 --settle 0 --out {where} {options}", tmp_path)
        assert code == 0
        (archive / "ft-1.log").write_text("other\n", "utf-8")
        verify = f"ftlogs verify --all {options} -- {shlex.quote(name)}"
        code, _, err = await pasted(verify, tmp_path)
        assert code == 6
        assert err.replace("\n", "").isprintable()
        for command in re.findall(r"`(ftlogs .*?)` fetches", err):
            assert (await pasted(command, tmp_path))[0] == 0
        assert (await pasted(verify, tmp_path))[:2] == (0, b"")
        assert (await pasted("ls -d -- ./*ft-1.log", tmp_path))[0] != 0, "nothing came elsewhere"


WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1) | st.sampled_from(
    ["-", "--", "-rf", "--help", "-f", "- a", "-'", "--out", "@last", "-n", "ft-1:3"]
)
COMMANDS: Any = typer.main.get_command(app())


@pytest.mark.covered
@given(
    st.sampled_from(["cat --limit", "tail --grep", "plot --metric", "show --format", "download --out"]),
    st.lists(WORDS, min_size=1, max_size=3),
    WORDS,
)
def test_no_operand_of_a_command_that_is_told_passes_for_an_option(
    said: str, operands: list[str], value: str
) -> None:
    name, option = said.split()
    told = command_line(name, map(for_shell, operands), "", f"{option} {for_shell(value)}")
    command = COMMANDS.commands[name]
    words = shlex.split(told)
    assert words[:2] == ["ftlogs", name]
    found, left, order = command.make_parser(command.context_class(command)).parse_args(words[2:])
    taken = [found.pop(one.name) for one in dict.fromkeys(order) if one.param_type_name == "argument"]
    named = [word for one in taken for word in ([one] if isinstance(one, str) else one or [])]
    assert [*named, *left] == operands
    assert list(found.values()) in ([value], [[value]])


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("cat --page-size 2 --concurrency 1", "go on with: (ftlogs cat .*)"),
        ("tail --until 'loss<0'", "`(ftlogs tail .*?)` waits for it"),
        (f"tail -f -n all {' '.join(FAST)}", "resume with: (ftlogs tail .*)"),
        ("show", "next +(ftlogs tail .*)"),
    ],
)
async def test_a_job_whose_id_could_be_an_option_is_named_so_that_it_is_none(
    tmp_path: Path, words: str, told: str
) -> None:
    job = EmulatedJob("-rf", ["{'loss': 1}"] * 5, status="RUNNING")
    faults = [Fault(Refuse(404), endpoint="logs", on={2})] if words.startswith("cat") else []
    async with Emulator([job], faults=faults) as emulator:
        said = f"ftlogs {words} {connection(emulator, tmp_path)} -- -rf"
        stopped = await pasted_until_a_line(said, tmp_path) if " -f" in words else None
        _, out, err = stopped or await pasted(said, tmp_path)
        command = re.search(told, out.decode() + err)
        assert command, err
        assert " -- -rf" in command[1]
        job.append("{'loss': -1}")
        job.finish("SUCCEEDED")
        again = (
            f" {' '.join(FAST)} -- ".join(command[1].split(" -- ")) if words == "show" else command[1]
        )
        code, out, err = await pasted(again, tmp_path)
        assert (code, out.splitlines()[-1:]) == (0, [b"{'loss': -1}"]), err


@pytest.mark.unmeasured
async def test_verify_names_the_damaged_log_of_such_a_job(tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("-rf", ["a"])]) as emulator:
        options = connection(emulator, tmp_path)
        code, _, _ = await pasted(f"ftlogs download --settle 0 --out a {options} -- -rf", tmp_path)
        assert code == 0
        (log,) = (tmp_path / "a").glob("*.log")
        log.write_text("other\n", "utf-8")
        _, _, err = await pasted(f"ftlogs verify a --remote {options}", tmp_path)
        command = re.search("`(ftlogs .*?)` fetches", err)
        assert command, err
        assert (await pasted(command[1], tmp_path))[0] == 0
        assert (await pasted("ftlogs verify a", tmp_path))[0] == 0
