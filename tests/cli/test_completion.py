"""Job ids are completed at once, from what was heard before, in every shell."""

import asyncio
import json
import math
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from shell_on_terminal import PROMPT, ShellOnTerminal, shell_on_terminal

from dashscope_ftlogs.cli.completion import cache_file, keep
from dashscope_ftlogs.cli.connection_options import REGIONS
from dashscope_ftlogs.client import config
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

COMPLETE = {"_FTLOGS_COMPLETE": "complete_bash", "COMP_CWORD": "2"}


async def test_job_ids_are_completed_from_a_cache_that_is_filled_in_the_background(
    ftlogs: Any, tmp_path: Path
) -> None:
    environ = {**COMPLETE, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COMP_WORDS": "ftlogs tail ft-1"}
    jobs = [EmulatedJob(f"ft-{n}", ["x"]) for n in range(300)]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs(emulator=emulator, environ=environ)
        assert ended.err == ""
        while not caches(tmp_path / "cache"):
            await asyncio.sleep(0.01)
        (cache,) = caches(tmp_path / "cache")
        asked = len(emulator.journal)
        ended = await ftlogs(emulator=emulator, environ=environ)
        starting = {job.job_id for job in jobs if job.job_id.startswith("ft-1")}
        assert set(ended.out.decode().split()) == starting
        assert len(emulator.journal) == asked
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert emulator.api_key not in cache.read_text()


def caches(folder: Path) -> list[Path]:
    return [*folder.glob("dashscope-ftlogs/jobs-*.json")]


CONFIG = """
[profiles.a]
base_url = "{}"
[profiles.b]
base_url = "{}"
"""


@pytest.mark.covered
async def test_what_is_offered_is_of_the_service_and_the_profile_that_are_asked(
    ftlogs: Any, tmp_path: Path
) -> None:
    async with (
        Emulator([EmulatedJob("ft-a", ["x"])]) as a,
        Emulator([EmulatedJob("ft-b", ["x"])], api_key=a.api_key) as b,
    ):
        (tmp_path / "config.toml").write_text(CONFIG.format(a.base_url, b.base_url))
        environ = {
            "_FTLOGS_COMPLETE": "complete_bash",
            "DASHSCOPE_API_KEY": a.api_key,
            "DASHSCOPE_CONFIG": str(tmp_path / "config.toml"),
        }

        async def offered(number: int, *words: str, **more: str) -> set[str]:
            """Return what is offered at the second TAB; at the first one, only another's is not."""
            line = {"COMP_WORDS": f"ftlogs cat {' '.join((*words, 'ft-'))}"}
            cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
            told = {**environ, **line, **cache, "COMP_CWORD": str(2 + len(words)), **more}
            first = await ftlogs(environ=told)
            assert (first.out.split(), first.err) == ([b"ft-b"] if number == 5 else [], "")
            while len(caches(tmp_path / "cache")) < number:
                await asyncio.sleep(0.01)
            return set((await ftlogs(environ=told)).out.decode().split())

        assert await offered(1, DASHSCOPE_BASE_URL=a.base_url) == {"ft-a"}
        assert await offered(2, DASHSCOPE_BASE_URL=b.base_url) == {"ft-b"}
        assert await offered(3, "--base-url", a.base_url) == {"ft-a"}
        assert await offered(4, "--profile", "b") == {"ft-b"}
        assert await offered(5, "--profile", "b", "--profile", "a") == {"ft-a", "ft-b"}
    assert not [one for one in (tmp_path / "cache").rglob("*") if a.api_key in one.name]


def test_what_is_offered_is_of_the_config_file_as_it_is_by_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = Path("~/teams.toml").expanduser()
    monkeypatch.setenv("DASHSCOPE_CONFIG", "~/teams.toml")
    before = cache_file({})
    config.write_text("")
    written = cache_file({})
    os.utime(config, (1, 1))
    assert len({before, written, cache_file({})}) == 3
    monkeypatch.setenv("DASHSCOPE_CONFIG", "~no-such-user/teams.toml")
    assert cache_file({}) != written


async def test_a_clock_that_was_set_back_keeps_no_old_ids(ftlogs: Any, tmp_path: Path) -> None:
    environ = {**COMPLETE, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COMP_WORDS": "ftlogs tail ft-"}
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        await ftlogs(emulator=emulator, environ=environ)
        while not caches(tmp_path / "cache"):
            await asyncio.sleep(0.01)
        (cache,) = caches(tmp_path / "cache")
        to_come = time.time() + 3600
        os.utime(cache, (to_come, to_come))
        await ftlogs(emulator=emulator, environ=environ)
        while cache.stat().st_mtime == to_come:
            await asyncio.sleep(0.01)


def test_files_of_services_that_nobody_asks_any_more_are_swept(tmp_path: Path) -> None:
    for name in ("jobs.json", "jobs-0.json", "another.json"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    keep([("ft-1", "RUNNING")], tmp_path / "jobs-1.json")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["another.json", "home", "jobs-1.json"]


async def test_completion_is_silent_when_there_is_nothing_to_know(ftlogs: Any, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "dashscope-ftlogs" / cache_file({}).name
    environ = {**COMPLETE, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COMP_WORDS": "ftlogs cat ft-"}
    ended = await ftlogs(environ=environ)  # without a key
    assert (ended.out.strip(), ended.err) == (b"", "")
    cache.parent.mkdir(parents=True)
    cache.write_text("[[1, 2")
    ended = await ftlogs(environ=environ)
    assert (ended.out.strip(), ended.err) == (b"", "")
    ended = await ftlogs(environ={**COMPLETE, "COMP_CWORD": "1", "COMP_WORDS": "ftlogs t"})
    assert ended.out.split() == [b"tail"]


def test_a_refresh_without_a_key_fails_quietly(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "dashscope_ftlogs.cli.completion"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", b"")


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "command", ["cat", "tail", "show", "download", "metrics", "plot", "report", "doctor"]
)
def test_completion_of_a_job_id_costs_a_fifth_of_a_second_at_most(command: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "dashscope-ftlogs" / cache_file({}).name
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps([[f"ft-{n}", "RUNNING"] for n in range(200)]))
    environ = {**os.environ, **COMPLETE, "COMP_WORDS": f"ftlogs {command} ft-"}
    environ["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    # Not through the coverage of subprocesses and dev mode, which cost as much again.
    environ = {name: value for name, value in environ.items() if not name.startswith(("COV", "PYTHON"))}
    out = tmp_path / "out"
    cost = math.inf
    for _ in range(5):
        with out.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "dashscope_ftlogs"], env=environ, stdout=file
            )
            # It waits for nothing, so what it costs is how long it takes where nothing else runs.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        assert len(out.read_bytes().split()) == 200
        if (cost := usage.ru_utime + usage.ru_stime) < 0.2:
            break
    assert cost < 0.2


@pytest.mark.parametrize(
    ("shell", "environ", "answer"),
    [
        ("bash", {"COMP_WORDS": "ftlogs tail ", "COMP_CWORD": "2"}, "ft-1"),
        ("bash", {"COMP_WORDS": "ftlogs tail ft-1 ", "COMP_CWORD": "3"}, "ft-1"),
        ("bash", {"COMP_WORDS": "ftlogs tail", "COMP_CWORD": "1"}, "tail"),
        ("bash", {"COMP_WORDS": "ftlogs tail --fol", "COMP_CWORD": "2"}, "--follow"),
        ("bash", {"COMP_WORDS": "ftlogs tail --format js", "COMP_CWORD": "3"}, "jsonl"),
        ("bash", {"COMP_WORDS": "ftlogs jobs --status RU", "COMP_CWORD": "3"}, "RUNNING"),
        ("bash", {"COMP_WORDS": "ftlogs jobs --status ru", "COMP_CWORD": "3"}, "running"),
        ("bash", {"COMP_WORDS": "ftlogs jobs --since y", "COMP_CWORD": "3"}, "yesterday"),
        ("bash", {"COMP_WORDS": "ftlogs jobs --region cn-b", "COMP_CWORD": "3"}, "cn-beijing"),
        ("bash", {"COMP_WORDS": "ftlogs plot x --metric eval_l", "COMP_CWORD": "4"}, "eval_loss"),
        ("bash", {"COMP_WORDS": "ftlogs\njobs\n--status\n=\n", "COMP_CWORD": "4"}, "RUNNING"),
        ("bash", {"COMP_WORDS": "ftlogs\njobs\n--status\n=", "COMP_CWORD": "3"}, "RUNNING"),
        ("bash", {"COMP_WORDS": "ftlogs\njobs\n--status\n=\nRU", "COMP_CWORD": "4"}, "RUNNING"),
        ("bash", {"COMP_WORDS": "ftlogs\ntail\n--status\n=\nx\nf", "COMP_CWORD": "5"}, "ft-1"),
        ("bash", {"COMP_WORDS": "ftlogs tail -f f", "COMP_CWORD": "3"}, "ft-1"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "ftlogs metrics f"}, '"ft-1":"RUNNING"'),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "ftlogs metrics"}, "metrics"),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "ftlogs report ", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "ft-1\tRUNNING",
        ),
    ],
)
async def test_each_shell_gets_what_fits_where_the_cursor_is(
    ftlogs: Any, tmp_path: Path, shell: str, environ: dict[str, str], answer: str
) -> None:
    cache = tmp_path / "dashscope-ftlogs" / cache_file({}).name
    cache.parent.mkdir()
    cache.write_text('[["ft-1", "RUNNING"]]')
    environ = {"_FTLOGS_COMPLETE": f"complete_{shell}", "XDG_CACHE_HOME": str(tmp_path), **environ}
    ended = await ftlogs(environ=environ)
    assert (ended.code, ended.err) == (0, "")
    assert answer in ended.out.decode()


