"""What is said beside the code, about versions and how to build it, is true."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

import dashscope_ftlogs

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PYTHONS = re.findall(r"Python :: (3\.\d+)'", repr(PYPROJECT["project"]["classifiers"]))


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_changelog_ends_with_this_version_or_what_is_to_come() -> None:
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    released = [heading for heading in headings if heading != "[Unreleased]"]
    assert headings in (released, ["[Unreleased]", *released])
    versions, dates = zip(
        *(re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (.+)", one).groups() for one in released), strict=True
    )
    assert versions[0] == dashscope_ftlogs.__version__
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(date.fromisoformat(day) for day in dates)


def test_changes_are_told_in_the_words_of_keep_a_changelog() -> None:
    kinds = set(re.findall(r"^### (.*)$", read("CHANGELOG.md"), re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_lowest_python_is_the_first_that_is_promised_and_what_checkers_check_for() -> None:
    assert PYPROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"
    tools = PYPROJECT["tool"]
    assert tools["mypy"]["python_version"] == tools["pyright"]["pythonVersion"] == PYTHONS[0]
    assert tools["ruff"]["target-version"] == f"py{PYTHONS[0].replace('.', '')}"


def test_hooks_and_ci_lint_with_the_same_ruff() -> None:
    (rev,) = re.findall(r"ruff-pre-commit\n    rev: v(\S+)", read(".pre-commit-config.yaml"))
    assert f"ruff=={rev}" in PYPROJECT["dependency-groups"]["lint"]


def test_the_workflow_runs_what_ci_runs_on_every_promised_python() -> None:
    workflow = read(".github/workflows/ci.yml")
    assert re.search(r"run: .*\.ci/run$", workflow, re.MULTILINE)
    every = r"\s+".join(PYTHONS)
    assert re.search(rf"python-version: \|\n\s+{every}\n", workflow)
    assert "python: [{}]".format(", ".join(f'"{python}"' for python in PYTHONS)) in workflow


def test_the_workflow_runs_the_suite_on_every_system_that_a_classifier_names() -> None:
    runners = {"POSIX :: Linux": "ubuntu", "MacOS": "macos", "Microsoft :: Windows": "windows"}
    named = re.findall(r"'Operating System :: ([^']*)'", repr(PYPROJECT["project"]["classifiers"]))
    (line,) = re.findall(r"^ +os: \[(.*)\]$", read(".github/workflows/ci.yml"), re.MULTILINE)
    assert sorted(line.split(", ")) == sorted(f"{runners[name]}-latest" for name in named)


@pytest.mark.parametrize("name", ["ci", "release"])
def test_a_workflow_may_do_no_more_than_each_job_says(name: str) -> None:
    workflow = read(f".github/workflows/{name}.yml")
    assert "\npermissions: {}\n" in workflow
    jobs = re.findall(r"^  \S+:\n(?:    .*\n|\n)+", workflow.partition("\njobs:\n")[2], re.MULTILINE)
    granted = [re.findall(r"    permissions:\n((?:      .*\n)+)", job) for job in jobs]
    allowed = {"      contents: read\n", "      id-token: write\n"}
    assert len(jobs) == 2
    assert all(len(grants) == 1 and grants[0] in allowed for grants in granted)
    assert "secrets." not in workflow


def test_contributing_begins_with_the_command_of_the_readme() -> None:
    command = re.findall(r"```sh\n(.*)\n", read("CONTRIBUTING.md"))[0]
    assert command.endswith("/nox")
    assert f"\n{command}\n" in read("README.md")
