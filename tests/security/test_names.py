"""Job ids, statuses and names that a hostile service chose: on terminals, in shells, on disk.

Also: lines on a terminal, tests/cli/test_cat.py and tests/cli/test_tail.py;
file names, tests/archive/test_directory.py; HTML, tests/report/test_page.py and tests/browser/.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import LogSession
from dashscope_ftlogs.emulator import Body, EmulatedJob, Emulator, Fault

pytestmark = pytest.mark.slow

EVIL = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "a\0b",
    "$(touch evil)",
    "`touch evil`; touch evil",
    "\x1b[2J\x1b]0;title\x07\x1b]8;;http://evil\x1b\\",
    "\x9b2J\x90x\x9c",
    "\u202ereversed\u2066",
    "half a pair \ud800",
    "<script>alert(1)</script>",
    "[bold]markup[/bold] :100:",
    "ft-1\nft-2",
    '\'"x" *',
]
ACTIVE = {"\x1b", "\x07", "\x00", "\x9b", "\x90", "\u202e", "\u2066", "\ud800"}


def listing(words: list[str]) -> list[Fault]:
    """Make a service that lists jobs of which each fact is such a word."""
    names = ("job_id", "status", "job_name", "model", "create_time", "end_time", "code", "message")
    jobs = [dict.fromkeys(names, word) | {"hyper_parameters": {word: word}} for word in words]
    output = {"page_no": 1, "page_size": 100, "total": len(jobs), "jobs": jobs}
    one = {"output": dict.fromkeys(names, words[6]) | {"job_id": "ft-1", "status": "FAILED"}}
    return [
        Fault(Body(json.dumps({"output": output}).encode()), endpoint="list"),
        Fault(Body(json.dumps(one).encode()), endpoint="job"),
    ]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("words", [("jobs",), ("jobs", "--format", "jsonl")], ids=str)
async def test_no_fact_of_a_job_acts_on_a_terminal(
    words: tuple[str, ...], start_ftlogs: Any, terminal: Any
) -> None:
    async with Emulator(faults=listing(EVIL)) as emulator:
        async with terminal() as screen:
            process = await start_ftlogs(words, emulator, stdout=screen.end, stderr=screen.end)
            assert await process.wait() == 0
    assert "alert(1)" in screen.shown
    assert ":100:" in screen.shown
    assert not ACTIVE & set(screen.shown)


async def test_rows_of_jobs_are_json_whatever_the_service_says(ftlogs: Any) -> None:
    async with Emulator(faults=listing(EVIL)) as emulator:
        ended = await ftlogs("jobs", "--format", "jsonl", emulator=emulator)
    assert (ended.code, ended.err) == (0, "")
    names = [json.loads(row)["job_id"] for row in ended.out.split(b"\n")[:-1]]
    assert names == [name.replace("\ud800", "\\ud800") for name in EVIL]


@pytest.mark.parametrize("words", [(), ("--json",)], ids=str)
async def test_no_job_id_leaves_the_archive_or_acts_on_a_terminal(
    words: tuple[str, ...], start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "deep/er/archive"
    before = names_in(tmp_path)
    async with Emulator(faults=listing(EVIL)) as emulator:
        async with terminal() as screen:
            streams = {"stdout": screen.end, "stderr": screen.end}
            command = ("download", "--all", "--out", str(folder), "--progress-every", "0.1", *words)
            process = await start_ftlogs(command, emulator, {"TERM": "xterm"}, **streams)
            assert await process.wait() == 2  # all were refused, as wrong arguments
        assert not [exchange for exchange in emulator.journal if exchange.endpoint != "list"]
    assert names_in(folder) == {".ftlogs-lock"}
    assert names_in(tmp_path) == before | {"deep"}
    # The bars of progress move the cursor themselves.
    assert not (ACTIVE - {"\x1b"}) & set(screen.shown)
    assert not [bad for bad in ("\x1b[2J", "\x1b]0", "\x1b]8") if bad in screen.shown]


async def test_no_status_or_message_acts_on_a_terminal(start_ftlogs: Any, terminal: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])], faults=listing(EVIL)) as emulator:
        async with terminal() as screen:
            streams = {"stdout": screen.end, "stderr": screen.end}
            words = ("tail", "-f", "ft-1", "--stats", "--settle", "0")
            process = await start_ftlogs(words, emulator, {"TERM": "xterm"}, **streams)
            await process.wait()
    assert not [bad for bad in ("\x1b[2J", "\x1b]0", "\x1b]8") if bad in screen.shown]


async def test_completion_offers_a_shell_nothing_that_it_could_run(ftlogs: Any, tmp_path: Path) -> None:
    good = [{"job_id": "ft-1", "status": "$(touch evil) `x`", "model": "\x1b[2J"}]
    faults = listing(EVIL)
    body = json.loads(faults[0].reply.body)  # type: ignore[attr-defined]
    body["output"]["jobs"] += good
    body["output"]["total"] += 1
    environ = {"XDG_CACHE_HOME": str(tmp_path), "COMP_WORDS": "ftlogs tail ", "COMP_CWORD": "2"}
    asking = Fault(Body(json.dumps(body).encode()), endpoint="list")
    async with Emulator(faults=[asking]) as emulator:
        refresh = await _run("-m", "dashscope_ftlogs.cli.completion", environ=emulator.environ | environ)
        assert refresh == 0
        (cache,) = (tmp_path / "dashscope-ftlogs").iterdir()
        assert json.loads(cache.read_text()) == [["ft-1", "??touch evil? ?x? ??2J"]]
        ended = await ftlogs(emulator=emulator, environ=environ | {"_FTLOGS_COMPLETE": "complete_bash"})
    assert ended.out.split() == [b"ft-1"]


async def _run(*words: str, environ: dict[str, str]) -> int:
    process = await asyncio.create_subprocess_exec(sys.executable, *words, env={**os.environ, **environ})
    return await process.wait()


@pytest.mark.parametrize("job_id", [*EVIL, "", "a" * 129, "ft-1/logs?offset=0", "ft-1#", "ft%2f1", "é"])
async def test_no_job_id_reaches_a_url_that_could_mean_another_path(
    connect: Callable[..., LogSession], job_id: str, tmp_path: Path
) -> None:
    async with Emulator() as emulator, connect(emulator) as session:
        for ask in (
            lambda: session.page(job_id),
            lambda: session.job(job_id),
            lambda: session.checkpoints(job_id),
            lambda: session.lines(job_id).collect(),
            lambda: session.metrics(job_id),
        ):
            with pytest.raises(ValueError, match="job id"):
                await ask()
        with pytest.raises(ValueError, match="job id"):
            await anext(aiter(session.follow(job_id)))
        (outcome,) = await session.download(job_id, tmp_path)
        assert outcome.state == "failed"
        assert emulator.journal == []
