"""`ftlogs download`: which jobs, what is shown, and how it ends."""

import asyncio
import io
import json
import os
import signal
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import Progress, verify_archive
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.cli.job_selection import Shard
from dashscope_ftlogs.cli.terminal.download_progress import duration
from dashscope_ftlogs.cli.terminal.speed_and_eta import Meter, fraction
from dashscope_ftlogs.cli.terminal.stdout import is_stderr_too
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse

JOBS = [
    EmulatedJob("ft-1", ["a"] * 10, model="qwen3-8b", create_time="2026-01-01 10:00:00"),
    EmulatedJob("ft-2", ["b"] * 20, job_name="nightly", create_time="2026-02-01 10:00:00"),
    EmulatedJob("ft-3", ["c"] * 30, status="FAILED", create_time="2026-03-01 10:00:00"),
]


def all_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def names(folder: Path) -> set[str]:
    return {path.name.removesuffix(".log") for path in folder.glob("*.log")}


@pytest.mark.covered
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ft-1", "ft-3"], {"ft-1", "ft-3"}),
        (["--all"], {"ft-1", "ft-2", "ft-3"}),
        (["--status", "failed"], {"ft-3"}),
        (["--status", "failed", "--status", "Succeeded", "--match", "ft-[23]"], {"ft-2", "ft-3"}),
        (["--model", "qwen3-8b"], {"ft-1"}),
        (["--since", "2026-02-01"], {"ft-2", "ft-3"}),
        (["--since", "2026-02-01T10:00:01"], {"ft-3"}),
        (["--match", "night*"], {"ft-2"}),
        (["--match", "*-ft-1"], {"ft-1"}),
        (["--match", "ft-[23]", "--status", "SUCCEEDED"], {"ft-2"}),
        (["--from-file", "ids"], {"ft-1", "ft-2"}),
        (["--from-file", "ids", "ft-3"], {"ft-1", "ft-2", "ft-3"}),
    ],
)
async def test_it_fetches_the_jobs_that_were_meant(
    ftlogs: Any, tmp_path: Path, words: list[str], expected: set[str]
) -> None:
    (tmp_path / "ids").write_text("# mine\nft-1\n\n  ft-2  # this too\nft-1\n")
    words = [str(tmp_path / "ids") if word == "ids" else word for word in words]
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("download", *words, "--out", str(tmp_path / "a"), emulator=emulator)
    assert ended.code == 0, ended.err
    assert names(tmp_path / "a") == expected


@pytest.mark.covered
@given(st.lists(st.text(max_size=9)), st.integers(1, 20), st.booleans())
def test_each_job_is_in_one_share_however_shares_are_counted(
    ids: list[str], of: int, from_0: bool
) -> None:
    numbers = range(of) if from_0 else range(1, of + 1)
    shards = [Shard.parse(f"{number}/{of}") for number in numbers]
    assert all(sum(shard.holds(job_id) for shard in shards) == 1 for job_id in ids)


def test_shares_are_about_equal() -> None:
    ids = [f"ft-{number}" for number in range(4_000)]
    shares = [sum(map(Shard.parse(f"{number}/4").holds, ids)) for number in range(4)]
    assert sum(shares) == 4_000
    assert all(900 < share < 1_100 for share in shares)


async def test_machines_that_take_a_share_each_fetch_all_together(ftlogs: Any, tmp_path: Path) -> None:
    jobs = [EmulatedJob(f"ft-{number}", ["x"]) for number in range(12)]
    got: list[set[str]] = []
    async with Emulator(jobs) as emulator:
        for number in (1, 2, 3):
            out = tmp_path / f"machine-{number}"
            words = ("download", "--all", "--shard", f"{number}/3", "--out", str(out))
            ended = await ftlogs(*words, emulator=emulator)
            assert ended.code == 0, ended.err
            got.append(names(out))
    assert sorted(job_id for share in got for job_id in share) == sorted(job.job_id for job in jobs)
    assert all(got)


@pytest.mark.parametrize("shard", ["3", "3/0", "0/0", "4/3", "-1/3", "1.5/3", "a/b", "1/9999999999"])
async def test_a_share_that_is_none_is_refused_before_any_request(
    ftlogs: Any, tmp_path: Path, shard: str
) -> None:
    async with Emulator(JOBS) as emulator:
        words = ("download", "--all", f"--shard={shard}", "--out", str(tmp_path / "a"))
        ended = await ftlogs(*words, emulator=emulator)
        assert emulator.journal == []
    assert (ended.code, ended.out) == (2, b"")
    assert f"--shard {shard}: must be like 3/16" in ended.err
    assert not (tmp_path / "a").exists()