def test_the_regions_that_are_completed_are_those_there_are() -> None:
    assert sorted(REGIONS) == sorted(config.REGIONS)


LISTED = [["ft-1-a", "RUNNING qwen3-14b"], ["ft-1-b", "FAILED qwen3-8b"]]
TYPED = [
    ("ftlogs pl", "ot "),
    ("ftlogs show ft", "-1-"),
    ("ftlogs jobs --status RU", "NNING"),
    ("ftlogs jobs --since y", "esterday"),
    ("ftlogs jobs --status su", "cceeded"),
    ("ftlogs download --region cn-b", "eijing"),
    ("ftlogs plot ft-1-a --metric eval_p", "pl"),
    ("ftlogs jobs --sort to", "kens"),
]
RC = {"bash": ".bashrc", "zsh": ".zshrc"}


@pytest.fixture(params=RC)
def installed(request: pytest.FixtureRequest, ftlogs: Any, home: Path) -> Any:
    """Begin shells of somebody who has installed the completion."""
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    (home / RC[shell]).write_text(f"PS1='{PROMPT}'\n")
    environ = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    subprocess.run(
        [sys.executable, "-m", "dashscope_ftlogs", "--install-completion", shell],
        env=environ,
        check=True,
    )
    cache = home / ".cache" / "dashscope-ftlogs" / cache_file({}).name
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps(LISTED))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return lambda: shell_on_terminal(shell, "-i", folder=home, environ={**os.environ, "PATH": path})


