"""What the README shows is true: its example runs, and its commands are those that CI calls."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import LogSession
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_first_example_runs_as_it_stands(ftlogs_emulator: Emulator) -> None:
    ftlogs_emulator.add(EmulatedJob("ft-1", ["Training start!", "{'loss': 1.5}", "{'loss': 1.2}"]))
    ftlogs_emulator.add(EmulatedJob("ft-2", ["{'loss': 9.9}"], status="RUNNING"))
    example = blocks("python")[0]
    assert len(example.strip().splitlines()) == 12
    shown = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == ["ft-1 1.2"]


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_every_python_example_is_valid(number: int) -> None:
    indented = "".join(f"    {line}\n" for line in blocks("python")[number].splitlines())
    compile(f"async def example():\n{indented}", "README.md", "exec")


def test_ci_calls_the_two_commands_of_the_readme_word_for_word() -> None:
    demo, *_, tests = (block.strip() for block in blocks("sh"))
    script = (ROOT / ".ci/run").read_text("utf-8")
    assert f'demo="{demo}"\n' in script
    assert f'tests="{tests}"\n' in script


@pytest.mark.unmeasured
def test_every_command_shown_exists() -> None:
    shown = set(re.findall(r"ftlogs ([a-z]+)", "".join(blocks("sh"))))
    for command in shown:
        done = subprocess.run(
            [sys.executable, "-m", "dashscope_ftlogs", command, "--help"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, command


async def test_where_keeping_a_line_fails_the_place_to_go_on_from_is_before_it(
    ftlogs_emulator: Emulator,
) -> None:
    log = [f"line {n}" for n in range(10)]
    ftlogs_emulator.add(EmulatedJob("ft-1", log))
    (example,) = (block for block in blocks("python") if "saved_position" in block)
    indented = "".join(f"    {line}\n" for line in example.splitlines())
    names: dict[str, Any] = {"saved_position": None, "job_id": "ft-1"}
    kept, full = [], {"line 0", "line 3", "line 9"}

    def keep(line: str) -> None:
        if line in full:
            full.remove(line)
            raise OSError("the disk is full")
        kept.append(line)

    exec(f"async def read():\n    global saved_position\n{indented}", names)
    async with LogSession() as names["session"]:
        names["keep"] = keep
        while full:
            with pytest.raises(OSError, match="full"):
                await names["read"]()
        await names["read"]()
    assert kept == log
