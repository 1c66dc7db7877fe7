"""Commands that a message names can be pasted: they do what was meant, to the file that was meant."""

import asyncio
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse

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


def connection(emulator: Emulator, folder: Path) -> str:
    """Return options that find an emulator, with a key's file that could be an option."""
    key = folder / "-my key"
    key.write_text(emulator.api_key, "utf-8")
    key.chmod(0o600)
    return f"--base-url {emulator.base_url} --api-key-file './-my key' --max-tries 3 --timeout 90s"


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
