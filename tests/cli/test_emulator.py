"""`ftlogs emulator`, as a process of its own and, where it says no, within this one."""

import asyncio
import json
import shlex
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
from typer.testing import CliRunner
from yarl import URL

from dashscope_ftlogs.cli.commands.emulator import emulator
from dashscope_ftlogs.emulator import Emulator

KEY = "sk-it's;mine"


class Served:
    """The command while it runs: where it is, and what it said."""

    def __init__(self, process: asyncio.subprocess.Process, environ: dict[str, str]) -> None:
        self.process = process
        self.environ = environ

    @classmethod
    async def by(cls, process: asyncio.subprocess.Process) -> "Served":
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        words = [shlex.split(line) for line in lines]
        assert [word[0] for word in words] == ["export"] * 3
        return cls(process, dict(word[1].split("=", 1) for word in words))

    async def get(self, path: str) -> tuple[int, Any]:
        key = {"Authorization": f"Bearer {self.environ['DASHSCOPE_API_KEY']}"}
        url = self.environ["DASHSCOPE_BASE_URL"] + path
        async with aiohttp.ClientSession(headers=key) as client, client.get(url) as response:
            return response.status, await response.json()

    async def end(self, number: int) -> tuple[int, str, list[str]]:
        """Exit code, the rest of stdout, and the lines of stderr."""
        self.process.send_signal(number)
        out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode().splitlines()


@pytest.mark.posix
async def test_it_serves_three_made_up_jobs_until_ctrl_c(start_ftlogs: Any) -> None:
    options = ["--fault", "429:on=2,retry-after=1", "--fault", "cut:on=3", "--verbose", "--flaky", "0"]
    served = await Served.by(await start_ftlogs(["emulator", *options], None))
    _, listed = await served.get("/fine-tunes")
    jobs = listed["output"]["jobs"]
    assert {"SUCCEEDED", "FAILED"} < {job["status"] for job in jobs}
    log = f"/fine-tunes/{jobs[0]['job_id']}/logs?line=2"
    status, page = await served.get(log)
    assert (status, len(page["output"]["logs"])) == (200, 2)
    assert (await served.get(log))[0] == 429
    with pytest.raises(aiohttp.ClientPayloadError):
        await served.get(log)

    code, out, said = await served.end(signal.SIGINT)
    assert (code, out) == (0, "")
    assert all(line.startswith("ftlogs: ") for line in said)
    for job in jobs:
        assert any(job["job_id"] in line for line in said[:3])
    assert served.environ["DASHSCOPE_BASE_URL"] in said[3]
    assert "Ctrl-C" in said[3]
    assert said[4:] == [
        "ftlogs: 1 GET /api/v1/fine-tunes 200",
        f"ftlogs: 2 GET /api/v1{log} 200 2 lines",
        f"ftlogs: 3 GET /api/v1{log} 429 Refuse",
        f"ftlogs: 4 GET /api/v1{log} broken off CutBody",
        "ftlogs: stopped after 4 requests",
    ]


@pytest.mark.covered
@pytest.mark.posix
def test_a_script_finds_it_as_the_help_says(tmp_path: Path) -> None:
    ftlogs = f"{shlex.quote(sys.executable)} -m dashscope_ftlogs"
    recipe = "until [ -s env ]; do sleep 0.1; done; . ./env"
    words = ["-m", "dashscope_ftlogs", "emulator", "--help"]
    told = subprocess.run([sys.executable, *words], capture_output=True, check=True)
    assert recipe in " ".join(told.stdout.decode().split())
    script = f"{ftlogs} emulator > env & {recipe}; {ftlogs} jobs --columns job; kill $!; wait"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout.decode().splitlines()[0] == "JOB ID", done.stderr