@pytest.mark.posix
@pytest.mark.unmeasured
def test_in_a_real_shell_tab_completes_from_the_first_time_on(installed: Any) -> None:
    def complete(shell: ShellOnTerminal, typed: str, rest: str) -> None:
        shell.type(f"{typed}\t")
        shell.until(f"{typed}{rest}")
        shell.type("\x15echo $((6 * 7))\n")  # in place of that line
        shell.until("42")
        shell.until(PROMPT)

    with installed() as shell:
        complete(shell, *TYPED[-1])
    with installed() as shell:
        for typed, rest in TYPED:
            complete(shell, typed, rest)


@pytest.mark.posix
@pytest.mark.unmeasured
@pytest.mark.parametrize("installed", ["bash"], indirect=True)
def test_in_a_real_bash_the_value_behind_an_equals_sign_is_completed_as_well(installed: Any) -> None:
    with installed() as shell:
        shell.type("ftlogs jobs --status=RU\t")
        shell.until("--status=RUNNING")


def test_what_is_installed_for_zsh_completes_when_it_is_loaded(home: Path) -> None:
    environ = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    for shell in ("bash", "zsh", "bash"):
        command = [sys.executable, "-m", "dashscope_ftlogs", "--install-completion", shell]
        done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
        assert done.stderr == ""
    script = (home / ".zfunc" / "_ftlogs").read_text()
    assert script.startswith("#compdef ftlogs\n")
    assert script.count("loadautofunc") == 1
