"""Options that people expect, and what is said where a setting is missing."""

import doctest
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from dashscope_ftlogs.cli import options
from dashscope_ftlogs.cli.app import app
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

JOB = "ft-202410291653-1c7f"
LINES = [f"{{'loss': {n}.5, 'step': {n}}}" for n in range(12)]


def test_the_examples_hold() -> None:
    found = doctest.testmod(options)
    assert found.attempted > 0
    assert found.failed == 0


async def test_short_forms_mean_what_they_mean_elsewhere(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        tail = await ftlogs("tail", JOB, "--tail", "2", emulator=emulator)
        stamped = await ftlogs("tail", JOB, "-n", "1", "-t", emulator=emulator)
        done = await ftlogs("download", JOB, "-o", str(tmp_path / "logs"), emulator=emulator)
        usage = await ftlogs("tail", "--help")
    assert tail.out.decode().splitlines() == LINES[-2:]
    assert stamped.out.decode().rstrip().endswith(LINES[-1])
    assert stamped.out[:2] == b"20"
    assert (done.code, (tmp_path / "logs" / f"{JOB}.log").exists()) == (0, True)
    assert "JOB[:OFFSET]..." in usage.out.decode()


@pytest.mark.parametrize("words", [(), ("--format", "jsonl")], ids=str)
async def test_metrics_go_to_stdout_where_the_file_is_called_so(
    ftlogs: Any, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "a.log").write_text("\n".join(LINES))
    ended = await ftlogs("metrics", str(tmp_path / "a.log"), "-o", "-", *words)
    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.decode().splitlines()) == len(LINES) + (not words)
    assert "loss" in ended.out.decode().splitlines()[0]
    assert not (tmp_path / "-").exists()


async def test_verdicts_are_told_as_json_by_either_name(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        await ftlogs("download", JOB, "--out", str(tmp_path / "logs"), emulator=emulator)
    one = await ftlogs("verify", str(tmp_path / "logs"), "--json")
    other = await ftlogs("verify", str(tmp_path / "logs"), "--format", "jsonl")
    assert one.out == other.out
    assert json.loads(one.out)["state"] == "ok"


async def test_a_missing_key_is_told_with_the_option_and_what_needs_none(ftlogs: Any) -> None:
    ended = await ftlogs("cat", JOB)
    assert (ended.code, ended.out) == (2, b"")
    assert "Looked for: the option --api-key-file; the environment variables" in ended.err
    assert ended.err.endswith("export DASHSCOPE_API_KEY=.... Without a key: ftlogs demo.\n")


@pytest.mark.parametrize("path", ["", "/", "/compatible-mode/v1", "/api/v2"])
async def test_a_base_url_of_the_vendor_s_without_its_path_is_told_before_anything_is_sent(
    ftlogs: Any, path: str
) -> None:
    environ = {"DASHSCOPE_API_KEY": "sk-1234567890"}
    url = f"https://dashscope.aliyuncs.com{path}"
    ended = await ftlogs("jobs", "--base-url", url, environ=environ)
    assert (ended.code, ended.out) == (2, b"")
    assert "fine-tuning is below /api/v1 there: https://dashscope.aliyuncs.com/api/v1" in ended.err


async def test_an_archive_is_nothing_for_stdout(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        ended = await ftlogs("download", JOB, "-o", "-", emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")
    assert "an archive is a directory, and can't go to stdout" in ended.err


async def test_a_key_file_that_cannot_be_read_is_told_in_the_system_s_words(
    ftlogs: Any, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"\xff")
    gone = await ftlogs("jobs", "--api-key-file", str(tmp_path / "gone"))
    odd = await ftlogs("jobs", "--api-key-file", str(tmp_path / "key"))
    assert gone.err == f"ftlogs: --api-key-file {tmp_path / 'gone'}: No such file or directory.\n"
    assert odd.err.startswith(f"ftlogs: --api-key-file {tmp_path / 'key'}: line 1 is not UTF-8")
    assert (gone.code, odd.code) == (2, 2)


def test_the_connection_s_options_are_named_by_all_commands_and_explained_by_the_one_about_it() -> None:
    group: Any = get_command(app())
    told: dict[str, str] = {}
    for name, command in group.commands.items():
        if any(one.name == "base_url" for one in command.params):
            text = command.get_help(command.make_context(name, [], resilient_parsing=True))
            others, title, told[name] = text.partition("\nConnection:\n")
            assert title
            assert "--timeout" not in others
    explained = told.pop("doctor")
    for default in ("the region's", "the key's own", "60s", "8", "no bound", "as HTTPS_PROXY and"):
        assert f"[default: {default}" in " ".join(explained.split())
    (named,) = set(told.values())
    options = re.compile(r"--[a-z-]+")
    assert options.findall(named)[:-1] == re.findall(r"^  (--[a-z-]+)", explained, re.MULTILINE)
    assert "What they mean: ftlogs doctor --help" in named
    assert len(named.splitlines()) < 8