async def test_ids_come_through_a_pipe(start_ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator(JOBS) as emulator:
        process = await start_ftlogs(
            ["download", "--from-file", "-", "--out", str(tmp_path), "-q"],
            emulator,
            stdin=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(b"ft-2\nft-3\n")
    assert (process.returncode, err) == (0, b"")
    assert out.decode().splitlines()[0].split() == ["JOB", "ID", "STATE", "LINES", "NEW", "NOTE"]
    assert names(tmp_path) == {"ft-2", "ft-3"}


async def test_a_line_that_names_no_job_is_told_by_its_number_and_the_others_are_fetched(
    ftlogs: Any, tmp_path: Path
) -> None:
    ids = tmp_path / "ids"
    ids.write_text("# mine\nft-1\x0c\n\nft 2\r\nft-3\nzzzz\nft 2\n@all\nhttps://host/x\n")
    words = ("download", "--from-file", str(ids), "--out", str(tmp_path / "a"))
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs(*words, emulator=emulator)
    assert ended.code == 6
    assert names(tmp_path / "a") == {"ft-1", "ft-3"}
    told = [line for line in ended.err.splitlines() if "--from-file" in line]
    assert [line.partition(f"{ids}, line ")[2][:12] for line in told] == [
        "4: job id 'f",
        "6: of 3 jobs",
        "8: '@all': o",
        "9: 'https://",
    ]


@pytest.mark.parametrize(("good", "code"), [("ft-1\n", 6), ("", 2)])
async def test_json_has_what_is_wrong_with_each_line_of_a_file(
    ftlogs: Any, tmp_path: Path, good: str, code: int
) -> None:
    ids = tmp_path / "ids"
    ids.write_text(f"x y\n{good}ft 3\n")
    words = ("download", "--from-file", str(ids), "--json", "--out", str(tmp_path / "a"))
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs(*words, emulator=emulator)
    rows = [json.loads(row) for row in ended.out.splitlines()]
    wrong = [row for row in rows if row["job_id"] is None]
    numbers = [row["error"].partition(f"--from-file {ids}, line ")[2][0] for row in wrong]
    assert (ended.code, len(rows)) == (code, 3 if good else 2)
    assert numbers == (["1", "3"] if good else ["1", "2"])
    assert {row["state"] for row in wrong} == {"failed"}
    assert ended.err.count("--from-file") == 2


@pytest.mark.parametrize("columns", [20, 40, 80])
async def test_no_word_of_the_table_is_broken_however_narrow_the_terminal_is(
    start_ftlogs: Any, terminal: Any, tmp_path: Path, columns: int
) -> None:
    async with Emulator(JOBS) as emulator, terminal() as screen:
        words = ("download", "ft-1", "ft-9", "--out", str(tmp_path), "-q")
        process = await start_ftlogs(words, emulator, {"COLUMNS": str(columns)}, stdout=screen.end)
        await process.communicate()
    rows = [row.split()[:4] for row in screen.shown.splitlines() if row.startswith("ft-")]
    assert sorted(rows) == [["ft-1", "complete", "10", "10"], ["ft-9", "failed", "0", "0"]]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("ft 1\nft 2\n", 2, ("line 1: job id 'ft 1'", "line 2: job id 'ft 2'")),
        ("x y\n" + "".join(f"{n},x\n" for n in range(30)), 2, ("line 20: ", "and 10 more failures")),
        ("zzzz\n", 4, ("line 1: of 3 jobs, none has",)),
        ("ft-1\nsk-0123456789abcdef0123\n", 2, ("line 2: that looks like an API key; nothing was",)),
    ],
)
async def test_a_file_without_ids_has_the_exit_code_of_what_is_wrong_with_it(
    ftlogs: Any, tmp_path: Path, text: str, code: int, said: tuple[str, ...]
) -> None:
    ids = tmp_path / "ids"
    ids.write_text(text)
    async with Emulator(JOBS) as emulator:
        words = ("download", "--from-file", str(ids), "--out", str(tmp_path / "a"))
        ended = await ftlogs(*words, emulator=emulator)
        assert not any("logs" in request.path for request in emulator.journal)
    assert ended.code == code
    assert [one for one in said if one not in ended.err] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say which jobs"),
        (["ft-1", "--all"], "exclude each other"),
        (["--from-file", "-", "--match", "x*"], "exclude each other"),
        (["--from-file", "/nowhere/ids"], "--from-file /nowhere/ids: "),
        (["--since", "last week"], "--since 'last week': must be a date"),
        (["--all", "--format", "xml"], "xml"),
        (["--all", "--concurrency", "0"], "'--concurrency': '0': must be"),
    ],
)
async def test_wrong_usage_is_refused_before_any_request(
    ftlogs: Any, tmp_path: Path, words: list[str], said: str
) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("download", *words, "--out", str(tmp_path / "a"), emulator=emulator)
        assert not emulator.journal
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("metrics", "ft-1", "-o"), "S3 needs AWS_ACCESS_KEY_ID"),
        (("report", "ft-1", "-o"), "'s3:/bucket/prefix' is a URL, and no path of this machine"),
    ],
    ids=str,
)
async def test_no_folder_is_made_of_a_url(
    ftlogs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs(*words, "s3://bucket/prefix", emulator=emulator)
        assert not emulator.journal
    assert (ended.code, ended.out) == (2, b"")
    assert said in ended.err
    assert all_names(tmp_path) == {"home"}


async def test_a_table_for_people_and_rows_for_machines(ftlogs: Any, tmp_path: Path) -> None:
    words = (
        "download",
        "ft-1",
        "ft-9",
        "--out",
        str(tmp_path),
        "--format",
        "jsonl",
        "--compress",
        "gzip",
    )
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs(*words, emulator=emulator)
        assert ended.code == 6
        rows = sorted(ended.out.decode().splitlines()[1:])
        assert rows[0].split() == ["ft-1", "complete", "10", "10"]
        assert rows[1].startswith("ft-9    failed    0      0    HTTP 404 NotFound: Not found!")
        why, summary = ended.err.splitlines()
        assert why.startswith("ftlogs: ft-9: HTTP 404 NotFound: Not found!")
        assert summary == f"ftlogs: 1 complete, 1 failed; 10 new lines in {tmp_path}"
        ended = await ftlogs(*words, "--json", "--quiet", emulator=emulator)
    assert ended.err.startswith("ftlogs: ft-9: HTTP 404 NotFound: Not found!")
    assert ended.err.count("\n") == 1
    by_id = {row["job_id"]: row for row in map(json.loads, ended.out.splitlines())}
    assert by_id["ft-1"] == {
        "job_id": "ft-1",
        "state": "skipped",
        "lines": 10,
        "new_lines": 0,
        "file": "ft-1.jsonl.gz",
        "set_aside": [],
        "error": None,
    }
    assert "NotFound" in by_id["ft-9"]["error"]


@pytest.mark.long  # it waits for as long as a machine may lag
async def test_a_rewritten_log_is_reported(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", ["a"] * 9, status="RUNNING")]) as emulator:
        words = ("download", "--all", "--out", str(tmp_path))
        assert (await ftlogs(*words, emulator=emulator)).code == 6, "it is not whole yet"
        emulator.jobs["ft-1"].rewrite(["b"] * 9)
        ended = await ftlogs(*words, emulator=emulator)
    assert b"older one kept as ft-1.rewritten-1.log" in ended.out


@pytest.mark.covered
@pytest.mark.parametrize(
    ("words", "environ", "code"),
    [
        (["ft-9"], {}, 4),
        (["ft-8", "ft-9"], {}, 4),
        (["ft-1", "ft-9"], {}, 6),
        (["ft-1"], {"DASHSCOPE_API_KEY": "sk-wrong"}, 3),
        (["--all"], {"DASHSCOPE_API_KEY": "sk-wrong"}, 3),
        (["ft-3"], {}, 2),
    ],
)
async def test_the_exit_code_tells_what_went_wrong(
    ftlogs: Any, tmp_path: Path, words: list[str], environ: dict[str, str], code: int
) -> None:
    fault = Fault(Refuse(400, "InvalidParameter", "no"), job_id="ft-3")
    async with Emulator(JOBS, faults=[fault]) as emulator:
        ended = await ftlogs(
            "download", *words, "--out", str(tmp_path), emulator=emulator, environ=environ
        )
    assert ended.code == code


async def test_no_jobs_is_no_failure(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator() as emulator:
        ended = await ftlogs("download", "--all", "--out", str(tmp_path), emulator=emulator)
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err.startswith("ftlogs: no jobs; 0 new lines")
    verified = await ftlogs("verify", str(tmp_path))
    assert (verified.code, verified.out, verified.err) == (0, b"", f"ftlogs: {tmp_path}: no logs yet\n")


async def test_bars_on_a_terminal_and_nothing_of_them_on_stdout(
    start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", ["x"] * 30_000) for n in range(9)]
    async with Emulator(jobs, latency=0.02) as emulator, terminal() as screen:
        process = await start_ftlogs(
            ["download", "--all", "--out", str(tmp_path)], emulator, stderr=screen.end
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.count(b"complete") == 9
    assert b"\x1b" not in out
    assert "lines/s" in screen.shown
    assert "requests/s" in screen.shown
    assert "/30,000" in screen.shown
    assert emulator.api_key not in screen.shown


async def test_elsewhere_a_plain_line_now_and_then(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"] * 90_000)], latency=0.05) as emulator:
        ended = await ftlogs(
            *("download", "ft-1", "--out", str(tmp_path), "--progress-every", "0.1"), emulator=emulator
        )
    lines = ended.err.splitlines()
    assert len(lines) > 3
    assert all(line.startswith("ftlogs: ") and "\x1b" not in line for line in lines)
    assert "of 1 job" in lines[1]
    assert any(" left" in line for line in lines[1:-1])


def test_the_meter_reads_speeds_over_the_last_seconds() -> None:
    progress = Progress(jobs=4)
    meter = Meter(0.0)
    first = meter.read(0.0, progress, 0)
    assert (first.lines_per_second, first.requests_per_second, first.seconds_left) == (0, 0, None)
    for second in range(1, 21):
        progress.lines += 1_000
        reading = meter.read(float(second), progress, second * 2)
    assert reading.lines_per_second == pytest.approx(1_000)
    assert reading.requests_per_second == pytest.approx(2)
    assert reading.seconds_left is None
    progress.jobs_done, progress.reading = 1, {"ft-1": (500, 1_000), "ft-2": (0, 0)}
    assert fraction(progress) == pytest.approx(1.5 / 4)
    assert meter.read(30.0, progress, 60).seconds_left == pytest.approx(50)


@pytest.mark.parametrize(("seconds", "shown"), [(0.4, "0:00"), (75, "1:15"), (3_661, "1:01:01")])
def test_durations_read_like_a_clock(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def just_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


async def test_what_still_runs_or_settles_is_no_failure_where_one_says_so_and_what_fails_is(
    ftlogs: Any, tmp_path: Path
) -> None:
    jobs = [
        EmulatedJob("ft-1", ["a"], status="RUNNING"),
        EmulatedJob("ft-2", ["b"], end_time=just_now()),
    ]
    words = ["download", "--all", "--out", str(tmp_path), "--settle", "0", "-q"]
    async with Emulator(jobs) as emulator:
        assert (await ftlogs(*words, emulator=emulator)).code == 6
        ended = await ftlogs(*words, "--running-ok", emulator=emulator)
        assert (ended.code, ended.err) == (0, "")
        (tmp_path / "ft-1.manifest.json").write_text("{")
        assert (await ftlogs(*words, "--running-ok", emulator=emulator)).code == 6


async def test_a_job_that_ended_just_now_is_settled_by_this_run_or_the_next(
    ftlogs: Any, tmp_path: Path
) -> None:
    job = EmulatedJob("ft-1", ["a"] * 10, end_time=just_now())
    words = ["download", "ft-1", "--out", str(tmp_path)]
    async with Emulator([job]) as emulator:
        ended = await ftlogs(*words, "--settle", "0", emulator=emulator)
        assert ended.code == 6
        assert ended.out.decode().splitlines()[1].split() == ["ft-1", "settling", "10", "10"]
        assert "1 settling; 10 new lines" in ended.err
        ended = await ftlogs("verify", str(tmp_path))
        assert ended.code == 6
        assert "settling  10 lines; the job had ended shortly before" in ended.out.decode()
        ended = await ftlogs(*words, "--settle", "0.1", emulator=emulator)
        assert ended.code == 0
        assert ended.out.decode().splitlines()[1].split()[:2] == ["ft-1", "complete"]
        words[-1] = str(tmp_path / "other")
        ended = await ftlogs(*words, "--settle", "1.5", "--progress-every", "0.3", emulator=emulator)
        assert ended.code == 0
        assert ended.out.decode().splitlines()[1].split()[:2] == ["ft-1", "complete"]
        assert "0 of 1 job, 1 log to be looked at once more in 0:0" in ended.err


async def test_ctrl_c_ends_the_wait_for_what_settles_with_everything_kept(
    start_ftlogs: Any, tmp_path: Path
) -> None:
    job = EmulatedJob("ft-1", ["a"] * 10, end_time=just_now())
    async with Emulator([job]) as emulator:
        process = await start_ftlogs(
            ["download", "ft-1", "--out", str(tmp_path), "--progress-every", "0.1"], emulator
        )
        while b"once more" not in (line := await process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            _, err = await process.communicate()
    assert process.returncode == 130
    assert b"what has arrived is kept" in err
    assert (tmp_path / "ft-1.log").read_text() == "a\n" * 10


async def test_what_verify_finds_stale_the_next_download_goes_on_with(
    ftlogs: Any, tmp_path: Path
) -> None:
    job = EmulatedJob("ft-1", ["a"] * 10)
    download = ["download", "ft-1", "--out", str(tmp_path)]
    async with Emulator([job]) as emulator:
        await ftlogs(*download, emulator=emulator)
        job.append("late")
        archive = Archive(tmp_path)
        archive.lock()
        ended = await ftlogs("verify", str(tmp_path), "--remote", emulator=emulator)
        archive.unlock()
        assert ended.code == 6
        assert "another process is writing" in ended.err
        assert "needs --recheck" in ended.err
        assert "skipped" in (await ftlogs(*download, emulator=emulator)).out.decode()
        ended = await ftlogs("verify", str(tmp_path), "--remote", emulator=emulator)
        assert (ended.code, "another process" in ended.err) == (6, False)
        ended = await ftlogs(*download, emulator=emulator)
        assert ended.out.decode().splitlines()[1].split() == ["ft-1", "complete", "11", "1"]
        job.append("later")
        ended = await ftlogs(*download, "--recheck", emulator=emulator)
        assert ended.out.decode().splitlines()[1].split() == ["ft-1", "complete", "12", "1"]


@pytest.mark.parametrize("apart", [True, False])
async def test_a_refusal_is_told_once_where_stdout_and_stderr_are_one(
    tmp_path: Path, *, apart: bool
) -> None:
    download = ("-m", "dashscope_ftlogs", "download", "ft-1", "-q", "--settle", "0", "--out", "logs")
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        said = [b"", b""]
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *download),
                env={**os.environ, **emulator.environ},
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE if apart else asyncio.subprocess.STDOUT,
            )
            said = [one or b"" for one in await process.communicate()]
            (tmp_path / "logs" / "ft-1.manifest.json").unlink(missing_ok=True)
    assert process.returncode == 6
    told = b"ft-1.log is there without a manifest"
    assert [one.count(told) for one in said] == [1, 1 if apart else 0]
    with redirect_stdout(io.StringIO()):
        assert not is_stderr_too()


async def test_a_nightly_download_that_compresses_from_now_on_leaves_older_logs_as_they_are(
    ftlogs: Any, tmp_path: Path
) -> None:
    older = EmulatedJob("ft-1", ["a"] * 10, status="RUNNING")
    download = ("download", "--all", "--out", str(tmp_path), "--running-ok", "--settle", "0")
    packed = (*download, "--compress", "gzip")
    said = "on in the form that was there: --format and --compress are for new logs\n"
    async with Emulator([older, EmulatedJob("ft-2", ["b"])]) as emulator:
        await ftlogs(*download, emulator=emulator)
        for night in range(3, 5):
            older.append("more")
            emulator.add(EmulatedJob(f"ft-{night}", ["new"]))
            ended = await ftlogs(*packed, emulator=emulator)
            assert ended.code == 0
            assert ended.err.splitlines(keepends=True)[1:] == [f"ftlogs: 2 logs, as ft-1.log, go {said}"]
        older.append("more")
        for quiet in ("-q", "--json"):
            assert (await ftlogs(*packed, quiet, emulator=emulator)).err == ""
        ended = await ftlogs(*packed, "--match", "ft-1", "--format", "jsonl", emulator=emulator)
        assert ended.err.endswith(f"ftlogs: ft-1.log goes {said}")
        ended = await ftlogs(*packed, "--match", "ft-[34]", emulator=emulator)
        assert said not in ended.err
    logs = {"ft-1.log", "ft-2.log", "ft-3.log.gz", "ft-4.log.gz"}
    assert {one.file for one in verify_archive(tmp_path)} == logs
    assert (tmp_path / "ft-1.log").read_text().count("\n") == 13
