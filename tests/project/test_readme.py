"""What the README shows is true: its example runs, and its commands are those that CI calls."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