@pytest.mark.posix
async def test_it_serves_files_and_folders_until_sigterm(start_ftlogs: Any, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(22):
        (folder / f"job-{number:02}.log").write_text("a\nb\nc\n")
    (tmp_path / "ft-1.log").write_text("one\ntwo\nthree\n")
    options = ["--api-key", KEY, "--page-cap", "2", "--rate-limit", "0.001", "--burst", "2"]
    paths = [str(tmp_path / "ft-1.log"), str(folder)]
    served = await Served.by(
        await start_ftlogs(["emulator", *paths, *options, "--latency", "0.001-0.002"], None)
    )
    assert served.environ["DASHSCOPE_API_KEY"] == KEY
    assert (await served.get("/fine-tunes/ft-1/logs"))[1]["output"]["logs"] == ["one", "two"]
    assert (await served.get("/fine-tunes"))[1]["output"]["total"] == 23
    assert (await served.get("/fine-tunes"))[0] == 429
    code, _, said = await served.end(signal.SIGTERM)
    assert code == 0
    assert len(said) == 20 + 3
    assert said[0] == "ftlogs: ft-1  SUCCEEDED  3 lines"
    assert said[-3] == "ftlogs: and 3 more jobs"
    assert said[-1] == "ftlogs: stopped after 3 requests"


@pytest.mark.posix
async def test_time_can_run_faster(start_ftlogs: Any) -> None:
    served = await Served.by(await start_ftlogs(["emulator", "--time-scale", "1e9"], None))
    _, listed = await served.get("/fine-tunes")
    await served.end(signal.SIGINT)
    assert [job["status"] for job in listed["output"]["jobs"]] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


@pytest.mark.posix
async def test_a_machine_that_lags_sees_a_young_job(start_ftlogs: Any) -> None:
    options = ["--time-scale", "1e9", "--lag", "5e5-6e5", "--lag", "5e5", "--machine-by", "connection"]
    served = await Served.by(await start_ftlogs(["emulator", "--verbose", *options], None))
    _, listed = await served.get("/fine-tunes")
    assert [job["status"] for job in listed["output"]["jobs"]] == ["SUCCEEDED", "FAILED", "PENDING"]
    *_, last, _ = (await served.end(signal.SIGINT))[2]
    assert last.startswith("ftlogs: 1 GET /api/v1/fine-tunes 200 5")
    assert last.endswith(" s behind")


async def test_a_port_in_use_is_one_clear_line(ftlogs: Any) -> None:
    async with Emulator() as other:
        port = URL(other.base_url).port
        ended = await ftlogs("emulator", "--port", str(port))
    assert (ended.code, ended.out) == (2, b"")
    assert ended.err.count("\n") == 1
    assert f"can't listen on 127.0.0.1 port {port}" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--host \udcff", "host must be a host's name or address, such as 127.0.0.1, not '\\udcff'"),
        ("--latency soon", "--latency must be a duration or LOWEST-HIGHEST, not 'soon'"),
        ("--latency 2-1", "latency must be seconds or (lowest, highest), not (2.0, 1.0)"),
        ("--fault rest", "can't read the fault 'rest': no reply 'rest'"),
        ("--rate-limit 1 --burst 0.5", "--rate-limit: burst must be 1 or more and finite, not 0.5"),
        ("--burst 2", "--burst means nothing without --rate-limit"),
        ("--lag soon", "--lag: a lag must be a duration or LOWEST-HIGHEST, not 'soon'"),
        ("--lag 3-2", "--lag: a machine's lag must be seconds, 0 or more, or (lowest, highest)"),
        ("--machine-by connection", "--machine-by means nothing without --lag"),
        ("--api-key ''", "api_key must be visible ASCII characters, not ''"),
        ("{folder}/no.log", "can't read {folder}/no.log: No such file or directory"),
        ("{folder}", "there is no log file in what was named"),
    ],
)
def test_a_bad_value_is_one_clear_line(words: str, said: str, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(emulator)
    ended = CliRunner().invoke(app, shlex.split(words.format(folder=tmp_path)))
    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"ftlogs: {said.format(folder=tmp_path)}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("made_up", [True, False])
@pytest.mark.posix
async def test_its_jobs_may_be_of_the_last_days(
    start_ftlogs: Any, ftlogs: Any, tmp_path: Path, made_up: bool
) -> None:
    (tmp_path / "ft-mine.log").write_text("a line\n")
    paths = [] if made_up else [str(tmp_path)]
    served = await Served.by(await start_ftlogs(["emulator", "--recent", *paths], None))
    environ = served.environ
    jobs = ("jobs", "--format", "jsonl", "--since")
    listed = await ftlogs(*jobs, "7d", environ=environ)
    assert listed.code == 0, listed.err
    rows = [json.loads(line) for line in listed.out.splitlines()]
    assert len(rows) == (3 if made_up else 1)
    running = [row for row in rows if not row.get("end_time")]
    assert len(running) == made_up
    for row in rows:
        created = datetime.fromisoformat(row["create_time"])
        assert not made_up or row["job_id"].startswith(f"ft-{created:%Y%m%d%H%M}-")
    (tmp_path / "out").mkdir()
    done = await ftlogs("download", "--all", "--out", str(tmp_path / "out"), environ=environ)
    assert "settling" not in done.err, "what has ended has ended long ago"
    await served.end(signal.SIGTERM)
